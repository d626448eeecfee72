package export

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
)

// Image makes the app image. Errors carry the exit code of the phase.
func Image(ctx context.Context, o Options) (result *Result, err error) {
	ctx, task := progress.Start(ctx, "export", 0)
	defer func() { task.End(err) }()
	result, err = exportImage(ctx, o)
	return result, lifecycle.WithCode(lifecycle.ExitExport, err)
}

func exportImage(ctx context.Context, o Options) (*Result, error) {
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
	if err := makeLayers(ctx, o, pieces); err != nil {
		return nil, err
	}
	metadata, err := layersMetadata(o, pieces)
	if err != nil {
		return nil, err
	}
	image, err := assemble(o, pieces, metadata)
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
