package rust

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// builder is the state of one build.
type builder struct {
	bc     libcnb.BuildContext
	d      *decision
	env    kit.Env
	home   string // cargo's own directory
	target string // what is compiled
	result libcnb.BuildResult
}

// Build compiles the programs into the layer "app" and removes the sources.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, build) }

func build(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	d, err := decide(app, env)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	b := &builder{bc: bc, d: d, result: libcnb.NewBuildResult()}
	if err := b.layers(ctx, env); err != nil {
		return b.result, err
	}
	undo, err := configure(b.home, b.env, bc.Platform.Bindings)
	if err != nil {
		return b.result, errors.Join(err, undo())
	}
	err = b.compile(ctx)
	if err = errors.Join(err, undo()); err != nil {
		return b.result, err
	}
	return b.result, d.removeSources(kit.Fields(env[envKeep]))
}

// layers makes the directories that are kept between builds: cargo's own with the crates as they were downloaded, and
// the compiled ones, which begin anew with another compiler.
func (b *builder) layers(ctx context.Context, env kit.Env) error {
	registry, err := kit.Cache(b.bc.Layers, "registry")
	if err == nil && overgrown(registry.Path, maxRegistry) {
		registry, err = kit.Fresh(registry, libcnb.LayerTypes{Cache: true}, "")
	}
	if err != nil {
		return err
	}
	target, err := b.bc.Layers.Layer("target")
	if err != nil {
		return fmt.Errorf("reading layer target: %w", err)
	}
	b.home, b.target = registry.Path, target.Path
	b.env = b.d.cargoEnv(b.bc, env, b.home, b.target)
	compiler, err := b.output(ctx, "rustc", "-vV")
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(Version + "\x00" + compiler + "\x00" + env["RUSTFLAGS"] + "\x00" + env[envFlags]))
	key := hex.EncodeToString(sum[:])
	types := libcnb.LayerTypes{Cache: true}
	if kit.MadeHere(target, key) && !overgrown(target.Path, maxTarget) {
		target = kit.Mark(target, types, key)
	} else if target, err = kit.Fresh(target, types, key); err != nil {
		return err
	}
	b.result.Layers = append(b.result.Layers, registry, target)
	return nil
}

// compile runs cargo and makes the layer of binaries.
func (b *builder) compile(ctx context.Context) error {
	states, err := setTimes(b.d.app, b.target)
	if err != nil {
		return err
	}
	if err := b.fetch(ctx); err != nil {
		return err
	}
	packages, err := b.verify(ctx)
	if err != nil {
		return err
	}
	args := append([]string{"cargo"}, b.d.flagsConfig(b.bc, b.env, b.home)...)
	args = append(args, "build", "--release", "--locked", "--message-format=json-render-diagnostics")
	for _, name := range b.d.crates() {
		args = append(args, "--package", packages[name].ID)
	}
	for _, program := range b.d.bins {
		args = append(args, "--bin", program.Name)
	}
	more, err := flags(b.env)
	if err != nil {
		return err
	}
	args = append(args, more...)
	kit.Say(b.bc.Logger, "cargo %s", strings.Join(args[slices.Index(args, "build"):], " "))
	out, err := b.output(ctx, args...)
	if err != nil {
		return err
	}
	if err := b.place(messages(out)); err != nil {
		return err
	}
	return keepStates(b.target, states)
}

// flags gives the user's flags for cargo build.
func flags(env kit.Env) ([]string, error) {
	if env[envFlags] == "" {
		return nil, nil
	}
	line, err := kit.ParseCommandLine("cargo " + env[envFlags])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", envFlags, err)
	}
	return line.Args[1:], nil
}

// crates gives the names of the packages that the programs belong to.
func (d *decision) crates() []string {
	var names []string
	for _, b := range d.bins {
		if !slices.Contains(names, b.Crate.Package.Name) {
			names = append(names, b.Crate.Package.Name)
		}
	}
	return names
}

// fetch downloads the crates that the lock names, after resolving them when there is no lock.
func (b *builder) fetch(ctx context.Context) error {
	if b.d.lock == nil {
		if err := b.load(ctx, "cargo", "generate-lockfile"); err != nil {
			return err
		}
		data, err := b.d.app.Read(cargoLock)
		if err != nil {
			return err
		}
		if err := kit.KeepLock(b.bc.Layers, cargoLock, data); err != nil {
			return err
		}
	}
	args := []string{"cargo", "fetch", "--locked"}
	// Crates for other systems are not downloaded.
	args = append(args, "--target", triple(b.bc.TargetInfo.Arch))
	err := b.load(ctx, args...)
	if err == nil {
		// The build runs code of crates, which has no business with credentials.
		return remove([]string{filepath.Join(b.home, credentialsFile), filepath.Join(b.home, ".netrc")})
	}
	if b.d.lock == nil {
		return err
	}
	return b.explainLock(ctx, err)
}

// triple gives cargo's name of the target.
func triple(arch string) string {
	if arch == "" {
		arch = runtime.GOARCH
	}
	if arch == "arm64" {
		return "aarch64-unknown-linux-gnu"
	}
	return "x86_64-unknown-linux-gnu"
}

// explainLock tells what is different when cargo finds that the lock does not fit the manifests.
func (b *builder) explainLock(ctx context.Context, failed error) error {
	old, err := b.d.app.Read(cargoLock)
	if err != nil {
		return errors.Join(failed, err)
	}
	// The least change that makes it fit; the build has failed, so the app's file may change.
	quiet := b.command("cargo", "metadata", "--format-version", "1")
	quiet.Out, quiet.Env = io.Discard, b.env.With(tokens(b.env))
	if _, err := quiet.Output(ctx); err != nil {
		return failed
	}
	fitting, err := b.d.app.Read(cargoLock)
	if err != nil || bytes.Equal(old, fitting) {
		return failed
	}
	list := differences(parseLock(old), parseLock(fitting), 10)
	return fmt.Errorf("%s does not fit Cargo.toml: %s; run `cargo update --workspace` and commit %s",
		cargoLock, strings.Join(list, ", "), cargoLock)
}

// verify compares what we read in the manifests with what cargo reads, and gives that.
func (b *builder) verify(ctx context.Context) (map[string]known, error) {
	out, err := b.output(ctx, "cargo", "metadata", "--no-deps", "--format-version", "1", "--locked")
	if err != nil {
		return nil, err
	}
	packages, err := programs(out)
	if err != nil {
		return nil, err
	}
	for _, program := range b.d.bins {
		name := program.Crate.Package.Name
		if has := packages[name].Programs; !slices.Contains(has, program.Name) {
			return nil, fmt.Errorf("cargo knows no program %s in the package %s (%s), but %s",
				program.Name, name, program.Source, strings.Join(append(has, "no other"), ", "))
		}
	}
	return packages, nil
}

// place copies the binaries that cargo made into the layer of the app, and makes their processes.
func (b *builder) place(made []message) error {
	layer, err := b.bc.Layers.Layer("app")
	if err != nil {
		return fmt.Errorf("reading layer app: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return err
	}
	bin := filepath.Join(layer.Path, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return fmt.Errorf("making the layer of binaries: %w", err)
	}
	layer.LaunchEnvironment = libcnb.Environment{}
	for _, program := range b.d.bins {
		i := slices.IndexFunc(made, func(m message) bool {
			return m.Executable != "" && m.Target.Name == program.Name && slices.Contains(m.Target.Kind, "bin")
		})
		if i < 0 {
			return fmt.Errorf("cargo did not say where it put the program %s", program.Name)
		}
		file := filepath.Join(bin, program.Name)
		if err := copyFile(made[i].Executable, file); err != nil {
			return fmt.Errorf("taking the program %s: %w", program.Name, err)
		}
		b.result.Processes = append(b.result.Processes, libcnb.Process{
			Type: program.Type, Command: []string{file}, Default: program.Default,
		})
		if program.rocket() {
			kit.Listen(layer.LaunchEnvironment, program.Type, kit.Assignment{Name: "ROCKET_PORT", Value: kit.Port},
				kit.Assignment{Name: "ROCKET_ADDRESS", Value: "0.0.0.0"})
		} else if program.Default {
			kit.Listen(layer.LaunchEnvironment, program.Type)
		}
	}
	b.result.Layers = append(b.result.Layers, layer)
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (b *builder) command(args ...string) kit.Command {
	return kit.Command{
		Args: args, Dir: b.bc.ApplicationPath, Env: b.env, Out: kit.Out(b.bc.Logger),
		Why: cargoToml + " is there", Advice: advice(),
	}
}

// load runs a command that needs credentials for registries.
func (b *builder) load(ctx context.Context, args ...string) error {
	c := b.command(args...)
	c.Env = b.env.With(tokens(b.env))
	return c.Run(ctx)
}

func (b *builder) output(ctx context.Context, args ...string) (string, error) {
	return b.command(args...).Output(ctx)
}

// privateAdvice tells how to get at crates of a registry that asks who is there.
const privateAdvice = "a private registry? bind credentials.toml with the type " + bindingCargo +
	", or pass the token as a secret CARGO_REGISTRIES_NAME_TOKEN"

func advice() []kit.Advice {
	library := "a library is missing: set " + kit.EnvBuildPackages + " to its -dev package and pkgconf"
	return []kit.Advice{
		{Sign: "because --locked was passed", Say: "run `cargo update --workspace` and commit Cargo.lock"},
		{Sign: "requires rustc ", Say: "the stack's Rust is too old for a crate: run `cargo update CRATE --precise VERSION`"},
		{Sign: "feature may not be used on the stable release channel", Say: "the app needs a nightly toolchain"},
		{Sign: "DATABASE_URL` must be set", Say: "run `cargo sqlx prepare --workspace` and commit the directory .sqlx"},
		{Sign: "Could not find `protoc`", Say: "set " + kit.EnvBuildPackages + "=protobuf-compiler"},
		{Sign: "Unable to find libclang", Say: "set " + kit.EnvBuildPackages + "=\"clang libclang-dev\""},
		{Sign: "Could not find directory of OpenSSL", Say: "set " + kit.EnvBuildPackages + "=\"libssl-dev pkgconf\""},
		{Sign: "The system library `", Say: library},
		{Sign: "is `cmake` not installed?", Say: "set " + kit.EnvBuildPackages + "=\"cmake make\""},
		{Sign: "unable to find library -l", Say: library},
		{Sign: "cannot find -l", Say: library},
		{Sign: "status code 401", Say: privateAdvice},
		{Sign: "no token found for", Say: privateAdvice},
	}
}
