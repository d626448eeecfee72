package kit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

func TestBindingFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	for name, text := range map[string]string{"type": "netrc", ".netrc": "machine example.com", "plain": "x"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := libcnb.NewBindingFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{".netrc": true, "plain": true, "other": false} {
		if file, ok := kit.BindingFile(b, "absent", name); ok != want || ok && file != filepath.Join(dir, name) {
			t.Errorf("%s: got %q, %t", name, file, ok)
		}
	}
}
