package stacks

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"
	"golang.org/x/sync/semaphore"

	"s2i/stacks/deb"
)

// maxGoFile bounds one file of a toolchain.
const maxGoFile = 1 << 30

// goSource writes the layer of a part that is a Go toolchain.
func (s *Stack) goSource(part Part) func(ctx context.Context, w io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		file, err := s.getTool(ctx, part.Package, part.Provider, *part.Tool)
		if err != nil {
			return err
		}
		if err := writeToolchain(ctx, file, part, newTree(w)); err != nil {
			return fmt.Errorf("composing Go %s: %w", part.Version, err)
		}
		return nil
	}
}

// goEntry is a file of the toolchain that goes into the layer.
type goEntry struct {
	name string
	exec bool
	zip  *zip.File
	body chan inflated // filled ahead
}

type inflated struct {
	b   []byte
	err error
}

func writeToolchain(ctx context.Context, file string, part Part, t *tree) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("opening the toolchain: %w", err)
	}
	defer z.Close()
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	entries, err := selectToolchainFiles(z.File, part)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue, written := inflateAhead(ctx, entries)
	for e := range queue {
		var in inflated
		select {
		case in = <-e.body:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if in.err != nil {
			return fmt.Errorf("unpacking %s: %w", e.name, in.err)
		}
		mode := int64(0o644)
		if e.exec {
			mode = 0o755
		}
		h := &tar.Header{Name: e.name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(in.b))}
		if err := t.file(h, bytes.NewReader(in.b), part.Name); err != nil {
			return err
		}
		written(e)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.close()
}

// selectToolchainFiles picks the files, by name. The zip has no modes: what is to be executed is known by its place.
func selectToolchainFiles(files []*zip.File, part Part) ([]goEntry, error) {
	prefix := part.Tool.Name + "@" + part.Tool.Version + "/"
	dest := strings.Trim(part.Dest, "/")
	var list []goEntry
	for _, f := range files {
		rel, ok := strings.CutPrefix(f.Name, prefix)
		if !ok {
			return nil, fmt.Errorf("opening the toolchain: it has an entry %q outside of %s", f.Name, prefix)
		}
		clean, err := deb.CleanName(rel)
		if err != nil || strings.HasSuffix(rel, "/") || f.UncompressedSize64 > maxGoFile {
			return nil, fmt.Errorf("opening the toolchain: it has an entry %q of %d bytes", f.Name, f.UncompressedSize64)
		}
		if goUnused(clean) {
			continue
		}
		exec := strings.HasPrefix(clean, "bin/") || strings.HasPrefix(clean, "pkg/tool/") ||
			strings.HasSuffix(clean, ".bash") || strings.HasSuffix(clean, "_exec")
		list = append(list, goEntry{name: path.Join(dest, clean), exec: exec, zip: f, body: make(chan inflated, 1)})
	}
	slices.SortFunc(list, func(a, b goEntry) int { return cmp.Compare(a.name, b.name) })
	return list, nil
}

// goUnused tells which files no app needs, more than half of them: what serves only Go's own tests, and the sources of
// the go command and of the compiler, which are there as programs.
func goUnused(name string) bool {
	for _, dir := range []string{"test/", "api/", "doc/", "src/cmd/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return strings.HasPrefix(name, "src/") && (strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/"))
}

// maxInflated bounds the bytes that are decompressed and not yet written.
const maxInflated = 32 << 20

// inflateAhead decompresses entries in parallel and gives them in order, some ahead of the reader, which calls written
// for each once it has no more use for its bytes.
func inflateAhead(ctx context.Context, entries []goEntry) (queue chan goEntry, written func(goEntry)) {
	queue = make(chan goEntry, 1024)
	work := make(chan goEntry)
	room := semaphore.NewWeighted(maxInflated)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for e := range work {
				b, err := inflate(e.zip)
				e.body <- inflated{b, err}
			}
		}()
	}
	go func() {
		defer close(queue)
		defer close(work)
		for _, e := range entries {
			if room.Acquire(ctx, e.room()) != nil {
				return
			}
			select {
			case queue <- e:
			case <-ctx.Done():
				return
			}
			select {
			case work <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return queue, func(e goEntry) { room.Release(e.room()) }
}

// room is what an entry takes of maxInflated; one that is larger takes all of it.
func (e goEntry) room() int64 { return int64(min(e.zip.UncompressedSize64, maxInflated)) }

func inflate(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	b.Grow(int(min(f.UncompressedSize64, 64<<20)) + bytes.MinRead) // or the buffer doubles to find the end
	n, err := io.Copy(&b, io.LimitReader(r, maxGoFile+1))
	if err == nil && n > maxGoFile {
		err = errors.New("it is too large")
	}
	return b.Bytes(), err
}
