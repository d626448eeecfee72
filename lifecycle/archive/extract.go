package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"strings"
)

// Limits bounds what an archive may make us write. Zero fields mean those of DefaultLimits.
type Limits struct {
	Entries   int64 // number of entries
	Bytes     int64 // sum of file sizes
	FileBytes int64 // size of one file
}

// DefaultLimits are generous for real images and small enough to stop a bomb.
func DefaultLimits() Limits {
	return Limits{Entries: 5_000_000, Bytes: 64 << 30, FileBytes: 32 << 30}
}

// maxName is the longest path that Linux can name (PATH_MAX).
const maxName = 4096

// ErrLimit is in the chain of the error when an archive exceeds its Limits.
var ErrLimit = errors.New("archive exceeds its limit")

// Whiteouts says what to do with OCI whiteout entries (".wh.name", ".wh..wh..opq").
type Whiteouts int

// The ways to treat whiteouts. Those other than WhiteoutsRefuse mean that the archive is an image layer: its devices
// are left out, because a container gets its own and an ordinary user cannot make them.
const (
	WhiteoutsRefuse  Whiteouts = iota // an error: the archive is no layer; so are devices and named pipes
	WhiteoutsApply                    // remove what they name, as when flattening layers
	WhiteoutsOverlay                  // write overlayfs's form: 0/0 character device, {user,trusted}.overlay.opaque
)

// ExtractOptions says how to extract.
type ExtractOptions struct {
	Limits    Limits
	Whiteouts Whiteouts
	// Strip drops that many leading path elements (as tar --strip-components).
	Strip int
	// Keep, when set, selects the entries to extract by their clean slash path (after Strip).
	Keep func(name string) bool
	// Owners makes Extract set user and group ids, and extended attributes, where the process may, and record the ids
	// in the extended attribute OwnerXattr where it may not. Without it everything belongs to the caller.
	Owners bool
	// Times restores modification times; without it they are Epoch.
	Times bool
	// Seen, when set, is called with the header of every entry before anything is made of it.
	Seen func(*tar.Header)
}

// Extract writes the tar stream r below root, in which absolute names and links start. A name or link that climbs
// out of root is an error or stays inside, as in a chroot; the target of a symbolic link is stored as it is. An entry
// replaces what is there under its name, except a directory another. For an ordinary user directories get at least
// the owner's permissions, so that they can be read and removed again. Extract stops when ctx ends; what it has
// written by then stays.
func Extract(ctx context.Context, r io.Reader, root *os.Root, o ExtractOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x := newExtractor(root, o)
	defer x.close()
	tr := tar.NewReader(Until(ctx, r))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the tar stream: %w", cause(ctx, err))
		}
		if o.Seen != nil {
			o.Seen(h)
		}
		if err := x.entry(h, tr); err != nil {
			return fmt.Errorf("extracting %q: %w", h.Name, cause(ctx, err))
		}
	}
	return x.finish()
}

// cause prefers why ctx ended to what came of it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Budget counts what an archive has used of its limits.
type Budget struct{ limits, used Limits }

// NewBudget begins to count.
func NewBudget(l Limits) *Budget {
	d := DefaultLimits()
	for _, f := range []struct{ have, def *int64 }{
		{&l.Entries, &d.Entries}, {&l.Bytes, &d.Bytes}, {&l.FileBytes, &d.FileBytes},
	} {
		if *f.have <= 0 {
			*f.have = *f.def
		}
	}
	return &Budget{limits: l}
}

// Take counts one more entry of size bytes.
func (b *Budget) Take(size int64) error {
	b.used.Entries++
	switch {
	case b.used.Entries > b.limits.Entries:
		return fmt.Errorf("%w of %d entries", ErrLimit, b.limits.Entries)
	case size > b.limits.FileBytes:
		return fmt.Errorf("%w of %d bytes in one file", ErrLimit, b.limits.FileBytes)
	case size > b.limits.Bytes-b.used.Bytes:
		return fmt.Errorf("%w of %d bytes", ErrLimit, b.limits.Bytes)
	}
	b.used.Bytes += size
	return nil
}

// relative makes an entry's name relative to the root: "" is the root itself.
func relative(name string) (string, error) {
	if len(name) > maxName {
		return "", fmt.Errorf("%w of %d bytes in a name", ErrLimit, maxName)
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	switch {
	case clean == ".":
		return "", nil
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "", errors.New("the name leads out of the archive's root")
	}
	return clean, nil
}

// strip drops n leading elements; ok is false when nothing is left.
func strip(name string, n int) (rest string, ok bool) {
	for range n {
		_, after, found := strings.Cut(name, "/")
		if !found {
			return "", false
		}
		name = after
	}
	return name, true
}

// checkOwner refuses ids that no file can have.
func checkOwner(h *tar.Header) error {
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= math.MaxUint32 || int64(h.Gid) >= math.MaxUint32 {
		return fmt.Errorf("owner %d:%d is not possible", h.Uid, h.Gid)
	}
	return nil
}
