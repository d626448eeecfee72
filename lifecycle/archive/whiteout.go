package archive

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// The names by which an OCI layer says that something of the layers below is gone (OCI image specification, layer.md).
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	whiteoutMeta   = ".wh..wh."
)

// whiteout treats the whiteout entry rel.
func (x *extractor) whiteout(rel string) error {
	if x.o.Whiteouts == WhiteoutsRefuse {
		return errors.New("a whiteout is not allowed here: the archive is no image layer")
	}
	dir, base := path.Split(rel)
	dir = strings.TrimSuffix(dir, "/")
	if base == whiteoutOpaque {
		real, err := x.resolve(dir, true)
		if err != nil {
			return err
		}
		return x.opaque(real)
	}
	if strings.HasPrefix(base, whiteoutMeta) {
		return nil // left behind by other storage drivers
	}
	name := strings.TrimPrefix(base, whiteoutPrefix)
	if name == "" || name == "." || name == ".." {
		return errors.New("the whiteout names nothing")
	}
	if err := x.settle(); err != nil {
		return err
	}
	p, err := x.place(path.Join(dir, name), true)
	if err != nil {
		return err
	}
	if x.o.Whiteouts == WhiteoutsApply {
		return x.removeLower(p.path)
	}
	return x.hide(p)
}

// opaque hides what lower layers have in the directory real.
func (x *extractor) opaque(real string) error {
	if err := x.settle(); err != nil {
		return err
	}
	if x.o.Whiteouts == WhiteoutsApply {
		return x.emptyLower(real)
	}
	m := x.made[real]
	if m == nil {
		m = &dirMeta{mode: 0o755, mtime: Epoch}
		x.made[real] = m
	}
	m.opaque = true
	return nil
}

// hide makes overlayfs's whiteout at p, unless the layer itself has something there that hides it as well.
func (x *extractor) hide(p place) error {
	err := unix.Mknodat(p.dir, p.name, unix.S_IFCHR, 0)
	switch {
	case err == nil:
		x.whiteouts[p.path] = true
		return nil
	case !errors.Is(err, unix.EEXIST):
		return fmt.Errorf("making a whiteout: %w", err)
	}
	if m := x.made[p.path]; m != nil {
		m.opaque = true
	}
	return nil
}

// removeLower removes what lower layers wrote at path.
func (x *extractor) removeLower(real string) error {
	if x.written[real] {
		return x.emptyLower(real)
	}
	_, err := x.clear(place{path: real})
	return err
}

// emptyLower removes what lower layers wrote below path, if it is a directory.
func (x *extractor) emptyLower(real string) error {
	name := real
	if name == "" {
		name = "."
	}
	st, err := x.root.Lstat(name)
	if err != nil || !st.IsDir() {
		return nil //nolint:nilerr // there is nothing to empty
	}
	d, err := x.root.Open(name)
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("emptying %s: %w", name, err)
	}
	for _, n := range names {
		if err := x.removeLower(path.Join(real, n)); err != nil {
			return err
		}
	}
	return nil
}

// setOpaque marks a directory as overlayfs does: one attribute for mounts by root, another for those by users. Never
// both: what is not its own overlayfs copies up, and then it would hide what the copied directory should not.
func (id identity) setOpaque(fd int) error {
	if id.uid == 0 && unix.Fsetxattr(fd, "trusted.overlay.opaque", []byte("y"), 0) == nil {
		return nil
	}
	if err := unix.Fsetxattr(fd, "user.overlay.opaque", []byte("y"), 0); err != nil {
		return fmt.Errorf("marking the directory opaque (needs a file system with user extended attributes): %w", err)
	}
	return nil
}
