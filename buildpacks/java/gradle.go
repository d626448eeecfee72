package java

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"s2i/buildpacks/kit"
)

// gradleBuild is an app that is built with Gradle.
type gradleBuild struct {
	file string
	// Distribution is the address of Gradle itself, Sum its sha256 when the wrapper names it.
	Distribution value
	Sum          string
	kind         kind
	Framework    string
	Tasks        []string
	java         []kit.Constraint
	stackJRE     bool
}

// envGradleTasks is documented with the package.
const envGradleTasks = "S2I_GRADLE_TASKS"

func matchGradle(app *kit.App, env kit.Env, file string) (kit.Match, error) {
	g, err := decideGradle(app, env, file)
	if err != nil {
		return kit.Match{}, err
	}
	return kit.Match{ID: ID, Record: g.record(), Needs: javaNeeds(g.java, g.stackJRE), Wants: kit.Frontend(app)}, nil
}

// decideGradle is pure. Gradle is in no package registry: without an address to fetch it from there is no build.
func decideGradle(app *kit.App, env kit.Env, file string) (*gradleBuild, error) {
	g := &gradleBuild{file: file}
	if err := g.find(app, env); err != nil {
		return nil, err
	}
	var err error
	if g.stackJRE, err = stackJRE(env); err != nil {
		return nil, err
	}
	build := app.First("build.gradle.kts", "build.gradle")
	text := ""
	if build != "" {
		data, err := app.Read(build)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", build, err)
		}
		text = string(data)
	}
	g.plugins(text)
	if tasks := kit.Fields(env[envGradleTasks]); len(tasks) > 0 {
		g.Tasks = tasks
	}
	if v := env[envVersion]; v != "" {
		g.java = []kit.Constraint{{Value: v, Source: envVersion, Kind: kit.Override}}
		return g, nil
	}
	g.java = gradleJava(build, text)
	found, err := hints(app)
	g.java = append(g.java, found...)
	return g, err
}

// find finds out where Gradle comes from.
func (g *gradleBuild) find(app *kit.App, env kit.Env) error {
	url, err := distribution(app, gradleWrapper)
	if err != nil {
		return err
	}
	if url.Text == "" {
		return reject("%s is built with Gradle, but there is no %s that says with which version: run `gradle wrapper`"+
			" and commit its files", g.file, gradleWrapper)
	}
	data, err := app.Read(gradleWrapper)
	if err != nil {
		return fmt.Errorf("reading %s: %w", gradleWrapper, err)
	}
	g.Sum = firstLine(gradleWrapper, data, keyed("distributionSha256Sum")).Text
	name := path.Base(url.Text)
	switch mirror := env[envGradle]; mirror {
	case "":
		return reject("%s asks for %s to build %s, and no package registry has Gradle: set %s to the address of a directory"+
			" that has %s, or to \"wrapper\" when the build can reach the wrapper's own address; or add a pom.xml",
			url.Source, url.Text, g.file, envGradle, name)
	case "wrapper":
		g.Distribution = url
	default:
		g.Distribution = value{strings.TrimSuffix(mirror, "/") + "/" + name, envGradle}
	}
	return nil
}

// plugins tells by the plugins of a build file what the build makes. It is a program, so this is a search for the usual
// words only.
func (g *gradleBuild) plugins(text string) {
	text = comments.ReplaceAllString(text, "")
	switch {
	case strings.Contains(text, "org.springframework.boot"):
		g.kind, g.Framework, g.Tasks = kindSpring, "Spring Boot", []string{"bootJar"}
	case strings.Contains(text, "io.quarkus"):
		g.kind, g.Framework, g.Tasks = kindQuarkus, "Quarkus", []string{"quarkusBuild"}
	case strings.Contains(text, "io.micronaut"):
		g.kind, g.Framework, g.Tasks = kindMain, "Micronaut", []string{"installDist"}
	default:
		g.kind, g.Tasks = kindMain, []string{"installDist"}
	}
}

var (
	gradleToolchain = regexp.MustCompile(`(?:JavaLanguageVersion\.of\(\s*|jvmToolchain\(\s*)(\d{1,3})`)
	gradleCompat    = regexp.MustCompile(`(?:source|target)Compatibility\s*=?\s*(?:JavaVersion\.VERSION_)?['"]?([\d._]{1,6})`)
)

// gradleJava gives what a build file says about Java. A toolchain is meant exactly: Gradle looks for that very JDK.
func gradleJava(file, text string) []kit.Constraint {
	if at := gradleToolchain.FindStringSubmatchIndex(text); at != nil {
		return []kit.Constraint{exactly(value{text[at[2]:at[3]], file + ":" + itoa(kit.Line([]byte(text), at[2]))})}
	}
	if at := gradleCompat.FindStringSubmatchIndex(text); at != nil {
		if n, ok := major(strings.ReplaceAll(text[at[2]:at[3]], "_", ".")); ok {
			return []kit.Constraint{{Value: itoa(n), Source: file + ":" + itoa(kit.Line([]byte(text), at[2])), Kind: kit.Minimum}}
		}
	}
	return nil
}

func (g *gradleBuild) record() kit.Record {
	command := map[kind]string{kindSpring: "the main class of Spring Boot's jar", kindQuarkus: "java -jar quarkus-run.jar",
		kindMain: "the main class of the start script"}[g.kind]
	return kit.Record{
		Summary: fmt.Sprintf("%s, Gradle %s; web starts %s", javaText(g.java), strings.Join(g.Tasks, " "), command),
		Facts: []kit.Fact{
			{Topic: "build", Text: "Gradle from " + g.Distribution.Text, Source: g.Distribution.Source},
			{Topic: "build", Text: "gradle " + strings.Join(g.Tasks, " "), Source: g.file},
		},
		Starts: []kit.Start{{Type: kit.DefaultType, Command: command, Score: 80, Evidence: []string{g.file}, Chosen: true}},
	}
}
