package golang

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// Types of the bindings that carry credentials.
const (
	bindingNetrc = "netrc"
	bindingGit   = "git-credentials"
)

// Build compiles every program into the layer "app" and removes the sources.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, buildApp) }

func buildApp(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	a, err := examine(app, env, target{OS: bc.TargetInfo.OS, Arch: bc.TargetInfo.Arch})
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	if err := freshenTimes(app); err != nil {
		return libcnb.BuildResult{}, err
	}
	result := libcnb.NewBuildResult()
	env, err = goEnv(bc, env, a, &result)
	if err != nil {
		return result, err
	}
	layer, err := bc.Layers.Layer("app")
	if err != nil {
		return result, fmt.Errorf("reading layer app: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return result, err
	}
	if err := a.compile(ctx, bc, env, filepath.Join(layer.Path, "bin")); err != nil {
		return result, err
	}
	layer.LaunchEnvironment = libcnb.Environment{}
	for _, p := range a.programs {
		if p.Default {
			kit.Listen(layer.LaunchEnvironment, p.Type)
		}
		result.Processes = append(result.Processes, libcnb.Process{
			Type: p.Type, Command: []string{filepath.Join(layer.Path, "bin", p.File)}, Default: p.Default,
		})
	}
	result.Layers = append(result.Layers, layer)
	if err := a.keepLock(app, bc.Layers); err != nil {
		return result, err
	}
	return result, removeSources(app, kit.Fields(env[envKeep]))
}

// keepLock hands over the go.sum that the go command wrote, with the go.mod that it goes with.
func (a *goApp) keepLock(app *kit.App, layers libcnb.Layers) error {
	if !a.source.Unlocked {
		return nil
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := app.Read(name)
		if err == nil {
			err = kit.KeepLock(layers, name, data)
		}
		if err != nil {
			return fmt.Errorf("keeping %s: %w", name, err)
		}
	}
	return nil
}

// goEnv gives the environment of the go command, and adds the caches to the result's layers.
func goEnv(bc libcnb.BuildContext, env kit.Env, a *goApp, result *libcnb.BuildResult) (kit.Env, error) {
	modules, err := kit.Cache(bc.Layers, "modules")
	if err != nil {
		return nil, err
	}
	objects, err := kit.Cache(bc.Layers, "objects")
	if err != nil {
		return nil, err
	}
	result.Layers = append(result.Layers, modules, objects)
	env = env.With(kit.Env{
		"GOTOOLCHAIN": "local", // the stack supplies the toolchain
		"GOMODCACHE":  modules.Path,
		"GOPATH":      filepath.Join(os.TempDir(), "go"),
		"GOCACHE":     objects.Path,
		"GOTELEMETRY": "off",
		// The module cache must be removable by whoever keeps it.
		"GOFLAGS":             strings.TrimSpace(env["GOFLAGS"] + " -modcacherw"),
		"CGO_ENABLED":         "0",
		"GIT_TERMINAL_PROMPT": "0",
		"HOME":                env.Or("HOME", os.TempDir()),
	})
	if a.cgo != "" {
		env["CGO_ENABLED"] = "1"
	}
	if bc.TargetInfo.OS != "" && bc.TargetInfo.Arch != "" {
		env["GOOS"], env["GOARCH"] = bc.TargetInfo.OS, bc.TargetInfo.Arch
	}
	return withCredentials(env, bc.Platform.Bindings), nil
}

// withCredentials points the tools at the files of the bindings.
func withCredentials(env kit.Env, bindings libcnb.Bindings) kit.Env {
	for _, b := range bindings {
		switch b.Type {
		case bindingNetrc:
			if file, ok := kit.BindingFile(b, ".netrc", "netrc"); ok {
				env["NETRC"] = file
			}
		case bindingGit:
			if file, ok := b.SecretFilePath("credentials"); ok {
				env["GIT_CONFIG_COUNT"] = "1"
				env["GIT_CONFIG_KEY_0"] = "credential.helper"
				env["GIT_CONFIG_VALUE_0"] = "store --file=" + file
			}
		}
	}
	return env
}

// compile runs go build: once for all programs whose binary the go command names as we do, once for each other.
func (a *goApp) compile(ctx context.Context, bc libcnb.BuildContext, env kit.Env, bin string) error {
	flags, err := buildFlags(env)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return fmt.Errorf("making the layer of binaries: %w", err)
	}
	base := []string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags=" + env.Or(envLDFlags, "-s -w")}
	if a.source.Unlocked {
		base = append(base, "-mod=mod")
	}
	base = append(base, flags...)
	together := append(append([]string{}, base...), "-o", bin+"/")
	n := len(together)
	for _, p := range a.programs {
		if p.File == baseName(p.Package) {
			together = append(together, p.Package)
			continue
		}
		args := append(append([]string{}, base...), "-o", filepath.Join(bin, p.File), p.Package)
		if err := a.run(ctx, bc, env, args); err != nil {
			return err
		}
	}
	if len(together) == n {
		return nil
	}
	return a.run(ctx, bc, env, together)
}

func (a *goApp) run(ctx context.Context, bc libcnb.BuildContext, env kit.Env, args []string) error {
	kit.Say(bc.Logger, "%s", strings.Join(args, " "))
	return kit.Command{
		Args: args, Dir: bc.ApplicationPath, Env: env, Out: kit.Out(bc.Logger),
		Why: a.source.File + " is there and CGO_ENABLED is " + env["CGO_ENABLED"], Advice: advice(),
	}.Run(ctx)
}

func advice() []kit.Advice {
	return []kit.Advice{
		{Sign: "missing go.sum entry", Say: "run `go mod tidy` and commit go.sum"},
		{Sign: "updates to go.mod needed", Say: "run `go mod tidy` and commit go.mod and go.sum"},
		{Sign: "inconsistent vendoring", Say: "run `go mod vendor` and commit the directory vendor"},
		{Sign: "terminal prompts disabled", Say: "a private module: bind git-credentials or netrc, or set GOPROXY"},
		{Sign: "running go.mod requires go >=", Say: "the stack's Go is too old: set " + envVersion},
		{Sign: "toolchain not available", Say: "the stack's Go is too old: set " + envVersion},
		{Sign: `C compiler "gcc" not found`, Say: "cgo was not expected: set CGO_ENABLED=1 for the build"},
		{Sign: "build constraints exclude all Go files", Say: "if the package needs cgo, set CGO_ENABLED=1 for the build"},
		{Sign: "404 Not Found", Say: "a private module? set GOPRIVATE or GOPROXY"},
		{Sign: "410 Gone", Say: "a private module? set GOPRIVATE or GOPROXY"},
	}
}
