package node

import (
	"os"
	"path/filepath"
	"testing"

	"s2i/buildpacks/kit"
)

// TestProvideHeaders: node-gyp takes a directory for what it has downloaded when it holds the headers and a form.
func TestProvideHeaders(t *testing.T) {
	node, cache := t.TempDir(), t.TempDir()
	env := kit.Env{"npm_config_nodedir": node, "XDG_CACHE_HOME": cache}
	dir := filepath.Join(cache, "node-gyp", "24.1.0")
	if err := provideHeaders(env, "v24.1.0\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("there are no headers, but a directory for them")
	}
	if err := os.MkdirAll(filepath.Join(node, "include", "node"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(node, "include", "node", "node.h"), []byte("h"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second installation of the same build
		if err := provideHeaders(env, "v24.1.0\n"); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := os.ReadFile(filepath.Join(dir, "include", "node", "node.h")); err != nil || string(h) != "h" {
		t.Errorf("node.h is %q, %v", h, err)
	}
	if form, err := os.ReadFile(filepath.Join(dir, "installVersion")); err != nil || string(form) != "99\n" {
		t.Errorf("installVersion is %q, %v", form, err)
	}
}
