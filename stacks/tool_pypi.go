package stacks

import (
	"archive/zip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"archive/tar"

	"s2i/stacks/apt"
	"s2i/stacks/pypi"
)

// pypiIndex is a Python package index as the source of programs in wheels.
type pypiIndex struct {
	index  *pypi.Index
	arches []string
}

// pypiIndex gives access to the configured index. An installed pip, which takes long to answer, is asked only when it
// matters, and once.
func (s *Stack) pypiIndex(ctx context.Context, src *Sources) pypiIndex {
	site := src.PyPI
	if site.Base == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pip == nil {
			asked := pypi.AskPip(ctx, site)
			s.pip = &asked
		}
		site = *s.pip
	}
	return pypiIndex{&pypi.Index{Site: site, Fetch: src.Fetch}, s.Config.Arches}
}

func (x pypiIndex) published(ctx context.Context, p Catalog) ([]published, error) {
	files, err := x.index.Files(ctx, p.PyPI)
	if err != nil {
		return nil, err
	}
	all := listed{}
	for _, f := range files {
		w, ok := pypi.ParseWheel(p.PyPI, f.Name)
		if !ok {
			continue
		}
		integrity, err := apt.Integrity(f.SHA256)
		if err != nil {
			continue
		}
		for _, arch := range x.arches {
			if w.Fits(arch) {
				all.add(w.Version, arch, ToolFile{Name: p.PyPI, Version: w.Version, File: f.Name, Integrity: integrity})
			}
		}
	}
	return all.all(), nil
}

func (x pypiIndex) pin(_ context.Context, f ToolFile) (ToolFile, error) { return f, nil }

func (x pypiIndex) get(ctx context.Context, f ToolFile, w io.Writer, offset int64) error {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(f.Integrity, "sha256-"))
	if err != nil {
		return fmt.Errorf("reading the digest of %s: %w", f.File, err)
	}
	return x.index.Get(ctx, f.Name, pypi.File{Name: f.File, SHA256: hex.EncodeToString(sum)}, w, offset)
}

// Limits of what a wheel may hold.
const (
	maxWheelFile  = 1 << 30
	maxWheelFiles = 10_000
)

// wheelSource writes the layer of a part that comes from a wheel: the programs in it, and its licences.
func (s *Stack) wheelSource(part Part) func(ctx context.Context, w io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		file, err := s.getTool(ctx, part.Package, part.Provider, *part.Tool)
		if err != nil {
			return err
		}
		z, err := zip.OpenReader(file)
		if err != nil {
			return fmt.Errorf("opening %s: %w", part.Tool.File, err)
		}
		defer z.Close()
		if len(z.File) > maxWheelFiles {
			return fmt.Errorf("opening %s: it has %d files", part.Tool.File, len(z.File))
		}
		t := newTree(w)
		found := false
		for _, f := range z.File {
			name, exec := wheelPath(f.Name, part)
			if name == "" {
				continue
			}
			found = found || exec
			if err := copyZipped(t, f, name, exec); err != nil {
				return fmt.Errorf("composing %s from %s: %w", part.Name, part.Tool.File, err)
			}
		}
		if !found {
			return fmt.Errorf("composing %s from %s: it has no programs", part.Name, part.Tool.File)
		}
		return t.close()
	}
}

// wheelPath tells where a file of a wheel goes; "" for one that stays out.
func wheelPath(name string, part Part) (to string, exec bool) {
	dir, rest, ok := strings.Cut(name, "/")
	base := path.Base(rest)
	if !ok || rest == "" || base == "." || base == ".." || strings.HasSuffix(name, "/") {
		return "", false
	}
	switch {
	case strings.HasSuffix(dir, ".data") && rest == "scripts/"+base:
		return path.Join(strings.Trim(part.Dest, "/"), "bin", base), true
	case strings.HasSuffix(dir, ".dist-info") && strings.HasPrefix(base, "LICENSE"):
		return path.Join("usr/share/doc", part.Package, base), false
	default:
		return "", false
	}
}

func copyZipped(t *tree, f *zip.File, name string, exec bool) error {
	if f.UncompressedSize64 > maxWheelFile || !f.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file of at most %d bytes", f.Name, maxWheelFile)
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(f.UncompressedSize64)} //nolint:gosec // bounded above
	if exec {
		h.Mode = 0o755
	}
	return errors.Join(t.file(h, r, f.Name), r.Close())
}
