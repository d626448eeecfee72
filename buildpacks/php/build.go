package php

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// builder is the state of one build.
type builder struct {
	bc     libcnb.BuildContext
	app    *kit.App
	d      *decision
	env    kit.Env
	result libcnb.BuildResult
}

// Build installs the packages, writes php-fpm's settings, and tells s2i/static-server what to serve.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, build) }

func build(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	d, err := decide(app, env)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	b := &builder{bc: bc, app: app, d: d, env: env, result: libcnb.NewBuildResult()}
	version, err := b.version(ctx)
	if err != nil {
		return b.result, err
	}
	if d.install {
		if err := b.install(ctx, version); err != nil {
			return b.result, err
		}
	}
	config, err := b.config()
	if err != nil {
		return b.result, err
	}
	site := kit.Site{Root: d.root, Keep: true, FastCGI: &kit.SiteFastCGI{
		Command: []string{"/usr/sbin/php-fpm" + version, "--nodaemonize", "--fpm-config", filepath.Join(config, fileFPM)},
		Suffix:  ".php",
	}}
	if app.Has(filepath.ToSlash(filepath.Join(d.root, "index.php"))) {
		site.FastCGI.Front = "index.php"
	}
	if d.root == "." {
		site.Hidden = hiddenNames()
	}
	layer, err := site.Layer(bc.Layers)
	if err != nil {
		return b.result, err
	}
	b.result.Layers = append(b.result.Layers, layer)
	if release := d.release(); release != nil {
		b.result.Processes = append(b.result.Processes, libcnb.Process{Type: "release", Command: release})
	}
	return b.result, nil
}

// hiddenNames are files and directories of an app that are for nobody outside, when the app itself is what is served.
func hiddenNames() []string {
	return []string{
		"vendor", "node_modules", "tests", "composer.json", "composer.lock", "composer.phar", "package.json", "package-lock.json",
		"yarn.lock", "Procfile", "Dockerfile", "Makefile", "phpunit.xml", "phpunit.xml.dist", "nixpacks.toml", "project.toml",
		"want.json",
	}
}

var minorVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)

// version asks PHP for its version: programs are called by it.
func (b *builder) version(ctx context.Context) (string, error) {
	v, err := kit.Command{
		Args: []string{"php", "-n", "-r", "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;"}, Dir: b.bc.ApplicationPath,
		Env: b.env, Out: kit.Out(b.bc.Logger), Why: b.d.why + " is there",
	}.Output(ctx)
	if err == nil && !minorVersion.MatchString(v) {
		err = fmt.Errorf("asking PHP for its version: it said %q", v)
	}
	return v, err
}

func writeFile(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o644)
}
