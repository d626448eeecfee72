package java

import (
	"errors"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// ID is the buildpack's, as in buildpack.toml.
const ID = "s2i/java"

// Detect matches an app with a pom.xml, with a Gradle build, or with a jar or war that is built.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	var m kit.Match
	switch build, file := buildFile(app); build {
	case buildMaven:
		m, err = matchMaven(app, env)
	case buildGradle:
		m, err = matchGradle(app, env, file)
	default:
		var found bool
		m, found, err = matchPrebuilt(app, env)
		if err == nil && !found {
			return kit.Fail(ctx, "no pom.xml, build.gradle, jar or war in the app")
		}
	}
	var r *rejection
	if errors.As(err, &r) && r.library && otherLanguage(app) != "" {
		return kit.Fail(ctx, "%s, and there is %s", r, otherLanguage(app))
	}
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	for _, w := range m.Record.Warnings {
		kit.Say(ctx.Logger, "warning: %s", w)
	}
	kit.Say(ctx.Logger, "%s", m.Record.Summary)
	m.Needs = append(m.Needs, extra...)
	return m.Pass()
}

// The tools that apps are built with.
const (
	buildMaven  = "Maven"
	buildGradle = "Gradle"
)

// buildFile tells what the app is built with, and by which file that is known. Apps that have both are mostly in the
// middle of a move away from Maven or test both: Maven is what can be had everywhere.
func buildFile(app *kit.App) (build, file string) {
	if app.Has(pomFile) {
		return buildMaven, pomFile
	}
	if file := app.First("build.gradle.kts", "build.gradle", "settings.gradle.kts", "settings.gradle"); file != "" {
		return buildGradle, file
	}
	return "", ""
}

// otherLanguage gives the file by which an app is known to be one of another language, or "".
func otherLanguage(app *kit.App) string {
	return app.First("package.json", "go.mod", "Cargo.toml", "pyproject.toml", "requirements.txt", "manage.py", "Gemfile",
		"composer.json", "deno.json")
}

func matchMaven(app *kit.App, env kit.Env) (kit.Match, error) {
	d, err := decide(app, env)
	if err != nil {
		return kit.Match{}, err
	}
	m := kit.Match{ID: ID, Record: d.record(env), Needs: d.needs()}
	if d.frontend == nil {
		m.Wants = kit.Frontend(app)
	}
	return m, nil
}

// needs gives what the app requires of the stack.
func (d *decision) needs() []kit.Need {
	needs := javaNeeds(d.java, d.stackJRE)
	needs = append(needs, versioned(kit.Need{Name: "maven", Build: true}, d.maven)...)
	return append(needs, d.frontend.needs()...)
}

// javaNeeds gives the JDK for the build and what of the stack the app runs on: its runtime, or only what every dynamic
// program needs when the runtime is made for the app.
func javaNeeds(java []kit.Constraint, stackJRE bool) []kit.Need {
	needs := versioned(kit.Need{Name: "jdk", Build: true}, java)
	if stackJRE {
		return append(needs, versioned(kit.Need{Name: "jre", Launch: true}, java)...)
	}
	return append(needs, kit.Need{Name: "base", Launch: true})
}

// versioned gives a need once for every constraint.
func versioned(n kit.Need, all []kit.Constraint) []kit.Need {
	if len(all) == 0 {
		return []kit.Need{n}
	}
	needs := make([]kit.Need, len(all))
	for i, c := range all {
		needs[i] = n
		needs[i].Version = c
	}
	return needs
}
