package kit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

func TestKeepLock(t *testing.T) {
	layers := libcnb.Layers{Path: t.TempDir()}
	for _, name := range []string{"uv.lock", "frontend/package-lock.json", "uv.lock"} {
		if err := kit.KeepLock(layers, name, []byte(name)); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(layers.Path, kit.LockLayer, name))
		if err != nil || string(data) != name {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../uv.lock", "/uv.lock", "a/../../b", "a\x00b"} {
		if err := kit.KeepLock(layers, name, nil); err == nil {
			t.Errorf("KeepLock took %q", name)
		}
	}
}
