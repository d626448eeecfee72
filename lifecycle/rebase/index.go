package rebase

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// Bases finds the new base for a platform, and the options for it (references and old bases differ by platform).
type Bases func(ctx context.Context, app v1.Image, platform lifecycle.Target) (newRun v1.Image, o Options, err error)

// Index rebases the image of every platform in an index, all or none. Signatures, attestations and other manifests
// that speak of the images by digest are left out: they would speak of images that are no longer there.
func Index(ctx context.Context, app v1.ImageIndex, bases Bases) (v1.ImageIndex, []*Report, error) {
	m, err := app.IndexManifest()
	if err != nil {
		return nil, nil, fmt.Errorf("rebasing: reading the index: %w", err)
	}
	m = m.DeepCopy()
	var images []v1.Image
	var reports []*Report
	var failed []error
	kept := m.Manifests[:0]
	for _, d := range m.Manifests {
		if !isPlatform(d) {
			continue
		}
		img, report, err := rebaseChild(ctx, app, d, bases)
		if report != nil {
			reports = append(reports, report)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("rebasing the image for %s: %w", platformOf(d), err))
			continue
		}
		images = append(images, img)
		kept = append(kept, d)
	}
	if len(failed) > 0 {
		return nil, reports, errors.Join(failed...)
	}
	m.Manifests = kept
	if m.MediaType, err = app.MediaType(); err != nil {
		return nil, reports, err
	}
	out, err := image.NewIndex(*m, images)
	return out, reports, err
}

// isPlatform tells whether a manifest in an index is the image for a platform. Attestations claim to be for "unknown".
func isPlatform(d v1.Descriptor) bool {
	return d.MediaType.IsImage() && (d.Platform == nil || d.Platform.OS != "unknown")
}

func platformOf(d v1.Descriptor) string {
	if d.Platform == nil {
		return d.Digest.String()
	}
	return d.Platform.String()
}

func rebaseChild(ctx context.Context, app v1.ImageIndex, d v1.Descriptor, bases Bases) (v1.Image, *Report, error) {
	img, err := app.Image(d.Digest)
	if err != nil {
		return nil, nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, nil, err
	}
	platform := lifecycle.Target{OS: config.OS, Arch: config.Architecture, Variant: config.Variant}
	newRun, o, err := bases(ctx, img, platform)
	if err != nil {
		return nil, nil, err
	}
	return Image(ctx, img, newRun, o)
}
