package image

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ociTypes gives the OCI media type for each of docker's. They name the same bytes.
func ociTypes() map[types.MediaType]types.MediaType {
	return map[types.MediaType]types.MediaType{
		types.DockerManifestList:      types.OCIImageIndex,
		types.DockerManifestSchema2:   types.OCIManifestSchema1,
		types.DockerConfigJSON:        types.OCIConfigJSON,
		types.DockerLayer:             types.OCILayer,
		types.DockerUncompressedLayer: types.OCIUncompressedLayer,
		types.DockerForeignLayer:      types.OCIRestrictedLayer,
	}
}

// toOCI turns manifests of docker's types into those of OCI's, because tools do not find the former in an OCI layout.
// Blobs stay; the digests of the manifests change.
func (p *parts) toOCI() error {
	changed := map[v1.Hash]v1.Descriptor{}
	for i, d := range p.manifests {
		raw, err := convert(d, p.raw[d.Digest], changed)
		if err != nil {
			return fmt.Errorf("converting manifest %s to the OCI form: %w", d.Digest, err)
		}
		if raw == nil {
			continue
		}
		now := d
		if t, ok := ociTypes()[d.MediaType]; ok {
			now.MediaType = t
		}
		now.Digest, now.Size = describe(raw)
		changed[d.Digest] = now
		p.manifests[i], p.raw[now.Digest] = now, raw
	}
	return nil
}

// convert gives the OCI form of a manifest, or nil when it has it already.
func convert(d v1.Descriptor, raw []byte, children map[v1.Hash]v1.Descriptor) ([]byte, error) {
	if d.MediaType.IsIndex() {
		return convertIndex(raw, children)
	}
	if d.MediaType != types.DockerManifestSchema2 {
		return nil, nil
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	replaceType(&m.Config.MediaType)
	for i := range m.Layers {
		replaceType(&m.Layers[i].MediaType)
	}
	m.MediaType = types.OCIManifestSchema1
	return json.Marshal(m)
}

func convertIndex(raw []byte, children map[v1.Hash]v1.Descriptor) ([]byte, error) {
	m, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	changed := m.MediaType == types.DockerManifestList
	for i, d := range m.Manifests {
		if now, ok := children[d.Digest]; ok {
			changed = true
			m.Manifests[i].Digest, m.Manifests[i].Size, m.Manifests[i].MediaType = now.Digest, now.Size, now.MediaType
			m.Manifests[i].ArtifactType = "" // of images, tools write the config's type here
		}
	}
	if !changed {
		return nil, nil
	}
	m.MediaType = types.OCIImageIndex
	return json.Marshal(m)
}

func replaceType(t *types.MediaType) {
	if now, ok := ociTypes()[*t]; ok {
		*t = now
	}
}
