package deb

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Package is an opened package.
type Package struct {
	// Control is the control file as it is; it ends with a newline.
	Control []byte
	// MD5Sums is the list of checksums as it is; nil when the package has none.
	MD5Sums []byte
	// Name, Version and Arch are the control file's fields.
	Name, Version, Arch string

	data member
}

// Read opens the package of size bytes in r.
func Read(r io.ReaderAt, size int64) (*Package, error) {
	list, err := members(r, size)
	if err != nil {
		return nil, err
	}
	if len(list) < 3 || list[0].name != "debian-binary" {
		return nil, fmt.Errorf("%w: it does not begin with debian-binary", ErrFormat)
	}
	if err := checkVersion(list[0].body); err != nil {
		return nil, err
	}
	p := &Package{}
	for _, m := range list[1:] {
		switch {
		case strings.HasPrefix(m.name, "control.tar") && p.Control == nil:
			if err := p.readControl(m); err != nil {
				return nil, err
			}
		case strings.HasPrefix(m.name, "data.tar") && p.data.body == nil:
			p.data = m
		}
	}
	if p.Control == nil || p.data.body == nil {
		return nil, fmt.Errorf("%w: control.tar or data.tar is missing", ErrFormat)
	}
	return p, nil
}

// checkVersion accepts format 2.x.
func checkVersion(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, 64))
	if err != nil || !bytes.HasPrefix(b, []byte("2.")) {
		return fmt.Errorf("%w: format version %q", ErrFormat, b)
	}
	return nil
}

// readControl keeps the control file and md5sums of control.tar.
func (p *Package) readControl(m member) error {
	r, err := decompress(m)
	if err != nil {
		return err
	}
	defer r.Close()
	tr := tar.NewReader(io.LimitReader(r, maxControlBytes))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrFormat, m.name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		var into *[]byte
		switch path.Clean(h.Name) {
		case "control":
			into = &p.Control
		case "md5sums":
			into = &p.MD5Sums
		default:
			continue
		}
		if *into, err = io.ReadAll(io.LimitReader(tr, maxControlFile)); err != nil {
			return fmt.Errorf("%w: %s in %s: %w", ErrFormat, h.Name, m.name, err)
		}
	}
	return p.parseControl()
}

func (p *Package) parseControl() error {
	if p.Control == nil {
		return fmt.Errorf("%w: control.tar has no control file", ErrFormat)
	}
	para, _, err := NextParagraph(string(p.Control), nil)
	if err != nil {
		return err
	}
	p.Name, p.Version, p.Arch = para.Get("Package"), para.Get("Version"), para.Get("Architecture")
	if !ValidName(p.Name) || p.Version == "" || p.Arch == "" {
		return fmt.Errorf("%w: its control file has no valid Package, Version or Architecture", ErrFormat)
	}
	p.Control = append(bytes.TrimRight(p.Control, "\n"), '\n')
	return nil
}

// Files returns a reader of the data tar. Names and link targets are as in the package; use CleanName.
// The caller closes it. It may be called again, and from another goroutine, to read from the beginning.
func (p *Package) Files() (*Files, error) {
	m := member{p.data.name, io.NewSectionReader(p.data.body, 0, p.data.body.Size())}
	r, err := decompress(m)
	if err != nil {
		return nil, err
	}
	return &Files{r: r}, nil
}

// Files is the unpacked data tar of a package, at most 16 GiB.
type Files struct {
	r io.ReadCloser
	n int64
}

// Read gives the bytes of the tar stream.
func (f *Files) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.n += int64(n); f.n > maxDataBytes {
		return 0, fmt.Errorf("%w: data.tar is larger than %d bytes", ErrFormat, int64(maxDataBytes))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: unpacking data.tar: %w", ErrFormat, err)
	}
	return n, err
}

// Close frees the reader.
func (f *Files) Close() error { return f.r.Close() }

// CleanName gives the path of an entry relative to the root ("usr/bin/x"; "." is the root itself). It refuses names
// that are absolute, lead out of the root or hold a NUL.
func CleanName(name string) (string, error) {
	if strings.HasPrefix(name, "/") || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%w: it has an entry named %q", ErrFormat, name)
	}
	clean := path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") || name == "" {
		return "", fmt.Errorf("%w: it has an entry named %q", ErrFormat, name)
	}
	return clean, nil
}

// ValidName tells whether s can be the name of a Debian package (Debian policy 5.6.1).
func ValidName(s string) bool {
	if len(s) < 2 || len(s) > 200 {
		return false
	}
	for i, c := range []byte(s) {
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}
