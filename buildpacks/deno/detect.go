package deno

import (
	"errors"
	"fmt"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

const id = "s2i/deno"

// Detect matches an app with a Deno configuration or lock and something to start.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	if app.First(append(configFiles(), lockFile)...) == "" {
		return kit.Fail(ctx, "no deno.json, deno.jsonc or deno.lock in the app")
	}
	d, err := decide(app, env)
	if errors.Is(err, errNothing) {
		return kit.Fail(ctx, "%s", err)
	}
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	if d.nodeOwns() {
		return kit.Fail(ctx, "package.json has a script start, and %s no task start", d.config.File)
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return libcnb.DetectResult{}, fmt.Errorf("%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	var needs []kit.Need
	for _, v := range d.versions {
		needs = append(needs, kit.Need{Name: "deno", Version: v, Build: true, Launch: true})
	}
	if len(needs) == 0 {
		needs = append(needs, kit.Need{Name: "deno", Build: true, Launch: true})
	}
	record := d.record()
	kit.Say(ctx.Logger, "%s", record.Summary)
	return kit.Match{ID: id, Record: record, Needs: append(needs, extra...)}.Pass()
}

// nodeOwns tells whether the app is one of Node that uses Deno as a tool only.
func (d *decision) nodeOwns() bool {
	var manifest struct {
		Scripts map[string]any `json:"scripts"`
	}
	if !d.app.Has("package.json") || d.app.JSON("package.json", &manifest) != nil {
		return false
	}
	_, start := manifest.Scripts["start"]
	return start && d.config.task("start") == "" && d.start.Score < 100
}

// record says what was decided and why.
func (d *decision) record() kit.Record {
	s := d.start
	r := kit.Record{Hosts: d.hosts()}
	if d.config.File != "" {
		r.Facts = append(r.Facts, kit.Fact{Topic: "packages", Text: "Deno's configuration", Source: d.config.File})
	}
	if d.lock != nil {
		r.Facts = append(r.Facts, kit.Fact{Topic: "lock", Source: lockFile,
			Text: fmt.Sprintf("frozen: %d packages of npm, %d of jsr, %d remote modules",
				len(d.lock.NPM)+len(d.lock.Packages.NPM), len(d.lock.JSR)+len(d.lock.Packages.JSR), len(d.lock.Remote))})
	} else {
		r.Warnings = append(r.Warnings, "there is no deno.lock, so every build may take other versions of the dependencies: "+
			"commit the file that deno install writes, or use --write-lock")
	}
	if command := d.config.task("build"); command != "" {
		r.Facts = append(r.Facts, kit.Fact{Topic: "build", Text: "deno task build: " + command, Source: d.config.at("build")})
	}
	r.Facts = append(r.Facts, kit.Fact{Topic: "start", Text: "permissions: " + s.Permissions, Source: s.Source})
	if s.Port != "" {
		r.Facts = append(r.Facts, kit.Fact{Topic: "port", Text: "PORT is read", Source: s.Port})
	} else {
		r.Facts = append(r.Facts, kit.Fact{Topic: "port", Text: "PORT is handed to Deno.serve by DENO_SERVE_ADDRESS"})
	}
	r.Starts = append([]kit.Start{{Type: kit.DefaultType, Command: strings.Join(d.command(), " "), Score: s.Score,
		Evidence: []string{s.Source}, Chosen: true}}, d.rejected...)
	version := "any version"
	if len(d.versions) > 0 {
		version = d.versions[0].String()
	}
	r.Summary = fmt.Sprintf("Deno, %s; web starts %s (%s)", version, s.File, s.Source)
	return r
}

// command is the command line of the process.
func (d *decision) command() []string {
	s := d.start
	args := []string{"deno", s.Verb, "--cached-only", "--no-prompt"}
	if d.hasLock() {
		args = append(args, "--frozen")
	}
	args = append(args, s.Flags...)
	if s.Verb == "serve" {
		args = append(args, "--port="+kit.Port, "--host=0.0.0.0")
	}
	return append(append(args, s.File), s.Args...)
}

// hasLock tells whether there is a lock, or will be one after the build: Deno writes it when there are dependencies.
func (d *decision) hasLock() bool { return d.app.Has(lockFile) }
