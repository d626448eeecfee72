package export

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
)

// The annotations that say what an image is based on (OCI image specification, annotations.md).
const (
	annotationBaseName   = "org.opencontainers.image.base.name"
	annotationBaseDigest = "org.opencontainers.image.base.digest"
)

// assemble puts the layers on top of the run image.
func assemble(
	o Options, pieces []*piece, metadata lifecycle.LayersMetadata, needs lifecycle.Needs,
) (v1.Image, error) {
	image, err := withHistory(o.Run)
	if err != nil {
		return nil, err
	}
	manifestType, err := o.Run.MediaType()
	if err != nil {
		return nil, fmt.Errorf("reading the run image: %w", err)
	}
	var added []mutate.Addendum
	for _, p := range pieces {
		mediaType, err := layerType(p.layer, manifestType)
		if err != nil {
			return nil, within(p.id, err)
		}
		added = append(added, mutate.Addendum{
			Layer: withType(p.layer, mediaType), MediaType: mediaType,
			History: v1.History{Created: v1.Time{Time: o.Created}, CreatedBy: p.history},
		})
	}
	if image, err = mutate.Append(image, added...); err != nil {
		return nil, fmt.Errorf("putting the layers on the run image: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the image: %w", err)
	}
	config = config.DeepCopy()
	if err := configure(o, config, metadata, needs); err != nil {
		return nil, err
	}
	if image, err = withConfig(image, config, o); err != nil {
		return nil, fmt.Errorf("setting the configuration of the image: %w", err)
	}
	return annotate(image, o)
}

// withHistory makes the history of image, in which nothing obliges a tool to keep one, fit its layers: the entries that
// are added later would belong to the wrong layers otherwise.
func withHistory(image v1.Image) (v1.Image, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the run image: %w", err)
	}
	described := 0
	for _, h := range config.History {
		if !h.EmptyLayer {
			described++
		}
	}
	if described == len(config.RootFS.DiffIDs) {
		return image, nil
	}
	config = config.DeepCopy()
	config.History = make([]v1.History, len(config.RootFS.DiffIDs))
	return mutate.ConfigFile(image, config)
}

// layerType is the media type of a layer in a manifest of the given type: an image does not mix Docker's media types
// with those of OCI.
func layerType(layer v1.Layer, manifest types.MediaType) (types.MediaType, error) {
	have, err := layer.MediaType()
	if err != nil {
		return "", fmt.Errorf("reading its media type: %w", err)
	}
	docker := manifest == types.DockerManifestSchema2
	switch have {
	case types.OCILayer, types.DockerLayer:
		if docker {
			return types.DockerLayer, nil
		}
		return types.OCILayer, nil
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		if docker {
			return types.DockerUncompressedLayer, nil
		}
		return types.OCIUncompressedLayer, nil
	case types.OCILayerZStd:
		if docker {
			return "", fmt.Errorf("it is compressed with zstd, which images with Docker's media types cannot hold; " +
				"use a run image with OCI media types, or gzip")
		}
	}
	return have, nil
}

// typedLayer is a layer under another media type.
type typedLayer struct {
	v1.Layer
	mediaType types.MediaType
}

// MediaType implements v1.Layer.
func (l typedLayer) MediaType() (types.MediaType, error) { return l.mediaType, nil }

// withType gives layer the media type t. A layer that has it already stays the value it is, which may know more than
// v1.Layer asks for (where to mount it from).
func withType(layer v1.Layer, t types.MediaType) v1.Layer {
	if have, err := layer.MediaType(); err == nil && have == t {
		return layer
	}
	return typedLayer{layer, t}
}

// allNeeds sums up what the pieces need.
func allNeeds(pieces []*piece) lifecycle.Needs {
	layers := map[string]lifecycle.LayerNeeds{}
	for _, p := range pieces {
		layers[p.diffID.String()] = p.needs
	}
	return lifecycle.MergeNeeds(layers)
}

// annotate records the base in the manifest, where tools look that know nothing of buildpacks.
func annotate(image v1.Image, o Options) (v1.Image, error) {
	digest, err := o.base().Digest()
	if err != nil {
		return nil, fmt.Errorf("reading the digest of the run image: %w", err)
	}
	annotations := map[string]string{annotationBaseDigest: digest.String()}
	if name, _, _ := strings.Cut(o.RunImage.Image, "@"); name != "" {
		annotations[annotationBaseName] = name
	}
	annotated, ok := mutate.Annotations(image, annotations).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("annotating the image: it is no image any more")
	}
	return annotated, nil
}
