package snapshot_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/snapshot"
	"s2i/lifecycle/store"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir() + "/store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fileLayer(t *testing.T, s *store.Store, name string) v1.Layer {
	t.Helper()
	l, err := s.Layer(t.Context(), func(_ context.Context, w io.Writer) error {
		tw := archive.NewWriter(w)
		err := tw.Add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, nil)
		return errors.Join(err, tw.Close())
	}, store.LayerOptions{Need: store.Blob})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPrepare(t *testing.T) {
	s := open(t)
	a, b, c := fileLayer(t, s, "a"), fileLayer(t, s, "b"), fileLayer(t, s, "c")
	r, release, err := snapshot.Prepare(t.Context(), s, []v1.Layer{a, b, a, c, c}, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, dir := range r.Lower {
		names, err := os.ReadDir(dir)
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		got = append(got, names[0].Name())
	}
	if diff := cmp.Diff([]string{"c", "a", "b"}, got); diff != "" {
		t.Errorf("order of the lower directories (-want +got):\n%s", diff)
	}
	for _, dir := range []string{r.Upper, r.Work} {
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("%s: %v, %v", dir, names, err)
		}
	}
	if _, err := s.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Lower[0]); err != nil {
		t.Errorf("pruned while in use: %v", err)
	}
	release()
	s.Close()
	if _, err := os.Stat(r.Upper); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the upper directory stays: %v", err)
	}
	if _, err := s.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Lower[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("not pruned after release: %v", err)
	}
}

func TestPrepareReadOnly(t *testing.T) {
	s := open(t)
	r, release, err := snapshot.Prepare(t.Context(), s, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if len(r.Lower) != 1 || r.Upper != "" {
		t.Errorf("got %+v", r)
	}
	if _, err := r.Diff(t.Context(), s, snapshot.DiffOptions{}); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("Diff: %v", err)
	}
}

// mkUpper makes what overlayfs leaves after some changes.
func mkUpper(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	steps := []error{
		os.MkdirAll(dir+"/etc/new", 0o755),
		os.MkdirAll(dir+"/var/lib", 0o755),
		os.MkdirAll(dir+"/proc/x", 0o755),
		os.WriteFile(dir+"/etc/passwd", []byte("root"), 0o600),
		os.Chmod(dir+"/etc/passwd", 0o755|os.ModeSetuid),
		os.Link(dir+"/etc/passwd", dir+"/var/copy"),
		os.Symlink("passwd", dir+"/etc/link"),
		os.WriteFile(dir+"/etc/.wh.real", nil, 0o600),
		unix.Mknod(dir+"/etc/gone", unix.S_IFCHR, 0),
		unix.Mknod(dir+"/pipe", unix.S_IFIFO|0o600, 0),
		unix.Setxattr(dir+"/etc/new", "user.overlay.opaque", []byte("y"), 0),
		unix.Setxattr(dir+"/etc/new", "user.overlay.origin", []byte("x"), 0),
		unix.Setxattr(dir+"/etc/passwd", "user.mine", []byte("1"), 0),
		unix.Setxattr(dir+"/var/lib", archive.OwnerXattr, []byte("33:34"), 0),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(dir + "/var/sparse")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sparse.Truncate(3<<20), sparse.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mkLower makes what was there before: a directory below another, and one that is all of the layer on top of it.
func mkLower(t *testing.T) []string {
	t.Helper()
	top, bottom := t.TempDir(), t.TempDir()
	steps := []error{
		os.MkdirAll(bottom+"/etc/new/dir", 0o755),
		os.MkdirAll(bottom+"/etc/new/again/old", 0o755),
		os.WriteFile(bottom+"/etc/new/hidden", nil, 0o600),
		os.WriteFile(bottom+"/etc/gone", nil, 0o600),
		os.WriteFile(bottom+"/etc/away", nil, 0o600),
		os.WriteFile(bottom+"/etc/same", []byte("same"), 0o640),
		os.WriteFile(bottom+"/etc/other", []byte("1234"), 0o640),
		os.WriteFile(bottom+"/etc/mode", []byte("same"), 0o644),
		os.Symlink("a", bottom+"/etc/samelink"),
		os.MkdirAll(bottom+"/opt/untouched", 0o755),
		os.Mkdir(top+"/etc", 0o755),
		unix.Mknod(top+"/etc/away", unix.S_IFCHR, 0),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	return []string{top, bottom}
}

func TestDiff(t *testing.T) {
	s := open(t)
	upper := mkUpper(t)
	if err := errors.Join(
		os.WriteFile(upper+"/etc/same", []byte("same"), 0o640),
		os.WriteFile(upper+"/etc/other", []byte("4321"), 0o640),
		os.WriteFile(upper+"/etc/mode", []byte("same"), 0o640),
		os.Symlink("a", upper+"/etc/samelink"),
		unix.Mknod(upper+"/etc/away", unix.S_IFCHR, 0),
		os.MkdirAll(upper+"/opt/untouched", 0o755),
		os.MkdirAll(upper+"/etc/new/again", 0o755),
	); err != nil {
		t.Fatal(err)
	}
	r := &snapshot.Rootfs{Lower: mkLower(t), Upper: upper, Work: t.TempDir()}
	o := snapshot.DiffOptions{
		LayerOptions: store.LayerOptions{Need: store.Blob | store.Tree}, UID: 7, GID: 8,
		Skip: func(rel string) bool { return rel == "proc" },
	}
	new := "0:0" // the owner of what is not below
	if os.Geteuid() != 0 {
		new = "7:8"
	}
	l, err := r.Diff(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var got []string
	for tr := tar.NewReader(stream); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%c %s %o %d:%d %d", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid, h.Size)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		for k, v := range h.PAXRecords {
			line += " " + k + "=" + v
		}
		if !h.ModTime.Equal(archive.Epoch) {
			line += " " + h.ModTime.String()
		}
		got = append(got, line)
	}
	want := []string{
		"5 etc 755 0:0 0",
		"0 etc/.wh.gone 600 0:0 0",
		"2 etc/link 777 " + new + " 0 -> passwd",
		"0 etc/mode 640 0:0 4",
		"5 etc/new 755 0:0 0",
		"5 etc/new/again 755 0:0 0",
		"0 etc/new/again/.wh.old 600 0:0 0",
		"0 etc/new/.wh.dir 600 0:0 0",
		"0 etc/new/.wh.hidden 600 0:0 0",
		"0 etc/other 640 0:0 4",
		"0 etc/passwd 4755 " + new + " 4 SCHILY.xattr.user.mine=1",
		"6 pipe 600 " + new + " 0",
		"5 var 755 " + new + " 0",
		"1 var/copy 4755 " + new + " 0 -> etc/passwd",
	}
	if os.Geteuid() == 0 {
		want = append(want, "5 var/lib 755 0:0 0")
	} else { // who can only record owners
		want = append(want, "5 var/lib 755 33:34 0")
	}
	want = append(want, "0 var/sparse 644 "+new+" 3145728")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries differ (-want +got):\n%s", diff)
	}
	tree, err := s.Tree(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(tree, "etc/gone"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
		t.Errorf("the whiteout did not come back: %o, %v", st.Mode, err)
	}
}

func TestDiffDefaultOwner(t *testing.T) {
	s := open(t)
	r := &snapshot.Rootfs{Upper: t.TempDir()}
	if err := os.WriteFile(r.Upper+"/f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := r.Diff(t.Context(), s, snapshot.DiffOptions{LayerOptions: store.LayerOptions{Need: store.Blob}})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	h, err := tar.NewReader(stream).Next()
	if err != nil || h.Uid != 0 || h.Gid != 0 {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestDiffRefusesContentElsewhere(t *testing.T) {
	s := open(t)
	r := &snapshot.Rootfs{Upper: t.TempDir()}
	if err := os.Mkdir(r.Upper+"/moved", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(r.Upper+"/moved", "user.overlay.redirect", []byte("/x"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := r.Diff(t.Context(), s, snapshot.DiffOptions{LayerOptions: store.LayerOptions{Need: store.Blob}})
	if err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("got %v", err)
	}
}
