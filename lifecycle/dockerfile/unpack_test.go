package dockerfile

import (
	"archive/tar"
	"bytes"
	"io"
	"path"
	"strings"
	"testing"

	"s2i/lifecycle/listing"
)

func TestArchiveNames(t *testing.T) {
	a := archiveNames{}
	for _, c := range []struct {
		header    tar.Header
		name, err string
		left      bool
	}{
		{header: tar.Header{Name: "pax", Typeflag: tar.TypeXGlobalHeader}, left: true},
		{header: tar.Header{Name: "./", Typeflag: tar.TypeDir}, left: true},
		{header: tar.Header{Name: "", Typeflag: tar.TypeReg}, left: true},
		{header: tar.Header{Name: "./d/../f", Typeflag: tar.TypeReg}, name: "f"},
		{header: tar.Header{Name: "up", Typeflag: tar.TypeSymlink, Linkname: "../.."}, name: "up"},
		{header: tar.Header{Name: "up/x/f", Typeflag: tar.TypeReg}, name: "x/f"},
		{header: tar.Header{Name: "abs", Typeflag: tar.TypeSymlink, Linkname: "/x"}, name: "abs"},
		{header: tar.Header{Name: "abs/g", Typeflag: tar.TypeReg}, name: "x/g"},
		{header: tar.Header{Name: "abs", Typeflag: tar.TypeReg}, name: "abs"},
		{header: tar.Header{Name: "loop", Typeflag: tar.TypeSymlink, Linkname: "loop"}, name: "loop"},
		{header: tar.Header{Name: "loop/f", Typeflag: tar.TypeReg}, err: "too many levels"},
		{header: tar.Header{Name: "../f", Typeflag: tar.TypeReg}, err: "leads out"},
		{header: tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "../f"}, err: "leads out"},
		{header: tar.Header{Name: "d/.wh.f", Typeflag: tar.TypeReg}, err: ".wh."},
	} {
		was := c.header.Name
		keep, err := a.rewrite(&c.header)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want an error with %q", was, err, c.err)
			}
			continue
		}
		if err != nil || keep == c.left || keep && c.header.Name != c.name {
			t.Errorf("%s: got %q, %v, %v; want %q", was, c.header.Name, keep, err, c.name)
		}
	}
}

func FuzzRewriteArchive(f *testing.F) {
	var seed bytes.Buffer
	w := tar.NewWriter(&seed)
	_ = w.WriteHeader(&tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../d"})
	_ = w.WriteHeader(&tar.Header{Name: "l/f", Typeflag: tar.TypeReg})
	_ = w.Close()
	f.Add(seed.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		if err := rewriteArchive(t.Context(), bytes.NewReader(data), &out); err != nil {
			return
		}
		list := tar.NewReader(&out)
		for {
			h, err := list.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			if name := path.Clean("/" + h.Name); listing.Clean(h.Name) == "" || strings.Contains(name, "/../") {
				t.Errorf("the name %q is left", h.Name)
			}
		}
	})
}

func FuzzPorts(f *testing.F) {
	f.Add("80/tcp")
	f.Add("1-65535/udp")
	f.Fuzz(func(t *testing.T, word string) {
		ports, err := parsePorts(word)
		if err == nil && (len(ports) == 0 || len(ports) > maxPorts+1) {
			t.Errorf("%q means %d ports", word, len(ports))
		}
	})
}
