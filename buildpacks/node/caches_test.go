package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestToolCaches checks that what build tools keep is there in the next build, is not in the app, and is gone with other
// packages; and that nothing of Next.js's is kept that is secret or comes from elsewhere.
func TestToolCaches(t *testing.T) {
	app := files{
		"package.json": `{"dependencies": {"next": "16"}, "scripts": {"build": "sh build.sh"}}`,
		"build.sh": `#!/bin/sh
cat .next/cache/webpack/x node_modules/.cache/y 2>/dev/null
ls .next/cache
mkdir -p .next/cache/webpack .next/cache/fetch-cache node_modules/.cache .next/standalone .turbo/cache
touch .next/cache/fetch-cache/z .turbo/cache/t
date -r page.js +%s >> stamps
echo in-x > .next/cache/webpack/x; echo in-y > node_modules/.cache/y
echo made > .next/standalone/server.js; cp stamps .next/standalone/
`,
		"package-lock.json": "{}", "page.js": "1",
	}
	b := newBench(t, app)
	layers, _, _, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := layers["caches"]; !ok || strings.Contains(b.said, "in-x") {
		t.Fatalf("the first build: layers %v, said %s", layers, b.said)
	}
	first := read(t, filepath.Join(b.dir, "stamps"))
	for name, want := range map[string]bool{".next/cache/webpack/x": true, "node_modules/.cache/y": true,
		".next/cache/fetch-cache": false, ".next/cache/.rscinfo": false, ".turbo/cache": false} {
		if _, err := os.Lstat(filepath.Join(b.layers.Path, "caches", name)); (err == nil) != want {
			t.Errorf("%s is kept: %t", name, err == nil)
		}
	}
	b.restore(t, layers)
	app["page.js"] = "2"
	if layers, _, _, err = b.build(t); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.said, "in-x") || !strings.Contains(b.said, "in-y") || strings.Contains(b.said, "fetch-cache") {
		t.Errorf("the second build said %s", b.said)
	}
	if second := read(t, filepath.Join(b.dir, "stamps")); second == first {
		t.Error("a changed file has the time of the old one")
	}
	if _, err := os.Lstat(filepath.Join(b.dir, ".next")); err == nil {
		t.Error("the app has the cache")
	}
	b.restore(t, layers)
	app["package-lock.json"] = `{"a": 1}`
	if _, _, _, err = b.build(t); err != nil || strings.Contains(b.said, "in-x") {
		t.Errorf("with other packages: %v, said %s", err, b.said)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
