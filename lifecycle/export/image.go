package export

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/native"
	"s2i/lifecycle/progress"
)

// Image makes the app image. Errors carry the exit code of the phase.
func Image(ctx context.Context, o Options) (*Result, error) {
	layers, err := Make(ctx, o)
	if err != nil {
		return nil, err
	}
	return layers.On(Base{Run: o.Run, RunImage: o.RunImage, Extended: o.Extended, Labels: o.Labels})
}

// Layers are all layers of an app image above its run image. They do not depend on the run image, but what their files
// need may decide which it has to be.
type Layers struct {
	options Options
	pieces  []*piece
}

// Base is what an app stands on, and what is known by then.
type Base struct {
	// Run and RunImage are as in Options.
	Run      v1.Image
	RunImage lifecycle.RunImageMetadata
	// Extended is as in Options.
	Extended v1.Image
	// Added are the packages that Run has because of what the layers need, by name, each with the libraries.
	Added map[string][]string
	// Labels are as in Options.
	Labels map[string]string
}

// Make makes the layers. The run image of o need only be for the right platform. Errors carry the exit code of the phase.
func Make(ctx context.Context, o Options) (layers *Layers, err error) {
	ctx, task := progress.Start(ctx, "export", 0)
	defer func() { task.End(err) }()
	layers, err = makeAll(ctx, o)
	return layers, lifecycle.WithCode(lifecycle.ExitExport, err)
}

func makeAll(ctx context.Context, o Options) (*Layers, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	previous, err := readPrevious(o.Previous)
	if err != nil {
		return nil, err
	}
	pieces, err := plan(o, previous)
	if err != nil {
		return nil, err
	}
	return &Layers{options: o, pieces: pieces}, makeLayers(ctx, o, pieces)
}

// Needs is what the layers need from below.
func (l *Layers) Needs() lifecycle.Needs { return allNeeds(l.pieces) }

// Files are the executables and shared libraries in the layers, as far as they are known: those of a layer that was taken
// over from another machine's image are not.
func (l *Layers) Files() []native.File {
	var files []native.File
	for _, p := range l.pieces {
		files = append(files, p.files...)
	}
	return files
}

// TakenOver gives what is known of a layer without contents that was taken from the previous image.
func (l *Layers) TakenOver(layer lifecycle.Layer) (needs lifecycle.LayerNeeds, known bool) {
	for _, p := range l.pieces {
		if p.own != nil && p.own.Buildpack.ID == layer.Buildpack.ID && p.own.Name == layer.Name {
			return p.needs, p.known
		}
	}
	return needs, false
}

// On puts the layers on a run image. Errors carry the exit code of the phase.
func (l *Layers) On(base Base) (*Result, error) {
	result, err := l.on(base)
	return result, lifecycle.WithCode(lifecycle.ExitExport, err)
}

func (l *Layers) on(base Base) (*Result, error) {
	o := l.options
	o.Run, o.RunImage, o.Extended, o.Labels = base.Run, base.RunImage, base.Extended, base.Labels
	metadata, err := layersMetadata(o, l.pieces)
	if err != nil {
		return nil, err
	}
	needs := l.Needs()
	needs.Packages = base.Added
	image, err := assemble(o, l.pieces, metadata, needs)
	if err != nil {
		return nil, err
	}
	report, err := report(image)
	if err != nil {
		return nil, err
	}
	return &Result{Image: image, Report: report, Metadata: metadata}, nil
}

func report(image v1.Image) (lifecycle.Report, error) {
	digest, err := image.Digest()
	if err != nil {
		return lifecycle.Report{}, fmt.Errorf("computing the image's digest: %w", err)
	}
	size, err := image.Size()
	if err != nil {
		return lifecycle.Report{}, fmt.Errorf("computing the size of the image's manifest: %w", err)
	}
	id, err := image.ConfigName()
	if err != nil {
		return lifecycle.Report{}, fmt.Errorf("computing the image's ID: %w", err)
	}
	return lifecycle.Report{Image: lifecycle.ImageReport{
		Digest: digest.String(), ManifestSize: size, ImageID: id.String(),
	}}, nil
}
