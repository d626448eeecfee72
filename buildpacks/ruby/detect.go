package ruby

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// ID is the buildpack's ID.
const ID = "s2i/ruby"

// The user's settings; see the package's documentation.
const (
	envVersion = "S2I_RUBY_VERSION"
	envGems    = "S2I_RUBY_GEMS"
)

// decision is everything that is decided about the app before anything runs.
type decision struct {
	gemfile  *gemfile
	lock     *lockFile
	rails    bool
	procfile string // the command of the process web
	starts   []start
	versions []kit.Constraint
	// debian tells that gems are Debian's packages; local that they are in vendor/cache.
	debian, local bool
	// precompile tells that assets are made.
	precompile bool
	compiled   []string
	needs      []kit.Need
	record     kit.Record
}

// errNotRuby and errTooling are reasons for apps that are something else.
var (
	errNotRuby = errors.New("no Gemfile, no config.ru and no Procfile that starts Ruby in the app")
	errTooling = errors.New("there is a Gemfile, but nothing to start: no config.ru, no Rails app, no app.rb that listens, " +
		"no Procfile that starts Ruby")
)

// Detect matches an app in Ruby that has something to start.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	d, err := decide(app, env)
	if errors.Is(err, errNotRuby) || errors.Is(err, errTooling) {
		return kit.Fail(ctx, "%s", err)
	}
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	kit.Say(ctx.Logger, "%s", d.record.Summary)
	return kit.Match{ID: ID, Record: d.record, Needs: append(d.needs, extra...), Wants: kit.Frontend(app)}.Pass()
}

// decide reads the app. Detection and build both start with it and so agree.
func decide(app *kit.App, env kit.Env) (*decision, error) {
	d := &decision{}
	var mine bool
	d.procfile, mine = readProcfile(app)
	if !app.Has(fileGemfile) && !app.Has("config.ru") && !mine {
		return nil, errNotRuby
	}
	if d.procfile != "" && !mine {
		return nil, errTooling
	}
	if err := d.readGems(app, env); err != nil {
		return nil, err
	}
	d.rails = app.Has("config/application.rb") && (d.has("rails") || d.has("railties"))
	if err := d.findStart(app); err != nil {
		return nil, err
	}
	if len(d.starts) == 0 && d.procfile == "" {
		return nil, errTooling
	}
	d.precompile = d.rails && (d.has("sprockets-rails") || d.has("propshaft") || d.has("shakapacker") || d.has("vite_rails")) &&
		app.Has("Rakefile")
	d.findVersions(app, env)
	d.findNeeds()
	d.describe(app)
	return d, nil
}

func (d *decision) readGems(app *kit.App, env kit.Env) error {
	switch env[envGems] {
	case "", "debian":
		d.debian = env[envGems] == "debian"
	default:
		return fmt.Errorf("%s is %q: it can be debian", envGems, env[envGems])
	}
	d.gemfile = &gemfile{}
	if !app.Has(fileGemfile) {
		return nil
	}
	data, err := app.Read(fileGemfile)
	if err != nil {
		return err
	}
	d.gemfile = parseGemfile(data)
	d.local = app.HasDir("vendor/cache")
	if !app.Has(fileLock) {
		return nil
	}
	if data, err = app.Read(fileLock); err != nil {
		return err
	}
	if d.lock, err = parseLock(data); err != nil {
		return err
	}
	if missing := drift(d.gemfile, d.lock); len(missing) > 0 && !d.gemfile.Uncertain {
		return fmt.Errorf("%s is not in sync with %s: it does not have %s; run `bundle lock` and commit it",
			fileLock, fileGemfile, strings.Join(missing, ", "))
	}
	return nil
}

// has tells whether a gem will be there.
func (d *decision) has(gem string) bool {
	if d.lock != nil {
		return d.lock.Gems[gem] != ""
	}
	return d.gemfile.Gems[gem] > 0
}

// installs tells whether Bundler has anything to do.
func (d *decision) installs() bool {
	if d.lock != nil {
		return len(d.lock.Gems) > 0
	}
	return len(d.gemfile.Gems) > 0
}

func (d *decision) findVersions(app *kit.App, env kit.Env) {
	if v := env[envVersion]; v != "" {
		d.versions = []kit.Constraint{{Value: v, Source: envVersion, Kind: kit.Override}}
		return
	}
	add := func(c kit.Constraint) {
		if c.Value != "" && !slices.ContainsFunc(d.versions, func(o kit.Constraint) bool { return o.Value == c.Value }) {
			d.versions = append(d.versions, c)
		}
	}
	add(d.gemfile.Ruby)
	if file := d.gemfile.File; file != "" {
		c := toolVersion(app, path.Clean(file))
		c.Kind = kit.Range // Bundler insists on it
		add(c)
	}
	if d.lock != nil {
		add(d.lock.Ruby)
	}
	for _, file := range []string{".ruby-version", ".tool-versions", "mise.toml", ".mise.toml"} {
		add(toolVersion(app, file))
	}
}

// findNeeds collects what the app requires of the stack.
func (d *decision) findNeeds() {
	for _, v := range d.versions {
		d.needs = append(d.needs, kit.Need{Name: "ruby", Version: v, Build: true, Launch: true})
	}
	if len(d.needs) == 0 {
		d.needs = []kit.Need{{Name: "ruby", Build: true, Launch: true}}
	}
	if d.debian {
		for _, gem := range d.gemfile.Order {
			if d.isLocal(gem) {
				continue
			}
			d.needs = append(d.needs, kit.Need{Name: debian(gem), Build: true, Launch: true,
				Version: kit.Constraint{Source: fmt.Sprintf("%s:%d", fileGemfile, d.gemfile.Gems[gem])}})
		}
		return
	}
	var packages []string
	if d.lock != nil {
		d.compiled, packages = d.lock.compiled()
	} else {
		d.compiled, packages = (&lockFile{Gems: d.unlocked()}).compiled()
	}
	if len(d.compiled) > 0 {
		d.needs = append(d.needs, kit.Need{Name: "build-essential", Build: true})
	}
	for _, name := range packages {
		d.needs = append(d.needs, kit.Need{Name: name, Build: true})
	}
	if d.lock != nil && d.lock.Git > 0 {
		d.needs = append(d.needs, kit.Need{Name: "git", Build: true})
	}
	if d.precompile && (d.has("execjs") || d.has("uglifier") || d.has("terser")) {
		d.needs = append(d.needs, kit.Need{Name: "node", Build: true})
	}
}

// unlocked gives the gems that the Gemfile names, as if they were locked. Rails and puma bring compiled gems along.
func (d *decision) unlocked() map[string]string {
	all := map[string]string{}
	for gem := range d.gemfile.Gems {
		all[gem] = "?"
	}
	if all["rails"] != "" {
		all["nokogiri"], all["nio4r"] = "?", "?"
	}
	return all
}

// isLocal tells whether a gem is a part of the app.
func (d *decision) isLocal(gem string) bool {
	return slices.Contains(d.gemfile.Paths, gem)
}

// describe writes the record.
func (d *decision) describe(app *kit.App) {
	r := &d.record
	fact := func(topic, text, source string) {
		r.Facts = append(r.Facts, kit.Fact{Topic: topic, Text: text, Source: source})
	}
	if d.rails {
		fact("framework", "Rails", "config/application.rb")
	}
	how := d.describeGems(fact)
	if len(d.compiled) > 0 {
		fact("native", "to be compiled: "+strings.Join(d.compiled, ", "), "")
	}
	if d.precompile {
		fact("build", "rake assets:precompile", "Rakefile")
	}
	for i, s := range d.starts {
		r.Starts = append(r.Starts, kit.Start{
			Type: s.Type, Command: strings.Join(s.Command, " "), Score: s.Score, Evidence: []string{s.Why}, Chosen: i == 0,
		})
	}
	if release := d.release(app); release != nil {
		r.Starts = append(r.Starts, kit.Start{
			Type: "release", Command: strings.Join(release, " "), Score: 100, Evidence: []string{"db/migrate"}, Chosen: true,
		})
	}
	versions := []string{"any version"}
	for i, v := range d.versions {
		versions = append(versions[:i], v.String())
	}
	web := "web is the Procfile's: " + d.procfile
	if d.procfile == "" {
		web = "web starts " + strings.Join(d.starts[0].Command, " ")
	}
	r.Summary = fmt.Sprintf("Ruby, %s, %s; %s", strings.Join(versions, " and "), how, web)
}

// describeGems tells where the gems come from, in a few words and in facts.
func (d *decision) describeGems(fact func(topic, text, source string)) string {
	switch {
	case !d.installs():
		return "no gems"
	case d.debian:
		fact("packages", "gems are Debian's packages", envGems)
		return "gems from Debian"
	case d.local:
		fact("packages", "gems are those of vendor/cache", "vendor/cache")
		return "gems from vendor/cache"
	case d.lock == nil:
		d.record.Warnings = append(d.record.Warnings, "there is no "+fileLock+", so the newest gems that the Gemfile allows are "+
			"installed: commit the lock, `s2i build --write-lock` writes it")
		return "bundler without a lock"
	}
	frozen := "frozen"
	if !d.lock.forLinux() {
		frozen = "with Linux added to the lock's platforms"
		d.record.Warnings = append(d.record.Warnings, fmt.Sprintf("%s holds for %s only: run `bundle lock --add-platform "+
			"x86_64-linux aarch64-linux` and commit it", fileLock, strings.Join(d.lock.Platforms, ", ")))
	}
	fact("packages", fmt.Sprintf("bundle install, %s: %d gems", frozen, len(d.lock.Gems)), fileLock)
	if len(d.lock.Gems) > d.lock.Local {
		for _, remote := range d.lock.Remotes {
			if u, err := url.Parse(remote); err == nil && u.Hostname() != "" {
				d.record.Hosts = append(d.record.Hosts, kit.Host{Name: u.Hostname(), Why: "gems come from there, unless a mirror is configured",
					Source: fileLock})
			}
		}
	}
	return "bundle install"
}

// release gives the command that migrates the database; nil when there is none.
func (d *decision) release(app *kit.App) []string {
	if d.rails && app.HasDir("db/migrate") {
		return []string{"bundle", "exec", "rails", "db:migrate"}
	}
	return nil
}
