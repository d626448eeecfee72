package export

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

// TestNeeds exports programs and a library: first read, then known from the store, then from the previous image.
func TestNeeds(t *testing.T) {
	image := buildELF(elf.EM_X86_64, []string{"libc.so.6@GLIBC_2.34", "libown.so.1@OWN_1"}, "")
	library := buildELF(elf.EM_X86_64, []string{"libc.so.6"}, "libown.so.1")
	foreign := buildELF(elf.EM_AARCH64, []string{"libforeign.so.6"}, "")
	o := sample(t)
	plant(t, o.AppDir, []node{
		{path: "server", content: string(image), mode: 0o755},
		{path: "foreign", content: string(foreign), mode: 0o755},
		{path: "broken.so", content: "\x7fELF" + string(make([]byte, 100)), mode: 0o644},
		{path: "notes.txt", content: string(buildELF(elf.EM_X86_64, []string{"libnever.so.1"}, "")), mode: 0o644},
	})
	plant(t, o.LayersDir, []node{{path: "acme_bp/dep/lib/libown.so.1.0", content: string(library), mode: 0o644}})
	want := lifecycle.Needs{
		Libraries: map[string][]string{"libc.so.6": {"GLIBC_2.34"}},
		Layers:    map[string]lifecycle.LayerNeeds{},
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
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("needs when %s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzExecutable(f *testing.F) {
	f.Add(buildELF(elf.EM_X86_64, []string{"libc.so.6"}, "libx.so"))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newScanner("amd64")
		s.executable("x.so", bytes.NewReader(data))
		s.result()
	})
}
