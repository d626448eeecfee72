package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// FrontendID is the ID of the second buildpack of this package: the JavaScript part of an app in another language.
const FrontendID = "s2i/frontend"

//go:embed frontend.toml
var frontendDescriptor string

// FrontendDescriptor gives the text of s2i/frontend's buildpack.toml.
func FrontendDescriptor() []byte { return []byte(frontendDescriptor) }

// DetectFrontend matches an app with a package.json that has a build script, where apps in other languages keep it. It
// takes part when such a language wants it.
func DetectFrontend(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	match := kit.Match{ID: FrontendID, Provides: []string{kit.FrontendName}}
	var summaries []string
	for _, want := range kit.Frontend(app) {
		dir, ok := want.Metadata["dir"].(string)
		if !ok {
			continue
		}
		part, d, err := openFrontend(app, dir, env)
		if err != nil {
			return kit.Fail(ctx, "%s", err)
		}
		_ = part.Close()
		for _, n := range d.needs(env) {
			n.Launch = false
			match.Needs = append(match.Needs, relocated(n, dir))
		}
		r := d.record(env)
		for _, f := range r.Facts {
			match.Record.Facts = append(match.Record.Facts, kit.Fact{Topic: f.Topic, Text: f.Text, Source: below(dir, f.Source)})
		}
		match.Record.Hosts = append(match.Record.Hosts, r.Hosts...)
		match.Record.Warnings = append(match.Record.Warnings, r.Warnings...)
		summaries = append(summaries, fmt.Sprintf("frontend in %s, built with %s (%s)", dir, d.manager.Name,
			below(dir, d.project.root.at("scripts", "build"))))
	}
	if len(summaries) == 0 {
		return kit.Fail(ctx, "no package.json with a script \"build\" in the app or in a usual directory for a frontend")
	}
	match.Record.Summary = strings.Join(summaries, "; ")
	kit.Say(ctx.Logger, "%s", match.Record.Summary)
	return match.Pass()
}

// openFrontend reads the JavaScript part of an app. Close the App after use.
func openFrontend(app *kit.App, dir string, env kit.Env) (*kit.App, *decision, error) {
	if !filepath.IsLocal(filepath.FromSlash(dir)) || !kit.HasFrontend(app, dir) {
		return nil, nil, fmt.Errorf("%s has no package.json with a script \"build\"", dir)
	}
	part, err := kit.OpenApp(filepath.Join(app.Dir, filepath.FromSlash(dir)))
	if err != nil {
		return nil, nil, err
	}
	d, err := decideFrontend(part, env)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("in %s: %w", dir, err), part.Close())
	}
	return part, d, nil
}

// decideFrontend is decide for an app of which nothing is started.
func decideFrontend(app *kit.App, env kit.Env) (*decision, error) {
	p, err := readProject(app)
	if err != nil {
		return nil, err
	}
	d := &decision{project: p, main: p.root, starts: map[string]*start{}}
	if d.manager, err = chooseManager(p); err != nil {
		return nil, err
	}
	d.native, err = findNative(p, d.manager, env)
	return d, err
}

// relocated gives a need whose source is below dir.
func relocated(n kit.Need, dir string) kit.Need {
	n.Version.Source = below(dir, n.Version.Source)
	return n
}

// below gives a place in a file of a directory. What is no place in a file is left alone.
func below(dir, source string) string {
	if source == "" || dir == "." || strings.HasPrefix(source, "S2I_") {
		return source
	}
	return path.Join(dir, source)
}

// BuildFrontend builds the JavaScript parts that the other buildpacks want. What the builds make is in the app, and
// nothing of Node.js or of packages is.
func BuildFrontend(bc libcnb.BuildContext) (libcnb.BuildResult, error) {
	return kit.Build(bc, buildFrontend)
}

func buildFrontend(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	for _, dir := range wantedDirs(bc.Plan) {
		part, d, err := openFrontend(app, dir, env)
		if err != nil {
			return result, err
		}
		inner := bc
		inner.ApplicationPath = part.Dir
		b := &builder{bc: inner, app: part, d: d, env: toolEnv(d.manager, env), result: result, outer: app.Dir,
			sub: dir, frontend: true}
		err = b.frontendPart(ctx)
		if result = b.result; err != nil {
			return result, errors.Join(err, part.Close())
		}
		if err := part.Close(); err != nil {
			return result, err
		}
	}
	return result, nil
}

// wantedDirs gives the directories that other buildpacks want built, each once.
func wantedDirs(plan libcnb.BuildpackPlan) []string {
	var dirs []string
	for _, meta := range kit.Wanted(plan, kit.FrontendName) {
		if dir, ok := meta["dir"].(string); ok {
			dirs = append(dirs, path.Clean(filepath.ToSlash(dir)))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
