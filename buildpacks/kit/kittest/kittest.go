// Package kittest gives tests of buildpacks an app to look at.
package kittest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"s2i/buildpacks/kit"
)

// Write puts files into dir, by their paths below it. A text that begins with "->" is the target of a symbolic link.
func Write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "->"); ok {
			err = os.Symlink(target, file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Dir writes files as Write does, into a new directory of the test's own.
func Dir(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	Write(t, dir, files)
	return dir
}

// Open writes files as Dir does and opens them as an app, which the end of the test closes.
func Open(t testing.TB, files map[string]string) *kit.App {
	t.Helper()
	app, err := kit.OpenApp(Dir(t, files))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	return app
}
