package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
)

// e makes a tar entry of a short form: "name/" directory, "name=content" file, "name->target" symbolic link,
// "name=>target" hard link; mode 0 means 0755 or 0644.
func e(short string, mode int64) (*tar.Header, string) {
	h := &tar.Header{Mode: mode, ModTime: archive.Epoch.Add(time.Hour)}
	content := ""
	if name, target, ok := strings.Cut(short, "->"); ok {
		h.Typeflag, h.Name, h.Linkname = tar.TypeSymlink, name, target
	} else if name, target, ok := strings.Cut(short, "=>"); ok {
		h.Typeflag, h.Name, h.Linkname = tar.TypeLink, name, target
	} else if name, text, ok := strings.Cut(short, "="); ok {
		h.Typeflag, h.Name, h.Size, content = tar.TypeReg, name, int64(len(text)), text
	} else {
		h.Typeflag, h.Name = tar.TypeDir, short
	}
	if mode == 0 && h.Typeflag != tar.TypeSymlink {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	return h, content
}

func tarOf(t testing.TB, entries ...string) *bytes.Buffer {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, short := range entries {
		mode := int64(0)
		if m, rest, ok := strings.Cut(short, " "); ok {
			if _, err := fmt.Sscanf(m, "%o", &mode); err != nil {
				t.Fatal(err)
			}
			short = rest
		}
		h, content := e(short, mode)
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return &buf
}

// listing describes a tree in the short form of e, with what overlayfs's forms mean.
func listing(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		st, err := d.Info()
		if err != nil {
			return err
		}
		switch sys := sysStat(t, p); {
		case d.IsDir():
			opaque := ""
			for _, attr := range []string{"user.overlay.opaque", "trusted.overlay.opaque"} {
				if n, _ := unix.Getxattr(p, attr, make([]byte, 8)); n > 0 {
					opaque = " opaque"
				}
			}
			out = append(out, fmt.Sprintf("%o %s/%s", st.Mode().Perm(), rel, opaque))
		case st.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			out = append(out, rel+"->"+target)
		case sys.Mode&unix.S_IFMT == unix.S_IFCHR && sys.Rdev == 0:
			out = append(out, rel+" whiteout")
		case st.Mode().IsRegular():
			content, err := os.ReadFile(p)
			if err != nil {
				content = []byte("(unreadable)")
			}
			out = append(out, fmt.Sprintf("%o %s=%s", sys.Mode&0o7777, rel, content))
		default:
			out = append(out, rel+" "+st.Mode().String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sysStat(t testing.TB, p string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// newRoot is an extraction root with a neighbour that nothing may reach.
func newRoot(t testing.TB) (dir, outside string) {
	t.Helper()
	base := t.TempDir()
	dir, outside = base+"/root", base+"/outside"
	for _, d := range []string{dir, outside} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, outside
}

func TestExtract(t *testing.T) {
	layer := archive.ExtractOptions{Whiteouts: archive.WhiteoutsOverlay}
	apply := archive.ExtractOptions{Whiteouts: archive.WhiteoutsApply}
	big := strings.Repeat("0123456789abcdef", 8<<10)
	tests := []struct {
		name   string
		o      archive.ExtractOptions
		before []string // extracted first, when applying
		in     []string
		want   []string
		err    string
	}{
		{name: "plain", in: []string{"a/", "a/f=1", "4755 a/suid=x", "l->a/f", "h=>a/f", "big=" + big},
			want: []string{"755 ./", "755 a/", "644 a/f=1", "4755 a/suid=x", "644 big=" + big, "644 h=1", "l->a/f"}},
		{name: "absolute names", in: []string{"/layers/x/", "/layers/x/f=1", "h=>/layers/x/f"},
			want: []string{"755 ./", "644 h=1", "755 layers/", "755 layers/x/", "644 layers/x/f=1"}},
		{name: "parents that nobody described", in: []string{"a/b/f=1"},
			want: []string{"755 ./", "755 a/", "755 a/b/", "644 a/b/f=1"}},
		{name: "directories without permissions", in: []string{"500 a/", "a/f=1", "500 a/b/", "a/b/g=2"},
			want: func() []string {
				if os.Geteuid() == 0 {
					return []string{"755 ./", "500 a/", "500 a/b/", "644 a/b/g=2", "644 a/f=1"}
				}
				return []string{"755 ./", "700 a/", "700 a/b/", "644 a/b/g=2", "644 a/f=1"}
			}()},
		{name: "merged usr", o: layer, in: []string{"lib->usr/lib", "lib/f=1", "usr/lib/g=2", "bin->/usr/bin", "bin/sh=3"},
			want: []string{"755 ./", "bin->/usr/bin", "lib->usr/lib", "755 usr/", "755 usr/bin/", "644 usr/bin/sh=3",
				"755 usr/lib/", "644 usr/lib/f=1", "644 usr/lib/g=2"}},
		{name: "link that climbs stays inside", in: []string{"up->../../outside", "up/f=1"},
			want: []string{"755 ./", "755 outside/", "644 outside/f=1", "up->../../outside"}},
		{name: "dot dot", in: []string{"a/../../outside/f=1"}, err: "leads out"},
		{name: "dot dot inside", in: []string{"a/../f=1"}, want: []string{"755 ./", "644 f=1"}},
		{name: "hard link out", in: []string{"f=>../outside/f"}, err: "leads out"},
		{name: "hard link through link", in: []string{"up->../outside", "f=>up/f"}, err: "no such file"},
		{name: "hard link to directory", in: []string{"d/", "f=>d"}, err: "no file"},
		{name: "hard link to itself", in: []string{"f=1", "f=>f"}, want: []string{"755 ./", "644 f=1"}},
		{name: "link loop", in: []string{"a->b", "b->a", "a/f=1"}, err: "too many levels"},
		{name: "file as directory", in: []string{"a=1", "a/f=1"}, err: "not a directory"},
		{name: "file over file keeps other names", in: []string{"a=old", "b=>a", "a=new"},
			want: []string{"755 ./", "644 a=new", "644 b=old"}},
		{name: "file over link", in: []string{"t=target", "a->t", "a=new"}, want: []string{"755 ./", "644 a=new", "644 t=target"}},
		{name: "file over directory", in: []string{"a/b/c/", "a/b/f=1", "a=new"}, want: []string{"755 ./", "644 a=new"}},
		{name: "directory over link", in: []string{"d/", "a->d", "a/x=1", "a/", "a/y=1"},
			want: []string{"755 ./", "755 a/", "644 a/y=1", "755 d/", "644 d/x=1"}},
		{name: "link over link on the way", in: []string{"d/", "c/", "a->d", "a/x=1", "a->c", "a/y=1"},
			want: []string{"755 ./", "a->c", "755 c/", "644 c/y=1", "755 d/", "644 d/x=1"}},
		{name: "strip", o: archive.ExtractOptions{Strip: 1}, in: []string{"top/", "top/a/f=1", "top/h=>top/a/f", "other=x"},
			want: []string{"755 ./", "755 a/", "644 a/f=1", "644 h=1"}},
		{name: "whiteout refused", in: []string{".wh.f="}, err: "whiteout"},
		{name: "whiteouts for overlayfs", o: layer, in: []string{"a/.wh.f=", "b/.wh..wh..opq=", "b/f=1", "c/.wh..wh.plnk="},
			want: []string{"755 ./", "755 a/", "a/f whiteout", "755 b/ opaque", "644 b/f=1"}},
		{name: "whiteout beside its name", o: layer, in: []string{"d/f=1", ".wh.d=", ".wh.e=", "e/f=2", "f=3", ".wh.f=", ".wh.g=", "g=4"},
			want: []string{"755 ./", "755 d/ opaque", "644 d/f=1", "755 e/ opaque", "644 e/f=2", "644 f=3", "644 g=4"}},
		{name: "whiteout of dot dot", o: layer, in: []string{"a/.wh...="}, err: "names nothing"},
		{name: "whiteouts applied", o: apply, before: []string{"a/x=1", "a/y=1", "b/x=1", "b/c/z=1", "c=1"},
			in:   []string{"a/.wh.x=", "b/new=2", "b/.wh..wh..opq=", ".wh.c=", ".wh.none="},
			want: []string{"755 ./", "755 a/", "644 a/y=1", "755 b/", "644 b/new=2"}},
		{name: "whiteout applied through a link", o: apply, before: []string{"usr/lib/x=1", "lib->usr/lib"}, in: []string{"lib/.wh.x="},
			want: []string{"755 ./", "lib->usr/lib", "755 usr/", "755 usr/lib/"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, outside := newRoot(t)
			root := openRoot(t, dir)
			if err := archive.Extract(t.Context(), tarOf(t, tt.before...), root, tt.o); err != nil {
				t.Fatal(err)
			}
			err := archive.Extract(t.Context(), tarOf(t, tt.in...), root, tt.o)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got error %v, want one that says %q", err, tt.err)
				}
			} else if err != nil {
				t.Fatal(err)
			} else if diff := cmp.Diff(tt.want, listing(t, dir)); diff != "" {
				t.Errorf("tree differs (-want +got):\n%s", diff)
			}
			if got := listing(t, outside); len(got) != 1 {
				t.Errorf("something was written outside: %q", got)
			}
		})
	}
}

func TestExtractManyFiles(t *testing.T) {
	dir, _ := newRoot(t)
	var entries, want []string
	for i := range 3000 {
		entries = append(entries, fmt.Sprintf("%o d%d/e/f%d=%d", 0o600+i%0o200, i%200, i, i))
	}
	entries = append(entries, entries...) // replaced by themselves while they may still be in flight
	for i := range 3000 {
		want = append(want, fmt.Sprintf("%o d%d/e/f%d=%d", 0o600+i%0o200, i%200, i, i))
	}
	if err := archive.Extract(t.Context(), tarOf(t, entries...), openRoot(t, dir), archive.ExtractOptions{}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, l := range listing(t, dir) {
		got[l] = true
	}
	for _, w := range want {
		if !got[w] {
			t.Fatalf("missing %q among %d entries", w, len(got))
		}
	}
}

func TestExtractLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		l  archive.Limits
		in []string
	}{
		"entries":        {archive.Limits{Entries: 2}, []string{"a=", "b=", "c="}},
		"bytes":          {archive.Limits{Bytes: 5}, []string{"a=123", "b=456"}},
		"one file":       {archive.Limits{FileBytes: 2}, []string{"a=123"}},
		"implied parent": {archive.Limits{Entries: 5}, []string{"a/b/c/d/e/f/g="}},
		"name":           {archive.Limits{}, []string{strings.Repeat("abc/", 1100) + "x="}},
	} {
		dir, _ := newRoot(t)
		err := archive.Extract(t.Context(), tarOf(t, tt.in...), openRoot(t, dir), archive.ExtractOptions{Limits: tt.l})
		if !errors.Is(err, archive.ErrLimit) {
			t.Errorf("%s: got %v, want ErrLimit", name, err)
		}
	}
}

func TestExtractSpecialFiles(t *testing.T) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "from git"}},
		{Typeflag: tar.TypeFifo, Name: "fifo", Mode: 0o600},
		{Typeflag: tar.TypeChar, Name: "null", Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Typeflag: tar.TypeChar, Name: "fake-whiteout", Mode: 0},
	} {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	dir, _ := newRoot(t)
	err := archive.Extract(t.Context(), bytes.NewReader(buf.Bytes()), openRoot(t, dir), archive.ExtractOptions{})
	if err == nil || !strings.Contains(err.Error(), "named pipe") {
		t.Errorf("in a plain archive: %v", err)
	}
	o := archive.ExtractOptions{Whiteouts: archive.WhiteoutsOverlay}
	if err := archive.Extract(t.Context(), &buf, openRoot(t, dir), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"755 ./", "fifo prw-------"}, listing(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestExtractMetadata(t *testing.T) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	when := time.Unix(1_000_000_000, 0)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "d", Mode: 0o750, Uid: 33, Gid: 34},
		{Typeflag: tar.TypeReg, Name: "d/f", Mode: 0o640, Uid: 33, Gid: 34, PAXRecords: map[string]string{
			archive.XattrRecord + "user.mine":           "1",
			archive.XattrRecord + "user.overlay.opaque": "y",
			archive.XattrRecord + "user.s2i.owner":      "0:0",
		}},
	} {
		h.ModTime = when
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	dir, _ := newRoot(t)
	if err := archive.Extract(t.Context(), &buf, openRoot(t, dir), archive.ExtractOptions{Owners: true, Times: true}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/d", "/d/f"} {
		st := sysStat(t, dir+name)
		owner := fmt.Sprintf("%d:%d", st.Uid, st.Gid)
		if os.Geteuid() != 0 {
			b := make([]byte, 64)
			n, _ := unix.Getxattr(dir+name, archive.OwnerXattr, b)
			owner = string(b[:max(n, 0)])
		}
		if owner != "33:34" || st.Mtim.Sec != when.Unix() {
			t.Errorf("%s: owner %s, time %d", name, owner, st.Mtim.Sec)
		}
	}
	b := make([]byte, 8)
	if n, err := unix.Getxattr(dir+"/d/f", "user.mine", b); err != nil || string(b[:n]) != "1" {
		t.Errorf("user.mine: %q, %v", b[:max(n, 0)], err)
	}
	if n, err := unix.Getxattr(dir+"/d/f", "user.overlay.opaque", b); err == nil {
		t.Errorf("user.overlay.opaque was taken from the archive: %q", b[:n])
	}
}

func FuzzExtract(f *testing.F) {
	f.Add(tarOf(f, "a/", "a/f=1", "l->../x", "l/f=2", "h=>a/f", "a=3").Bytes(), uint8(0))
	f.Add(tarOf(f, "a/.wh.f=", "a/.wh..wh..opq=", "a->/", "a/f=1").Bytes(), uint8(1))
	f.Add(tarOf(f, ".wh.d=", "d/f=1", "e->..", "e/d=1").Bytes(), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, mode uint8) {
		dir, outside := newRoot(t)
		o := archive.ExtractOptions{
			Limits:    archive.Limits{Entries: 100, Bytes: 1 << 20},
			Whiteouts: archive.Whiteouts(mode % 3), Owners: mode&4 != 0, Times: mode&8 != 0, Strip: int(mode >> 4 & 1),
		}
		_ = archive.Extract(t.Context(), bytes.NewReader(data), openRoot(t, dir), o)
		if got := listing(t, outside); len(got) != 1 {
			t.Errorf("something was written outside: %q", got)
		}
		if names, err := filepath.Glob(filepath.Dir(dir) + "/*"); err != nil || len(names) != 2 {
			t.Errorf("beside the root: %q, %v", names, err)
		}
	})
}
