package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image reads a local image by digest. A layer whose blob is absent (a base layer that was never needed here) is
// taken from fallback, which may be nil; then reading that layer's content gives ErrNotFound.
func (s *Store) Image(d v1.Hash, fallback func(v1.Descriptor) (v1.Layer, error)) (v1.Image, error) {
	i := &image{store: s, fallback: fallback}
	var err error
	if i.rawManifest, err = s.readBlob(d); err != nil {
		return nil, fmt.Errorf("reading image %s: %w", d, err)
	}
	if i.manifest, err = partial.Manifest(i); err != nil {
		return nil, fmt.Errorf("reading the manifest of image %s: %w", d, err)
	}
	if i.manifest.MediaType.IsIndex() {
		return nil, fmt.Errorf("reading image %s: it is an index of images", d)
	}
	if i.rawConfig, err = s.readBlob(i.manifest.Config.Digest); err != nil {
		return nil, fmt.Errorf("reading the configuration of image %s: %w", d, err)
	}
	if i.config, err = partial.ConfigFile(i); err != nil {
		return nil, fmt.Errorf("reading the configuration of image %s: %w", d, err)
	}
	return i, nil
}

// image is an image in the store. Its layers keep the type that fallback gave them, which tells a registry client
// what can be mounted instead of uploaded.
type image struct {
	store       *Store
	fallback    func(v1.Descriptor) (v1.Layer, error)
	rawManifest []byte
	manifest    *v1.Manifest
	rawConfig   []byte
	config      *v1.ConfigFile
}

var _ v1.Image = (*image)(nil)

// RawManifest gives the manifest as it is written.
func (i *image) RawManifest() ([]byte, error) { return i.rawManifest, nil }

// Manifest gives the manifest, the caller's own.
func (i *image) Manifest() (*v1.Manifest, error) { return i.manifest.DeepCopy(), nil }

// RawConfigFile gives the configuration as it is written.
func (i *image) RawConfigFile() ([]byte, error) { return i.rawConfig, nil }

// ConfigFile gives the configuration, the caller's own.
func (i *image) ConfigFile() (*v1.ConfigFile, error) { return i.config.DeepCopy(), nil }

// ConfigName is the digest of the configuration.
func (i *image) ConfigName() (v1.Hash, error) { return i.manifest.Config.Digest, nil }

// Digest is that of the manifest.
func (i *image) Digest() (v1.Hash, error) { return partial.Digest(i) }

// Size is the manifest's, in bytes.
func (i *image) Size() (int64, error) { return int64(len(i.rawManifest)), nil }

// ConfigLayer gives the configuration as a layer, for those that send it like one.
func (i *image) ConfigLayer() (v1.Layer, error) { return partial.ConfigLayer(i) }

// LayerByDiffID finds a layer by the digest of what is in it.
func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	for n, id := range i.config.RootFS.DiffIDs {
		if id == h {
			return i.layer(n)
		}
	}
	return nil, fmt.Errorf("finding layer %s: the image has none with this diffID", h)
}

// MediaType is what the manifest says of itself; an OCI manifest may leave that out.
func (i *image) MediaType() (types.MediaType, error) {
	if i.manifest.MediaType != "" {
		return i.manifest.MediaType, nil
	}
	return types.OCIManifestSchema1, nil // the field is optional there
}

// LayerByDigest finds a layer, or the configuration, by the digest of its blob.
func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if h == i.manifest.Config.Digest {
		return partial.ConfigLayer(i)
	}
	for n, d := range i.manifest.Layers {
		if d.Digest == h {
			return i.layer(n)
		}
	}
	return nil, fmt.Errorf("finding layer %s: the image has none with this digest", h)
}

// Layers gives the layers, lowest first; none is read.
func (i *image) Layers() ([]v1.Layer, error) {
	out := make([]v1.Layer, 0, len(i.manifest.Layers))
	for n := range i.manifest.Layers {
		l, err := i.layer(n)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func (i *image) layer(n int) (v1.Layer, error) {
	if n >= len(i.manifest.Layers) || len(i.manifest.Layers) != len(i.config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("reading layer %d: the image has %d layers but %d diffIDs",
			n, len(i.manifest.Layers), len(i.config.RootFS.DiffIDs))
	}
	d := i.manifest.Layers[n]
	if i.fallback != nil && !i.store.HasBlob(d.Digest) {
		l, err := i.fallback(d)
		if err != nil {
			return nil, fmt.Errorf("getting layer %s: %w", d.Digest, err)
		}
		return l, nil
	}
	return &blobLayer{i.store, d, i.config.RootFS.DiffIDs[n]}, nil
}

// blobLayer is a layer as an image's manifest describes it.
type blobLayer struct {
	store  *Store
	desc   v1.Descriptor
	diffID v1.Hash
}

// Digest is that of the blob.
func (l *blobLayer) Digest() (v1.Hash, error) { return l.desc.Digest, nil }

// DiffID is the digest of what is in the layer.
func (l *blobLayer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is the blob's, in bytes.
func (l *blobLayer) Size() (int64, error) { return l.desc.Size, nil }

// MediaType tells how the blob is compressed.
func (l *blobLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }

// Descriptor gives the layer as the manifest describes it.
func (l *blobLayer) Descriptor() (*v1.Descriptor, error) { return l.desc.DeepCopy(), nil }

// Compressed opens the blob; one that is not in the store is ErrNotFound.
func (l *blobLayer) Compressed() (io.ReadCloser, error) {
	r, _, err := l.store.OpenBlob(l.desc.Digest)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w (a base layer is kept only when something needed it; pull the image to get it)", err)
	}
	return r, err
}

// Uncompressed opens what is in the blob.
func (l *blobLayer) Uncompressed() (io.ReadCloser, error) {
	r, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	return decompressBlob(r)
}

// Index reads a local index by digest. Its images have no fallback for absent layers.
func (s *Store) Index(d v1.Hash) (v1.ImageIndex, error) {
	i := &index{store: s}
	var err error
	if i.raw, err = s.readBlob(d); err != nil {
		return nil, fmt.Errorf("reading index %s: %w", d, err)
	}
	if i.manifest, err = v1.ParseIndexManifest(bytes.NewReader(i.raw)); err != nil {
		return nil, fmt.Errorf("reading index %s: %w", d, err)
	}
	if i.manifest.MediaType != "" && !i.manifest.MediaType.IsIndex() {
		return nil, fmt.Errorf("reading index %s: it is a %s", d, i.manifest.MediaType)
	}
	return i, nil
}

// index is an index in the store.
type index struct {
	store    *Store
	raw      []byte
	manifest *v1.IndexManifest
}

var _ v1.ImageIndex = (*index)(nil)

// RawManifest gives the manifest as it is written.
func (i *index) RawManifest() ([]byte, error) { return i.raw, nil }

// IndexManifest gives the entries, the caller's own.
func (i *index) IndexManifest() (*v1.IndexManifest, error) { return i.manifest.DeepCopy(), nil }

// Digest is that of the manifest.
func (i *index) Digest() (v1.Hash, error) { return partial.Digest(i) }

// Size is the manifest's, in bytes.
func (i *index) Size() (int64, error) { return int64(len(i.raw)), nil }

// Image reads an image of the store that the index names.
func (i *index) Image(h v1.Hash) (v1.Image, error) { return i.store.Image(h, nil) }

// ImageIndex reads an index of the store that the index names.
func (i *index) ImageIndex(h v1.Hash) (v1.ImageIndex, error) { return i.store.Index(h) }

// Layer gives a blob that the index names and that is neither image nor index.
func (i *index) Layer(h v1.Hash) (v1.Layer, error) {
	for _, d := range i.manifest.Manifests {
		if d.Digest == h {
			return &blobLayer{i.store, d, h}, nil
		}
	}
	return nil, fmt.Errorf("finding %s in the index: %w", h, ErrNotFound)
}

// MediaType is what the index says of itself; an OCI index may leave that out.
func (i *index) MediaType() (types.MediaType, error) {
	if i.manifest.MediaType != "" {
		return i.manifest.MediaType, nil
	}
	return types.OCIImageIndex, nil
}
