package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"
)

const (
	// nameAnnotation names an image in an OCI image layout (OCI image specification, annotations.md).
	nameAnnotation = "org.opencontainers.image.ref.name"

	indexLock = "index"
	maxIndex  = 64 << 20 // bytes
)

// Image is a local image: its name, and its descriptor (an image or an index).
type Image struct {
	Name       string
	Descriptor v1.Descriptor
}

// initLayout writes the files that make the directory an OCI image layout, where they are missing.
func (s *Store) initLayout() error {
	if _, err := os.Lstat(s.path("index.json")); errors.Is(err, fs.ErrNotExist) {
		if err := s.initIndex(); err != nil {
			return err
		}
	}
	_, err := os.Lstat(s.path("oci-layout"))
	if errors.Is(err, fs.ErrNotExist) {
		return s.writeFile(s.path("oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`+"\n"))
	}
	return err
}

func (s *Store) initIndex() error {
	return s.changeIndex(func(m *v1.IndexManifest) error { return nil })
}

// readIndex reads index.json; a missing one is empty.
func (s *Store) readIndex() (*v1.IndexManifest, error) {
	m := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	f, err := os.Open(s.path("index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the list of local images: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() > maxIndex {
		return nil, fmt.Errorf("reading the list of local images: %s is larger than %d bytes", f.Name(), maxIndex)
	}
	if err := json.NewDecoder(f).Decode(m); err != nil {
		return nil, fmt.Errorf("reading the list of local images in %s (move it aside to start anew): %w", f.Name(), err)
	}
	return m, nil
}

// changeIndex changes index.json while nobody else does.
func (s *Store) changeIndex(change func(m *v1.IndexManifest) error) error {
	// The lock is held for milliseconds only, so there is nothing to cancel.
	lock, err := lockFile(s.lockPath(indexLock), unix.LOCK_EX)
	if err != nil {
		return fmt.Errorf("taking the lock %q of the store: %w", indexLock, err)
	}
	defer s.unlock(lock)
	m, err := s.readIndex()
	if err != nil {
		return err
	}
	before := m.DeepCopy()
	if err := change(m); err != nil {
		return err
	}
	slices.SortStableFunc(m.Manifests, func(a, b v1.Descriptor) int {
		return strings.Compare(a.Annotations[nameAnnotation], b.Annotations[nameAnnotation])
	})
	if m.Manifests == nil {
		m.Manifests = []v1.Descriptor{}
	}
	if before.Manifests != nil && reflect.DeepEqual(before, m) {
		return nil
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the list of local images: %w", err)
	}
	return s.write(s.path("index.json"), append(data, '\n'), true)
}

// Images lists the local images by name.
func (s *Store) Images() ([]Image, error) {
	m, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	var out []Image
	for _, d := range m.Manifests {
		if name := d.Annotations[nameAnnotation]; name != "" {
			out = append(out, Image{Name: name, Descriptor: plain(d)})
		}
	}
	return out, nil
}

// plain is a descriptor without the annotation that says how it is called here.
func plain(d v1.Descriptor) v1.Descriptor {
	out := *d.DeepCopy()
	delete(out.Annotations, nameAnnotation)
	if len(out.Annotations) == 0 {
		out.Annotations = nil
	}
	return out
}

// fullName adds the tag that a name without one means.
func fullName(name string) string {
	if strings.LastIndexByte(name, ':') > strings.LastIndexByte(name, '/') {
		return name
	}
	return name + ":latest"
}

// Resolve gives the descriptor of a local image by name ("app:1"; ":latest" is implied) or by digest ("sha256:…"; an
// image within a local index is found as well); ErrNotFound when there is none.
func (s *Store) Resolve(name string) (v1.Descriptor, error) {
	m, err := s.readIndex()
	if err != nil {
		return v1.Descriptor{}, err
	}
	if hash, err := v1.NewHash(name); err == nil {
		if d, ok := s.findDigest(m, hash, 0); ok {
			return plain(d), nil
		}
		return v1.Descriptor{}, fmt.Errorf("finding local image %s: %w", name, ErrNotFound)
	}
	want := fullName(name)
	for _, d := range m.Manifests {
		if d.Annotations[nameAnnotation] == want {
			return plain(d), nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("finding local image %q: %w", want, ErrNotFound)
}

// maxNesting is how deep indexes within indexes are looked at.
const maxNesting = 4

// findDigest looks for a digest among an index's manifests, and then in the indexes among them.
func (s *Store) findDigest(m *v1.IndexManifest, want v1.Hash, depth int) (v1.Descriptor, bool) {
	for _, d := range m.Manifests {
		if d.Digest == want {
			return d, true
		}
	}
	if depth == maxNesting {
		return v1.Descriptor{}, false
	}
	for _, d := range m.Manifests {
		if !d.MediaType.IsIndex() {
			continue
		}
		if i, err := s.Index(d.Digest); err == nil {
			if inner, err := i.IndexManifest(); err == nil {
				if d, ok := s.findDigest(inner, want, depth+1); ok {
					return d, true
				}
			}
		}
	}
	return v1.Descriptor{}, false
}

// Tag gives an existing local image one more name.
func (s *Store) Tag(d v1.Descriptor, name string) error { return s.tag(d, []string{name}) }

func (s *Store) tag(d v1.Descriptor, names []string) error {
	if !s.HasBlob(d.Digest) {
		return fmt.Errorf("naming %s: %w", d.Digest, ErrNotFound)
	}
	for _, name := range names {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return s.changeIndex(func(m *v1.IndexManifest) error {
		for _, name := range names {
			m.Manifests = slices.DeleteFunc(m.Manifests, named(name))
			n := plain(d)
			if n.Annotations == nil {
				n.Annotations = map[string]string{}
			}
			n.Annotations[nameAnnotation] = fullName(name)
			m.Manifests = append(m.Manifests, n)
		}
		return nil
	})
}

func named(name string) func(v1.Descriptor) bool {
	return func(d v1.Descriptor) bool { return d.Annotations[nameAnnotation] == fullName(name) }
}

// checkName refuses what other tools could not name.
func checkName(name string) error {
	ok := name != "" && len(name) <= 512 && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"'\`, r)
	})
	if !ok {
		return fmt.Errorf("%q cannot be the name of a local image", name)
	}
	return nil
}

// Remove takes a name away; ErrNotFound when there is none. Its blobs go with the next Prune.
func (s *Store) Remove(name string) error {
	return s.changeIndex(func(m *v1.IndexManifest) error {
		before := len(m.Manifests)
		m.Manifests = slices.DeleteFunc(m.Manifests, named(name))
		if len(m.Manifests) == before {
			return fmt.Errorf("removing local image %q: %w", fullName(name), ErrNotFound)
		}
		return nil
	})
}
