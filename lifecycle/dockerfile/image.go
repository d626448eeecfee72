package dockerfile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/image"
)

// image puts the image together. It records where its base ends, so that it can be rebased.
func (b *builder) image(ctx context.Context, st *state) (v1.Image, error) {
	config := st.config.DeepCopy()
	b.platform(config)
	config.Config.Env = slices.DeleteFunc(config.Config.Env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(b.UnsetEnv, name)
	})
	created := b.Created
	if created.IsZero() {
		created = archive.Epoch
	}
	layers, err := b.layers(ctx, st)
	if err != nil {
		return nil, err
	}
	if len(layers) < len(st.chain) {
		if err := squashHistory(config, st); err != nil {
			return nil, err
		}
	}
	config.RootFS = v1.RootFS{Type: "layers"}
	for _, l := range layers {
		diffID, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
	}
	stamp(config, st.base, created)
	if err := b.label(config, st); err != nil {
		return nil, err
	}
	img, err := ociLayers(layers)
	if err != nil {
		return nil, err
	}
	if img, err = mutate.ConfigFile(img, config); err != nil || st.startInterval == 0 || config.Config.Healthcheck == nil {
		return img, err
	}
	return withStartInterval(img, st.startInterval)
}

// platform makes an image one for the platform that was asked for, whatever its stage was built for, as BuildKit does.
func (b *builder) platform(config *v1.ConfigFile) {
	if !b.PlatformAsked {
		return
	}
	same := config.OS == b.Platform.OS && config.Architecture == b.Platform.Arch
	config.OS, config.Architecture = b.Platform.OS, b.Platform.Arch
	if !same {
		config.Variant, config.OSVersion = "", ""
	}
	config.Variant = cmp.Or(b.Platform.Variant, config.Variant)
}

// ociLayers is an image of layers. Docker's types of a base's layers name the same bytes as OCI's, in whose manifests
// tools refuse them.
func ociLayers(layers []v1.Layer) (v1.Image, error) {
	oci := map[types.MediaType]types.MediaType{
		types.DockerLayer: types.OCILayer, types.DockerUncompressedLayer: types.OCIUncompressedLayer,
		types.DockerForeignLayer: types.OCIRestrictedLayer,
	}
	adds := make([]mutate.Addendum, len(layers))
	for i, l := range layers {
		mediaType, err := l.MediaType()
		if err != nil {
			return nil, fmt.Errorf("reading a layer's type: %w", err)
		}
		adds[i] = mutate.Addendum{Layer: l, MediaType: oci[mediaType]}
	}
	return mutate.Append(ociImage(), adds...)
}

// layers are the image's layers: the base's, and those of the stage or the one that they are squashed into.
func (b *builder) layers(ctx context.Context, st *state) ([]v1.Layer, error) {
	chain := st.chain
	squash := b.Squash && len(chain)-st.base > 1
	if squash {
		chain = chain[:st.base]
	}
	var layers []v1.Layer
	for _, n := range chain {
		get := n.force
		if b.Whole {
			get = n.read
		}
		l, err := get(ctx)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	if !squash {
		return layers, nil
	}
	one, err := b.squash(ctx, st.chain[st.base:])
	if err != nil {
		return nil, fmt.Errorf("squashing the layers: %w", err)
	}
	return append(layers, one), nil
}

// stamp gives the image and the history of this build their time, and the base's layers a history when it has none.
func stamp(config *v1.ConfigFile, base int, created time.Time) {
	config.Created = v1.Time{Time: created}
	config.Container = ""
	described, entries := 0, 0
	for entries < len(config.History) && described < base {
		if !config.History[entries].EmptyLayer {
			described++
		}
		entries++
	}
	for i := range config.History {
		if config.History[i].Created.IsZero() {
			config.History[i].Created = v1.Time{Time: created}
		}
	}
	total := 0
	for _, h := range config.History {
		if !h.EmptyLayer {
			total++
		}
	}
	if missing := len(config.RootFS.DiffIDs) - total; missing > 0 { // the base does not tell
		head := make([]v1.History, missing)
		for i := range head {
			head[i] = v1.History{Created: v1.Time{Time: created}, CreatedBy: "base layer"}
		}
		config.History = append(head, config.History...)
	}
}

// label adds the labels that were asked for, and where the base ends.
func (b *builder) label(config *v1.ConfigFile, st *state) error {
	labels := maps.Clone(config.Config.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	delete(labels, lifecycle.LabelLayersMetadata) // the base's own says nothing about this image
	delete(labels, LabelCache)                    // nor this
	for _, name := range b.UnsetLabels {
		delete(labels, name)
	}
	maps.Copy(labels, b.Labels)
	if b.InlineCache && len(config.RootFS.DiffIDs) == len(st.chain) { // squashed layers are no layers of instructions
		text, err := b.inline(st.chain[st.base:], config.RootFS.DiffIDs[st.base:])
		if err != nil {
			return err
		}
		labels[LabelCache] = text
	}
	if st.base > 0 {
		top := config.RootFS.DiffIDs[st.base-1].String()
		meta, err := json.Marshal(lifecycle.LayersMetadata{RunImage: lifecycle.RunImageMetadata{
			TopLayer: top, Reference: cmp.Or(st.baseName, top)}})
		if err != nil {
			return err
		}
		labels[lifecycle.LabelLayersMetadata] = string(meta)
		was, err := image.ConfigObject(st.baseImage)
		if err != nil {
			return err
		}
		if was, err = json.Marshal(was); err != nil { // without spaces
			return err
		}
		labels[lifecycle.LabelBaseConfig] = string(was)
	}
	config.Config.Labels = labels
	if len(labels) == 0 {
		config.Config.Labels = nil
	}
	return nil
}
