// Package stacktest makes what tests of stacks need: Debian packages, a signed Debian mirror, an npm registry and a Go
// module proxy with its checksum database. Everything is made up, small and served on the loopback interface.
package stacktest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5" //nolint:gosec // the format of Debian packages asks for it
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Deb describes a Debian package to make.
type Deb struct {
	Name, Version, Arch string // Arch: "all" when empty
	Fields              string // further lines of the control file, "Depends: x\nProvides: y"
	Files               []File
	Compression         string // ".xz" (when empty), ".zst", ".gz" or ".tar"
}

// File is an entry of a package: a regular file, a directory (Name ends with a slash), or a link.
type File struct {
	Name string
	Body string
	Mode int64  // 0o644, or 0o755 for directories, when 0
	Link string // target of a symbolic link
	Hard string // target of a hard link
	Type byte   // overrides the kind
}

// Control gives the control file.
func (d Deb) Control() string {
	arch := d.Arch
	if arch == "" {
		arch = "all"
	}
	s := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: nobody <nobody@example.com>\n",
		d.Name, d.Version, arch)
	if d.Fields != "" {
		s += strings.TrimSpace(d.Fields) + "\n"
	}
	return s + "Description: made for a test\n of several lines\n"
}

// md5sums lists the package's regular files.
func (d Deb) md5sums() string {
	var b strings.Builder
	for _, f := range d.Files {
		if f.Link == "" && f.Hard == "" && !strings.HasSuffix(f.Name, "/") {
			fmt.Fprintf(&b, "%x  %s\n", md5.Sum([]byte(f.Body)), strings.TrimPrefix(f.Name, "./")) //nolint:gosec // the format's
		}
	}
	return b.String()
}

// Build makes the .deb.
func (d Deb) Build(t testing.TB) []byte {
	t.Helper()
	ext := d.Compression
	if ext == "" {
		ext = ".xz"
	}
	control := Tar(t, []File{{Name: "./"}, {Name: "./control", Body: d.Control()},
		{Name: "./md5sums", Body: d.md5sums()}})
	data := Tar(t, d.Files)
	name := func(s string) string {
		if ext == ".tar" {
			return s + ".tar"
		}
		return s + ".tar" + ext
	}
	return Ar([]File{{Name: "debian-binary", Body: "2.0\n"},
		{Name: name("control"), Body: string(Compress(t, control, ext))},
		{Name: name("data"), Body: string(Compress(t, data, ext))}})
}

// Ar makes an ar archive.
func Ar(members []File) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range members {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.Name, 0, 0, 0, "100644", len(m.Body))
		b.WriteString(m.Body)
		if len(m.Body)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// Tar makes a tar archive.
func Tar(t testing.TB, files []File) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: f.Mode, Typeflag: tar.TypeReg, Size: int64(len(f.Body)), Format: tar.FormatGNU}
		switch {
		case f.Link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
		case f.Hard != "":
			h.Typeflag, h.Linkname = tar.TypeLink, f.Hard
		case strings.HasSuffix(f.Name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if f.Type != 0 {
			h.Typeflag = f.Type
		}
		if h.Mode == 0 {
			h.Mode = 0o644
			if h.Typeflag == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.Body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Compress packs bytes by a file name's ending.
func Compress(t testing.TB, data []byte, ext string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ext {
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	case ".gz":
		w = gzip.NewWriter(&b)
	default:
		return slices.Clone(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
