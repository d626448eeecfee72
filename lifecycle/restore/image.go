package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// Image is a cache in the form of the reference lifecycle's -cache-image: an image whose layers are the cached layers,
// and whose label lists them. Save makes a new image, which Saved gives and the caller publishes.
type Image struct {
	old    v1.Image
	store  *store.Store
	target lifecycle.Target
	places Places
	built  v1.Image
}

var _ Cache = (*Image)(nil)

// NewImage gives the cache in old, the cache image that an earlier build made, or an empty one when old is nil. New
// layers are made in st; target is what the cache image says it is for.
func NewImage(old v1.Image, st *store.Store, target lifecycle.Target, p Places) *Image {
	return &Image{old: old, store: st, target: target, places: p.withDefaults()}
}

// Saved is the image that Save made, or nil.
func (c *Image) Saved() v1.Image { return c.built }

// Metadata implements Cache.
func (c *Image) Metadata(context.Context) (lifecycle.CacheMetadata, error) {
	var m lifecycle.CacheMetadata
	if c.old == nil {
		return m, nil
	}
	config, err := c.old.ConfigFile()
	if err != nil {
		return m, fmt.Errorf("reading the configuration of the cache image: %w", err)
	}
	if json.Unmarshal([]byte(config.Config.Labels[metadataName]), &m) != nil {
		m = lifecycle.CacheMetadata{} // of no use; as if there were none
	}
	return m, nil
}

// open gives the tar stream of a layer.
func (c *Image) open(sha string) (io.ReadCloser, error) {
	if c.old == nil {
		return nil, ErrDamaged
	}
	diffID, err := v1.NewHash(sha)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	layer, err := c.old.LayerByDiffID(diffID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r, err := layer.Uncompressed()
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r, err
}

// Take implements Cache.
func (c *Image) Take(ctx context.Context, layer Cached, dir string) error {
	r, err := c.open(layer.SHA)
	if err != nil {
		return err
	}
	defer r.Close()
	return c.places.take(ctx, layer, r, dir)
}

// SBOM implements Cache.
func (c *Image) SBOM(ctx context.Context, dir string) error {
	m, err := c.Metadata(ctx)
	if err != nil || m.SBOM == nil || m.SBOM.SHA == "" {
		return err
	}
	return sbomFrom(ctx, func() (io.ReadCloser, error) { return c.open(m.SBOM.SHA) }, c.places, dir)
}

// Save implements Cache. The layers stay in b.LayersDir.
func (c *Image) Save(ctx context.Context, b Built) error {
	dirs, metadata, err := toTar(b)
	if err != nil {
		return fmt.Errorf("caching the layers: %w", err)
	}
	var added []mutate.Addendum
	for _, d := range dirs {
		layer, err := c.layer(ctx, d)
		if err != nil {
			return fmt.Errorf("caching %s: %w", d.name, err)
		}
		diffID, err := layer.DiffID()
		if err != nil {
			return fmt.Errorf("caching %s: %w", d.name, err)
		}
		d.record(diffID)
		added = append(added, mutate.Addendum{
			Layer: layer, History: v1.History{Created: v1.Time{Time: archive.Epoch}, CreatedBy: "Cache: " + d.name},
		})
	}
	c.built, err = c.assemble(added, metadata)
	return err
}

// layer gives a directory as a layer, which the exporter may have made already.
func (c *Image) layer(ctx context.Context, d tarred) (v1.Layer, error) {
	if diffID, err := v1.NewHash(d.known); err == nil {
		layer, err := c.store.LayerByDiffID(diffID, store.Gzip)
		if !errors.Is(err, store.ErrNotFound) {
			return layer, err
		}
	}
	return c.store.Layer(ctx, c.places.source(d.dir, d.name), store.LayerOptions{Need: store.Blob})
}

func (c *Image) assemble(added []mutate.Addendum, metadata *lifecycle.CacheMetadata) (v1.Image, error) {
	label, err := json.Marshal(metadata)
	if err != nil {
		return nil, fmt.Errorf("encoding the cache's list of layers: %w", err)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.Append(image, added...); err != nil {
		return nil, fmt.Errorf("making the cache image: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("making the cache image: %w", err)
	}
	config = config.DeepCopy()
	config.Created = v1.Time{Time: archive.Epoch}
	config.OS, config.Architecture, config.Variant = c.target.OS, c.target.Arch, c.target.Variant
	config.Config.Labels = map[string]string{metadataName: string(label)}
	return mutate.ConfigFile(image, config)
}
