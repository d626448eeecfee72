package dockerfile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// CacheTo says what a cache is to hold that is kept elsewhere.
type CacheTo struct {
	// Max puts in the layers of all stages that were built, and not only those of the result.
	Max bool
	// Compression of the layers; empty means that of the image.
	Compression store.Compression
}

// noteContent keeps a record of a content for the caches that are made of this build.
func (w *work) noteContent(key, digest string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.contents[key] = digest
}

// export makes the caches that were asked for.
func (w *work) export(ctx context.Context, b *builder, states []*state, results []*Result) error {
	for _, to := range b.CacheTo {
		var nodes []*node
		if to.Max {
			w.mu.Lock()
			nodes = slices.Collect(maps.Values(w.nodes))
			w.mu.Unlock()
		} else {
			for _, st := range states {
				nodes = append(nodes, st.chain[st.base:]...)
			}
		}
		img, err := b.cacheImage(ctx, nodes, to)
		if err != nil {
			return fmt.Errorf("making a cache of the build: %w", err)
		}
		results[0].Caches = append(results[0].Caches, img)
	}
	return nil
}

// cacheImage makes a cache: an image of the nodes' layers, whose label tells which they are. It is nil when there are
// none.
func (b *builder) cacheImage(ctx context.Context, nodes []*node, to CacheTo) (v1.Image, error) {
	records := cacheRecords{Version: cacheVersion, Layers: map[string]cacheLayer{}, Contents: b.contents}
	byDiffID := map[v1.Hash]v1.Layer{}
	for _, n := range nodes {
		l, made, err := n.available(ctx)
		if err != nil {
			return nil, err
		}
		if l == nil {
			continue
		}
		if to.Compression != "" {
			if l, err = b.compressed(ctx, l, to.Compression); err != nil {
				return nil, err
			}
		}
		diffID, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		byDiffID[diffID] = l
		records.Layers[n.key] = cacheLayer{DiffID: diffID, Made: made}
	}
	if len(byDiffID) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(records)
	if err != nil {
		return nil, err
	}
	var layers []v1.Layer
	for _, diffID := range slices.SortedFunc(maps.Keys(byDiffID), func(x, y v1.Hash) int { return strings.Compare(x.Hex, y.Hex) }) {
		layers = append(layers, byDiffID[diffID])
	}
	return labelled(layers, string(text), b.Platform.OS, b.Platform.Arch)
}

func labelled(layers []v1.Layer, text, os, arch string) (v1.Image, error) {
	img, err := mutate.AppendLayers(ociImage(), layers...)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = os, arch
	config.Created = v1.Time{Time: archive.Epoch}
	config.Config.Labels = map[string]string{LabelCache: text}
	return mutate.ConfigFile(img, config)
}

// ociImage is an image of nothing.
func ociImage() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// available gives the layer of a node that exists, and when it was made: what this build made or found, or what the
// cache has although this build needed none of it. Nothing is made for it.
func (n *node) available(ctx context.Context) (v1.Layer, *time.Time, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var l v1.Layer
	var err error
	f := n.made.foreign
	switch {
	case n.done && n.err == nil:
		if l, err = n.made.wait(); err != nil {
			return nil, nil, err
		}
	default:
		if l = n.cached(ctx); l == nil {
			if f = n.foreign(); f != nil {
				l = f.layer
			}
		}
	}
	if f != nil {
		return l, &f.made, nil
	}
	var known layerRecord
	if l == nil || n.b.Store.Record(recordLayer, n.key, &known) != nil {
		return l, nil, nil
	}
	return l, &known.Made, nil
}

// inline gives the label with which an image is its own cache. It does not tell when its layers were made, which would
// make it another image every time.
func (b *builder) inline(chain []*node, diffIDs []v1.Hash) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	records := cacheRecords{Version: cacheVersion, Layers: map[string]cacheLayer{}, Contents: b.contents}
	for i, n := range chain {
		records.Layers[n.key] = cacheLayer{DiffID: diffIDs[i]}
	}
	text, err := json.Marshal(records)
	return string(text), err
}
