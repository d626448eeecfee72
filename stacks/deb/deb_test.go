package deb_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/stacks/deb"
	"s2i/stacks/stacktest"
)

func sample(compression string) stacktest.Deb {
	return stacktest.Deb{Name: "hello", Version: "1:2.0-3", Arch: "amd64", Compression: compression,
		Fields: "Depends: libc6 (>= 2.38)",
		Files: []stacktest.File{{Name: "./"}, {Name: "./usr/"}, {Name: "./usr/hello", Body: "hi\n"},
			{Name: "./usr/link", Link: "hello"}}}
}

func TestRead(t *testing.T) {
	for _, ext := range []string{".xz", ".zst", ".gz", ".tar"} {
		t.Run(ext, func(t *testing.T) {
			b := sample(ext).Build(t)
			p, err := deb.Read(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != "hello" || p.Version != "1:2.0-3" || p.Arch != "amd64" {
				t.Errorf("read %s %s %s", p.Name, p.Version, p.Arch)
			}
			if diff := cmp.Diff(sample(ext).Control(), string(p.Control)); diff != "" {
				t.Errorf("control file (-want +got):\n%s", diff)
			}
			for range 2 { // it can be read again
				if diff := cmp.Diff([]string{"./", "./usr/", "./usr/hello=hi\n", "./usr/link"}, entries(t, p)); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func entries(t *testing.T, p *deb.Package) []string {
	t.Helper()
	r, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var list []string
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		s := h.Name
		if len(b) > 0 {
			s += "=" + string(b)
		}
		list = append(list, s)
	}
}

func TestReadRefuses(t *testing.T) {
	good := sample(".gz").Build(t)
	control := string(stacktest.Compress(t, stacktest.Tar(t, []stacktest.File{{Name: "control", Body: "Package: A\n"}}), ".gz"))
	for name, b := range map[string][]byte{
		"empty":          nil,
		"no ar":          []byte("!<arsh>\nxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		"cut off":        good[:len(good)-20],
		"cut header":     good[:30],
		"huge member":    bytes.Replace(good, []byte("4         `"), []byte("9999999999`"), 1),
		"no version":     stacktest.Ar([]stacktest.File{{Name: "x", Body: "2.0\n"}, {Name: "y"}, {Name: "z"}}),
		"version 3":      stacktest.Ar([]stacktest.File{{Name: "debian-binary", Body: "3.0\n"}, {Name: "y"}, {Name: "z"}}),
		"no data":        stacktest.Ar([]stacktest.File{{Name: "debian-binary", Body: "2.0\n"}, {Name: "control.tar.gz", Body: control}, {Name: "x"}}),
		"bad name":       stacktest.Ar([]stacktest.File{{Name: "debian-binary", Body: "2.0\n"}, {Name: "control.tar.gz", Body: control}, {Name: "data.tar", Body: ""}}),
		"unknown packer": stacktest.Ar([]stacktest.File{{Name: "debian-binary", Body: "2.0\n"}, {Name: "control.tar.lz4", Body: control}, {Name: "data.tar", Body: ""}}),
		"many members":   stacktest.Ar(make([]stacktest.File, 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := deb.Read(bytes.NewReader(b), int64(len(b))); !errors.Is(err, deb.ErrFormat) {
				t.Errorf("got error %v, want ErrFormat", err)
			}
		})
	}
}

func TestCleanName(t *testing.T) {
	for name, want := range map[string]string{"./usr/bin/x": "usr/bin/x", "./": ".", "usr//b/./c/": "usr/b/c", "a/../b": "b"} {
		if got, err := deb.CleanName(name); err != nil || got != want {
			t.Errorf("CleanName(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../../x", "a\x00b"} {
		if got, err := deb.CleanName(name); err == nil {
			t.Errorf("CleanName(%q) = %q, want an error", name, got)
		}
	}
}

func TestNextParagraph(t *testing.T) {
	text := "\nPackage: a\nDescription: one\n two\n .\n three\nX:  y \n\n\nPackage: b\n"
	p, rest, err := deb.NextParagraph(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := deb.Paragraph{{"Package", "a"}, {"Description", "one\n two\n .\n three"}, {"X", "y"}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if p.Get("description") == "" || p.Get("nothing") != "" {
		t.Error("Get does not find fields by name")
	}
	if p, rest, err = deb.NextParagraph(rest, p); err != nil || p.Get("Package") != "b" {
		t.Errorf("second: %v, %v", p, err)
	}
	if p, _, err = deb.NextParagraph(rest, p); err != nil || len(p) != 0 {
		t.Errorf("end: %v, %v", p, err)
	}
	for _, bad := range []string{" x\n", "no colon\n", ": y\n"} {
		if _, _, err := deb.NextParagraph(bad, nil); !errors.Is(err, deb.ErrFormat) {
			t.Errorf("%q: got error %v", bad, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, ext := range []string{".xz", ".zst", ".gz", ".tar"} {
		f.Add(sample(ext).Build(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := deb.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if !deb.ValidName(p.Name) {
			t.Errorf("accepted the name %q", p.Name)
		}
		r, err := p.Files()
		if err != nil {
			return
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(r, 16<<20))
		_ = err // only that it ends
	})
}

func FuzzNextParagraph(f *testing.F) {
	f.Add("Package: a\nX: y\n z\n\nPackage: b\n")
	f.Fuzz(func(t *testing.T, s string) {
		var p deb.Paragraph
		var err error
		for range strings.Count(s, "\n") + 2 {
			before := len(s)
			if p, s, err = deb.NextParagraph(s, p); err != nil || len(p) == 0 {
				return
			}
			if len(s) >= before {
				t.Fatal("no progress")
			}
		}
		t.Fatal("it does not end")
	})
}
