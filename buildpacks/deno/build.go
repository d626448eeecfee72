package deno

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// bindingNPM is the type of the binding with credentials for npm's registry.
const bindingNPM = "npmrc"

// cachedOnly are names that mean a registry from which nothing is ever fetched: that of the cache in the image.
const (
	cachedHost     = "npm.invalid"
	cachedRegistry = "https://" + cachedHost + "/"
)

// builder is the state of one build.
type builder struct {
	bc     libcnb.BuildContext
	d      *decision
	env    kit.Env
	result libcnb.BuildResult
	// registries are directories of npm's cache in which packages were found.
	registries []string
}

// Build fetches the dependencies and contributes the process.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, build) }

func build(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	d, err := decide(app, env)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	b := &builder{bc: bc, d: d, result: libcnb.NewBuildResult()}
	downloads, err := b.downloads()
	if err != nil {
		return b.result, err
	}
	home, err := os.MkdirTemp("", "deno")
	if err != nil {
		return b.result, fmt.Errorf("making a home directory: %w", err)
	}
	defer os.RemoveAll(home)
	if b.env, err = denoEnv(env, bc.Platform.Bindings, home, downloads.Path); err != nil {
		return b.result, err
	}
	if err := b.install(ctx); err != nil {
		return b.result, err
	}
	// It may hold credentials, and nothing is fetched any more.
	if err := app.Root().RemoveAll(".npmrc"); err != nil {
		return b.result, fmt.Errorf("removing .npmrc: %w", err)
	}
	return b.result, b.place(downloads.Path)
}

// downloads gives the directory of Deno's cache, kept from the last build. What was made from the app's own sources
// is not, nor modules from other machines when the lock is another: what is in the image follows from this build alone.
func (b *builder) downloads() (libcnb.Layer, error) {
	layer, err := b.bc.Layers.Layer("downloads")
	if err != nil {
		return layer, fmt.Errorf("reading layer downloads: %w", err)
	}
	var text []byte
	if b.d.lock != nil {
		if text, err = b.d.app.Read(lockFile); err != nil {
			return layer, err
		}
	}
	sum := sha256.Sum256(append([]byte(Version+"\x00"), text...))
	key := hex.EncodeToString(sum[:])
	stale := []string{"gen"}
	if !kit.MadeHere(layer, key) {
		stale = append(stale, "remote")
	}
	for _, name := range stale {
		if err := os.RemoveAll(filepath.Join(layer.Path, name)); err != nil {
			return layer, fmt.Errorf("emptying layer downloads: %w", err)
		}
	}
	if err := os.MkdirAll(layer.Path, 0o755); err != nil {
		return layer, fmt.Errorf("making layer downloads: %w", err)
	}
	layer = kit.Mark(layer, libcnb.LayerTypes{Cache: true}, key)
	b.result.Layers = append(b.result.Layers, layer)
	return layer, nil
}

// denoEnv gives the environment of Deno, whose cache is dir.
func denoEnv(env kit.Env, bindings libcnb.Bindings, home, dir string) (kit.Env, error) {
	env = env.With(kit.Env{"DENO_DIR": dir, "HOME": home, "NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "DENO_NO_PROMPT": "1",
		"DENO_TLS_CA_STORE": "mozilla,system"})
	if registry := env["npm_config_registry"]; registry != "" && env["NPM_CONFIG_REGISTRY"] == "" {
		env["NPM_CONFIG_REGISTRY"] = registry // Deno knows this spelling only
	}
	for _, b := range bindings {
		if file, ok := kit.BindingFile(b, ".npmrc"); ok && b.Type == bindingNPM {
			if err := os.Symlink(file, filepath.Join(home, ".npmrc")); err != nil {
				return nil, fmt.Errorf("linking .npmrc: %w", err)
			}
		}
	}
	return env, nil
}

// install brings the dependencies into Deno's cache, or node_modules, and runs the task build.
func (b *builder) install(ctx context.Context) error {
	if err := b.d.app.Root().RemoveAll("node_modules"); err != nil {
		return fmt.Errorf("removing node_modules: %w", err)
	}
	locked := b.d.lock != nil
	var frozen []string
	if locked {
		frozen = []string{"--frozen"}
	}
	if b.d.config.File != "" || b.d.app.Has("package.json") {
		if err := b.run(ctx, append([]string{"install"}, frozen...)...); err != nil {
			return err
		}
	}
	if b.d.config.task("build") != "" {
		if err := b.run(ctx, "task", "build"); err != nil {
			return err
		}
	}
	if err := b.run(ctx, append(append([]string{"cache"}, frozen...), b.d.start.File)...); err != nil {
		return err
	}
	if locked || !b.d.hasLock() {
		return nil
	}
	data, err := b.d.app.Read(lockFile)
	if err != nil {
		return err
	}
	return kit.KeepLock(b.bc.Layers, lockFile, data)
}

func (b *builder) run(ctx context.Context, args ...string) error {
	kit.Say(b.bc.Logger, "deno %s", strings.Join(args, " "))
	return kit.Command{
		Args: append([]string{"deno"}, args...), Dir: b.bc.ApplicationPath, Env: b.env, Out: kit.Out(b.bc.Logger),
		Why: cmp.Or(b.d.config.File, lockFile) + " is there", Advice: advice(),
	}.Run(ctx)
}

func advice() []kit.Advice {
	return []kit.Advice{
		{Sign: "The lockfile is out of date", Say: "run `deno install` and commit deno.lock"},
		{Sign: "Integrity check failed", Say: "what was downloaded is not what deno.lock names"},
		{Sign: jsrHost, Say: "the app imports from " + jsrHost + ", which the build could not reach: " +
			"set \"vendor\": true in deno.json, run `deno install` and commit the directory vendor"},
	}
}

// place makes the layer of the cache and the process.
func (b *builder) place(downloads string) error {
	layer, err := b.bc.Layers.Layer("cache")
	if err != nil {
		return fmt.Errorf("reading layer cache: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return err
	}
	for _, dir := range []string{"remote", "gen"} {
		if err := copyTree(filepath.Join(downloads, dir), filepath.Join(layer.Path, dir)); err != nil {
			return fmt.Errorf("copying Deno's cache: %w", err)
		}
	}
	env := libcnb.Environment{}
	if !b.d.config.nodeModules(b.d.app) {
		if err := b.placeNPM(filepath.Join(downloads, "npm"), filepath.Join(layer.Path, "npm")); err != nil {
			return fmt.Errorf("copying Deno's cache of npm packages: %w", err)
		}
	}
	env.Default("DENO_DIR", layer.Path)
	env.Default("DENO_NO_UPDATE_CHECK", "1")
	env.Override("NPM_CONFIG_REGISTRY", cachedRegistry)
	for _, a := range b.d.start.Env {
		env.ProcessDefault(kit.DefaultType, a.Name, a.Value)
	}
	var more []kit.Assignment
	if b.d.start.Port == "" && b.d.start.Verb == "run" {
		more = append(more, kit.Assignment{Name: "DENO_SERVE_ADDRESS", Value: "tcp:0.0.0.0:" + kit.Port})
	}
	kit.Listen(env, kit.DefaultType, more...)
	layer.LaunchEnvironment = env
	b.result.Layers = append(b.result.Layers, layer)
	b.result.Processes = append(b.result.Processes,
		libcnb.Process{Type: kit.DefaultType, Command: b.d.command(), Default: true})
	return nil
}

// placeNPM copies the npm packages that the lock names, and no others: the cache of earlier builds may hold more. They
// get a directory whose name does not tell which registry they came from.
func (b *builder) placeNPM(from, to string) error {
	l, err := readLock(b.d.app)
	if l == nil || err != nil {
		return err
	}
	for _, p := range l.packages() {
		dir := b.find(from, p)
		if dir == "" {
			kit.Say(b.bc.Logger, "%s %s was not fetched: it is for another platform", p.name, p.version)
			continue
		}
		if err := copyTree(dir, filepath.Join(to, cachedHost, p.name, p.version)); err != nil {
			return err
		}
	}
	return nil
}

// find gives the directory of a package in npm's cache, "" when it is not there: below that of its registry, which is
// named after the registry's host and path.
func (b *builder) find(cache string, p npmPackage) string {
	below := func(root string) string {
		dir := filepath.Join(root, p.name, p.version)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		return ""
	}
	for _, root := range b.registries {
		if dir := below(root); dir != "" {
			return dir
		}
	}
	found := ""
	err := filepath.WalkDir(cache, func(dir string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if found = below(dir); found != "" {
			b.registries = append(b.registries, dir)
			return fs.SkipAll
		}
		if rel, err := filepath.Rel(cache, dir); err != nil || strings.Count(rel, "/") >= maxDepth {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return found
}

// maxDepth bounds how deep below npm's cache a registry's directory is searched: its host and the parts of its path.
const maxDepth = 4

// copyTree copies a directory, which need not exist.
func copyTree(from, to string) error {
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return filepath.WalkDir(from, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case e.Type().IsRegular():
			return copyFile(file, target)
		}
		return nil
	})
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm()|0o644)
}
