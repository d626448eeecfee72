package stacks

import (
	"encoding/json"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is a composed image. Its config is known at once; its manifest, which needs the layers' compressed blobs, is
// made when somebody asks: a build image hardly ever needs one.
type image struct {
	config []byte
	layers []v1.Layer

	once     sync.Once
	manifest []byte
	err      error
}

func newImage(config *v1.ConfigFile, layers []v1.Layer) (*image, error) {
	for _, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, id)
	}
	b, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	return &image{config: b, layers: layers}, nil
}

// Layers gives the layers, bottom first.
func (i *image) Layers() ([]v1.Layer, error) { return i.layers, nil }

// MediaType is that of an OCI manifest.
func (i *image) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Size is the size of the manifest.
func (i *image) Size() (int64, error) { return partial.Size(i) }

// ConfigName is the digest of the config.
func (i *image) ConfigName() (v1.Hash, error) { return partial.ConfigName(i) }

// ConfigFile gives the config.
func (i *image) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(i) }

// RawConfigFile gives the bytes of the config.
func (i *image) RawConfigFile() ([]byte, error) { return i.config, nil }

// Digest is the digest of the manifest.
func (i *image) Digest() (v1.Hash, error) { return partial.Digest(i) }

// Manifest gives the manifest.
func (i *image) Manifest() (*v1.Manifest, error) { return partial.Manifest(i) }

// RawManifest gives the bytes of the manifest.
func (i *image) RawManifest() ([]byte, error) {
	i.once.Do(func() { i.manifest, i.err = i.makeManifest() })
	return i.manifest, i.err
}

func (i *image) makeManifest() ([]byte, error) {
	name, err := i.ConfigName()
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        v1.Descriptor{MediaType: types.OCIConfigJSON, Size: int64(len(i.config)), Digest: name},
		Layers:        []v1.Descriptor{},
	}
	for _, l := range i.layers {
		d, err := partial.Descriptor(l)
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest})
	}
	return json.Marshal(m)
}

// LayerByDigest finds a layer by the digest of its blob. The config counts as one, as in other images.
func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if name, err := i.ConfigName(); err == nil && name == h {
		return partial.ConfigLayer(i)
	}
	for _, l := range i.layers {
		if d, err := l.Digest(); err == nil && d == h {
			return l, nil
		}
	}
	return nil, &unknownLayer{h}
}

// LayerByDiffID finds a layer by the digest of its tar stream.
func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	for _, l := range i.layers {
		if d, err := l.DiffID(); err == nil && d == h {
			return l, nil
		}
	}
	return nil, &unknownLayer{h}
}

type unknownLayer struct{ hash v1.Hash }

// Error names the layer that is missing.
func (e *unknownLayer) Error() string {
	return "looking for layer " + e.hash.String() + ": the image has none"
}
