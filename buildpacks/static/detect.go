package static

import (
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// ID is the buildpack's ID.
const ID = "s2i/static"

// The user's settings; see the package's documentation.
const (
	envRoot          = "S2I_STATIC_ROOT"
	envIndexFallback = "S2I_STATIC_INDEX_FALLBACK"
)

// otherError is the reason for an app that is something else; any other error is a refusal.
type otherError struct{ reason string }

// Error gives the reason.
func (e *otherError) Error() string { return e.reason }

// other gives the reason for an app that is something else.
func other(format string, a ...any) error { return &otherError{fmt.Sprintf(format, a...)} }

// decision is what is served.
type decision struct {
	site  kit.Site
	facts []kit.Fact
	// why is the evidence in a few words.
	why string
}

// Detect matches a Staticfile or an index.html.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	d, err := decide(app, kit.PlatformEnv(ctx.Platform))
	var not *otherError
	if errors.As(err, &not) {
		return kit.Fail(ctx, "%s", err)
	}
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	record := kit.Record{
		Summary: fmt.Sprintf("static site in %s (%s)", d.site.Root, d.why), Facts: d.facts,
		Starts: []kit.Start{{Type: kit.DefaultType, Command: "static-server", Score: 100, Evidence: []string{d.why}, Chosen: true}},
	}
	kit.Say(ctx.Logger, "%s", record.Summary)
	return kit.Match{ID: ID, Record: record, Provides: []string{kit.StaticSite}}.Pass()
}

// Build tells s2i/static-server of the site.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	app, err := kit.OpenApp(bc.ApplicationPath)
	if err != nil {
		return result, err
	}
	defer app.Close()
	d, err := decide(app, kit.PlatformEnv(bc.Platform))
	if err != nil {
		return result, err
	}
	layer, err := d.site.Layer(bc.Layers)
	result.Layers = append(result.Layers, layer)
	return result, err
}

// decide reads the app. Detection and build both start with it and so agree.
func decide(app *kit.App, env kit.Env) (*decision, error) {
	d := &decision{}
	s := &staticfile{}
	if app.Has(fileName) {
		data, err := app.Read(fileName)
		if err != nil {
			return nil, err
		}
		if s, err = parse(data); err != nil {
			return nil, err
		}
		if app.Has(fileName + ".auth") {
			return nil, fmt.Errorf("%s.auth is not supported: the server asks for no passwords", fileName)
		}
	} else if file := app.First(manifests()...); file != "" && env[envRoot] == "" {
		return nil, other("%s is there, so any pages belong to an app: add a %s to serve them alone", file, fileName)
	} else if script := buildScript(app); script != "" && env[envRoot] == "" {
		return nil, other("package.json has a script build (%s): the site is to be built first", script)
	}
	d.site = kit.Site{Root: s.root, IndexFallback: s.indexFallback, ForceHTTPS: s.forceHTTPS, Headers: s.headers()}
	if err := d.findRoot(app, env, s); err != nil {
		return nil, err
	}
	if v := env[envIndexFallback]; v != "" {
		on, err := enabled(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", envIndexFallback, err)
		}
		d.site.IndexFallback = on
		d.fact("pages that do not exist: index.html", envIndexFallback, on)
	} else {
		at := max(s.lines["index_fallback"], s.lines["pushstate"])
		d.fact("pages that do not exist: index.html", fileName+":"+strconv.Itoa(at), s.indexFallback)
	}
	d.fact("redirects to https", fileName+":"+strconv.Itoa(s.lines["force_https"]), s.forceHTTPS)
	for _, name := range []string{"_headers", "_redirects", "404.html"} {
		file := path.Join(d.site.Root, name)
		d.fact(name+" is honoured", file, app.Has(file))
	}
	return d, nil
}

// findRoot decides where the files are.
func (d *decision) findRoot(app *kit.App, env kit.Env, s *staticfile) error {
	var err error
	switch {
	case env[envRoot] != "":
		d.why = envRoot
		d.site.Root, err = cleanRoot(env[envRoot])
	case s.root != "":
		d.why = fileName + ":" + strconv.Itoa(s.lines["root"])
	default:
		for _, dir := range []string{".", "public", "dist", "_site", "build", "out", "www", "docs", "htdocs", "site"} {
			if app.Has(path.Join(dir, "index.html")) {
				d.site.Root, d.why = dir, path.Join(dir, "index.html")
				break
			}
		}
		if d.site.Root == "" && app.Has(fileName) {
			d.site.Root, d.why = ".", fileName
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", envRoot, err)
	case d.site.Root == "":
		return other("no %s and no index.html in the app or in a directory for built sites", fileName)
	case d.site.Root != "." && !app.HasDir(d.site.Root):
		return fmt.Errorf("%s names %s, and there is no such directory in the app", d.why, d.site.Root)
	}
	d.fact("files of "+d.site.Root, d.why, true)
	return nil
}

func (d *decision) fact(text, source string, holds bool) {
	if holds {
		d.facts = append(d.facts, kit.Fact{Topic: "files", Text: text, Source: source})
	}
}

// manifests are files of apps that pages are a part of.
func manifests() []string {
	return []string{
		"go.mod", "pom.xml", "build.gradle", "build.gradle.kts", "Cargo.toml", "pyproject.toml", "requirements.txt", "Pipfile",
		"manage.py", "Gemfile", "config.ru", "composer.json", "index.php", "public/index.php", "deno.json", "deno.jsonc",
		"mix.exs", "global.json", "build.sbt", "deps.edn", "project.clj", "Package.swift", "pubspec.yaml", "CMakeLists.txt",
		"hugo.toml", "mkdocs.yml", "_config.yml", "book.toml",
	}
}

// buildScript gives the script that builds a site from sources.
func buildScript(app *kit.App) string {
	var manifest struct{ Scripts map[string]any }
	if !app.Has("package.json") || app.JSON("package.json", &manifest) != nil {
		return ""
	}
	script, _ := manifest.Scripts["build"].(string)
	return script
}
