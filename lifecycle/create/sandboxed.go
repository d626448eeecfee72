package create

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/detect"
	"s2i/lifecycle"
	"s2i/lifecycle/env"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/snapshot"
)

// Where this program is inside the sandbox, and the names under which it acts as a phase.
const (
	binaryInSandbox = lifecycle.LifecycleDir + "/s2i"
	builderPath     = lifecycle.LifecycleDir + "/builder"
	secretsDir      = "/run/secrets"
	caBundle        = "/etc/ssl/certs/ca-certificates.crt"
)

// furnish writes what the sandbox finds under /platform and /cnb.
func (w *work) furnish() error {
	if err := writeEnv(filepath.Join(w.dirs.platform, "env"), w.App.Env); err != nil {
		return fmt.Errorf("writing the build environment: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(w.dirs.platform, "bindings"), 0o755); err != nil {
		return err
	}
	phases := filepath.Join(w.dirs.cnb, "lifecycle")
	if err := os.MkdirAll(phases, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(path.Base(binaryInSandbox), filepath.Join(phases, path.Base(builderPath))); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(phases, path.Base(binaryInSandbox)), nil, 0o755); err != nil {
		return err
	}
	if err := w.Builder.Install(filepath.Join(w.dirs.cnb, "buildpacks"), binaryInSandbox); err != nil {
		return fmt.Errorf("installing the built-in buildpacks: %w", err)
	}
	for _, b := range w.Builder.Buildpacks {
		if b.thirdParty() { // mounted from where it lies
			dir := filepath.Join(w.dirs.cnb, strings.TrimPrefix(b.place(), "/cnb"))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeEnv writes one file per variable, as the specification passes environments.
func writeEnv(dir string, env map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if name == "" || strings.ContainsAny(name, "/\x00=") || strings.HasPrefix(name, ".") {
			return fmt.Errorf("%q cannot be the name of an environment variable", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(env[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// build runs the group's bin/build in one sandbox, by the builder phase of this program.
func (w *work) build(ctx context.Context) (err error) {
	ctx, task := progress.Start(ctx, "build", 0)
	defer func() { task.End(err) }()
	if err := w.writePhaseFiles(ctx); err != nil {
		return lifecycle.WithCode(lifecycle.ExitBuild, err)
	}
	config, err := w.bases.Build.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the build image: %w", err)
	}
	defer w.lookUpHosts(ctx)()
	seen := &buildOutput{hosts: w.plan(&w.bases.Plan).Hosts}
	builder := run{args: []string{builderPath}, env: w.sandboxEnv(config.Config.Env),
		out: io.MultiWriter(progress.Output(ctx), seen)}
	if err := w.inSandbox(ctx, w.bases.Build, builder); err != nil {
		return w.failed(err, seen)
	}
	w.metadata, err = lifecycle.ReadBuildMetadata(filepath.Join(w.dirs.layers, lifecycle.BuildMetadataPath))
	return lifecycle.WithCode(lifecycle.ExitBuild, err)
}

// writePhaseFiles writes group.toml, plan.toml and analyzed.toml where the builder phase reads them, and the operator
// environment, which by now includes what the chosen packages set.
func (w *work) writePhaseFiles(ctx context.Context) error {
	vars := map[string]string{}
	config, err := w.bases.Build.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the build image: %w", err)
	}
	for _, kv := range config.Config.Env {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "PATH" {
			vars[name] = value
		}
	}
	if w.App.OperatorEnv != nil {
		maps.Copy(vars, w.App.OperatorEnv(ctx))
	}
	if err := writeEnv(filepath.Join(w.dirs.cnb, "build-config", "env"), vars); err != nil {
		return fmt.Errorf("writing the operator's environment: %w", err)
	}
	target := w.App.Target
	analyzed := lifecycle.Analyzed{RunImage: &lifecycle.AnalyzedRunImage{Target: &target}}
	return errors.Join(
		lifecycle.WriteGroup(filepath.Join(w.dirs.layers, "group.toml"), w.detected.Group),
		lifecycle.WritePlan(filepath.Join(w.dirs.layers, "plan.toml"), w.detected.Plan),
		lifecycle.WriteAnalyzed(filepath.Join(w.dirs.layers, "analyzed.toml"), analyzed),
		w.handOver(w.dirs.app, w.dirs.layers),
	)
}

// run is one command in the sandbox, with its whole environment.
type run struct {
	args, env []string
	out       io.Writer
	// output is a directory that the command writes to, at outputDir; the app is read-only then.
	output string
}

// inSandbox runs one command with the build's mounts on the layers of img.
func (w *work) inSandbox(ctx context.Context, img v1.Image, r run) error {
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("reading the build image: %w", err)
	}
	rootfs, release, err := snapshot.Prepare(ctx, w.Store, layers, false)
	if err != nil {
		return fmt.Errorf("preparing the build image: %w", err)
	}
	defer release()
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the build image: %w", err)
	}
	emulator, err := sandbox.FindEmulator(config.Architecture)
	if err != nil {
		return err
	}
	return w.Sandbox.Run(ctx, sandbox.Process{
		Emulator: emulator,
		Rootfs:   sandbox.Rootfs(*rootfs), Args: r.args, Env: r.env, Dir: lifecycle.AppDir,
		UID: lifecycle.UserID, GID: lifecycle.GroupID, Mounts: w.mountsFor(r),
		Network: w.App.Network, Limits: w.App.Limits, Stdout: r.out, Stderr: r.out,
	})
}

// sandboxEnv is the environment of the phase itself; what buildpacks see of it is the phase's business.
func (w *work) sandboxEnv(image []string) []string {
	return append(slices.Clone(image),
		"CNB_PLATFORM_API="+lifecycle.PlatformAPI, "HOME="+homeDir,
		"CNB_TARGET_OS="+w.App.Target.OS, "CNB_TARGET_ARCH="+w.App.Target.Arch)
}

// homeDir is the build user's home: on the sandbox's own temporary file system, so nothing in it outlives the build.
const homeDir = "/tmp/home"

// mounts is what a buildpack sees beside the build image.
func (w *work) mounts() []sandbox.Mount {
	mounts := []sandbox.Mount{
		{Target: "/tmp"},
		{Source: w.dirs.app, Target: lifecycle.AppDir},
		{Source: w.dirs.layers, Target: lifecycle.LayersDir},
		{Source: w.dirs.platform, Target: lifecycle.PlatformDir, ReadOnly: true},
		{Source: w.dirs.cnb, Target: "/cnb", ReadOnly: true},
		{Source: w.Builder.Binary, Target: binaryInSandbox, ReadOnly: true},
	}
	for _, b := range w.Builder.Buildpacks {
		if b.thirdParty() {
			mounts = append(mounts, sandbox.Mount{Source: b.Dir, Target: b.place(), ReadOnly: true})
		}
	}
	if w.App.Bindings != "" {
		mounts = append(mounts, sandbox.Mount{Source: w.App.Bindings, Target: lifecycle.PlatformDir + "/bindings", ReadOnly: true})
	}
	for _, name := range slices.Sorted(maps.Keys(w.App.Secrets)) {
		mounts = append(mounts, sandbox.Mount{Source: w.App.Secrets[name], Target: path.Join(secretsDir, name), ReadOnly: true})
	}
	return append(mounts, hostFiles()...)
}

// hostFiles are the machine's files that make its network usable inside: name resolution, and the certificate bundle,
// so that a company's own authority is trusted during the build. None of them reaches a layer.
func hostFiles() []sandbox.Mount {
	var mounts []sandbox.Mount
	add := func(source, target string) {
		if resolved, err := filepath.EvalSymlinks(source); err == nil {
			mounts = append(mounts, sandbox.Mount{Source: resolved, Target: target, ReadOnly: true})
		}
	}
	add("/etc/resolv.conf", "/etc/resolv.conf")
	add("/etc/hosts", "/etc/hosts")
	if bundle := os.Getenv("SSL_CERT_FILE"); bundle != "" {
		add(bundle, caBundle)
	} else {
		add(caBundle, caBundle)
	}
	return mounts
}

// detectInSandbox runs a third-party bin/detect.
func (w *work) detectInSandbox(ctx context.Context, bp Buildpack) detect.Outcome {
	if bp.IsExtension() && !bp.has("detect") {
		return detect.StaticPlan(bp.Buildpack)
	}
	o := detect.Outcome{Element: bp.Element(), Status: detect.Errored}
	bases, err := w.detectBase()
	if err != nil {
		o.Err = err
		return o
	}
	planName := "detect-" + lifecycle.EscapedID(bp.About().ID) + ".toml"
	planFile := filepath.Join(w.dirs.layers, planName)
	if o.Err = os.WriteFile(planFile, nil, 0o644); o.Err != nil {
		return o
	}
	if o.Err = w.handOver(planFile); o.Err != nil {
		return o
	}
	defer os.Remove(planFile)
	o.Output, err = w.runDetect(ctx, bases.Build, bp, path.Join(lifecycle.LayersDir, planName))
	o.Reason = lastLine(o.Output)
	var exit *sandbox.ExitError
	switch {
	case err == nil:
		o.Status = detect.Passed
		if o.Plan, err = lifecycle.ReadBuildPlan(planFile); err != nil {
			o.Status, o.Err = detect.Errored, err
		}
	case errors.As(err, &exit) && exit.Code == detectFailed:
		o.Status = detect.Failed
	default:
		o.Err = fmt.Errorf("running bin/detect: %w", err)
	}
	return o
}

// detectFailed is the exit code with which bin/detect says that it does not fit (buildpack §Detection).
const detectFailed = 100

func (w *work) runDetect(ctx context.Context, img v1.Image, bp Buildpack, plan string) ([]byte, error) {
	e, err := w.moduleEnv(img, bp)
	if err != nil {
		return nil, err
	}
	e.Set("CNB_BUILD_PLAN_PATH", plan)
	var out bytes.Buffer
	err = w.inSandbox(ctx, img, run{
		args: []string{path.Join(bp.place(), "bin", "detect"), lifecycle.PlatformDir, plan},
		env:  append(e.List(), w.App.Target.Environ()...),
		out:  &out,
	})
	return out.Bytes(), err
}

// moduleEnv is the environment of the programs of a module, without what differs between them.
func (w *work) moduleEnv(img v1.Image, bp Buildpack) (*env.Env, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the build image: %w", err)
	}
	e, err := env.ForBuild(w.sandboxEnv(config.Config.Env)).WithPlatform(w.dirs.platform, "", bp.About().ClearEnv)
	if err != nil {
		return nil, err
	}
	if bp.IsExtension() {
		e.Set("CNB_EXTENSION_DIR", bp.place())
	} else {
		e.Set("CNB_BUILDPACK_DIR", bp.place())
	}
	e.Set("CNB_PLATFORM_DIR", lifecycle.PlatformDir)
	return e, nil
}

// maxReason bounds what is kept of a reason, in bytes.
const maxReason = 400

// lastLine gives the last line of a buildpack's output, which is its reason.
func lastLine(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lifecycle.PlainLine(lines[len(lines)-1], maxReason)
}
