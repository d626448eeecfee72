package image

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// parts is everything that an image or an index consists of, in the order in which it can be written so that nothing
// refers to something that is not there yet.
type parts struct {
	manifests []v1.Descriptor
	raw       map[v1.Hash][]byte
	blobs     []blobPart // configs and layers, each once
	images    []v1.Image // in the order of the index
}

// blobPart is one blob. Layers have a layer, configs have data.
type blobPart struct {
	desc  v1.Descriptor
	layer v1.Layer
	data  []byte
}

// top is the descriptor of the image or index itself.
func (p *parts) top() v1.Descriptor { return p.manifests[len(p.manifests)-1] }

// collect lists the parts of an image or an index without reading a layer.
func collect(m manifest) (*parts, error) {
	p := &parts{raw: map[v1.Hash][]byte{}}
	return p, p.add(m, map[v1.Hash]bool{}, 0)
}

func (p *parts) add(m manifest, seen map[v1.Hash]bool, depth int) error {
	d, err := descriptor(m)
	if err != nil || seen[d.Digest] {
		return err
	}
	seen[d.Digest] = true
	switch v := m.(type) {
	case v1.Image:
		err = p.addImage(v, seen)
	case v1.ImageIndex:
		err = p.addChildren(v, seen, depth)
	default:
		err = fmt.Errorf("a %T is neither an image nor an index", m)
	}
	if err != nil {
		return err
	}
	raw, err := m.RawManifest()
	if err != nil {
		return fmt.Errorf("reading manifest %s: %w", d.Digest, err)
	}
	p.raw[d.Digest] = raw
	p.manifests = append(p.manifests, d)
	return nil
}

func (p *parts) addChildren(idx v1.ImageIndex, seen map[v1.Hash]bool, depth int) error {
	if depth > 3 {
		return fmt.Errorf("the index holds indexes of indexes")
	}
	index, err := idx.IndexManifest()
	if err != nil {
		return fmt.Errorf("reading the index: %w", err)
	}
	for _, d := range index.Manifests {
		var child manifest
		switch {
		case d.MediaType.IsImage():
			child, err = idx.Image(d.Digest)
		case d.MediaType.IsIndex():
			child, err = idx.ImageIndex(d.Digest)
		default:
			err = fmt.Errorf("its media type %q is neither an image's nor an index's", d.MediaType)
		}
		if err == nil {
			err = p.add(child, seen, depth+1)
		}
		if err != nil {
			return fmt.Errorf("reading %s of the index: %w", d.Digest, err)
		}
	}
	return nil
}

func (p *parts) addImage(img v1.Image, seen map[v1.Hash]bool) error {
	p.images = append(p.images, img)
	m, err := img.Manifest()
	if err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("listing the layers: %w", err)
	}
	if len(layers) != len(m.Layers) {
		return fmt.Errorf("the image has %d layers and its manifest %d", len(layers), len(m.Layers))
	}
	for i, l := range layers {
		// Layers that may not be distributed stay where the manifest says they are.
		if d := m.Layers[i]; !seen[d.Digest] && d.MediaType.IsDistributable() {
			seen[d.Digest] = true
			p.blobs = append(p.blobs, blobPart{desc: d, layer: l})
		}
	}
	if seen[m.Config.Digest] {
		return nil
	}
	seen[m.Config.Digest] = true
	data, err := img.RawConfigFile()
	if err != nil {
		return fmt.Errorf("reading the config: %w", err)
	}
	p.blobs = append(p.blobs, blobPart{desc: m.Config, data: data})
	return nil
}

func descriptor(m manifest) (v1.Descriptor, error) {
	describable, ok := m.(partial.Describable)
	if !ok {
		return v1.Descriptor{}, fmt.Errorf("a %T has no descriptor", m)
	}
	d := v1.Descriptor{}
	var err error
	if d.Digest, err = describable.Digest(); err != nil {
		return d, err
	}
	if d.Size, err = describable.Size(); err != nil {
		return d, err
	}
	if d.MediaType, err = describable.MediaType(); err == nil && d.MediaType == "" {
		d.MediaType = types.OCIManifestSchema1
	}
	return d, err
}
