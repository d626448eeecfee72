package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plain makes a root filesystem in one directory, with the program inside.
func plain(t *testing.T) Rootfs {
	t.Helper()
	dir := t.TempDir()
	root := Rootfs{Dir: filepath.Join(dir, "root"), Work: filepath.Join(dir, "work")}
	if err := errors.Join(os.Mkdir(root.Work, 0o755), copyTree(lower(t), root.Dir)); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestDirectInDir runs processes in a plain directory, with mounts, none of which stays.
func TestDirectInDir(t *testing.T) {
	if os.Geteuid() != 0 {
		_, err := output(t, Direct{}, Process{Rootfs: plain(t)}, "true")
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("an ordinary user: %v", err)
		}
		return
	}
	root, outside := plain(t), t.TempDir()
	write(t, filepath.Join(outside, "file"), "secret")
	cache := filepath.Join(outside, "cache")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	p := Process{Rootfs: root, Mounts: []Mount{{Target: "/tmp/x"}, {Source: cache, Target: "/deep/er/cache"},
		{Source: filepath.Join(outside, "file"), Target: "/etc/old", ReadOnly: true}}}
	if got := must(t, Direct{}, p, "ls", "/etc"); !strings.Contains(got, "old") {
		t.Errorf("/etc holds %q", got)
	}
	must(t, Direct{}, p, "write", "/tmp/x/y", "gone")
	must(t, Direct{}, p, "write", "/deep/er/cache/kept", "kept")
	must(t, Direct{}, p, "write", "/etc/new", "new")
	if got := read(t, filepath.Join(cache, "kept")); got != "kept" {
		t.Errorf("the cache holds %q", got)
	}
	if got := read(t, filepath.Join(root.Dir, "etc/old")); got == "secret" {
		t.Error("what was mounted stays")
	}
	if got := read(t, filepath.Join(root.Dir, "etc/new")); got != "new" {
		t.Errorf("got %q", got)
	}
	for _, name := range []string{"tmp/x", "deep", "dev", "proc", "sys"} {
		if _, err := os.Lstat(filepath.Join(root.Dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(root.Work); len(left) > 0 {
		t.Errorf("%v is left aside", left)
	}
}
