package export

import (
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
	"s2i/lifecycle/native/elftest"
)

// TestNeeds exports programs and a library: first read, then known from the store, then from the previous image.
func TestNeeds(t *testing.T) {
	image := elftest.Build(elftest.File{Needed: []string{"libc.so.6@GLIBC_2.34", "libown.so.1@OWN_1"}})
	library := elftest.Build(elftest.File{Needed: []string{"libc.so.6"}, Soname: "libown.so.1"})
	foreign := elftest.Build(elftest.File{Machine: elf.EM_AARCH64, Needed: []string{"libforeign.so.6"}})
	o := sample(t)
	plant(t, o.AppDir, []node{
		{path: "server", content: string(image), mode: 0o755},
		{path: "foreign", content: string(foreign), mode: 0o755},
		{path: "broken.so", content: "\x7fELF" + string(make([]byte, 100)), mode: 0o644},
		{path: "notes.txt", content: string(elftest.Build(elftest.File{Needed: []string{"libnever.so.1"}})), mode: 0o644},
	})
	plant(t, o.LayersDir, []node{{path: "acme_bp/dep/lib/libown.so.1.0", content: string(library), mode: 0o644}})
	want := lifecycle.Needs{
		Libraries: map[string][]string{"libc.so.6": {"GLIBC_2.34"}},
		Layers:    map[string]lifecycle.LayerNeeds{},
		Form:      lifecycle.NeedsForm,
	}
	for i, name := range []string{"made", "recalled", "taken from the previous image"} {
		if i == 2 {
			o.Store = openStore(t)
			if err := os.RemoveAll(filepath.Join(o.LayersDir, "acme_bp", "dep")); err != nil {
				t.Fatal(err)
			}
		}
		result := mustExport(t, o)
		o.Previous = result.Image
		config, err := result.Image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		var got lifecycle.Needs
		if err := json.Unmarshal([]byte(config.Config.Labels[lifecycle.LabelNeeds]), &got); err != nil {
			t.Fatal(err)
		}
		want.Layers = map[string]lifecycle.LayerNeeds{
			result.Metadata.App[0].SHA: {
				Libraries: map[string][]string{"libc.so.6": {"GLIBC_2.34"}, "libown.so.1": {"OWN_1"}},
			},
			result.Metadata.For("acme/bp").Layers["dep"].SHA: {
				Libraries: map[string][]string{"libc.so.6": {}}, Provides: []string{"libown.so.1", "libown.so.1.0"},
				Programs: []string{"run"},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("needs when %s (-want +got):\n%s", name, diff)
		}
	}
}
