package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// extractor is one run of Extract. Paths in its maps are real paths: relative to the root, without links.
type extractor struct {
	root   *os.Root
	o      ExtractOptions
	budget *Budget
	who    identity
	pool   *pool
	buf    []byte // for files too large for the pool

	dirs      map[string]*os.File // open directories
	real      map[string]string   // names of directories to their real paths
	made      map[string]*dirMeta // directories whose metadata is set at the end
	whiteouts map[string]bool     // whiteouts made (WhiteoutsOverlay)
	written   map[string]bool     // what this archive has written (WhiteoutsApply)
}

func newExtractor(root *os.Root, o ExtractOptions) *extractor {
	x := &extractor{
		root: root, o: o, budget: NewBudget(o.Limits), who: whoami(),
		dirs: map[string]*os.File{}, real: map[string]string{}, made: map[string]*dirMeta{},
		whiteouts: map[string]bool{}, written: map[string]bool{},
	}
	x.pool = newPool(x.createFile)
	return x
}

// close ends what still runs, after an error.
func (x *extractor) close() {
	x.pool.close()
	x.closeDirs()
}

// entry extracts one entry.
func (x *extractor) entry(h *tar.Header, content io.Reader) error {
	if err := x.budget.Take(max(h.Size, 0)); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	rel, err := relative(h.Name)
	if err != nil {
		return err
	}
	rel, ok := strip(rel, x.o.Strip)
	if !ok || (x.o.Keep != nil && !x.o.Keep(rel)) {
		return nil
	}
	if err := checkOwner(h); err != nil {
		return err
	}
	if len(x.dirs) > maxOpen {
		if err := x.settle(); err != nil {
			return err
		}
		x.closeDirs()
	}
	if strings.HasPrefix(path.Base(rel), whiteoutPrefix) {
		return x.whiteout(rel)
	}
	return x.put(rel, h, content)
}

// put writes an entry that is no whiteout.
func (x *extractor) put(rel string, h *tar.Header, content io.Reader) error {
	if rel == "" {
		return x.rootEntry(h)
	}
	if skip, err := x.special(h); skip || err != nil {
		return err
	}
	p, err := x.place(rel, true)
	if err != nil {
		return err
	}
	x.note(p.path)
	switch h.Typeflag {
	case tar.TypeDir:
		return x.mkdir(p, x.meta(h))
	case tar.TypeSymlink:
		if len(h.Linkname) >= maxName {
			return fmt.Errorf("%w of %d bytes in a link", ErrLimit, maxName)
		}
		return x.make(p, h, func(p place) error { return unix.Symlinkat(h.Linkname, p.dir, p.name) })
	case tar.TypeLink:
		return x.link(p, h)
	case tar.TypeFifo:
		return x.make(p, h, func(p place) error { return unix.Mknodat(p.dir, p.name, unix.S_IFIFO|0o600, 0) })
	}
	return x.file(rel, p, h, content)
}

// special tells which entries are left out because of their type, and refuses what nobody can extract.
func (x *extractor) special(h *tar.Header) (skip bool, err error) {
	layer := x.o.Whiteouts != WhiteoutsRefuse
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeRegA, tar.TypeCont, tar.TypeGNUSparse, tar.TypeDir, tar.TypeSymlink, tar.TypeLink: //nolint:staticcheck // old tars have TypeRegA
		return false, nil
	case tar.TypeChar, tar.TypeBlock:
		if layer {
			return true, nil
		}
		return false, errors.New("a device is not allowed here")
	case tar.TypeFifo:
		if layer {
			return false, nil
		}
		return false, errors.New("a named pipe is not allowed here")
	}
	return false, fmt.Errorf("entry type %q is not supported", h.Typeflag)
}

// rootEntry takes over what a layer says about its root directory itself.
func (x *extractor) rootEntry(h *tar.Header) error {
	if h.Typeflag != tar.TypeDir {
		return errors.New("the entry has no name")
	}
	if x.o.Whiteouts != WhiteoutsRefuse {
		m := x.meta(h)
		x.made[""] = &m
	}
	return nil
}

// mkdir makes a directory, or takes over the one that is there; its metadata is set at the end.
func (x *extractor) mkdir(p place, m dirMeta) error {
	err := retry(func() error { return unix.Mkdirat(p.dir, p.name, 0o700) })
	if errors.Is(err, unix.EEXIST) {
		if x.pool.busy(p.path) {
			if err := x.settle(); err != nil {
				return err
			}
			if p, err = x.reopen(p); err != nil {
				return err
			}
		}
		var st unix.Stat_t
		if err := unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			m.opaque = x.made[p.path] != nil && x.made[p.path].opaque
			x.made[p.path] = &m
			return nil
		}
		m.opaque = x.whiteouts[p.path] // what was below a whiteout stays hidden
		if p, err = x.clear(p); err != nil {
			return err
		}
		err = unix.Mkdirat(p.dir, p.name, 0o700)
	}
	if err != nil {
		return fmt.Errorf("making directory %s: %w", p.path, err)
	}
	x.made[p.path] = &m
	return nil
}

// make makes a link or a pipe with create, in place of what is there.
func (x *extractor) make(p place, h *tar.Header, create func(p place) error) error {
	err := retry(func() error { return create(p) })
	if errors.Is(err, unix.EEXIST) {
		if p, err = x.clear(p); err != nil {
			return err
		}
		err = create(p)
	}
	if err != nil {
		return err
	}
	return x.who.setLink(p, h, x.o)
}

// link makes a hard link to an entry of the archive. It keeps the metadata of the file that it names.
func (x *extractor) link(p place, h *tar.Header) error {
	target, err := relative(h.Linkname)
	if err != nil {
		return fmt.Errorf("linking to %q: %w", h.Linkname, err)
	}
	target, ok := strip(target, x.o.Strip)
	if !ok || target == "" {
		return fmt.Errorf("linking to %q: no such entry", h.Linkname)
	}
	if err := x.settle(); err != nil {
		return err
	}
	from, err := x.place(target, false)
	if err != nil {
		return fmt.Errorf("linking to %q: %w", h.Linkname, err)
	}
	if from.path == p.path {
		return nil
	}
	var st unix.Stat_t
	if p, err = x.reopen(p); err == nil {
		err = unix.Fstatat(from.dir, from.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil && (st.Mode&unix.S_IFMT == unix.S_IFDIR || x.whiteouts[from.path]) {
		err = errors.New("it is no file")
	}
	if err != nil {
		return fmt.Errorf("linking to %q: %w", h.Linkname, err)
	}
	err = unix.Linkat(from.dir, from.name, p.dir, p.name, 0)
	if errors.Is(err, unix.EEXIST) {
		if p, err = x.clear(p); err != nil {
			return err
		}
		if from, err = x.reopen(from); err == nil {
			err = unix.Linkat(from.dir, from.name, p.dir, p.name, 0)
		}
	}
	if err != nil {
		return fmt.Errorf("linking to %q: %w", h.Linkname, err)
	}
	return nil
}

// clear removes what is at p, and gives p anew.
func (x *extractor) clear(p place) (place, error) {
	if err := x.settle(); err != nil {
		return p, err
	}
	if err := x.root.RemoveAll(p.path); err != nil {
		return p, fmt.Errorf("replacing %s: %w", p.path, err)
	}
	delete(x.whiteouts, p.path)
	if _, ok := x.made[p.path]; ok {
		below := p.path + "/"
		for dir := range x.made {
			if dir == p.path || strings.HasPrefix(dir, below) {
				delete(x.made, dir)
			}
		}
	}
	x.forget()
	return x.reopen(p)
}

// reopen gives p with its directory open.
func (x *extractor) reopen(p place) (place, error) {
	dir, err := x.open(parentOf(p.path))
	p.dir = dir
	return p, err
}

// note remembers that the archive wrote path, so that its own whiteouts leave it.
func (x *extractor) note(real string) {
	if x.o.Whiteouts != WhiteoutsApply {
		return
	}
	for ; real != "" && !x.written[real]; real = parentOf(real) {
		x.written[real] = true
	}
}
