package create

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/extend"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
)

// outputDir is where the program of an extension finds its output directory.
const outputDir = "/generated"

// extensions are the Dockerfiles of a build's image extensions.
type extensions struct {
	build, run []*extend.Dockerfile
	// switched is the image that takes the place of the run image; "" for none.
	switched string
}

// has tells whether a module brings a program.
func (b Buildpack) has(program string) bool {
	_, err := os.Stat(filepath.Join(b.Dir, "bin", program))
	return err == nil
}

// generate lets the extensions of the group say what they want of the images (image_extension.md §Generation).
func (w *work) generate(ctx context.Context) error {
	group := w.detected.Group.Extensions
	if len(group) == 0 {
		return nil
	}
	ctx, task := progress.Start(ctx, "generate", 0)
	err := w.generateAll(ctx, group)
	task.End(err)
	return lifecycle.WithCode(lifecycle.ExitGenerate, err)
}

func (w *work) generateAll(ctx context.Context, group []lifecycle.GroupElement) error {
	var run []*extend.Dockerfile
	for _, e := range group {
		b, err := w.Builder.find(e)
		if err != nil {
			return err
		}
		output := filepath.Join(b.Dir, "generate")
		if b.has("generate") {
			if output, err = w.runGenerate(ctx, b); err != nil {
				return fmt.Errorf("generating with extension %s: %w", e, err)
			}
		}
		for kind, list := range map[extend.Kind]*[]*extend.Dockerfile{extend.Build: &w.extensions.build, extend.Run: &run} {
			d, err := extend.Read(e.ID, output, w.dirs.app, kind)
			if err != nil {
				return err
			}
			if d != nil {
				*list = append(*list, d)
			}
		}
	}
	w.extensions.switched, w.extensions.run = extend.Choose(run)
	return nil
}

// runGenerate runs bin/generate in the sandbox, on the image that extensions detect in.
func (w *work) runGenerate(ctx context.Context, b Buildpack) (output string, err error) {
	bases, err := w.detectBase()
	if err != nil {
		return "", err
	}
	id := lifecycle.EscapedID(b.About().ID)
	output = filepath.Join(w.dirs.root, "generated", id)
	if err := os.MkdirAll(output, 0o755); err != nil {
		return "", err
	}
	planName := "generate-" + id + ".toml"
	planFile := filepath.Join(w.dirs.layers, planName)
	if err := lifecycle.WriteBuildpackPlan(planFile, w.detected.Plan.For(b.Element())); err != nil {
		return "", err
	}
	defer os.Remove(planFile)
	if err := w.handOver(planFile, output); err != nil {
		return "", err
	}
	e, err := w.moduleEnv(bases.Build, b)
	if err != nil {
		return "", err
	}
	plan := path.Join(lifecycle.LayersDir, planName)
	e.Set("CNB_OUTPUT_DIR", outputDir)
	e.Set("CNB_BP_PLAN_PATH", plan)
	return output, w.inSandbox(ctx, bases.Build, run{
		args: []string{path.Join(b.place(), "bin", "generate"), outputDir, lifecycle.PlatformDir, plan},
		env:  append(e.List(), w.App.Target.Environ()...), out: progress.Output(ctx), output: output,
	})
}

// mountsFor is what a command sees beside the image.
func (w *work) mountsFor(r run) []sandbox.Mount {
	mounts := w.mounts()
	if r.output == "" {
		return mounts
	}
	for i := range mounts {
		mounts[i].ReadOnly = mounts[i].ReadOnly || mounts[i].Target == lifecycle.AppDir
	}
	return append(mounts, sandbox.Mount{Source: r.output, Target: outputDir})
}

// extendBases applies what the extensions want.
func (w *work) extendBases(ctx context.Context, bases *Bases) (err error) {
	x := w.extensions
	if x.switched != "" {
		if err := w.switchRun(ctx, bases); err != nil {
			return lifecycle.WithCode(lifecycle.ExitExtend, err)
		}
	}
	if len(x.run) > 0 {
		bases.Extended = bases.Run
		if bases.Run, err = w.applied(ctx, bases.Run, x.run); err == nil {
			err = extend.CheckUser(bases.Run)
		}
	}
	if err == nil && len(x.build) > 0 {
		bases.Build, err = w.applied(ctx, bases.Build, x.build)
	}
	return lifecycle.WithCode(lifecycle.ExitExtend, err)
}

// switchRun puts the image that an extension names in place of the run image.
func (w *work) switchRun(ctx context.Context, bases *Bases) error {
	ref, err := image.Parse(w.extensions.switched)
	if err != nil {
		return fmt.Errorf("switching the run image: %w", err)
	}
	img, err := w.Images.Image(ctx, ref, w.App.Target)
	if err != nil {
		return fmt.Errorf("switching the run image: %w", err)
	}
	digest, err := img.Digest()
	if err != nil {
		return fmt.Errorf("switching the run image: %w", err)
	}
	bases.Run, bases.Local = img, false
	bases.RunImage = lifecycle.RunImageMetadata{Reference: ref.Place() + "@" + digest.String(), Image: ref.Name}
	return nil
}

// applied builds Dockerfiles on an image.
func (w *work) applied(ctx context.Context, img v1.Image, list []*extend.Dockerfile) (v1.Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image to extend: %w", err)
	}
	target := lifecycle.Target{OS: config.OS, Arch: config.Architecture, Variant: config.Variant}
	return extend.Apply(ctx, img, list, dockerfile.Options{
		Store: w.Store, Images: w.Images, Sandbox: w.Sandbox, Platform: target, Secrets: w.App.Secrets,
		Network: w.App.Network, Limits: w.App.Limits, NoCache: w.NoCache, Compression: w.App.Compression,
		Created: w.App.Created, Offline: w.Images.Offline,
	})
}
