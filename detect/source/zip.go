package source

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"s2i/lifecycle/archive"
)

const (
	maxDirectory = 128 << 20 // bytes of a zip file's central directory, which is read into memory
	maxTarget    = 4096      // bytes of a symbolic link's target
)

// zip unpacks a zip file: directories first, then files in parallel, links last, so that nothing is written through
// one.
func (u *unpacker) zip(ctx context.Context, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	index := &boundedReaderAt{r: f}
	index.left.Store(maxDirectory)
	reader, err := zip.NewReader(index, info.Size())
	if err != nil {
		return fmt.Errorf("reading the zip directory: %w", err)
	}
	index.open.Store(true)
	reader.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderMaxWindow(maxWindow)))
	z := &unzip{root: u.root, limits: u.limits, dirs: map[string]bool{".": true}}
	if err := z.plan(reader.File); err != nil {
		return err
	}
	if err := z.writeFiles(ctx, u.jobs); err != nil {
		return err
	}
	for _, e := range z.links {
		if err := z.link(e); err != nil {
			return fmt.Errorf("unpacking %q: %w", e.name, err)
		}
	}
	return nil
}

// boundedReaderAt bounds what is read until open is set.
type boundedReaderAt struct {
	r    io.ReaderAt
	left atomic.Int64
	open atomic.Bool
}

// ReadAt fails with archive.ErrLimit when the directory takes more than it may.
func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.open.Load() && b.left.Add(-int64(len(p))) < 0 {
		return 0, fmt.Errorf("%w of %d bytes in its directory", archive.ErrLimit, maxDirectory)
	}
	return b.r.ReadAt(p, off)
}

type zipEntry struct {
	*zip.File
	name string // clean
}

type unzip struct {
	root         *os.Root
	limits       archive.Limits
	used         archive.Limits
	dirs         map[string]bool
	files, links []zipEntry
}

// plan checks all entries before anything is written, and makes the directories.
func (z *unzip) plan(entries []*zip.File) error {
	for _, f := range entries {
		name, err := zipName(f.Name)
		if err == nil && name != "." && wanted(name) {
			err = z.sort(zipEntry{f, name})
		}
		if err != nil {
			return fmt.Errorf("unpacking %q: %w", f.Name, err)
		}
	}
	return nil
}

func (z *unzip) sort(e zipEntry) error {
	mode := e.Mode()
	if strings.HasSuffix(e.Name, "/") {
		mode = fs.ModeDir
	}
	const encrypted = 1
	switch {
	case e.Flags&encrypted != 0:
		return errors.New("it is encrypted; make the archive without a password")
	case mode.IsDir():
		return z.mkdir(e.name)
	case mode.Type() != 0 && mode.Type() != fs.ModeSymlink:
		return errors.New("devices, sockets and named pipes are not allowed here")
	}
	if err := z.take(e.UncompressedSize64); err != nil {
		return err
	}
	if err := z.mkdir(path.Dir(e.name)); err != nil {
		return err
	}
	if mode.Type() == fs.ModeSymlink {
		z.links = append(z.links, e)
	} else {
		z.files = append(z.files, e)
	}
	return nil
}

// take counts one entry of size bytes.
func (z *unzip) take(size uint64) error {
	z.used.Entries++
	switch {
	case z.used.Entries > z.limits.Entries:
		return fmt.Errorf("%w of %d entries", archive.ErrLimit, z.limits.Entries)
	case size > uint64(z.limits.FileBytes):
		return fmt.Errorf("%w of %d bytes in one file", archive.ErrLimit, z.limits.FileBytes)
	case size > uint64(z.limits.Bytes-z.used.Bytes):
		return fmt.Errorf("%w of %d bytes", archive.ErrLimit, z.limits.Bytes)
	}
	z.used.Bytes += int64(size)
	return nil
}

func (z *unzip) mkdir(name string) error {
	if z.dirs[name] {
		return nil
	}
	if err := z.mkdir(path.Dir(name)); err != nil {
		return err
	}
	if err := z.take(0); err != nil {
		return err
	}
	z.dirs[name] = true
	if err := z.root.Mkdir(name, 0o755); err != nil {
		return pathCause(err)
	}
	return nil
}

// zipName checks a name as strictly as tar's: relative, and inside.
func zipName(name string) (string, error) {
	switch {
	case strings.Contains(name, `\`):
		return "", errors.New(`the name holds "\"; make the archive with a program that writes "/"`)
	case strings.Contains(name, "\x00"):
		return "", errors.New("the name holds a NUL")
	case len(name) > maxPath:
		return "", fmt.Errorf("%w of %d bytes in a name", archive.ErrLimit, maxPath)
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", errors.New("the name leads out of the archive's root")
	}
	return clean, nil
}

func (z *unzip) writeFiles(ctx context.Context, jobs int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for range jobs {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(z.files) || ctx.Err() != nil {
					return
				}
				if err := z.write(ctx, z.files[i]); err != nil {
					stop(fmt.Errorf("unpacking %q: %w", z.files[i].name, err))
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

func (z *unzip) write(ctx context.Context, e zipEntry) error {
	in, err := e.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o644)
	if e.Mode()&0o100 != 0 {
		mode = 0o755
	}
	out, err := z.root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return errors.New("the archive holds it twice")
	}
	if err != nil {
		return pathCause(err)
	}
	// What the directory says has been counted; the content must not be larger.
	size := int64(e.UncompressedSize64)
	n, err := io.Copy(out, io.LimitReader(archive.Until(ctx, in), size+1))
	if err == nil && n != size {
		err = fmt.Errorf("its size is not %d bytes, as the archive's directory says", size)
	}
	return errors.Join(err, out.Close())
}

func (z *unzip) link(e zipEntry) error {
	in, err := e.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	target, err := io.ReadAll(io.LimitReader(in, maxTarget+1))
	switch {
	case err != nil:
		return err
	case len(target) == 0 || len(target) > maxTarget || strings.Contains(string(target), "\x00"):
		return errors.New("it is a symbolic link without a proper target")
	}
	if err := z.root.Symlink(string(target), e.name); err != nil {
		return pathCause(err)
	}
	return nil
}
