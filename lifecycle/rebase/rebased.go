package rebase

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// rebased is an image of a manifest and a config in memory and of layers that other images hold.
type rebased struct {
	mediaType        types.MediaType
	manifest, config []byte
	layers           []v1.Layer
}

var _ v1.Image = (*rebased)(nil)

// MediaType is that of the manifest.
func (i *rebased) MediaType() (types.MediaType, error) { return i.mediaType, nil }

// RawManifest gives the manifest as it is written.
func (i *rebased) RawManifest() ([]byte, error) { return i.manifest, nil }

// RawConfigFile gives the configuration as it is written.
func (i *rebased) RawConfigFile() ([]byte, error) { return i.config, nil }

// Layers gives the new base's layers and the app's above them.
func (i *rebased) Layers() ([]v1.Layer, error) { return i.layers, nil }

// Size is the manifest's, in bytes.
func (i *rebased) Size() (int64, error) { return int64(len(i.manifest)), nil }

// Digest is that of the manifest.
func (i *rebased) Digest() (v1.Hash, error) { return partial.Digest(i) }

// ConfigName is the digest of the configuration.
func (i *rebased) ConfigName() (v1.Hash, error) { return partial.ConfigName(i) }

// ConfigFile gives the configuration, the caller's own.
func (i *rebased) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(i) }

// Manifest gives the manifest, the caller's own.
func (i *rebased) Manifest() (*v1.Manifest, error) {
	return v1.ParseManifest(strings.NewReader(string(i.manifest)))
}

// LayerByDigest finds a layer, or the configuration, by the digest of its blob.
func (i *rebased) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if name, err := i.ConfigName(); err == nil && name == h {
		return partial.ConfigLayer(i)
	}
	for _, l := range i.layers {
		if d, err := l.Digest(); err == nil && d == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("the rebased image has no layer %s", h)
}

// LayerByDiffID finds a layer by the digest of what is in it.
func (i *rebased) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	digest, err := partial.DiffIDToBlob(i, h)
	if err != nil {
		return nil, err
	}
	return i.LayerByDigest(digest)
}
