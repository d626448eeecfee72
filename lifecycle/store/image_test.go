package store_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/lifecycle/store"
)

// app is an image of our own layers.
func app(t testing.TB, s *store.Store, names ...string) v1.Image {
	t.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", Config: v1.Config{Cmd: names}, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		img, err = mutate.AppendLayers(img, layer(t, s, files(name, noise(100_000)), store.LayerOptions{}))
		if err != nil {
			t.Fatal(err)
		}
	}
	return img
}

func TestSaveAndRead(t *testing.T) {
	s := open(t)
	img := app(t, s, "a", "b")
	d, err := s.Save(t.Context(), img, []string{"app", "host.example:5000/team/app:2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := img.Digest(); d.Digest != want || d.Platform == nil || d.Platform.Architecture != "amd64" {
		t.Errorf("got descriptor %+v, want digest %s", d, want)
	}
	for _, name := range []string{"app", "app:latest", "host.example:5000/team/app:2", d.Digest.String()} {
		got, err := s.Resolve(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	read, err := s.Image(d.Digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(read); err != nil {
		t.Error(err)
	}
	if err := s.Tag(d, "other:1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("app"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("app"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removing twice: %v", err)
	}
	images, err := s.Images()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range images {
		names = append(names, i.Name)
	}
	if diff := cmp.Diff([]string{"host.example:5000/team/app:2", "other:1"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if err := s.Tag(v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("1", 64)}}, "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("tagging what is not there: %v", err)
	}
	for _, bad := range []string{"", "two words", "new\nline"} {
		if _, err := s.Save(t.Context(), img, []string{bad}, nil); err == nil {
			t.Errorf("the name %q was accepted", bad)
		}
	}
}

func TestSaveSparse(t *testing.T) {
	s := open(t)
	base, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	baseLayers, _ := base.Layers()
	isBase := func(l v1.Layer) bool {
		d, _ := l.Digest()
		for _, b := range baseLayers {
			if have, _ := b.Digest(); have == d {
				return true
			}
		}
		return false
	}
	img, err := mutate.AppendLayers(base, layer(t, s, files("f", "x"), store.LayerOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Save(t.Context(), img, []string{"app"}, isBase)
	if err != nil {
		t.Fatal(err)
	}
	sparse, err := s.Image(d.Digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := sparse.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := layers[0].Compressed(); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an absent layer: %v", err)
	}
	whole, err := s.Image(d.Digest, func(d v1.Descriptor) (v1.Layer, error) { return base.LayerByDigest(d.Digest) })
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(whole); err != nil {
		t.Error(err)
	}
}

func TestSaveIndex(t *testing.T) {
	s := open(t)
	idx, err := random.Index(500, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Save(t.Context(), idx, []string{"multi"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.Index(d.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(read); err != nil {
		t.Error(err)
	}
	m, _ := idx.IndexManifest()
	member, err := s.Resolve(m.Manifests[1].Digest.String())
	if err != nil || member.Digest != m.Manifests[1].Digest {
		t.Errorf("a member by digest: %v, %v", member, err)
	}
	if _, err := s.Image(d.Digest, nil); err == nil || !strings.Contains(err.Error(), "index") {
		t.Errorf("an index read as an image: %v", err)
	}
	if _, err := s.Index(m.Manifests[0].Digest); err == nil {
		t.Error("an image was read as an index")
	}
	if _, err := s.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(read); err != nil {
		t.Errorf("after pruning: %v", err)
	}
}

func TestDamagedManifestIsNoticed(t *testing.T) {
	s := open(t)
	d, err := s.Save(t.Context(), app(t, s, "a"), []string{"app"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := s.Dir() + "/blobs/sha256/" + d.Digest.Hex
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Image(d.Digest, nil); !errors.Is(err, store.ErrMismatch) {
		t.Errorf("got %v", err)
	}
}

func TestLayoutFiles(t *testing.T) {
	s := open(t)
	if _, err := s.Save(t.Context(), app(t, s, "a"), []string{"app:1"}, nil); err != nil {
		t.Fatal(err)
	}
	var layout struct{ ImageLayoutVersion string }
	var index struct {
		SchemaVersion int
		Manifests     []struct {
			MediaType   string
			Annotations map[string]string
		}
	}
	for name, v := range map[string]any{"oci-layout": &layout, "index.json": &index} {
		data, err := os.ReadFile(s.Dir() + "/" + name)
		if err == nil {
			err = json.Unmarshal(data, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if layout.ImageLayoutVersion != "1.0.0" || index.SchemaVersion != 2 || len(index.Manifests) != 1 ||
		index.Manifests[0].MediaType != string(types.OCIManifestSchema1) ||
		index.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "app:1" {
		t.Errorf("got %+v, %+v", layout, index)
	}
}
