package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

// files gives the files of a layout, be it a directory or an archive, by their slash path. Absent ones are
// fs.ErrNotExist.
type files interface {
	open(name string) (io.ReadCloser, int64, error)
	String() string
}

func readJSON(f files, name string, v any) error {
	rc, size, err := f.open(name)
	if err != nil {
		return fmt.Errorf("reading %s of %s: %w", name, f, err)
	}
	defer rc.Close()
	if size > maxManifest {
		return fmt.Errorf("reading %s of %s: it has %d bytes, more than %d", name, f, size, maxManifest)
	}
	if err := json.NewDecoder(io.LimitReader(rc, maxManifest)).Decode(v); err != nil {
		return fmt.Errorf("parsing %s of %s: %w", name, f, err)
	}
	return nil
}

// dirFiles are the files below a directory; no name and no link leads out of it.
type dirFiles string

// String gives the directory.
func (d dirFiles) String() string { return string(d) }

func (d dirFiles) open(name string) (io.ReadCloser, int64, error) {
	f, err := os.OpenInRoot(string(d), filepath.FromSlash(name))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// tarFiles are the files of a tar archive, found by one pass over its headers.
type tarFiles struct {
	name    string
	file    *os.File
	entries map[string]tarEntry
}

type tarEntry struct {
	offset, size int64
	link         string
}

const maxEntries = 200_000

// String gives the archive's name.
func (t *tarFiles) String() string { return t.name }

func (t *tarFiles) open(name string) (io.ReadCloser, int64, error) {
	for range 8 {
		e, ok := t.entries[path.Clean(name)]
		if !ok {
			break
		}
		if e.link == "" {
			return io.NopCloser(io.NewSectionReader(t.file, e.offset, e.size)), e.size, nil
		}
		name = e.link
	}
	return nil, 0, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// openTar indexes an archive, which may be compressed. temp makes the file that a compressed one is unpacked into.
func openTar(ctx context.Context, name string, file *os.File, temp func() (*os.File, error)) (*tarFiles, error) {
	file, err := plain(ctx, file, temp)
	if err != nil {
		return nil, fmt.Errorf("unpacking archive %s: %w", name, err)
	}
	t := &tarFiles{name: name, file: file, entries: map[string]tarEntry{}}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading archive %s: %w", name, err)
	}
	// tar.Reader reads headers block by block and seeks over contents, so after Next the file is where they begin.
	for r := tar.NewReader(file); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading archive %s: %w", name, err)
		}
		if len(t.entries) >= maxEntries {
			return nil, fmt.Errorf("reading archive %s: it has more than %d entries", name, maxEntries)
		}
		if err := t.add(h); err != nil {
			return nil, fmt.Errorf("reading archive %s: %w", name, err)
		}
	}
}

func (t *tarFiles) add(h *tar.Header) error {
	name := path.Clean(strings.TrimPrefix(h.Name, "/"))
	switch h.Typeflag {
	case tar.TypeReg:
		offset, err := t.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		t.entries[name] = tarEntry{offset: offset, size: h.Size}
	case tar.TypeSymlink:
		t.entries[name] = tarEntry{link: path.Join(path.Dir(name), h.Linkname)}
	case tar.TypeLink:
		t.entries[name] = tarEntry{link: h.Linkname}
	}
	return nil
}

// maxUnpacked bounds what a compressed archive may unpack to.
const maxUnpacked = 64 << 30

// plain gives the uncompressed form of a file that may be compressed with gzip or zstd.
func plain(ctx context.Context, file *os.File, temp func() (*os.File, error)) (*os.File, error) {
	var magic [4]byte
	if n, err := file.ReadAt(magic[:], 0); n < len(magic) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if compressionOf(magic[:]) == "" {
		return file, nil
	}
	unpack, err := decompressor(compressionOf(magic[:]), file)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	out, err := temp()
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(out, io.LimitReader(archive.Until(ctx, unpack), maxUnpacked))
	if err == nil && n == maxUnpacked {
		err = fmt.Errorf("it unpacks to more than %d bytes", int64(maxUnpacked))
	}
	return out, err
}

// compressionOf tells by the first bytes how something is compressed: "gzip", "zstd", or "" for not.
func compressionOf(magic []byte) store.Compression {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return store.Gzip
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return store.Zstd
	}
	return ""
}

func decompressor(c store.Compression, r io.Reader) (io.Reader, error) {
	if c == store.Zstd {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	}
	return gzip.NewReader(r)
}

// temp makes an unnamed file: it has lost its name before it is used, so it goes with the process.
func (c *Client) temp() (*os.File, error) {
	dir := ""
	if c.Store != nil {
		d, release, err := c.Store.TempDir("archive")
		if err != nil {
			return nil, err
		}
		defer release()
		dir = d
	}
	f, err := os.CreateTemp(dir, "archive")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
