package golang

import (
	"fmt"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// Detect matches a directory with a go.mod or go.work and at least one package main.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	if !app.Has("go.mod") && !app.Has("go.work") {
		return kit.Fail(ctx, "%s", noModule(app))
	}
	a, err := examine(app, env, target{})
	if err != nil {
		return kit.Fail(ctx, "%s", err)
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	kit.Say(ctx.Logger, "%s", a.summary())
	return kit.Pass(append(a.needs(env, ctx.Platform.Bindings), extra...)...), nil
}

func noModule(app *kit.App) string {
	reason := "no go.mod or go.work in the app"
	if dirs := nearby(app); len(dirs) > 0 {
		return reason + "; there is one in " + strings.Join(dirs, ", ") + ": build that directory, or add a go.work"
	}
	for _, file := range []string{"main.go", "server.go", "app.go"} {
		if app.Has(file) {
			return reason + ", but " + file + ": run `go mod init`"
		}
	}
	return reason
}

// needs gives what the app requires of the stack.
func (a *goApp) needs(env kit.Env, bindings libcnb.Bindings) []kit.Need {
	goNeed := kit.Need{Name: "go", Version: a.source.Go, Build: true}
	if v := env[envVersion]; v != "" {
		goNeed.Version = kit.Constraint{Value: strings.TrimPrefix(v, "go"), Source: envVersion}
	}
	needs := []kit.Need{goNeed}
	if usesGit(env, bindings) {
		needs = append(needs, kit.Need{Name: "git", Build: true})
	}
	if a.cgo != "" {
		needs = append(needs, kit.Need{Name: "build-essential", Build: true}, kit.Need{Name: "base", Launch: true})
	}
	return needs
}

// usesGit tells whether modules may be fetched from repositories: only then is git needed.
func usesGit(env kit.Env, bindings libcnb.Bindings) bool {
	if env["GOPRIVATE"] != "" || env["GONOPROXY"] != "" {
		return true
	}
	for _, b := range bindings {
		if b.Type == bindingGit {
			return true
		}
	}
	return strings.HasPrefix(env["GOPROXY"], "direct")
}

// summary tells what will be built; the last line is the decision in one line.
func (a *goApp) summary() string {
	var b strings.Builder
	head := "Go, " + a.source.Go.String()
	if a.source.Go.Value == "" {
		head = "Go, any version"
	}
	chosen := ""
	for _, p := range a.programs {
		fmt.Fprintf(&b, "process %s: %s\n", p.Type, p.Package)
		if p.Default {
			chosen = p.Type + " starts " + p.Package
		}
	}
	if chosen == "" {
		chosen = "no default process: none is called as the module, server, web, api or app; " +
			"choose one when the image is built, or set " + envTargets
	}
	if a.cgo != "" {
		head += ", cgo because " + a.cgo
	}
	return b.String() + head + "; " + chosen
}
