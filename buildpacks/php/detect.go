package php

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// ID is the buildpack's ID.
const ID = "s2i/php"

// The user's settings; see the package's documentation.
const (
	envVersion = "S2I_PHP_VERSION"
	envRoot    = "S2I_PHP_ROOT"
)

// maxConstraints bounds how many statements about the version of PHP are taken from a lock.
const maxConstraints = 200

// decision is everything that is decided about the app before anything runs.
type decision struct {
	manifest   *manifest
	lock       *lockFile
	root       string // of what is served
	why        string
	framework  string
	extensions []extension
	versions   []kit.Constraint
	// install tells that Composer runs; committed that a directory vendor is there.
	install, committed bool
	// settings are the app's own, in INI form.
	settings string
	record   kit.Record
}

// Detect matches an index.php.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	if reason := notMine(app, env); reason != "" {
		return kit.Fail(ctx, "%s", reason)
	}
	d, err := decide(app, env)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	kit.Say(ctx.Logger, "%s", d.record.Summary)
	return kit.Match{
		ID: ID, Record: d.record, Needs: append(d.needs(), extra...), Provides: []string{kit.StaticSite},
		Wants: kit.Frontend(app),
	}.Pass()
}

// roots are the directories that apps are served from, the usual first.
func roots() []string {
	return []string{"public", "web", "webroot", "html", "htdocs", "docroot", "www", "public_html", "."}
}

// notMine gives the reason for an app that is something else.
func notMine(app *kit.App, env kit.Env) string {
	if env[envRoot] != "" {
		return ""
	}
	if findRoot(app) == "" {
		if app.Has(fileManifest) {
			return "there is a composer.json, but no index.php to serve: in the app, in public or in web"
		}
		return "no index.php and no composer.json in the app"
	}
	if command := otherProcfile(app); command != "" {
		return "the Procfile starts another language: " + command
	}
	var m struct{ Scripts map[string]any }
	if !app.Has(fileManifest) && app.Has("package.json") && app.JSON("package.json", &m) == nil && m.Scripts["start"] != nil {
		return "package.json has a script start, and there is no composer.json"
	}
	return ""
}

func findRoot(app *kit.App) string {
	for _, dir := range roots() {
		if app.Has(path.Join(dir, "index.php")) {
			return dir
		}
	}
	return ""
}

// otherProcfile gives the command of the Procfile's web process when it starts a program of another language.
func otherProcfile(app *kit.App) string {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return ""
	}
	entries, err := kit.ParseProcfile(data)
	if err != nil {
		return ""
	}
	i := slices.IndexFunc(entries, func(e kit.ProcfileEntry) bool { return e.Type == kit.DefaultType })
	if i < 0 {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(entries[i].Command, "exec "), " ")
	switch path.Base(first) {
	case "node", "npm", "npx", "yarn", "pnpm", "bun", "deno", "python", "python3", "gunicorn", "uvicorn", "ruby", "bundle",
		"rails", "rackup", "puma", "java":
		return entries[i].Command
	}
	return ""
}

// decide reads the app. Detection and build both start with it and so agree.
func decide(app *kit.App, env kit.Env) (*decision, error) {
	d := &decision{}
	var err error
	if d.manifest, err = readManifest(app); err != nil {
		return nil, err
	}
	if d.lock, err = readLock(app, fileLock); err != nil {
		return nil, err
	}
	if d.manifest == nil {
		d.lock = nil
	}
	if err := d.findRoot(app, env); err != nil {
		return nil, err
	}
	if err := d.findPackages(app); err != nil {
		return nil, err
	}
	d.findFramework(app)
	if err := d.findExtensions(app); err != nil {
		return nil, err
	}
	d.findVersions(app, env)
	d.describe()
	return d, nil
}

func (d *decision) findRoot(app *kit.App, env kit.Env) error {
	if v := env[envRoot]; v != "" {
		d.root, d.why = path.Clean(strings.TrimPrefix(v, "/")), envRoot
		if d.root == ".." || strings.HasPrefix(d.root, "../") || !app.HasDir(d.root) && d.root != "." {
			return fmt.Errorf("%s is %s, and there is no such directory in the app", envRoot, v)
		}
		return nil
	}
	d.root = findRoot(app)
	d.why = path.Join(d.root, "index.php")
	return nil
}

// findPackages decides where the packages come from.
func (d *decision) findPackages(app *kit.App) error {
	if d.manifest == nil {
		return nil
	}
	d.committed = app.Has("vendor/autoload.php")
	d.install = !d.committed && (len(d.manifest.packages()) > 0 || len(d.manifest.data) > 0 && d.autoloads())
	if d.lock == nil {
		return nil
	}
	if missing := d.drift(); len(missing) > 0 {
		return fmt.Errorf("%s is not in sync with %s: it does not have %s; run `composer update --lock`, or `composer update` for "+
			"these packages, and commit it", fileLock, fileManifest, strings.Join(missing, ", "))
	}
	installed, err := readLock(app, fileInstalled)
	if err != nil || installed == nil || !d.committed {
		return err
	}
	if differ := vendored(installed, d.lock); len(differ) > 0 {
		return fmt.Errorf("the committed directory vendor is not in sync with %s: %s; run `composer install` and commit it, or "+
			"remove it from the app", fileLock, strings.Join(differ, ", "))
	}
	return nil
}

// autoloads tells whether composer.json asks for an autoloader of the app's own classes.
func (d *decision) autoloads() bool {
	var m struct {
		Autoload object `json:"autoload"`
	}
	return unmarshal(d.manifest.data, &m) && len(m.Autoload) > 0
}

func (d *decision) findFramework(app *kit.App) {
	switch {
	case d.has("laravel/framework") && app.Has("artisan"):
		d.framework = "Laravel"
	case d.has("symfony/framework-bundle") && app.Has("bin/console"):
		d.framework = "Symfony"
	case d.has("slim/slim"):
		d.framework = "Slim"
	case d.has("cakephp/cakephp"):
		d.framework = "CakePHP"
	case d.has("drupal/core"), d.has("drupal/core-recommended"):
		d.framework = "Drupal"
	case app.Has("wp-settings.php"):
		d.framework = "WordPress"
	}
}

// findVersions collects what is said about the version of PHP.
func (d *decision) findVersions(app *kit.App, env kit.Env) {
	if v := env[envVersion]; v != "" {
		d.versions = []kit.Constraint{{Value: v, Source: envVersion, Kind: kit.Override}}
		return
	}
	seen := map[string]bool{"": true, "*": true}
	add := func(value, source string, kind kit.Kind) {
		if value = strings.TrimSpace(value); !seen[value] && len(d.versions) < maxConstraints {
			seen[value] = true
			d.versions = append(d.versions, kit.Constraint{Value: value, Source: source, Kind: kind})
		}
	}
	if d.manifest != nil {
		add(d.manifest.Require["php"], at(fileManifest, d.manifest.data, "require", "php"), kit.Range)
	}
	if d.lock != nil {
		for _, p := range d.lock.Packages {
			add(p.Require["php"], d.lock.place(p), kit.Range)
		}
	}
	if v, line := toolVersion(app); v != "" {
		add(v, line, kit.Hint)
	}
}

// needs gives what the app requires of the stack.
func (d *decision) needs() []kit.Need {
	var needs []kit.Need
	for _, v := range d.versions {
		needs = append(needs, kit.Need{Name: "php", Version: v, Build: true, Launch: true})
	}
	if len(needs) == 0 {
		needs = append(needs, kit.Need{Name: "php", Build: true, Launch: true})
	}
	for _, e := range d.extensions {
		needs = append(needs, kit.Need{
			Name: e.Package, Version: kit.Constraint{Source: e.Source}, Build: d.install, Launch: true,
		})
	}
	if d.install {
		needs = append(needs, kit.Need{Name: "php-curl", Build: true}) // Composer is slow without
	}
	if d.install && d.lock != nil {
		if git, _ := d.lock.sources(); git > 0 {
			needs = append(needs, kit.Need{Name: "git", Build: true})
		}
	}
	return needs
}

// describe writes the record.
func (d *decision) describe() {
	r := &d.record
	fact := func(topic, text, source string) {
		r.Facts = append(r.Facts, kit.Fact{Topic: topic, Text: text, Source: source})
	}
	fact("files", "what is served: "+d.root+", by php-fpm behind a static server", d.why)
	if d.framework != "" {
		fact("framework", d.framework, "")
	}
	how := "no packages"
	switch {
	case d.committed:
		how = "the committed directory vendor"
		fact("packages", "the committed directory vendor is used as it is", "vendor/autoload.php")
	case d.install && d.lock == nil:
		how = "composer without a lock"
		fact("packages", "composer resolves the packages", fileManifest)
		r.Warnings = append(r.Warnings, "there is no "+fileLock+", so the newest versions that "+fileManifest+
			" allows are installed: commit the lock, `s2i build --write-lock` writes it")
	case d.install:
		how = "composer install"
		fact("packages", fmt.Sprintf("composer install --no-dev: %d packages", len(d.lock.Packages)), fileLock)
	}
	for _, e := range d.extensions {
		if e.Source != "" {
			fact("packages", "extension "+e.Name, e.Source)
		}
	}
	versions := []string{"any version"}
	for i, v := range d.versions {
		versions = append(versions[:i], v.String())
	}
	const most = 3
	if len(versions) > most {
		versions = append(versions[:most], fmt.Sprintf("%d more", len(versions)-most))
	}
	r.Summary = fmt.Sprintf("PHP, %s, %s; web serves %s", strings.Join(versions, " and "), how, d.why)
	if d.framework != "" {
		r.Summary = d.framework + " on " + r.Summary
	}
	r.Starts = append(r.Starts, kit.Start{
		Type: kit.DefaultType, Command: "static-server, php-fpm", Score: 100, Evidence: []string{d.why}, Chosen: true,
	})
	if release := d.release(); release != nil {
		r.Starts = append(r.Starts, kit.Start{
			Type: "release", Command: strings.Join(release, " "), Score: 100, Evidence: []string{d.framework}, Chosen: true,
		})
	}
}

// release gives the command that migrates the database; nil when there is none.
func (d *decision) release() []string {
	switch {
	case d.framework == "Laravel":
		return []string{"php", "artisan", "migrate", "--force"}
	case d.framework == "Symfony" && d.has("doctrine/doctrine-migrations-bundle"):
		return []string{"php", "bin/console", "doctrine:migrations:migrate", "--no-interaction", "--allow-no-migration"}
	}
	return nil
}
