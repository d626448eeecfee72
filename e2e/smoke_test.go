//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSmoke starts what was built before it is published: what answers is, and what does not is not.
func TestSmoke(t *testing.T) {
	t.Parallel()
	s2i("build", app("go-hello"), "-t", ref("smoke/good:1"), "--smoke").run(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Procfile": "web: node server.js\n", "server.js": "console.error('no database here'); process.exit(7)\n",
		"package.json": `{"name": "broken", "version": "1.0.0", "scripts": {"start": "node server.js"}}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, errOut, err := s2i("build", dir, "-t", ref("smoke/bad:1"), "--smoke=20s").try(t.Context())
	if err == nil {
		t.Fatal("an app that ends at once passed the smoke test")
	}
	for _, want := range []string{"smoke test", "no database here"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("the error does not say %q:\n%s", want, errOut)
		}
	}
	if _, _, err := s2i("inspect", ref("smoke/bad:1")).try(t.Context()); err == nil {
		t.Error("the broken image was published")
	}
}
