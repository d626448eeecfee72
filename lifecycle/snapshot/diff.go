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
	"strconv"
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
	// Owner gives the ids in the image of a file's ids on disk. Nil: the same ids for root; for anyone else the
	// caller's ids are root's. Ids that were recorded when a layer was unpacked (archive.OwnerXattr) go before.
	Owner func(uid, gid int) (int, int)
	// Skip, when set, leaves out paths (relative, with slashes) and what is below them: mount points, for example.
	Skip func(rel string) bool
}

// Diff makes a layer of what has changed, which is the upper directory: sorted, all times archive.Epoch, hard links
// kept, extended attributes kept that mean something in an image. It reads the directory each time the layer's bytes
// are needed and not in the store, so Upper must not change or go before the layer is in the form in which it is
// needed (see store.LayerOptions.Need).
func (r *Rootfs) Diff(ctx context.Context, st *store.Store, o DiffOptions) (v1.Layer, error) {
	if r.Upper == "" {
		return nil, errors.New("making a layer of the changes: the root filesystem is read-only")
	}
	if o.Owner == nil {
		o.Owner = owner(os.Geteuid(), os.Getegid())
	}
	upper := r.Upper
	l, err := st.Layer(ctx, func(ctx context.Context, w io.Writer) error {
		return writeDiff(ctx, w, upper, o)
	}, o.LayerOptions)
	if err != nil {
		return nil, fmt.Errorf("making a layer of the changes: %w", err)
	}
	return l, nil
}

// owner maps the ids of the user whose files are a container's root's.
func owner(euid, egid int) func(uid, gid int) (int, int) {
	return func(uid, gid int) (int, int) {
		if euid != 0 && uid == euid {
			uid = 0
		}
		if euid != 0 && gid == egid {
			gid = 0
		}
		return uid, gid
	}
}

// writeDiff writes the tar stream of an upper directory.
func writeDiff(ctx context.Context, w io.Writer, upper string, o DiffOptions) error {
	d := &differ{ctx: ctx, w: archive.NewWriter(w), o: o, links: map[inode]string{}}
	if err := archive.Walk(ctx, upper, d.visit); err != nil {
		return err
	}
	return d.w.Close()
}

type inode struct{ dev, ino uint64 }

// differ writes what it visits.
type differ struct {
	ctx   context.Context //nolint:containedctx // lives as long as one writeDiff
	w     *archive.Writer
	o     DiffOptions
	links map[inode]string // files with several names, by the first of them
}

func (d *differ) visit(f *archive.File) error {
	if f.Rel == "" {
		return d.opaque(f)
	}
	if d.o.Skip != nil && d.o.Skip(f.Rel) {
		return fs.SkipDir
	}
	dir, base := path.Split(f.Rel)
	if f.Stat.Mode&unix.S_IFMT == unix.S_IFCHR && f.Stat.Rdev == 0 {
		return d.marker(dir + ".wh." + base)
	}
	if strings.HasPrefix(base, ".wh.") {
		progress.Warn(d.ctx, "%s is left out of the layer: its name would mean a deletion", f.Rel)
		return fs.SkipDir
	}
	if err := d.entry(f); err != nil {
		return fmt.Errorf("reading %s: %w", f.Rel, err)
	}
	return d.opaque(f)
}

// marker writes an entry that says that something is gone.
func (d *differ) marker(name string) error {
	return d.w.Add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}, nil)
}

// opaque writes the marker of a directory that hides everything below it.
func (d *differ) opaque(f *archive.File) error {
	if f.Stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	attrs, err := f.Xattrs()
	if err != nil {
		return err
	}
	if attrs["user.overlay.opaque"] == "y" || attrs["trusted.overlay.opaque"] == "y" {
		return d.marker(path.Join(f.Rel, ".wh..wh..opq"))
	}
	return nil
}

// entry writes a file as it is.
func (d *differ) entry(f *archive.File) error {
	h, err := f.Header(f.Rel)
	if h == nil || err != nil {
		return err
	}
	attrs, err := f.Xattrs()
	if err != nil {
		return err
	}
	if err := checkOverlay(attrs); err != nil {
		return err
	}
	h.Uid, h.Gid = d.o.Owner(h.Uid, h.Gid)
	if uid, gid, ok := recorded(attrs[archive.OwnerXattr]); ok {
		h.Uid, h.Gid = uid, gid
	}
	if h.Typeflag != tar.TypeDir && f.Stat.Nlink > 1 {
		id := inode{f.Stat.Dev, f.Stat.Ino}
		if first, ok := d.links[id]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return d.w.Add(h, nil)
		}
		d.links[id] = f.Rel
	}
	h.PAXRecords = records(attrs)
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

// checkOverlay refuses files whose content overlayfs keeps elsewhere.
func checkOverlay(attrs map[string]string) error {
	for _, what := range []string{"redirect", "metacopy"} {
		for _, kind := range []string{"user", "trusted"} {
			if _, ok := attrs[kind+".overlay."+what]; ok {
				return fmt.Errorf("the root filesystem was mounted with overlayfs's option %s, which cannot become a layer", what)
			}
		}
	}
	return nil
}

// recorded reads the ids that archive.Extract could not set.
func recorded(owner string) (uid, gid int, ok bool) {
	u, g, ok := strings.Cut(owner, ":")
	if !ok {
		return 0, 0, false
	}
	uid, err1 := strconv.Atoi(u)
	gid, err2 := strconv.Atoi(g)
	return uid, gid, err1 == nil && err2 == nil && uid >= 0 && gid >= 0
}

// records gives the extended attributes that belong into an image.
func records(attrs map[string]string) map[string]string {
	var out map[string]string
	for name, value := range attrs {
		if archive.InternalXattr(name) || (!strings.HasPrefix(name, "user.") && name != "security.capability") {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[archive.XattrRecord+name] = value
	}
	return out
}
