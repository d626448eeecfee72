package listing_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
)

// tarStream makes a layer of lines: "dir/", "file=content", "name->link" and "name==hard link".
func tarStream(t testing.TB, lines ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, line := range lines {
		h, content := &tar.Header{Name: line, Typeflag: tar.TypeReg, Mode: 0o644}, ""
		if name, target, ok := strings.Cut(line, "=="); ok {
			h.Name, h.Typeflag, h.Linkname = name, tar.TypeLink, target
		} else if name, target, ok := strings.Cut(line, "->"); ok {
			h.Name, h.Typeflag, h.Linkname = name, tar.TypeSymlink, target
		} else if name, text, ok := strings.Cut(line, "="); ok {
			h.Name, content = name, text
		} else if strings.HasSuffix(line, "/") {
			h.Typeflag = tar.TypeDir
		}
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestFlatten(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers [][]string
		want   []string
	}{
		{"over each other", [][]string{{"a=1", "b=1"}, {"b=2", "c->a"}}, []string{"a=1", "b=2", "c->a"}},
		{"whiteouts", [][]string{{"d/", "d/a=1", "d/b=1", "e=1"}, {"d/.wh.a", ".wh.e"}}, []string{"d/", "d/b=1"}},
		{"opaque", [][]string{{"d/", "d/a=1"}, {"d/", "d/.wh..wh..opq", "d/c=1"}}, []string{"d/", "d/c=1"}},
		{"a file in place of a directory", [][]string{{"d/", "d/a=1"}, {"d=2"}}, []string{"d=2"}},
		{"a directory in place of a file", [][]string{{"d=1"}, {"d/", "d/a=1"}}, []string{"d/", "d/a=1"}},
		{"twice in a layer", [][]string{{"a=1", "b=1", "a=2"}}, []string{"b=1", "a=2"}},
		{"hard links", [][]string{{"a=1", "b==a", "c==a"}}, []string{"a=1", "b==a", "c==a"}},
		{"hard links to what is hidden", [][]string{{"a=1", "b==a", "c==a"}, {"a=2"}}, []string{"b=1", "c==b", "a=2"}},
		{"hard links to what is gone", [][]string{{"a=1", "b==a", "c==a"}, {".wh.a", ".wh.b"}}, []string{"c=1"}},
		{"nothing", [][]string{{}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var streams [][]byte
			var layers []*listing.Listing
			for _, lines := range c.layers {
				data := tarStream(t, lines...)
				l, err := listing.Read(bytes.NewReader(data), archive.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				streams, layers = append(streams, data), append(layers, l)
			}
			var out bytes.Buffer
			err := listing.Over(layers...).Flatten(t.Context(), &out, func(i int) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(streams[i])), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, linesOf(t, &out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func linesOf(t testing.TB, r io.Reader) (lines []string) {
	t.Helper()
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			lines = append(lines, h.Name)
		case tar.TypeLink:
			lines = append(lines, h.Name+"=="+h.Linkname)
		case tar.TypeSymlink:
			lines = append(lines, h.Name+"->"+h.Linkname)
		default:
			lines = append(lines, h.Name+"="+string(content))
		}
	}
}

func TestFlattenAnotherLayer(t *testing.T) {
	l, err := listing.Read(bytes.NewReader(tarStream(t, "a=1")), archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	err = listing.Over(l).Flatten(t.Context(), io.Discard, func(int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(tarStream(t, "b=1"))), nil
	})
	if err == nil {
		t.Error("no error")
	}
}
