package staticserver

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"s2i/buildpacks/staticserver/server"
)

const (
	// A file of less fits into one packet anyway; one of more is no asset of a page.
	minCompressed = 1 << 10
	maxCompressed = 64 << 20
	// maxWindow is the largest window that browsers accept for the content coding zstd (RFC 9659).
	maxWindow = 8 << 20
	// parallel bounds how many files are compressed at a time, and so the memory.
	parallel = 4
)

// writer writes files and their compressed forms.
type writer struct {
	root *os.Root
	// files is where they are copied to; "" leaves them where they are.
	files, variants string
	ready           map[string]map[string]string
}

// all writes all files.
func (w *writer) all(ctx context.Context, files map[string]*file) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.one(name, f); err != nil {
				return fmt.Errorf("writing %s into layer site: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// one writes one file.
func (w *writer) one(name string, f *file) error {
	compress := server.Compressible(server.MediaType(name)) && f.size >= minCompressed && f.size <= maxCompressed
	if w.files != "" {
		if err := w.copy(name, filepath.Join(w.files, filepath.FromSlash(name)), f.size); err != nil {
			return err
		}
	}
	f.encodings = map[string]int64{}
	for _, c := range server.Codings() {
		if w.ready[name][c.Suffix] == "" {
			continue
		}
		info, err := w.root.Stat(name + c.Suffix)
		if err != nil {
			return err
		}
		f.encodings[c.Name] = info.Size()
		if err := w.copy(name+c.Suffix, w.variant(name, c), info.Size()); err != nil {
			return err
		}
	}
	if !compress {
		return nil
	}
	data, err := w.root.ReadFile(name)
	if err != nil {
		return err
	}
	return w.compress(name, data, f)
}

func (w *writer) variant(name string, c server.Coding) string {
	return filepath.Join(w.variants, filepath.FromSlash(name)+c.Suffix)
}

// compress makes those compressed forms that are at least a tenth smaller than what there is so far.
func (w *writer) compress(name string, data []byte, f *file) error {
	best := int64(len(data))
	for _, c := range []struct {
		server.Coding
		encode func([]byte) ([]byte, error)
	}{{coding("gzip"), gzipped}, {coding("zstd"), zstandard}} {
		if size, there := f.encodings[c.Name]; there {
			best = min(best, size)
			continue
		}
		packed, err := c.encode(data)
		if err != nil {
			return err
		}
		if size := int64(len(packed)); size <= best*9/10 || c.Name != "gzip" && size < best && best < int64(len(data)) {
			if err := writeFile(w.variant(name, c.Coding), packed, 0o644); err != nil {
				return err
			}
			f.encodings[c.Name], best = size, size
		}
	}
	return nil
}

func coding(name string) server.Coding {
	codings := server.Codings()
	return codings[slices.IndexFunc(codings, func(c server.Coding) bool { return c.Name == name })]
}

// gzipped compresses with the standard library, whose output is the same on every machine.
func gzipped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	err = z.Close()
	return out.Bytes(), err
}

// zstandard compresses with a window that every browser accepts.
func zstandard(data []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(maxWindow))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return z.EncodeAll(data, nil), nil
}

// copy copies a file of the site.
func (w *writer) copy(name, to string, size int64) error {
	from, err := w.root.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, from)
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err == nil && n != size {
		err = errTooFewBytes
	}
	return err
}
