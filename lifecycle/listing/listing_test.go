package listing_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
)

// layer writes a tar stream: "d/" is a directory, "a -> b" a symbolic link, "a = b" a hard link, "a: text" a file.
func layer(t testing.TB, lines ...string) *listing.Listing {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, line := range lines {
		h := &tar.Header{Name: line, Mode: 0o644, Typeflag: tar.TypeReg}
		content := ""
		if name, to, ok := strings.Cut(line, " -> "); ok {
			h.Name, h.Linkname, h.Typeflag = name, to, tar.TypeSymlink
		} else if name, to, ok := strings.Cut(line, " = "); ok {
			h.Name, h.Linkname, h.Typeflag = name, to, tar.TypeLink
		} else if name, text, ok := strings.Cut(line, ": "); ok {
			h.Name, content, h.Size = name, text, int64(len(text))
		} else if strings.HasSuffix(line, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listing.Read(&buf, archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// show lists everything that a view shows, with the layer that it comes from.
func show(v *listing.View, dir string) (out []string) {
	for _, name := range v.ReadDir(dir) {
		full := strings.TrimPrefix(dir+"/"+name, "/")
		e := v.Lstat(full)
		if e == nil {
			out = append(out, full+" is listed but not there")
			continue
		}
		out = append(out, full+" "+string(rune('0'+e.Layer)))
		if e.IsDir() {
			out = append(out, show(v, full)...)
		}
	}
	return out
}

func TestView(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers [][]string
		want   []string
	}{
		{"one over the other", [][]string{{"a/", "a/x: 1", "a/y: 1"}, {"a/", "a/x: 2"}}, []string{"a 1", "a/x 1", "a/y 0"}},
		{"whiteout", [][]string{{"a/", "a/x: 1", "a/y: 1"}, {"a/.wh.x"}}, []string{"a 0", "a/y 0"}},
		{"whiteout of a directory", [][]string{{"a/", "a/x: 1", "b: 1"}, {".wh.a"}}, []string{"b 0"}},
		{"made again", [][]string{{"a/", "a/x: 1"}, {".wh.a"}, {"a/", "a/new: 1"}}, []string{"a 2", "a/new 2"}},
		{"removed and made in one layer", [][]string{{"a/", "a/x: 1"}, {".wh.a", "a/", "a/new: 1"}}, []string{"a 1", "a/new 1"}},
		{"opaque", [][]string{{"a/", "a/x: 1"}, {"a/", "a/.wh..wh..opq", "a/new: 1"}}, []string{"a 1", "a/new 1"}},
		{"file in place of a directory", [][]string{{"a/", "a/x: 1"}, {"a: file"}}, []string{"a 1"}},
		{"directory in place of a file", [][]string{{"a: file"}, {"a/", "a/x: 1"}}, []string{"a 1", "a/x 1"}},
		{"directories that are only implied", [][]string{{"a/b/c: 1"}, {"a/b/d: 1"}}, []string{"a 0", "a/b 0", "a/b/c 0", "a/b/d 1"}},
		{"back again after a file", [][]string{{"a/", "a/x: 1"}, {"a: file"}, {"a/", "a/y: 1"}}, []string{"a 2", "a/y 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var layers []*listing.Listing
			for _, lines := range c.layers {
				layers = append(layers, layer(t, lines...))
			}
			if diff := cmp.Diff(c.want, show(listing.Over(layers...), "")); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHardLinks(t *testing.T) {
	v := listing.Over(layer(t, "a: text", "b = a", "c = b"))
	a, b, c := v.Lstat("a"), v.Lstat("b"), v.Lstat("c")
	if b.Digest != a.Digest || b.Type != tar.TypeReg || b.SameAs != "a" || c.SameAs != "a" || c.Size != 4 {
		t.Errorf("got %+v and %+v", b, c)
	}
}

func TestResolve(t *testing.T) {
	v := listing.Over(layer(t, "real/", "real/f: 1", "abs -> /real", "rel -> real", "up -> ../../real", "chain -> abs/f",
		"loop -> loop2", "loop2 -> loop", "real/self -> ."))
	for name, want := range map[string]string{
		"abs/f": "real/f", "rel/f": "real/f", "up/f": "real/f", "chain": "real/f", "real/../real/f": "real/f",
		"abs/none/x": "real/none/x", "real/self/self/f": "real/f", "../../real": "real", "": "",
	} {
		if got, err := v.Resolve(name, true); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	if got, err := v.Resolve("abs", false); err != nil || got != "abs" {
		t.Errorf("abs itself: got %q, %v", got, err)
	}
	if _, err := v.Resolve("loop/x", true); !errors.Is(err, listing.ErrLinks) {
		t.Errorf("loop: got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	_ = w.WriteHeader(&tar.Header{Name: "a/.wh.b", Typeflag: tar.TypeReg})
	_ = w.WriteHeader(&tar.Header{Name: "l", Linkname: "l", Typeflag: tar.TypeLink})
	_ = w.Close()
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := listing.Read(bytes.NewReader(data), archive.Limits{})
		if err != nil {
			return
		}
		v := listing.Over(l, l)
		for _, name := range l.Names() {
			v.Lstat(name)
			_, _ = v.Resolve(name, true)
			v.ReadDir(name)
		}
	})
}
