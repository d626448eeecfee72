package stacks

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // all that repositories have for old releases
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
	"s2i/stacks/deb"
	"s2i/stacks/fetch"
	"s2i/stacks/maven"
)

// mavenRepository is a Maven repository as the source of a distribution archive.
type mavenRepository struct {
	src   *Sources
	store *store.Store
}

func (m mavenRepository) repo() *maven.Repository {
	return &maven.Repository{Site: m.src.Maven, Fetch: m.src.Fetch}
}

func (m mavenRepository) published(ctx context.Context, p Catalog) ([]published, error) {
	a, err := maven.ParseCoordinates(p.Maven)
	if err != nil {
		return nil, err
	}
	versions, err := m.repo().Versions(ctx, a)
	if err != nil {
		return nil, err
	}
	all := listed{}
	for _, v := range versions {
		all.add(v, anyArch, ToolFile{Name: p.Maven, Version: v})
	}
	return all.all(), nil
}

// artifact is what a file of the lock is in a repository.
func artifact(f ToolFile) (maven.Artifact, error) {
	a, err := maven.ParseCoordinates(f.Name)
	a.Version = f.Version
	return a, err
}

// pin takes the sha512 that the repository publishes. Old releases have a sha1 only: those are downloaded, and their
// sha512 is kept.
func (m mavenRepository) pin(ctx context.Context, f ToolFile) (ToolFile, error) {
	a, err := artifact(f)
	if err != nil {
		return f, err
	}
	key := a.Path()
	if err := m.store.Record("maven-pin", key, &f); err == nil {
		return f, nil
	}
	sum, err := m.repo().Sum(ctx, a, "sha512")
	if fetch.Gone(err) {
		if sum, err = m.sumByDownload(ctx, a); err == nil {
			progress.Note(ctx, "%s %s: the repository has only a SHA-1 of it; its SHA-512 is kept from now on", a.Name, a.Version)
		}
	}
	if err != nil {
		return f, err
	}
	b, err := hex.DecodeString(sum)
	if err != nil {
		return f, fmt.Errorf("reading the digest of %s: %w", key, err)
	}
	f.Integrity = "sha512-" + base64.StdEncoding.EncodeToString(b)
	return f, m.store.SetRecord("maven-pin", key, f)
}

// sumByDownload downloads a file, compares it with the sha1 that the repository has, and gives its sha512.
func (m mavenRepository) sumByDownload(ctx context.Context, a maven.Artifact) (string, error) {
	want, err := m.repo().Sum(ctx, a, "sha1")
	if err != nil {
		return "", err
	}
	dir, release, err := m.store.TempDir("maven-")
	if err != nil {
		return "", err
	}
	defer release()
	file := filepath.Join(dir, "file")
	out, err := os.Create(file)
	if err != nil {
		return "", fmt.Errorf("making a temporary file: %w", err)
	}
	weak, strong := sha1.New(), sha512.New() //nolint:gosec // compared with what there is
	err = m.repo().Get(ctx, a, io.MultiWriter(out, weak, strong), 0)
	if err = errors.Join(err, out.Close()); err != nil {
		return "", err
	}
	if got := hex.EncodeToString(weak.Sum(nil)); got != want {
		return "", fmt.Errorf("verifying %s: its SHA-1 is %s, and the repository says %s", a.Path(), got, want)
	}
	sum := strong.Sum(nil)
	_, err = m.store.Download(ctx, "sha512-"+base64.StdEncoding.EncodeToString(sum),
		func(_ context.Context, w io.Writer, offset int64) error { return copyFrom(w, file, offset) })
	return hex.EncodeToString(sum), err
}

func (m mavenRepository) get(ctx context.Context, f ToolFile, w io.Writer, offset int64) error {
	a, err := artifact(f)
	if err != nil {
		return err
	}
	return m.repo().Get(ctx, a, w, offset)
}

// maxDistFile bounds one file of a distribution archive.
const maxDistFile = 256 << 20

// distSource writes the layer of a part that is the content of a .tar.gz below one directory, and links to its commands.
func (s *Stack) distSource(part Part) func(ctx context.Context, w io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		file, err := s.getTool(ctx, part.Package, part.Provider, *part.Tool)
		if err != nil {
			return err
		}
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("opening %s %s: %w", part.Name, part.Version, err)
		}
		defer f.Close()
		t := newTree(w)
		if err := unpackDist(ctx, t, part, f); err != nil {
			return fmt.Errorf("composing %s from %s %s: %w", part.Name, part.Tool.Name, part.Version, err)
		}
		return t.close()
	}
}

func unpackDist(ctx context.Context, t *tree, part Part, r io.Reader) error {
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer z.Close()
	dest := strings.Trim(part.Dest, "/")
	for tr := tar.NewReader(io.LimitReader(z, maxNPMBytes)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size > maxDistFile {
			return fmt.Errorf("unpacking: %s has %d bytes", h.Name, h.Size)
		}
		name, err := stripped(h.Name)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if h.Mode&0o111 != 0 {
			mode = 0o755
		}
		n := &tar.Header{Name: path.Join(dest, name), Typeflag: tar.TypeReg, Mode: mode, Size: h.Size}
		if err := t.file(n, tr, part.Name); err != nil {
			return err
		}
	}
	command, err := deb.CleanName(part.Program)
	if err != nil || !t.has(path.Join(dest, command)) {
		return fmt.Errorf("it does not hold %s", part.Program)
	}
	return t.symlink("usr/local/bin/"+path.Base(command), "../"+path.Base(dest)+"/"+command, part.Name)
}
