package restore

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

var bp = lifecycle.GroupElement{ID: "acme/bp", Version: "1", API: "0.10"}

// build stands for a build: files by path below the layers directory, and what the exporter made of them.
func build(t *testing.T, layersDir string, files map[string]string) Built {
	t.Helper()
	for path, content := range files {
		path = filepath.Join(layersDir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Built{LayersDir: layersDir, Group: []lifecycle.GroupElement{bp}}
}

func typesOf(build, cache, launch bool) string {
	return fmt.Sprintf("[types]\nbuild = %t\ncache = %t\nlaunch = %t\n[metadata]\nversion = 3\n", build, cache, launch)
}

// files gives the contents of every file below dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func openDir(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := OpenDir(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func work(t *testing.T, d *Dir) string {
	t.Helper()
	dir, err := d.Work()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// firstBuild fills a cache, and gives its directory and the image's metadata.
func firstBuild(t *testing.T) (dir string, exported lifecycle.LayersMetadata) {
	t.Helper()
	dir = t.TempDir()
	d := openDir(t, dir)
	b := sampleBuild(t, work(t, d))
	if err := d.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := d.Discard(b.LayersDir); err != nil {
		t.Fatal(err)
	}
	return dir, b.Exported
}

// sampleBuild is a build with a layer of most types.
func sampleBuild(t *testing.T, layersDir string) Built {
	t.Helper()
	b := build(t, layersDir, map[string]string{
		"acme_bp/tools.toml":                    typesOf(false, true, false),
		"acme_bp/tools/download":                "bytes",
		"acme_bp/deps.toml":                     typesOf(true, true, false),
		"acme_bp/deps/lib":                      "lib",
		"acme_bp/both.toml":                     typesOf(false, true, true),
		"acme_bp/both/file":                     "both",
		"acme_bp/image.toml":                    typesOf(false, false, true),
		"acme_bp/image/file":                    "image",
		"acme_bp/gone.toml":                     typesOf(true, false, false),
		"acme_bp/gone/file":                     "gone",
		"sbom/cache/acme_bp/deps/sbom.cdx.json": `{"deps":1}`,
	})
	data := map[string]any{"version": 3.0}
	b.Exported = lifecycle.LayersMetadata{Buildpacks: []lifecycle.BuildpackLayers{{
		ID: bp.ID, Version: "1",
		Layers: map[string]lifecycle.LayerMetadata{
			"both":  {SHA: bothDiffID, Data: data, LayerTypes: lifecycle.LayerTypes{Cache: true, Launch: true}},
			"image": {SHA: "sha256:i", Data: data, LayerTypes: lifecycle.LayerTypes{Launch: true}},
		},
		Store: &lifecycle.StoreTOML{Metadata: map[string]any{"kept": "yes"}},
	}}}
	old := time.Unix(1e9, 7e8)
	if err := os.Chtimes(filepath.Join(b.LayersDir, "acme_bp/deps/lib"), old, old); err != nil {
		t.Fatal(err)
	}
	return b
}

// bothDiffID is the diffID of the layer "both" of sampleBuild.
const bothDiffID = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

const restoredTOML = "[metadata]\n  version = 3\n"

// everything is what comes back of sampleBuild.
func everything() map[string]string {
	return map[string]string{
		"acme_bp/tools.toml":         restoredTOML,
		"acme_bp/tools/download":     "bytes",
		"acme_bp/deps.toml":          restoredTOML,
		"acme_bp/deps.sbom.cdx.json": `{"deps":1}`,
		"acme_bp/deps/lib":           "lib",
		"acme_bp/both.toml":          restoredTOML,
		"acme_bp/both/file":          "both",
		"acme_bp/image.toml":         restoredTOML,
		"acme_bp/store.toml":         "[metadata]\n  kept = \"yes\"\n",
	}
}

func TestLayersFromDir(t *testing.T) {
	cache, exported := firstBuild(t)
	d := openDir(t, cache)
	layers := work(t, d)
	o := Options{LayersDir: layers, Group: []lifecycle.GroupElement{bp}, Previous: exported, Cache: d}
	if err := Layers(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(), files(t, layers)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(layers, "acme_bp/deps/lib"))
	if err != nil || !info.ModTime().Equal(time.Unix(1e9, 7e8)) {
		t.Errorf("time of a restored file: %v %v", info.ModTime(), err)
	}
}

func TestLayersSkipped(t *testing.T) {
	cache, exported := firstBuild(t)
	layers := t.TempDir()
	o := Options{LayersDir: layers, Group: []lifecycle.GroupElement{bp}, Previous: exported, Cache: openDir(t, cache), SkipLayers: true}
	if err := Layers(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"acme_bp/store.toml": "[metadata]\n  kept = \"yes\"\n"}
	if diff := cmp.Diff(want, files(t, layers)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

func TestOtherBuildpackGetsNothing(t *testing.T) {
	cache, exported := firstBuild(t)
	layers := t.TempDir()
	o := Options{LayersDir: layers, Group: []lifecycle.GroupElement{{ID: "other"}}, Previous: exported, Cache: openDir(t, cache)}
	if err := Layers(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{}, files(t, layers)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// TestDirAfterDeath ends builds in different ways and looks at what the next one gets.
func TestDirAfterDeath(t *testing.T) {
	all := []string{"both", "deps", "image", "tools"}
	tests := map[string]struct {
		end  func(t *testing.T, d *Dir, b Built)
		want []string
	}{
		"killed": {func(*testing.T, *Dir, Built) {}, []string{"image", "tools"}},
		"failed": {func(t *testing.T, d *Dir, b Built) {
			if err := d.Abandon(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}, []string{"image", "tools"}},
		"killed with layers directory": {func(t *testing.T, d *Dir, b Built) {
			if err := os.RemoveAll(b.LayersDir); err != nil {
				t.Fatal(err)
			}
		}, []string{"image"}},
		"killed while saving": {func(t *testing.T, d *Dir, b Built) {
			entry := dirLayer{Buildpack: bp.ID, Name: "deps"}
			if err := d.put(t.Context(), filepath.Join(b.LayersDir, "acme_bp/deps"), &entry); err != nil {
				t.Fatal(err)
			}
		}, []string{"image", "tools"}},
		"succeeded": {func(t *testing.T, d *Dir, b Built) {
			build(t, b.LayersDir, map[string]string{
				"acme_bp/tools.toml": typesOf(false, true, false), "acme_bp/deps.toml": typesOf(true, true, false),
				"acme_bp/both.toml": typesOf(false, true, true),
			})
			if err := d.Save(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}, all},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cache, exported := firstBuild(t)
			d := openDir(t, cache)
			o := Options{LayersDir: work(t, d), Group: []lifecycle.GroupElement{bp}, Previous: exported, Cache: d}
			if err := Layers(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			test.end(t, d, Built{LayersDir: o.LayersDir, Group: o.Group, Exported: exported})

			d = openDir(t, cache)
			o.LayersDir, o.Cache = work(t, d), d
			if err := Layers(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, name := range all {
				if _, err := os.Stat(filepath.Join(o.LayersDir, "acme_bp", name+".toml")); err == nil {
					got = append(got, name)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("layers that came back (-want +got):\n%s", diff)
			}
			if err := d.Sweep(); err != nil {
				t.Fatal(err)
			}
			left, err := filepath.Glob(filepath.Join(cache, "*"))
			if err != nil || len(left) != 3 {
				t.Errorf("in the cache: %q, want its list, its layers and the build's directory (%v)", left, err)
			}
		})
	}
}

func TestDirKeepsOnlyWhatItMay(t *testing.T) {
	cache, exported := firstBuild(t)
	d := openDir(t, cache)
	o := Options{LayersDir: work(t, d), Group: []lifecycle.GroupElement{bp}, Previous: exported, Cache: d}
	if err := Layers(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDir(t.Context(), cache, func(string, string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Metadata(t.Context())
	if err != nil || len(m.Buildpacks) != 0 {
		t.Errorf("the cache holds %+v, want nothing (%v)", m, err)
	}
}

func TestDirReadOnlyDirectories(t *testing.T) {
	cache := t.TempDir()
	d := openDir(t, cache)
	b := build(t, work(t, d), map[string]string{"acme_bp/mod.toml": typesOf(false, true, false), "acme_bp/mod/m/file": "x"})
	for _, dir := range []string{"acme_bp/mod/m", "acme_bp/mod"} {
		if err := os.Chmod(filepath.Join(b.LayersDir, dir), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := d.replace(state{Version: dirVersion}); err != nil {
		t.Fatal(err)
	}
	if err := d.Sweep(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(cache, dirTrash+"*")); err != nil || len(left) != 0 {
		t.Errorf("left after sweeping: %q (%v)", left, err)
	}
}

func TestDirDamagedState(t *testing.T) {
	for name, content := range map[string]string{
		"no JSON": "{", "newer": `{"version":2,"layers":[{"name":"x","dir":"y"}]}`,
		"leads out": `{"version":1,"layers":[{"buildpack":"acme/bp","name":"x","dir":"../..","cache":true},
			{"buildpack":"acme/bp","name":"../../x","dir":"y","cache":true}],"sbom":"../../.."}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, dirState), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			d := openDir(t, dir)
			if d.state.SBOM != "" || len(d.state.Layers) != 0 {
				t.Errorf("state: %+v", d.state)
			}
		})
	}
}

func TestCopyTree(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	build(t, from, map[string]string{"a/file": "content", "b": "b"})
	old := time.Unix(1e9, 0)
	for _, step := range []error{
		os.Link(filepath.Join(from, "b"), filepath.Join(from, "a/hard")), os.Symlink("../b", filepath.Join(from, "a/soft")),
		os.Chmod(filepath.Join(from, "a/file"), fs.ModeSetuid|0o711), os.Chtimes(filepath.Join(from, "a"), old, old),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := copyTree(context.Background(), from, to); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files(t, from), files(t, to)); diff != "" {
		t.Errorf("copy (-want +got):\n%s", diff)
	}
	stat := func(path string) fs.FileInfo {
		info, err := os.Lstat(filepath.Join(to, path))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	if !os.SameFile(stat("b"), stat("a/hard")) {
		t.Error("the hard link became a file of its own")
	}
	if stat("a/soft").Mode()&fs.ModeSymlink == 0 || !stat("a").ModTime().Equal(old) {
		t.Errorf("link %v, time %v", stat("a/soft").Mode(), stat("a").ModTime())
	}
	if mode := stat("a/file").Mode(); mode != fs.ModeSetuid|0o711 {
		t.Errorf("mode %v", mode)
	}
}

func FuzzDirState(f *testing.F) {
	f.Add([]byte(`{"version":1,"layers":[{"buildpack":"a","name":"x","dir":"y","cache":true}],"sbom":"z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, dirState), data, 0o644); err != nil {
			t.Fatal(err)
		}
		d := openDir(t, dir)
		for _, l := range d.state.Layers {
			if filepath.Dir(filepath.Join(d.layers(), l.Dir)) != d.layers() {
				t.Errorf("layer at %q", l.Dir)
			}
		}
	})
}
