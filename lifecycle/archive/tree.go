package archive

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// TreeOptions says how a directory appears in a tar stream.
type TreeOptions struct {
	// Name is the path that the directory has in the image, for example "/layers/s2i_go/bin". Entries are named
	// Name + "/" + relative path.
	Name string
	// UID and GID own every entry of the tree.
	UID, GID int
	// Parents are written before the tree, outermost first, as directories that the caller describes.
	Parents []tar.Header
	// Skip, when set, leaves out entries by their slash path relative to the directory, and with a directory
	// everything below it.
	Skip func(rel string) bool
}

// Tree writes the directory dir (or the one file dir) and everything below it in lexical walk order: sockets left
// out, hard links as separate files, no extended attributes. It stops when ctx ends.
func (w *Writer) Tree(ctx context.Context, dir string, o TreeOptions) error {
	for i := range o.Parents {
		if err := w.Add(&o.Parents[i], nil); err != nil {
			return err
		}
	}
	return Walk(ctx, dir, func(f *File) error {
		if o.Skip != nil && f.Rel != "" && o.Skip(f.Rel) {
			return fs.SkipDir
		}
		name := o.Name
		if f.Rel != "" {
			name += "/" + f.Rel
		}
		return w.addFile(name, f, o)
	})
}

func (w *Writer) addFile(name string, f *File, o TreeOptions) error {
	h, err := f.Header(name)
	if err != nil {
		return fmt.Errorf("reading %q: %w", name, err)
	}
	if h == nil {
		return nil
	}
	h.Uid, h.Gid = o.UID, o.GID
	if h.Typeflag != tar.TypeReg || h.Size == 0 {
		return w.Add(h, nil)
	}
	content, err := f.Open()
	if err != nil {
		return fmt.Errorf("opening %q: %w", name, err)
	}
	defer content.Close()
	return w.Add(h, struct{ io.Reader }{content})
}

// Header describes f as a tar entry with its own owner and permissions, and without times; it is nil for a socket,
// which tar cannot hold.
func (f *File) Header(name string) (*tar.Header, error) {
	h := &tar.Header{Name: name, Mode: int64(f.Stat.Mode & 0o7777), Uid: int(f.Stat.Uid), Gid: int(f.Stat.Gid)}
	switch f.Stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, f.Stat.Size
	case unix.S_IFDIR:
		h.Typeflag = tar.TypeDir
	case unix.S_IFLNK:
		target, err := f.Readlink()
		if err != nil {
			return nil, err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if f.Stat.Mode&unix.S_IFMT == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(f.Stat.Rdev)), int64(unix.Minor(f.Stat.Rdev))
	default:
		return nil, nil
	}
	return h, nil
}
