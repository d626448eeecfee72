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

func (i *rebased) MediaType() (types.MediaType, error) { return i.mediaType, nil }
func (i *rebased) RawManifest() ([]byte, error)        { return i.manifest, nil }
func (i *rebased) RawConfigFile() ([]byte, error)      { return i.config, nil }
func (i *rebased) Layers() ([]v1.Layer, error)         { return i.layers, nil }
func (i *rebased) Size() (int64, error)                { return int64(len(i.manifest)), nil }
func (i *rebased) Digest() (v1.Hash, error)            { return partial.Digest(i) }
func (i *rebased) ConfigName() (v1.Hash, error)        { return partial.ConfigName(i) }
func (i *rebased) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(i) }
func (i *rebased) Manifest() (*v1.Manifest, error) {
	return v1.ParseManifest(strings.NewReader(string(i.manifest)))
}

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

func (i *rebased) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	digest, err := partial.DiffIDToBlob(i, h)
	if err != nil {
		return nil, err
	}
	return i.LayerByDigest(digest)
}
