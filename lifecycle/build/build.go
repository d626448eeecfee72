// Package build is the build phase of the specification (buildpack §Phase #5): it runs bin/build of every buildpack of
// the group in order, each in the environment that the layers of those before it make, and collects what they say about
// the image.
//
// It runs where it is called: inside the sandbox, or in a container that is isolated already. It never talks to a
// registry and needs no credentials.
package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"s2i/lifecycle"
	"s2i/lifecycle/env"
	"s2i/lifecycle/progress"
)

// Options says what to build and where. AppDir, LayersDir, BuildpacksDir and Group are required.
type Options struct {
	// AppDir holds the app's source; buildpacks may change it. LayersDir receives their layers, in one directory for
	// each of them, and restored layers are there already.
	AppDir, LayersDir string
	// PlatformDir holds the user's environment and bindings, BuildConfigDir the operator's environment.
	PlatformDir, BuildConfigDir string
	// BuildpacksDir holds the buildpacks as <id>/<version>, with "/" in the ID replaced by "_".
	BuildpacksDir string
	Group         []lifecycle.GroupElement
	// Extensions are the image extensions that took part in detection; they are only recorded.
	Extensions []lifecycle.GroupElement
	Plan       lifecycle.Plan
	Target     lifecycle.Target
	// ExecEnv is the execution environment; empty means lifecycle.DefaultExecEnv.
	ExecEnv string
	// Environ is the lifecycle's own environment, of which buildpacks see a part; nil means os.Environ().
	Environ []string
	// Stdout and Stderr get the buildpacks' output; nil means progress.Output.
	Stdout, Stderr io.Writer
}

// Group builds the app and returns what it also writes to <layers>/config/metadata.toml. A failing buildpack gives an
// error with lifecycle.ExitBuildpackFailed and its name, an unsupported Buildpack API ExitBuildpackAPI, everything else
// ExitBuild. When ctx ends, the running buildpack and its children are killed.
func Group(ctx context.Context, o Options) (*lifecycle.BuildMetadata, error) {
	m, err := group(ctx, o)
	return m, lifecycle.WithCode(lifecycle.ExitBuild, err)
}

func group(ctx context.Context, o Options) (*lifecycle.BuildMetadata, error) {
	if err := o.absolute(); err != nil {
		return nil, err
	}
	buildpacks, err := o.lookup()
	if err != nil {
		return nil, err
	}
	// The analyzer left the previous image's bills of materials there; the restorer has handed out what is reused.
	if err := os.RemoveAll(filepath.Join(o.LayersDir, sbomDir)); err != nil {
		return nil, fmt.Errorf("clearing the bills of materials of the previous build: %w", err)
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	b := &building{Options: o, env: env.ForBuild(o.Environ), plan: o.Plan}
	for _, bp := range buildpacks {
		if err := b.one(ctx, bp); err != nil {
			// Who runs this phase finds out which buildpack it was; that it failed is what counts.
			_ = lifecycle.WriteFailure(o.LayersDir, lifecycle.Failure{Buildpack: bp.Info.ID})
			return nil, err
		}
	}
	m := b.metadata(buildpacks)
	if err := b.writeLegacyBOM(); err != nil {
		return nil, err
	}
	path := filepath.Join(o.LayersDir, lifecycle.BuildMetadataPath)
	if err := lifecycle.WriteBuildMetadata(path, *m); err != nil {
		return nil, err
	}
	return m, nil
}

// absolute makes the directories absolute, because that is what buildpacks are promised.
func (o *Options) absolute() error {
	for _, dir := range []*string{&o.AppDir, &o.LayersDir, &o.PlatformDir, &o.BuildConfigDir, &o.BuildpacksDir} {
		if *dir == "" {
			continue
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return fmt.Errorf("locating %s: %w", *dir, err)
		}
		*dir = abs
	}
	return nil
}

// lookup finds the buildpacks of the group and checks all of them before any is run.
func (o *Options) lookup() ([]lifecycle.Buildpack, error) {
	dirs := map[string]lifecycle.GroupElement{}
	var out []lifecycle.Buildpack
	for _, e := range o.Group {
		bp, err := lifecycle.ReadBuildpack(filepath.Join(lifecycle.ModuleDir(o.BuildpacksDir, e), "buildpack.toml"))
		if err != nil {
			return nil, fmt.Errorf("looking up buildpack %s: %w", e, err)
		}
		if bp.Info.ID != e.ID || bp.Info.Version != e.Version {
			return nil, fmt.Errorf("looking up buildpack %s: %s holds %s", e, bp.Dir, bp.Element())
		}
		if _, err := lifecycle.CheckBuildpackAPI(e.String(), bp.API); err != nil {
			return nil, err
		}
		dir := lifecycle.EscapedID(e.ID)
		if other, taken := dirs[dir]; taken {
			return nil, fmt.Errorf("looking up buildpack %s: its layers directory is the same as that of %s", e, other)
		}
		dirs[dir] = e
		out = append(out, bp)
	}
	return out, nil
}

// building is what the buildpacks that have run so far made.
type building struct {
	Options
	env       *env.Env
	plan      lifecycle.Plan // what is not met yet
	processes processes
	labels    []lifecycle.Label
	slices    []lifecycle.Slice
	launchBOM []lifecycle.BOMEntry
	buildBOM  []lifecycle.BOMEntry
}

// one runs a buildpack and takes in what it left behind.
func (b *building) one(ctx context.Context, bp lifecycle.Buildpack) (err error) {
	e := bp.Element()
	ctx, task := progress.Start(ctx, e.String(), 0)
	defer func() { task.End(err) }()

	api, err := lifecycle.CheckBuildpackAPI(e.String(), bp.API)
	if err != nil {
		return err
	}
	r := buildpackRun{Buildpack: bp, api: api, layers: filepath.Join(b.LayersDir, lifecycle.EscapedID(e.ID)),
		given: b.plan.For(e)}
	if err := os.MkdirAll(r.layers, 0o755); err != nil {
		return fmt.Errorf("making the layers directory of buildpack %s: %w", e, err)
	}
	if err := b.run(ctx, r); err != nil {
		return err
	}
	if err := b.takeIn(ctx, r); err != nil {
		return fmt.Errorf("taking in what buildpack %s made: %w", e, err)
	}
	return nil
}

// buildpackRun is one buildpack's turn.
type buildpackRun struct {
	lifecycle.Buildpack
	api    lifecycle.API
	layers string // its layers directory
	given  lifecycle.BuildpackPlan
}

// takeIn reads the files that the buildpack left, in the order in which a mistake is best reported.
func (b *building) takeIn(ctx context.Context, r buildpackRun) error {
	layers, err := readLayers(ctx, b.LayersDir, r.Element())
	if err != nil {
		return err
	}
	if err := setAside(layers); err != nil {
		return err
	}
	for _, l := range layers {
		if l.TOML.LayerTypes().Build {
			if err := b.env.AddBuildLayer(l.Dir); err != nil {
				return fmt.Errorf("adding layer %s to the environment: %w", l.Name, err)
			}
		}
	}
	if err := b.takeBuildTOML(r); err != nil {
		return err
	}
	if err := b.placeSBOMs(r, layers); err != nil {
		return err
	}
	return b.takeLaunchTOML(ctx, r)
}

func (b *building) metadata(buildpacks []lifecycle.Buildpack) *lifecycle.BuildMetadata {
	m := &lifecycle.BuildMetadata{
		Extensions:                  recorded(b.Extensions),
		Labels:                      b.labels,
		Processes:                   b.processes.list(),
		Slices:                      b.slices,
		BuildpackDefaultProcessType: b.processes.defaultType,
	}
	for _, bp := range buildpacks {
		m.Buildpacks = append(m.Buildpacks, bp.Element())
	}
	return m
}

// recorded gives elements without what mattered only while the group was chosen.
func recorded(elements []lifecycle.GroupElement) []lifecycle.GroupElement {
	var out []lifecycle.GroupElement
	for _, e := range elements {
		e.Optional, e.Extension = false, false
		out = append(out, e)
	}
	return out
}
