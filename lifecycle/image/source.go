package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle/store"
)

// Bounds of what is read into memory.
const (
	maxManifest = 16 << 20
	maxConfig   = 32 << 20
	maxLayers   = 2000
)

// source is a place that manifests and blobs can be read from. What it gives is verified against the descriptor: a
// wrong digest or size is an error of manifest, or of the last Read of a blob.
type source interface {
	manifest(ctx context.Context, d v1.Descriptor) ([]byte, error)
	blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
}

// load makes a v1.Image or a v1.ImageIndex of a descriptor.
func load(ctx context.Context, src source, d v1.Descriptor) (any, error) {
	raw, err := src.manifest(ctx, d)
	if err != nil {
		return nil, err
	}
	switch {
	case d.MediaType.IsIndex():
		return newIndex(ctx, src, d, raw)
	case d.MediaType.IsImage():
		return newImage(ctx, src, d, raw)
	default:
		return nil, fmt.Errorf("%s has the media type %q, which is neither an image's nor an index's "+
			"(images of the docker schema 1 must be converted first)", d.Digest, d.MediaType)
	}
}

// lazyImage is a v1.Image that reads its parts from a source when they are asked for.
type lazyImage struct {
	ctx    context.Context //nolint:containedctx // the methods of v1.Image take none
	src    source
	desc   v1.Descriptor
	raw    []byte
	parsed *v1.Manifest

	once      sync.Once
	config    []byte
	configErr error
}

func newImage(ctx context.Context, src source, d v1.Descriptor, raw []byte) (*lazyImage, error) {
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parsing manifest %s: %w", d.Digest, err)
	}
	if len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("manifest %s has %d layers, more than %d", d.Digest, len(m.Layers), maxLayers)
	}
	for _, l := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if l.Size < 0 || l.Digest.Algorithm != "sha256" {
			return nil, fmt.Errorf("manifest %s names a blob that cannot be verified: digest %q, size %d",
				d.Digest, l.Digest, l.Size)
		}
	}
	return &lazyImage{ctx: ctx, src: src, desc: d, raw: raw, parsed: m}, nil
}

// Descriptor gives what named the image, with annotations and platform.
func (i *lazyImage) Descriptor() (*v1.Descriptor, error) { return i.desc.DeepCopy(), nil }

// MediaType is that of the manifest.
func (i *lazyImage) MediaType() (types.MediaType, error) { return i.desc.MediaType, nil }

// Size is the manifest's, in bytes.
func (i *lazyImage) Size() (int64, error) { return int64(len(i.raw)), nil }

// Digest is that of the manifest.
func (i *lazyImage) Digest() (v1.Hash, error) { return i.desc.Digest, nil }

// ConfigName is the digest of the configuration.
func (i *lazyImage) ConfigName() (v1.Hash, error) { return i.parsed.Config.Digest, nil }

// ConfigFile gives the configuration, the caller's own.
func (i *lazyImage) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(i) }

// Manifest gives the manifest, the caller's own.
func (i *lazyImage) Manifest() (*v1.Manifest, error) { return i.parsed.DeepCopy(), nil }

// RawManifest gives the manifest as it is written.
func (i *lazyImage) RawManifest() ([]byte, error) { return i.raw, nil }

// RawConfigFile reads the config once and remembers it.
func (i *lazyImage) RawConfigFile() ([]byte, error) {
	i.once.Do(func() { i.config, i.configErr = readAll(i.ctx, i.src, i.parsed.Config, maxConfig) })
	return i.config, i.configErr
}

// Layers gives the layers, lowest first; none is read.
func (i *lazyImage) Layers() ([]v1.Layer, error) {
	layers := make([]v1.Layer, len(i.parsed.Layers))
	for n := range i.parsed.Layers {
		l, err := i.layer(n)
		if err != nil {
			return nil, err
		}
		layers[n] = l
	}
	return layers, nil
}

// LayerByDigest finds a layer, or the config, by the digest of its blob.
func (i *lazyImage) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if h == i.parsed.Config.Digest {
		return partial.ConfigLayer(i)
	}
	for n, d := range i.parsed.Layers {
		if d.Digest == h {
			return i.layer(n)
		}
	}
	return nil, fmt.Errorf("image %s has no layer %s", i.desc.Digest, h)
}

// LayerByDiffID finds a layer by the digest of what is in it.
func (i *lazyImage) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	digest, err := partial.DiffIDToBlob(i, h)
	if err != nil {
		return nil, err
	}
	return i.LayerByDigest(digest)
}

func (i *lazyImage) layer(n int) (v1.Layer, error) {
	core := &lazyLayer{image: i, n: n, desc: i.parsed.Layers[n]}
	full, err := partial.CompressedToLayer(core)
	if err != nil {
		return nil, err
	}
	return &describedLayer{Layer: full, desc: core.desc}, nil
}

// lazyLayer is the least of a layer: partial.CompressedToLayer makes the rest.
type lazyLayer struct {
	image *lazyImage
	n     int
	desc  v1.Descriptor
}

// Digest is that of the blob.
func (l *lazyLayer) Digest() (v1.Hash, error) { return l.desc.Digest, nil }

// Size is the blob's, in bytes.
func (l *lazyLayer) Size() (int64, error) { return l.desc.Size, nil }

// MediaType tells how the blob is compressed.
func (l *lazyLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }

// Compressed opens the blob at the source, which verifies it.
func (l *lazyLayer) Compressed() (io.ReadCloser, error) {
	return l.image.src.blob(l.image.ctx, l.desc)
}

// DiffID takes the diffID from the config, so that no byte of the layer is read.
func (l *lazyLayer) DiffID() (v1.Hash, error) {
	config, err := l.image.ConfigFile()
	if err != nil {
		return v1.Hash{}, err
	}
	if l.n >= len(config.RootFS.DiffIDs) {
		return v1.Hash{}, fmt.Errorf("image %s has %d layers, but its config lists only %d",
			l.image.desc.Digest, len(l.image.parsed.Layers), len(config.RootFS.DiffIDs))
	}
	return config.RootFS.DiffIDs[l.n], nil
}

// describedLayer adds the whole descriptor (annotations, URLs) to a layer.
type describedLayer struct {
	v1.Layer
	desc v1.Descriptor
}

// Descriptor gives the layer as the manifest describes it.
func (l *describedLayer) Descriptor() (*v1.Descriptor, error) { return l.desc.DeepCopy(), nil }

// Uncompressed is here because the store's decompression takes two thirds of the time of the standard library's.
func (l *describedLayer) Uncompressed() (io.ReadCloser, error) {
	blob, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	r, err := store.Decompress(blob)
	if err != nil {
		return nil, errors.Join(err, blob.Close())
	}
	return unpacked{r, blob}, nil
}

// unpacked is what is in a blob; closing it closes the blob.
type unpacked struct {
	io.ReadCloser
	blob io.Closer
}

// Close closes the decompression and the blob.
func (u unpacked) Close() error { return errors.Join(u.ReadCloser.Close(), u.blob.Close()) }

// lazyIndex is a v1.ImageIndex that reads its children from a source when they are asked for.
type lazyIndex struct {
	ctx    context.Context //nolint:containedctx // the methods of v1.ImageIndex take none
	src    source
	desc   v1.Descriptor
	raw    []byte
	parsed *v1.IndexManifest
}

func newIndex(ctx context.Context, src source, d v1.Descriptor, raw []byte) (*lazyIndex, error) {
	m, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parsing index %s: %w", d.Digest, err)
	}
	if len(m.Manifests) > maxLayers {
		return nil, fmt.Errorf("index %s has %d manifests, more than %d", d.Digest, len(m.Manifests), maxLayers)
	}
	return &lazyIndex{ctx: ctx, src: src, desc: d, raw: raw, parsed: m}, nil
}

// Descriptor gives what named the index, with annotations.
func (i *lazyIndex) Descriptor() (*v1.Descriptor, error) { return i.desc.DeepCopy(), nil }

// MediaType is that of the manifest.
func (i *lazyIndex) MediaType() (types.MediaType, error) { return i.desc.MediaType, nil }

// Size is the manifest's, in bytes.
func (i *lazyIndex) Size() (int64, error) { return int64(len(i.raw)), nil }

// Digest is that of the manifest.
func (i *lazyIndex) Digest() (v1.Hash, error) { return i.desc.Digest, nil }

// IndexManifest gives the entries, the caller's own.
func (i *lazyIndex) IndexManifest() (*v1.IndexManifest, error) { return i.parsed.DeepCopy(), nil }

// RawManifest gives the manifest as it is written.
func (i *lazyIndex) RawManifest() ([]byte, error) { return i.raw, nil }

// Image reads an image that the index names; reading fails when it is something else.
func (i *lazyIndex) Image(h v1.Hash) (v1.Image, error) {
	child, err := i.child(h)
	if err != nil {
		return nil, err
	}
	if img, ok := child.(v1.Image); ok {
		return img, nil
	}
	return nil, fmt.Errorf("%s in index %s is no image", h, i.desc.Digest)
}

// ImageIndex reads an index that the index names; reading fails when it is something else.
func (i *lazyIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	child, err := i.child(h)
	if err != nil {
		return nil, err
	}
	if idx, ok := child.(v1.ImageIndex); ok {
		return idx, nil
	}
	return nil, fmt.Errorf("%s in index %s is no index", h, i.desc.Digest)
}

func (i *lazyIndex) child(h v1.Hash) (any, error) {
	for _, d := range i.parsed.Manifests {
		if d.Digest == h {
			return load(i.ctx, i.src, d)
		}
	}
	return nil, fmt.Errorf("index %s has no manifest %s", i.desc.Digest, h)
}

// readAll reads a small blob into memory.
func readAll(ctx context.Context, src source, d v1.Descriptor, limit int64) ([]byte, error) {
	if d.Size > limit {
		return nil, fmt.Errorf("blob %s has %d bytes, more than the %d that are sensible for it", d.Digest, d.Size, limit)
	}
	rc, err := src.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", d.Digest, err)
	}
	return data, nil
}

// sniff gives the media type that a manifest states or shows by its form.
func sniff(raw []byte, stated types.MediaType) types.MediaType {
	if stated.IsImage() || stated.IsIndex() || stated.IsSchema1() {
		return stated
	}
	var m struct {
		MediaType types.MediaType   `json:"mediaType"`
		Config    json.RawMessage   `json:"config"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	switch err := json.Unmarshal(raw, &m); {
	case err != nil:
		return stated
	case m.MediaType != "":
		return m.MediaType
	case m.Manifests != nil:
		return types.OCIImageIndex
	case m.Config != nil:
		return types.OCIManifestSchema1
	}
	return stated
}
