package restore

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
)

// me owns what the tests extract, so that they need not be root.
func me() Places { return Places{UID: os.Getuid(), GID: os.Getgid() + 1} }

// saveVolume saves the sample build in a Volume, and gives its directory.
func saveVolume(t *testing.T) (dir string, b Built) {
	t.Helper()
	dir = t.TempDir()
	v, err := OpenVolume(dir, me())
	if err != nil {
		t.Fatal(err)
	}
	b = sampleBuild(t, t.TempDir())
	if err := v.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return dir, b
}

func restoreFrom(t *testing.T, c Cache, previous lifecycle.LayersMetadata) map[string]string {
	t.Helper()
	layers := t.TempDir()
	o := Options{LayersDir: layers, Group: []lifecycle.GroupElement{bp}, Previous: previous, Cache: c}
	if err := Layers(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return files(t, layers)
}

// exported is the metadata of the image of b as the exporter would give it: the diffIDs are those of the cache.
func exported(t *testing.T, c Cache, b Built) lifecycle.LayersMetadata {
	t.Helper()
	m, err := c.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	both := b.Exported.For(bp.ID).Layers["both"]
	both.SHA = m.For(bp.ID).Layers["both"].SHA
	b.Exported.For(bp.ID).Layers["both"] = both
	return b.Exported
}

func TestLayersFromVolume(t *testing.T) {
	dir, b := saveVolume(t)
	for range 2 { // the second time, the cache is one that takes over what it had
		v, err := OpenVolume(dir, me())
		if err != nil {
			t.Fatal(err)
		}
		b.Exported = exported(t, v, b)
		if diff := cmp.Diff(everything(), restoreFrom(t, v, b.Exported)); diff != "" {
			t.Errorf("restored (-want +got):\n%s", diff)
		}
		if err := v.Save(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(entries) != 5 {
		t.Errorf("the cache holds %q, want its metadata, three layers and a bill of materials (%v)", entries, err)
	}
}

func TestVolumeAfterDeath(t *testing.T) {
	tests := map[string]func(dir string) error{
		"while staging": func(dir string) error { return os.Mkdir(filepath.Join(dir, "staging"), 0o755) },
		"while committing": func(dir string) error {
			return os.Rename(filepath.Join(dir, "committed"), filepath.Join(dir, "committed-backup"))
		},
		"after committing": func(dir string) error { return os.Mkdir(filepath.Join(dir, "committed-backup"), 0o755) },
	}
	for name, die := range tests {
		t.Run(name, func(t *testing.T) {
			dir, b := saveVolume(t)
			if err := die(dir); err != nil {
				t.Fatal(err)
			}
			v, err := OpenVolume(dir, me())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(everything(), restoreFrom(t, v, exported(t, v, b))); diff != "" {
				t.Errorf("restored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVolumeDamaged(t *testing.T) {
	damage := map[string]func(path string) error{
		"missing": os.Remove,
		"changed": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, []byte(strings.Replace(string(data), "bytes", "BYTES", 1)), 0o644)
		},
		"cut":    func(path string) error { return os.Truncate(path, 700) },
		"longer": func(path string) error { return os.Truncate(path, 1<<16) },
	}
	for name, damage := range damage {
		t.Run(name, func(t *testing.T) {
			dir, b := saveVolume(t)
			v, err := OpenVolume(dir, me())
			if err != nil {
				t.Fatal(err)
			}
			previous := exported(t, v, b)
			m, err := v.Metadata(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(dir, "committed", m.For(bp.ID).Layers["tools"].SHA+".tar")); err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(everything())
			delete(want, "acme_bp/tools.toml")
			delete(want, "acme_bp/tools/download")
			if diff := cmp.Diff(want, restoreFrom(t, v, previous)); diff != "" {
				t.Errorf("restored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayersFromImage(t *testing.T) {
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	c := NewImage(nil, st, lifecycle.Target{OS: "linux", Arch: "amd64"}, me())
	b := sampleBuild(t, t.TempDir())
	if err := c.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(c.Saved()); err != nil {
		t.Errorf("the cache image is not valid: %v", err)
	}
	next := NewImage(c.Saved(), st, lifecycle.Target{}, me())
	if diff := cmp.Diff(everything(), restoreFrom(t, next, exported(t, next, b))); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// TestSBOMFromPreviousImage restores the bill of materials of a launch layer, from an image with another layers
// directory.
func TestSBOMFromPreviousImage(t *testing.T) {
	p := Places{Layers: "/srv/layers", UID: os.Getuid(), GID: os.Getgid()}
	dir := t.TempDir()
	build(t, dir, map[string]string{
		"acme_bp/image/sbom.cdx.json": "{}", "acme_bp/image/other.json": "no", "acme_bp/image/sbom.odd.json": "no",
		"acme_bp/gone/sbom.cdx.json": "no", "other/image/sbom.cdx.json": "no",
	})
	var tar strings.Builder
	if err := p.source(dir, "sbom/launch")(t.Context(), &tar); err != nil {
		t.Fatal(err)
	}
	layer := static.NewLayer([]byte(tar.String()), types.OCIUncompressedLayer)
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.Config(img, v1.Config{Env: []string{"CNB_LAYERS_DIR=/srv/layers"}}); err != nil {
		t.Fatal(err)
	}
	diffID, err := layer.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	previous := sampleBuild(t, t.TempDir()).Exported
	previous.SBOM = &lifecycle.LayerSHA{SHA: diffID.String()}
	layers := t.TempDir()
	o := Options{LayersDir: layers, Group: []lifecycle.GroupElement{bp}, Previous: previous, PreviousImage: img}
	if err := Layers(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"acme_bp/image.toml": restoredTOML, "acme_bp/image.sbom.cdx.json": "{}",
		"acme_bp/store.toml": "[metadata]\n  kept = \"yes\"\n",
	}
	if diff := cmp.Diff(want, files(t, layers)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

func FuzzTake(f *testing.F) {
	var tar strings.Builder
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644); err != nil {
		f.Fatal(err)
	}
	if err := me().withDefaults().source(dir, "acme_bp/x")(f.Context(), &tar); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(tar.String()))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		target := filepath.Join(root, "layer")
		layer := Cached{bp.ID, "x", lifecycle.LayerMetadata{SHA: bothDiffID}}
		if err := me().withDefaults().take(t.Context(), layer, strings.NewReader(string(data)), target); err == nil {
			t.Error("a layer with another diffID was taken")
		}
		if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v (%v)", left, err)
		}
	})
}
