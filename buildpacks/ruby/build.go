package ruby

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// bindingBundler is the type of the binding that holds Bundler's configuration of the user.
const bindingBundler = "bundler"

// bundleVariable matches the variables in which Bundler takes mirrors and the credentials of hosts:
// BUNDLE_GEMS__EXAMPLE__COM.
var bundleVariable = regexp.MustCompile(`^BUNDLE_[A-Z0-9_]+$`)

// builder is the state of one build.
type builder struct {
	bc     libcnb.BuildContext
	app    *kit.App
	d      *decision
	env    kit.Env
	result libcnb.BuildResult
	gems   libcnb.Layer
}

// Build installs the gems, makes the assets, and contributes the processes.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, build) }

func build(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	d, err := decide(app, env)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	b := &builder{bc: bc, app: app, d: d, result: libcnb.NewBuildResult()}
	if b.gems, err = bc.Layers.Layer("gems"); err != nil {
		return b.result, fmt.Errorf("reading layer gems: %w", err)
	}
	home, err := os.MkdirTemp("", "bundler-")
	if err != nil {
		return b.result, fmt.Errorf("making a home for bundler: %w", err)
	}
	defer os.RemoveAll(home)
	b.env = b.toolEnv(env, home)
	if d.installs() {
		if err := b.install(ctx); err != nil {
			return b.result, err
		}
	}
	if d.precompile {
		if err := b.precompile(ctx); err != nil {
			return b.result, err
		}
	}
	if err := b.tidy(); err != nil {
		return b.result, err
	}
	return b.result, b.processes()
}

// bundleEnv are Bundler's settings that hold at build time and at run time. The app's own .bundle/config does not.
func (b *builder) bundleEnv() kit.Env {
	env := kit.Env{
		"BUNDLE_GEMFILE": filepath.Join(b.bc.ApplicationPath, fileGemfile), "BUNDLE_WITHOUT": "development:test",
		"BUNDLE_APP_CONFIG": filepath.Join(b.bc.Layers.Path, "bundle-config"), "BUNDLE_VERSION": "system",
		"BUNDLE_DISABLE_VERSION_CHECK": "true", "RACK_ENV": "production", "APP_ENV": "production", "LANG": "C.UTF-8",
	}
	if b.d.rails {
		env["RAILS_ENV"] = "production"
	}
	if !b.d.debian {
		env["BUNDLE_PATH"] = b.gems.Path
	}
	if b.d.lock != nil && b.d.lock.forLinux() {
		env["BUNDLE_FROZEN"] = "true"
	}
	return env
}

// toolEnv gives the environment of the tools.
func (b *builder) toolEnv(env kit.Env, home string) kit.Env {
	tools := env.With(b.bundleEnv()).With(kit.Env{
		"HOME": home, "BUNDLE_USER_HOME": home, "BUNDLE_SILENCE_ROOT_WARNING": "true", "BUNDLE_IGNORE_MESSAGES": "true",
		"BUNDLE_JOBS": env.Or("BUNDLE_JOBS", "4"), "BUNDLE_RETRY": "2", "BUNDLE_CACHE_PATH": "vendor/cache",
		"SECRET_KEY_BASE_DUMMY": "1", "SKIP_JS_BUILD": "1", "SKIP_CSS_BUILD": "1", "GIT_TERMINAL_PROMPT": "0",
		"BUNDLE_WITHOUT": env.Or("BUNDLE_WITHOUT", "development:test"),
	})
	for _, binding := range b.bc.Platform.Bindings {
		if file, ok := binding.SecretFilePath("config"); ok && binding.Type == bindingBundler {
			tools["BUNDLE_USER_CONFIG"] = file
		}
	}
	return tools
}

// install runs Bundler, or uses the gems of an earlier build.
func (b *builder) install(ctx context.Context) error {
	key, err := b.key(ctx)
	if err != nil {
		return err
	}
	if kit.MadeHere(b.gems, key) && !b.d.debian {
		kit.Say(b.bc.Logger, "%s: nothing has changed, the gems of the previous build are used", fileLock)
		b.gems = kit.Mark(b.gems, libcnb.LayerTypes{Launch: true, Cache: true}, key)
		b.result.Layers = append(b.result.Layers, b.gems)
		return nil
	}
	if !b.d.debian {
		if b.gems, err = kit.Fresh(b.gems, libcnb.LayerTypes{Launch: true, Cache: true}, key); err != nil {
			return err
		}
	}
	args := []string{"bundle", "install"}
	if b.d.local || b.d.debian {
		args = append(args, "--local")
	}
	kit.Say(b.bc.Logger, "%s", strings.Join(args, " "))
	err = kit.Command{
		Args: args, Dir: b.bc.ApplicationPath, Env: b.env.With(kit.SecretVariables(bundleVariable)),
		Out: kit.Out(b.bc.Logger), Why: b.why(), Advice: advice(),
	}.Run(ctx)
	if err != nil {
		if b.d.lock != nil {
			if missing := drift(b.d.gemfile, b.d.lock); len(missing) > 0 {
				err = fmt.Errorf("%w; not in %s: %s", err, fileLock, strings.Join(missing, ", "))
			}
		}
		return err
	}
	if err := b.keepLock(); err != nil || b.d.debian {
		return err
	}
	if err := removeWaste(b.gems.Path); err != nil {
		return err
	}
	b.result.Layers = append(b.result.Layers, b.gems)
	return nil
}

func (b *builder) why() string {
	switch {
	case b.d.debian:
		return envGems + " is debian"
	case b.d.local:
		return "vendor/cache is there"
	case b.d.lock != nil:
		return fileLock + " is there"
	}
	return fileGemfile + " is there, and no " + fileLock
}

func advice() []kit.Advice {
	const mirror = "configure a mirror that can be reached (`bundle config set --global mirror.all URL`), commit vendor/cache " +
		"(`bundle cache`), or set " + envGems + "=debian"
	return []kit.Advice{
		{Sign: "Could not reach host", Say: mirror},
		{Sign: "Could not fetch specs", Say: mirror},
		{Sign: "Network error while fetching", Say: mirror},
		{Sign: "Authentication is required", Say: "bind credentials: a binding of type bundler with a file config," +
			" or pass them as a secret named like Bundler's variable: BUNDLE_GEMS__EXAMPLE__COM"},
		{Sign: "Your bundle only supports platforms", Say: "run `bundle lock --add-platform x86_64-linux aarch64-linux` and commit " + fileLock},
		{Sign: "but your Gemfile specified", Say: "set " + envVersion + ", or change the line ruby of the Gemfile"},
		{Sign: "Failed to build gem native extension", Say: "the compiler or a library is missing: set " + kit.EnvBuildPackages},
		{Sign: "in any of the sources", Say: "the gems that are there do not meet the Gemfile; Debian's have one version each"},
		{Sign: "in locally installed gems", Say: "the gems that are there do not meet the Gemfile; Debian's have one version each"},
	}
}

// key stands for what the gems are made from; "" without a lock.
func (b *builder) key(ctx context.Context) (string, error) {
	version, err := kit.Command{
		Args: []string{"ruby", "-e", "print RUBY_DESCRIPTION"}, Dir: b.bc.ApplicationPath, Env: b.env,
		Out: kit.Out(b.bc.Logger), Why: fileGemfile + " is there",
	}.Output(ctx)
	if err != nil || b.d.lock == nil || b.d.lock.Local > 0 {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n", Version, version, b.env["BUNDLE_WITHOUT"], b.bc.ApplicationPath)
	for _, name := range []string{fileGemfile, fileLock} {
		data, err := b.app.Read(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s\n", name, len(data), data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// keepLock hands over the lock that Bundler has made.
func (b *builder) keepLock() error {
	if b.d.lock != nil {
		return nil
	}
	data, err := b.app.Read(fileLock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return kit.KeepLock(b.bc.Layers, fileLock, data)
}

// precompile makes the assets.
func (b *builder) precompile(ctx context.Context) error {
	args := []string{"bundle", "exec", "rake", "assets:precompile"}
	kit.Say(b.bc.Logger, "%s", strings.Join(args, " "))
	return kit.Command{
		Args: args, Dir: b.bc.ApplicationPath, Env: b.env, Out: kit.Out(b.bc.Logger), Why: "it is a Rails app with assets",
	}.Run(ctx)
}

// tidy removes from the app what is of no use at run time.
func (b *builder) tidy() error {
	for _, name := range []string{"vendor/cache", ".bundle", "tmp/cache", "log/production.log", "node_modules"} {
		if err := b.app.Root().RemoveAll(filepath.FromSlash(name)); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return nil
}

// removeWaste removes what an installation leaves behind: the packed gems, and logs of compilers, which differ from
// time to time.
func removeWaste(dir string) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base, parent := d.Name(), path.Base(filepath.ToSlash(filepath.Dir(name)))
		if d.IsDir() {
			return nil
		}
		switch ext := filepath.Ext(base); {
		case ext == ".gem" && parent == "cache", base == "mkmf.log", base == "gem_make.out", ext == ".o" && strings.Contains(name, "/ext/"):
			return os.Remove(name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tidying up the gems: %w", err)
	}
	return nil
}

// processes contributes the processes and their environment.
func (b *builder) processes() error {
	layer, err := b.bc.Layers.Layer("env")
	if err != nil {
		return fmt.Errorf("reading layer env: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return err
	}
	env := libcnb.Environment{}
	if b.d.installs() {
		for name, value := range b.bundleEnv() {
			env.Default(name, value)
		}
	}
	env.Default("BUNDLE_USER_HOME", "/tmp/bundler") // there is no home to write to
	env.Default("MALLOC_ARENA_MAX", "2")
	env.Default("RACK_ENV", "production")
	env.Default("APP_ENV", "production")
	if b.d.rails {
		env.Default("RAILS_LOG_TO_STDOUT", "1")
		env.Default("RAILS_SERVE_STATIC_FILES", "1")
	}
	kit.Listen(env, kit.DefaultType)
	layer.LaunchEnvironment = env
	b.result.Layers = append(b.result.Layers, layer)
	bundled := func(command []string) []string {
		if b.d.installs() && command[0] != "bundle" {
			return append([]string{"bundle", "exec"}, command...)
		}
		return command
	}
	if len(b.d.starts) > 0 {
		b.result.Processes = append(b.result.Processes, libcnb.Process{
			Type: kit.DefaultType, Command: bundled(b.d.starts[0].Command), Default: true,
		})
	}
	if release := b.d.release(b.app); release != nil {
		b.result.Processes = append(b.result.Processes, libcnb.Process{Type: "release", Command: release})
	}
	return nil
}
