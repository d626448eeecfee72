package create

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"s2i/lifecycle"
)

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWriteLock builds with --write-lock: what the buildpack resolved and what the stack chose are beside the sources.
func TestWriteLock(t *testing.T) {
	w := newWorld(t)
	w.WriteLock, w.stack.lock = true, []byte("node 24.1.0\n")
	w.box.locks = map[string]string{"uv.lock": "resolved", "web/package-lock.json": "{}"}
	writeFiles(t, w.src, map[string]string{"web/package.json": "{}", "uv.lock": "old"})
	for range 2 { // a result that is known is not enough
		if _, err := w.build(t, "x"); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"uv.lock": "resolved", "web/package-lock.json": "{}", "s2i.lock": "node 24.1.0\n"} {
			got, err := os.ReadFile(filepath.Join(w.src, name))
			if err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	if w.box.builds != 2 {
		t.Errorf("%d builds", w.box.builds)
	}
	left, err := filepath.Glob(filepath.Join(w.src, ".*s2i*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// Without --write-lock nobody's sources are touched.
func TestNoWriteLock(t *testing.T) {
	w := newWorld(t)
	w.stack.lock, w.box.locks = []byte("x"), map[string]string{"uv.lock": "resolved"}
	if _, err := w.build(t, "x"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(w.src)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestReadLocksRefuses(t *testing.T) {
	bp := lifecycle.GroupElement{ID: "test/bp"}
	for name, prepare := range map[string]func(dir string) error{
		"link for a directory": func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "test_bp", "lock")) },
		"link for a file": func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, "test_bp", "lock"), 0o755); err != nil {
				return err
			}
			return os.Symlink("/etc/passwd", filepath.Join(dir, "test_bp", "lock", "uv.lock"))
		},
		"too many": func(dir string) error {
			files := map[string]string{}
			for i := range maxLocks + 1 {
				files["test_bp/lock/"+strings.Repeat("x", i+1)] = ""
			}
			writeFiles(t, dir, files)
			return nil
		},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "test_bp"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := readLocks(dir, bp); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if locks, err := readLocks(t.TempDir(), bp); err != nil || locks != nil {
		t.Errorf("nothing there: %v, %v", locks, err)
	}
}

// A lock is never written outside of the source, nor over what is no file.
func TestReplaceInRefuses(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	writeFiles(t, outside, map[string]string{"x": "mine"})
	for from, to := range map[string]string{"out": outside, "uv.lock": filepath.Join(outside, "x")} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"out/x", "uv.lock", "../y", "missing/x"} {
		if _, err := replaceIn(root, lockFile{name, []byte("z")}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if got, err := os.ReadFile(filepath.Join(outside, "x")); err != nil || string(got) != "mine" {
		t.Errorf("%q, %v", got, err)
	}
}
