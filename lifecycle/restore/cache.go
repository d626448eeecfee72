package restore

import (
	"context"
	"errors"

	"s2i/lifecycle"
)

// Cache keeps layers and their bills of materials between the builds of one app. It is for one build at a time.
type Cache interface {
	// Metadata lists the layers in the cache. A cache that is new, or whose list cannot be read, has none.
	Metadata(ctx context.Context) (lifecycle.CacheMetadata, error)
	// Take puts the contents of a layer at dir, a path at which nothing is yet and whose parent exists. ErrDamaged is in
	// the chain of the error when the cache does not hold them as it should; then nothing is at dir.
	Take(ctx context.Context, layer Cached, dir string) error
	// SBOM puts the bills of materials of cached layers below dir, which is made, as <buildpack>/<layer>/sbom.<ext>.
	SBOM(ctx context.Context, dir string) error
	// Save replaces what is in the cache by the cached layers of a finished build. Directories may be moved away from
	// b.LayersDir.
	Save(ctx context.Context, b Built) error
}

// ErrDamaged means that a cached layer is not what it should be; it can be made again.
var ErrDamaged = errors.New("the cache does not hold the layer")

// Cached names a layer in a cache.
type Cached struct {
	Buildpack, Name string
	lifecycle.LayerMetadata
}

// Built is a finished and exported build, of which a cache keeps what is marked cache = true.
type Built struct {
	LayersDir string
	Group     []lifecycle.GroupElement
	// Exported is the metadata of the image that was exported: the diffIDs of launch layers, by which the next build
	// knows whether cache and image belong together.
	Exported lifecycle.LayersMetadata
}

// layers lists the layers of b that belong into a cache, and the metadata to keep of them without their diffIDs when
// they are in no image.
func (b Built) layers() ([]lifecycle.Layer, lifecycle.CacheMetadata, error) {
	var layers []lifecycle.Layer
	var metadata lifecycle.CacheMetadata
	for _, bp := range b.Group {
		if bp.Extension {
			continue
		}
		dir, err := lifecycle.ReadBuildpackDir(b.LayersDir, bp)
		if err != nil {
			return nil, metadata, err
		}
		exported := b.Exported.For(bp.ID).Layers
		entry := lifecycle.BuildpackLayers{ID: bp.ID, Version: bp.Version, Layers: map[string]lifecycle.LayerMetadata{}}
		for _, layer := range dir.Layers {
			if !layer.Types().Cache || !layer.Present {
				continue
			}
			layers = append(layers, layer)
			entry.Layers[layer.Name] = lifecycle.LayerMetadata{
				SHA: exported[layer.Name].SHA, Data: layer.TOML.Metadata, LayerTypes: layer.Types(),
			}
		}
		metadata.Buildpacks = append(metadata.Buildpacks, entry)
	}
	return layers, metadata, nil
}
