package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"s2i/lifecycle/archive"
)

// block is one 512-byte USTAR header written by hand, so that the expectation owes nothing to archive/tar.
func block(name string, mode, uid, gid, size int64, typ byte, link string) []byte {
	b := make([]byte, 512)
	octal := func(off, width int, v int64) {
		for i := off + width - 2; i >= off; i-- {
			b[i] = byte('0' + v&7)
			v >>= 3
		}
	}
	copy(b, name)
	octal(100, 8, mode)
	octal(108, 8, uid)
	octal(116, 8, gid)
	octal(124, 12, size)
	octal(136, 12, 315532801) // 1980-01-01T00:00:01Z
	b[156] = typ
	copy(b[157:], link)
	copy(b[257:], "ustar\x0000")
	octal(329, 8, 0)
	octal(337, 8, 0)
	copy(b[148:], "        ")
	sum := int64(0)
	for _, c := range b {
		sum += int64(c)
	}
	octal(148, 7, sum)
	b[154], b[155] = 0, ' '
	return b
}

func padded(s string) []byte { return append([]byte(s), make([]byte, (512-len(s)%512)%512)...) }

func mustWrite(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestTreeGoldenBytes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir+"/a.b", "x", 0o644)
	mustWrite(t, dir+"/a/run", "#!/bin/sh\n", 0o755|os.ModeSetuid)
	mustWrite(t, dir+"/zero", "", 0o600)
	for _, err := range []error{
		os.Symlink("../a.b", dir+"/a/link"),
		os.Link(dir+"/a.b", dir+"/hard"),
		os.Chmod(dir+"/a", 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()

	var want bytes.Buffer
	for _, b := range [][]byte{
		block("/layers", 0o755, 7, 8, 0, '5', ""),
		block("/layers/app", 0o755, 1000, 1001, 0, '5', ""),
		block("/layers/app/a", 0o700, 1000, 1001, 0, '5', ""),
		block("/layers/app/a/link", 0o777, 1000, 1001, 0, '2', "../a.b"),
		block("/layers/app/a/run", 0o4755, 1000, 1001, 10, '0', ""), padded("#!/bin/sh\n"),
		block("/layers/app/a.b", 0o644, 1000, 1001, 1, '0', ""), padded("x"),
		block("/layers/app/hard", 0o644, 1000, 1001, 1, '0', ""), padded("x"),
		block("/layers/app/zero", 0o600, 1000, 1001, 0, '0', ""),
		make([]byte, 1024),
	} {
		want.Write(b)
	}
	var got bytes.Buffer
	w := archive.NewWriter(&got)
	parents := []tar.Header{{Typeflag: tar.TypeDir, Name: "/layers/", Mode: 0o755, Uid: 7, Gid: 8, Uname: "someone"}}
	if err := w.Tree(t.Context(), dir, archive.TreeOptions{Name: "/layers/app", UID: 1000, GID: 1001, Parents: parents}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("tar bytes differ:\ngot  %q\nwant %q", summary(t, &got), summary(t, &want))
	}
}

func summary(t *testing.T, r io.Reader) []string {
	t.Helper()
	var out []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			return append(out, err.Error())
		}
		out = append(out, strings.Join([]string{string(h.Typeflag), h.Name, h.Linkname, h.FileInfo().Mode().String()}, " "))
	}
}

func TestWriterNames(t *testing.T) {
	for _, name := range []string{
		"plain", "umlaut-\u00e4", "latin1-\xe4\xff", strings.Repeat("long/", 60) + "x", "/abs", "new\nline", "a=b",
	} {
		var buf bytes.Buffer
		w := archive.NewWriter(&buf)
		if err := w.Add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: name}, nil); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		h, err := tar.NewReader(&buf).Next()
		if err != nil || h.Name != name || h.Linkname != name {
			t.Errorf("%q came back as %+v, %v", name, h, err)
		}
	}
}

func TestAddRefusesOtherSizes(t *testing.T) {
	for content, want := range map[string]string{"four": "shrank", "more than five": "grew"} {
		w := archive.NewWriter(io.Discard)
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "f", Size: 5}
		if err := w.Add(h, strings.NewReader(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one that says %q", content, err, want)
		}
	}
}

func TestTreeSkipAndCancel(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/keep/f", "", 0o644)
	mustWrite(t, dir+"/drop/f", "", 0o644)
	var got bytes.Buffer
	w := archive.NewWriter(&got)
	o := archive.TreeOptions{Name: "/w", Skip: func(rel string) bool { return rel == "drop" }}
	if err := w.Tree(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(summary(t, &got), "\n"); strings.Contains(names, "drop") || !strings.Contains(names, "/w/keep/f") {
		t.Errorf("got entries\n%s", names)
	}
	why := errors.New("stopped on purpose")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := w.Tree(ctx, dir, o); !errors.Is(err, why) {
		t.Errorf("after cancelling: %v", err)
	}
}

func TestFingerprint(t *testing.T) {
	dir := t.TempDir() + "/tree"
	mustWrite(t, dir+"/sub/f", "one", 0o644)
	first, settled, err := archive.Fingerprint(t.Context(), dir)
	if err != nil || !settled {
		t.Fatalf("settled %v, error %v", settled, err)
	}
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	dir += ".moved"
	changes := []struct {
		what string
		do   func() error
		same bool
	}{
		{"moving it", func() error { return nil }, true},
		{"chmod", func() error { return os.Chmod(dir+"/sub/f", 0o600) }, false},
		{"same size, old time", func() error {
			st, err := os.Stat(dir + "/sub/f")
			if err == nil {
				err = os.WriteFile(dir+"/sub/f", []byte("two"), 0o600)
			}
			return errors.Join(err, os.Chtimes(dir+"/sub/f", st.ModTime(), st.ModTime()))
		}, false},
		{"a new link", func() error { return os.Symlink("x", dir+"/l") }, false},
		{"nothing", func() error { return nil }, true},
	}
	for _, c := range changes {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		next, settled, err := archive.Fingerprint(t.Context(), dir)
		if err != nil || !settled {
			t.Fatalf("%s: settled %v, error %v", c.what, settled, err)
		}
		if (next == first) != c.same {
			t.Errorf("%s: same fingerprint is %v, want %v", c.what, next == first, c.same)
		}
		first = next
	}
}
