package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestWithoutOpaque mounts trees that root has unpacked as the user namespace of an emulator does.
func TestWithoutOpaque(t *testing.T) {
	if os.Geteuid() != 0 || inUserNamespace() {
		return // such trees are root's alone
	}
	top, middle, bottom, extra := t.TempDir(), t.TempDir(), lower(t), t.TempDir()
	if err := errors.Join(
		os.MkdirAll(top+"/d/kept", 0o755), os.WriteFile(top+"/d/new", nil, 0o600), os.MkdirAll(middle+"/d", 0o755),
		os.WriteFile(middle+"/d/middle", nil, 0o600), os.MkdirAll(bottom+"/d/kept", 0o755),
		os.WriteFile(bottom+"/d/old", nil, 0o600), os.WriteFile(bottom+"/d/kept/old", nil, 0o600),
		unix.Setxattr(top+"/d", "trusted.overlay.opaque", []byte("y"), 0),
	); err != nil {
		t.Fatal(err)
	}
	trees, err := withoutOpaque([]string{top, middle, bottom}, extra)
	if err != nil || len(trees) != 4 {
		t.Fatal(trees, err)
	}
	if err := unix.Removexattr(top+"/d", "trusted.overlay.opaque"); err != nil { // as if it were not known
		t.Fatal(err)
	}
	s, p := newOCI(t, Options{}), Process{Rootfs: Rootfs{Lower: trees}}
	for dir, want := range map[string]string{"/d": "kept\nnew\n", "/d/kept": ""} {
		if diff := cmp.Diff(want, must(t, s, p, "ls", dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
	}
	if _, err := os.Stat(filepath.Join(trees[1], "d/old")); err != nil {
		t.Error(err)
	}
}
