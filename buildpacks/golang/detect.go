package golang

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

const id = "s2i/go"

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
	if errors.Is(err, errNoMain) {
		return kit.Fail(ctx, "%s", err)
	}
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return libcnb.DetectResult{}, fmt.Errorf("%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	if err := a.unknown(env); err != nil {
		return libcnb.DetectResult{}, err
	}
	kit.Say(ctx.Logger, "%s", a.summary())
	match := kit.Match{ID: id, Record: a.record(), Wants: kit.Frontend(app)}
	match.Needs = append(a.needs(env, ctx.Platform.Bindings), extra...)
	return match.Pass()
}

// record says what was decided and why.
func (a *goApp) record() kit.Record {
	lines := strings.Split(a.summary(), "\n")
	r := kit.Record{Summary: lines[len(lines)-1], Starts: a.starts()}
	fact := func(topic, text, source string) {
		r.Facts = append(r.Facts, kit.Fact{Topic: topic, Text: text, Source: source})
	}
	for _, m := range a.source.Modules {
		fact("packages", fmt.Sprintf("module %s, %d requirements", m.Path, len(m.Requires)), path.Join(m.Dir, "go.mod"))
	}
	if a.source.Vendored {
		fact("packages", "the modules are in the directory vendor", "vendor/modules.txt")
	}
	if a.source.Unlocked {
		r.Warnings = append(r.Warnings, "there is no go.sum: the modules that go.mod names are taken as they are today; run "+
			"`go mod tidy` and commit go.sum, or build with --write-lock")
	}
	if a.cgo == "" {
		fact("native", "CGO_ENABLED=0: the binaries are static", "")
	} else {
		fact("native", "CGO_ENABLED=1: "+a.cgo, "")
	}
	for _, l := range a.libraries {
		fact("native", l.Why+" needs "+strings.Join(l.Packages, ", ")+" to be built", l.Source)
	}
	return r
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
	needs := []kit.Need{{Name: "go", Version: a.source.Go, Build: true}}
	for _, h := range a.source.Hints {
		needs = append(needs, kit.Need{Name: "go", Version: h, Build: true})
	}
	if v := env[envVersion]; v != "" {
		override := kit.Constraint{Value: strings.TrimPrefix(v, "go"), Source: envVersion, Kind: kit.Override}
		needs = []kit.Need{{Name: "go", Version: override, Build: true}}
	}
	if usesGit(env, bindings) {
		needs = append(needs, kit.Need{Name: "git", Build: true})
	}
	if a.cgo != "" {
		needs = append(needs, kit.Need{Name: "build-essential", Build: true}, kit.Need{Name: "libc", Launch: true})
	}
	for _, l := range a.libraries {
		for _, name := range l.Packages {
			if !slices.ContainsFunc(needs, func(n kit.Need) bool { return n.Name == name }) {
				needs = append(needs, kit.Need{Name: name, Build: true, Version: kit.Constraint{Source: l.Source}})
			}
		}
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
		chosen = "no default process but the Procfile's"
	}
	if a.cgo != "" {
		head += ", cgo because " + a.cgo
	}
	return b.String() + head + "; " + chosen
}
