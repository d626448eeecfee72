package rebase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
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
	out := &rebasedIndex{children: map[v1.Hash]v1.Image{}}
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
		if err := describe(&d, img); err != nil {
			return nil, reports, err
		}
		out.children[d.Digest] = img
		kept = append(kept, d)
	}
	if len(failed) > 0 {
		return nil, reports, errors.Join(failed...)
	}
	m.Manifests = kept
	if out.mediaType, err = app.MediaType(); err != nil {
		return nil, reports, err
	}
	if out.manifest, err = json.Marshal(m); err != nil {
		return nil, reports, fmt.Errorf("rebasing: writing the index: %w", err)
	}
	return out, reports, nil
}

// describe makes d, an entry of an index, that of img.
func describe(d *v1.Descriptor, img v1.Image) (err error) {
	if d.Digest, err = img.Digest(); err != nil {
		return err
	}
	if d.Size, err = img.Size(); err != nil {
		return err
	}
	d.MediaType, err = img.MediaType()
	return err
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

// rebasedIndex is an index in memory.
type rebasedIndex struct {
	mediaType types.MediaType
	manifest  []byte
	children  map[v1.Hash]v1.Image
}

var _ v1.ImageIndex = (*rebasedIndex)(nil)

func (i *rebasedIndex) MediaType() (types.MediaType, error) { return i.mediaType, nil }
func (i *rebasedIndex) RawManifest() ([]byte, error)        { return i.manifest, nil }
func (i *rebasedIndex) Size() (int64, error)                { return int64(len(i.manifest)), nil }
func (i *rebasedIndex) Digest() (v1.Hash, error)            { return partial.Digest(i) }
func (i *rebasedIndex) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(strings.NewReader(string(i.manifest)))
}

func (i *rebasedIndex) Image(h v1.Hash) (v1.Image, error) {
	if img, ok := i.children[h]; ok {
		return img, nil
	}
	return nil, fmt.Errorf("the rebased index has no image %s", h)
}

func (i *rebasedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, fmt.Errorf("the rebased index has no index %s", h)
}
