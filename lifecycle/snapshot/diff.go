package snapshot

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// DiffOptions says what layer Diff makes.
type DiffOptions struct {
	store.LayerOptions
	// UID and GID own, where an ordinary user can only record owners, the files for which none is recorded and that
	// are not there below.
	UID, GID int
	// Skip, when set, leaves out paths (relative, with slashes) and what is below them: mount points, for example.
	Skip func(rel string) bool
	// Each, when set, is called at the start of every reading; what it gives learns of the layer's entries, see
	// archive.Writer.
	Each func() func(h *tar.Header, digest string)
}

// Diff makes a layer of what has changed: see the package's documentation. It reads the upper directory each time the
// layer's bytes are needed and not in the store, so Upper must not change or go before the layer is in the form in which
// it is needed (see store.LayerOptions.Need).
func (r *Rootfs) Diff(ctx context.Context, st *store.Store, o DiffOptions) (v1.Layer, error) {
	if r.Upper == "" {
		return nil, errors.New("making a layer of the changes: the root filesystem is read-only")
	}
	owners, err := r.owners(o)
	if err != nil {
		return nil, fmt.Errorf("making a layer of the changes: %w", err)
	}
	upper, lower := r.Upper, r.Lower
	l, err := st.Layer(ctx, func(ctx context.Context, w io.Writer) error {
		d := &differ{owners: owners, skip: o.Skip, opaque: isOpaque, each: o.Each}
		return d.write(ctx, w, upper, &stacked{owners: owners, dirs: lower})
	}, o.LayerOptions)
	if err != nil {
		return nil, fmt.Errorf("making a layer of the changes: %w", err)
	}
	return l, nil
}

// before is a directory as it was.
type before interface {
	// child gives what had a name.
	child(name string) (was, error)
	// names are all that it had, sorted.
	names() ([]string, error)
}

// was is what had a name.
type was struct {
	// there is false when nothing had it.
	there bool
	// dir is what a directory had.
	dir before
	// same tells whether the file that has the name now is what was there.
	same func(f *archive.File, h *tar.Header) (bool, error)
}

// differ writes what is in a directory and was not.
type differ struct {
	ctx    context.Context //nolint:containedctx // lives as long as one write
	w      *archive.Writer
	owners owners
	skip   func(rel string) bool
	each   func() func(h *tar.Header, digest string)
	// opaque tells of a directory whether what is not in it, or below it, is gone. In others only whiteouts say so.
	opaque func(f *archive.File) (bool, error)
	links  map[inode]string // files with several names, by the first of them
	frames []*frame
}

type inode struct{ dev, ino uint64 }

// frame is a directory on the way to what is visited.
type frame struct {
	rel string
	// pending is its entry, as long as nothing in it has changed.
	pending *tar.Header
	was     before
	// opaque says that what is not in it, or below it, is gone.
	opaque bool
	// gone are the names that it had and that have not been met, in their order.
	gone []string
}

// write writes the tar stream of a directory's changes.
func (d *differ) write(ctx context.Context, w io.Writer, dir string, was before) error {
	d.ctx, d.w, d.links, d.frames = ctx, archive.NewWriter(w), map[inode]string{}, nil
	if d.each != nil {
		d.w.Each = d.each()
	}
	err := archive.Walk(ctx, dir, func(f *archive.File) error {
		if f.Rel == "" {
			return d.push(f, nil, was)
		}
		return d.visit(f)
	})
	if err == nil {
		err = d.leave(0)
	}
	if err != nil {
		return err
	}
	return d.w.Close()
}

func (d *differ) visit(f *archive.File) error {
	dir, base := path.Split(f.Rel)
	for strings.TrimSuffix(dir, "/") != d.frames[len(d.frames)-1].rel {
		if err := d.leave(len(d.frames) - 1); err != nil {
			return err
		}
	}
	in := d.frames[len(d.frames)-1]
	if err := d.missing(in, base); err != nil {
		return err
	}
	if d.skip != nil && d.skip(f.Rel) {
		return fs.SkipDir
	}
	old, err := in.was.child(base)
	if err != nil {
		return fmt.Errorf("comparing %s with what was there: %w", f.Rel, err)
	}
	if whiteout(f.Stat.Mode, f.Stat.Rdev) {
		if !old.there {
			return nil
		}
		return d.marker(dir + ".wh." + base)
	}
	if strings.HasPrefix(base, ".wh.") {
		progress.Warn(d.ctx, "%s is left out of the layer: its name would mean a deletion", f.Rel)
		return fs.SkipDir
	}
	if err := d.entry(f, old); err != nil && !errors.Is(err, fs.SkipDir) {
		return fmt.Errorf("reading %s: %w", f.Rel, err)
	}
	return nil
}

// whiteout knows overlayfs's sign that something is gone.
func whiteout(mode uint32, rdev uint64) bool { return mode&unix.S_IFMT == unix.S_IFCHR && rdev == 0 }

// entry writes a file, if it is not what was there.
func (d *differ) entry(f *archive.File, old was) error {
	h, err := d.owners.header(f, f.Rel, old.there)
	if err != nil {
		return err
	}
	if h == nil { // a socket, which tar cannot hold
		if old.there {
			return d.marker(path.Dir(f.Rel) + "/.wh." + path.Base(f.Rel))
		}
		return nil
	}
	same := false
	if old.there {
		if same, err = old.same(f, h); err != nil {
			return err
		}
	}
	switch {
	case h.Typeflag == tar.TypeDir && same:
		return d.push(f, h, old.dir)
	case same:
		return nil
	}
	if err := d.parents(); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return errors.Join(d.w.Add(h, nil), d.push(f, nil, old.dir))
	}
	return d.file(f, h)
}

// file writes a file that is no directory.
func (d *differ) file(f *archive.File, h *tar.Header) error {
	if f.Stat.Nlink > 1 {
		id := inode{f.Stat.Dev, f.Stat.Ino}
		if first, ok := d.links[id]; ok {
			h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
			return d.w.Add(h, nil)
		}
		d.links[id] = f.Rel
	}
	if h.Typeflag != tar.TypeReg {
		return d.w.Add(h, nil)
	}
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	return d.w.Add(h, content)
}

// push enters a directory. Its entry is pending when it is written only if something in it has changed.
func (d *differ) push(f *archive.File, pending *tar.Header, old before) error {
	if old == nil {
		old = nothing{}
	}
	in := &frame{rel: f.Rel, pending: pending, was: old}
	in.opaque = len(d.frames) > 0 && d.frames[len(d.frames)-1].opaque
	d.frames = append(d.frames, in)
	var err error
	if !in.opaque {
		in.opaque, err = d.opaque(f)
	}
	if err == nil && in.opaque {
		in.gone, err = old.names()
	}
	return err
}

// leave leaves all directories but the first keep.
func (d *differ) leave(keep int) error {
	for len(d.frames) > keep {
		in := d.frames[len(d.frames)-1]
		for _, name := range in.gone {
			if err := d.marker(path.Join(in.rel, ".wh."+name)); err != nil {
				return err
			}
		}
		d.frames = d.frames[:len(d.frames)-1]
	}
	return nil
}

// missing writes what is gone of a directory and would stand before name.
func (d *differ) missing(in *frame, name string) error {
	for len(in.gone) > 0 && in.gone[0] <= name {
		if in.gone[0] != name {
			if err := d.marker(path.Join(in.rel, ".wh."+in.gone[0])); err != nil {
				return err
			}
		}
		in.gone = in.gone[1:]
	}
	return nil
}

// marker writes an entry that says that something is gone.
func (d *differ) marker(name string) error {
	if err := d.parents(); err != nil {
		return err
	}
	return d.w.Add(&tar.Header{Typeflag: tar.TypeReg, Name: path.Clean(name), Mode: 0o600}, nil)
}

// parents writes the directories on the way, which have not changed themselves.
func (d *differ) parents() error {
	for _, in := range d.frames {
		if in.pending == nil {
			continue
		}
		if err := d.w.Add(in.pending, nil); err != nil {
			return err
		}
		in.pending = nil
	}
	return nil
}

// nothing is a directory that was not there.
type nothing struct{}

func (nothing) child(string) (was, error) { return was{}, nil }
func (nothing) names() ([]string, error)  { return nil, nil }

// isOpaque tells whether overlayfs hides what is below a directory.
func isOpaque(f *archive.File) (bool, error) {
	attrs, err := f.Xattrs()
	return attrs["user.overlay.opaque"] == "y" || attrs["trusted.overlay.opaque"] == "y", err
}

// owners tells who owns files, where owners are only recorded.
type owners struct {
	// recorded says that an ordinary user builds: all files are euid's on disk.
	recorded   bool
	euid, egid int
	// uid and gid own new files that nothing is recorded of.
	uid, gid int
	// aside are the owners of files that can have no attributes, by their inode numbers.
	aside map[uint64]id
}

// id is the owner of a file.
type id struct{ uid, gid int }

func (r *Rootfs) owners(o DiffOptions) (owners, error) {
	w := owners{recorded: os.Geteuid() != 0, euid: os.Geteuid(), egid: os.Getegid(), uid: o.UID, gid: o.GID}
	if !w.recorded {
		return w, nil
	}
	var err error
	w.aside, err = readAside(r.Work)
	return w, err
}

// header describes a file as an entry of a layer, with the extended attributes that belong into an image; nil for a
// socket.
func (w *owners) header(f *archive.File, name string, known bool) (*tar.Header, error) {
	h, err := f.Header(name)
	if h == nil || err != nil {
		return nil, err
	}
	attrs, err := f.Xattrs()
	if err != nil {
		return nil, err
	}
	if err := checkOverlay(attrs); err != nil {
		return nil, err
	}
	h.PAXRecords = records(attrs)
	if w.recorded {
		h.Mode = int64(archive.RecordedMode(uint32(h.Mode), attrs[archive.ModeXattr]))
		h.Uid, h.Gid = w.owner(f, attrs, known)
	}
	return h, nil
}

// owner gives the recorded owner of a file. A file that lies on another, or was copied up from it, and of which nothing
// is recorded, is root's.
func (w *owners) owner(f *archive.File, attrs map[string]string, known bool) (uid, gid int) {
	if uid, gid, ok := recorded(attrs[archive.OwnerXattr]); ok {
		return uid, gid
	}
	if o, ok := w.aside[f.Stat.Ino]; ok {
		return o.uid, o.gid
	}
	if known {
		return 0, 0
	}
	return w.uid, w.gid
}
