package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
)

// Member is the image of one platform.
type Member struct {
	Platform lifecycle.Target
	Image    v1.Image
}

// Place is what an annotation is written on.
type Place string

// Where annotations can be (OCI image specification, annotations.md): on an image's manifest, on the index, and on the
// manifest's descriptor in the index.
const (
	OnManifest   Place = "manifest"
	OnIndex      Place = "index"
	OnDescriptor Place = "manifest-descriptor"
)

// Annotation is one of a result's annotations.
type Annotation struct {
	On Place
	// Platform is the only one whose image gets it; nil for all.
	Platform   *lifecycle.Target
	Key, Value string
}

// Assembly is how the images of a build become its result.
type Assembly []Annotation

// Result gives what is published of the images of one build: the one image itself, or the index of several
// (OCI image specification, image-index.md).
func (a Assembly) Result(members []Member) (any, error) {
	annotated := slices.Clone(members)
	for i, m := range members {
		img, err := a.image(m)
		if err != nil {
			return nil, err
		}
		annotated[i].Image = img
	}
	if len(members) != 1 {
		return a.index(annotated)
	}
	for _, n := range a {
		if n.On != OnManifest {
			return nil, fmt.Errorf("the annotation %s is for %s, and an image of one platform has no index", n.Key, n.On)
		}
	}
	return annotated[0].Image, nil
}

// on collects the annotations of a place.
func (a Assembly) on(place Place, platform *lifecycle.Target) map[string]string {
	out := map[string]string{}
	for _, n := range a {
		if n.On == place && (n.Platform == nil || platform != nil && n.Platform.String() == platform.String()) {
			out[n.Key] = n.Value
		}
	}
	return out
}

func (a Assembly) image(m Member) (v1.Image, error) {
	notes := a.on(OnManifest, &m.Platform)
	if len(notes) == 0 {
		return m.Image, nil
	}
	manifest, err := m.Image.Manifest()
	if err != nil {
		return nil, fmt.Errorf("annotating the image for %s: %w", m.Platform, err)
	}
	all := maps.Clone(manifest.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, notes)
	return withAnnotations(m.Image, all)
}

func (a Assembly) index(members []Member) (v1.ImageIndex, error) {
	m := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Annotations: a.on(OnIndex, nil)}
	var images []v1.Image
	for _, member := range members {
		p := member.Platform
		m.Manifests = append(m.Manifests, v1.Descriptor{Annotations: a.on(OnDescriptor, &p),
			Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant}})
		images = append(images, member.Image)
	}
	return NewIndex(m, images)
}

// NewIndex makes an index of images. The entries of the manifest are theirs, in this order; what they say of the images
// themselves is filled in.
func NewIndex(m v1.IndexManifest, images []v1.Image) (v1.ImageIndex, error) {
	x := &memoryIndex{mediaType: m.MediaType, children: map[v1.Hash]v1.Image{}}
	m.Manifests = slices.Clone(m.Manifests)
	for i, img := range images {
		if err := fillEntry(&m.Manifests[i], img); err != nil {
			return nil, fmt.Errorf("making an index: %w", err)
		}
		x.children[m.Manifests[i].Digest] = img
	}
	var err error
	if x.manifest, err = json.Marshal(m); err != nil {
		return nil, fmt.Errorf("making an index: %w", err)
	}
	return x, nil
}

// fillEntry makes d, an entry of an index, that of img.
func fillEntry(d *v1.Descriptor, img v1.Image) (err error) {
	if d.Digest, err = img.Digest(); err != nil {
		return err
	}
	if d.Size, err = img.Size(); err != nil {
		return err
	}
	d.MediaType, err = img.MediaType()
	return err
}

// memoryIndex is an index in memory.
type memoryIndex struct {
	mediaType types.MediaType
	manifest  []byte
	children  map[v1.Hash]v1.Image
}

var _ v1.ImageIndex = (*memoryIndex)(nil)

// MediaType is that of the manifest.
func (i *memoryIndex) MediaType() (types.MediaType, error) { return i.mediaType, nil }

// RawManifest gives the manifest as it is written.
func (i *memoryIndex) RawManifest() ([]byte, error) { return i.manifest, nil }

// Size is the manifest's, in bytes.
func (i *memoryIndex) Size() (int64, error) { return int64(len(i.manifest)), nil }

// Digest is that of the manifest.
func (i *memoryIndex) Digest() (v1.Hash, error) { return partial.Digest(i) }

// IndexManifest gives the entries, the caller's own.
func (i *memoryIndex) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(bytes.NewReader(i.manifest))
}

// Image gives one of the images that the index was made of.
func (i *memoryIndex) Image(h v1.Hash) (v1.Image, error) {
	if img, ok := i.children[h]; ok {
		return img, nil
	}
	return nil, fmt.Errorf("the index has no image %s", h)
}

// ImageIndex always fails: the index was made of images.
func (i *memoryIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, fmt.Errorf("the index has no index %s", h)
}

// DigestOf gives the digest of an image or an index.
func DigestOf(whole any) (v1.Hash, error) {
	m, ok := whole.(manifest)
	if !ok {
		return v1.Hash{}, fmt.Errorf("computing the digest of a %T: it is neither an image nor an index", whole)
	}
	digest, err := m.Digest()
	if err != nil {
		return digest, fmt.Errorf("computing the digest of the result: %w", err)
	}
	return digest, nil
}
