package archive

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxLinks = 40  // symbolic links followed for one name, as in the kernel
	maxOpen  = 128 // directories kept open from one entry to the next
)

// place is where an entry goes: an open directory and a name in it that holds no slash.
type place struct {
	dir  int
	name string
	path string // real path: relative to the root, without links
}

// place finds where the entry of the clean relative path rel goes. Links on the way to it are followed inside the
// root; directories that miss are made when create is set.
func (x *extractor) place(rel string, create bool) (place, error) {
	parent, name := path.Split(rel)
	real, err := x.resolve(strings.TrimSuffix(parent, "/"), create)
	if err != nil {
		return place{}, err
	}
	dir, err := x.open(real)
	if err != nil {
		return place{}, err
	}
	return place{dir: dir, name: name, path: path.Join(real, name)}, nil
}

// resolve gives the real path of the directory rel.
func (x *extractor) resolve(rel string, create bool) (string, error) {
	if rel == "" {
		return "", nil
	}
	if real, ok := x.real[rel]; ok {
		return real, nil
	}
	parent, name := path.Split(rel)
	base, err := x.resolve(strings.TrimSuffix(parent, "/"), create)
	if err != nil {
		return "", err
	}
	real, err := x.follow(base, name, create)
	if err != nil {
		return "", err
	}
	x.real[rel] = real
	return real, nil
}

// follow walks the elements of rest from the real directory at, as the kernel does below a changed root: ".." of the
// root is the root, and absolute links start there.
func (x *extractor) follow(at, rest string, create bool) (string, error) {
	todo := split(rest)
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			at = parentOf(at)
			continue
		}
		target, err := x.step(at, name, create)
		if err != nil {
			return "", err
		}
		if target == "" { // a directory
			at = path.Join(at, name)
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("following links to %s: %w", path.Join(at, name), unix.ELOOP)
		}
		if strings.HasPrefix(target, "/") {
			at = ""
		}
		todo = slices.Concat(split(target), todo)
		if len(todo) > maxName {
			return "", fmt.Errorf("following links to %s: %w", path.Join(at, name), unix.ENAMETOOLONG)
		}
	}
	return at, nil
}

// step looks at one element: "" is a directory (made if it misses), anything else the target of a link.
func (x *extractor) step(at, name string, create bool) (target string, err error) {
	full := path.Join(at, name)
	if x.pool.busy(full) {
		if err := x.settle(); err != nil {
			return "", err
		}
	}
	dir, err := x.open(at)
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	err = retry(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	switch {
	case errors.Is(err, unix.ENOENT) && create:
		return "", x.implicit(place{dir: dir, name: name, path: full})
	case err != nil:
		return "", fmt.Errorf("looking at %s: %w", full, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "", nil
	case unix.S_IFLNK:
		target, err := Readlink(dir, name)
		if err == nil && target == "" {
			err = unix.ENOENT
		}
		return target, err
	}
	if x.whiteouts[full] && create {
		return "", x.implicit(place{dir: dir, name: name, path: full})
	}
	return "", fmt.Errorf("looking at %s: %w", full, unix.ENOTDIR)
}

// implicit makes a directory that the archive does not describe.
func (x *extractor) implicit(p place) error {
	if err := x.budget.Take(0); err != nil {
		return err
	}
	return x.mkdir(p, dirMeta{mode: 0o755, mtime: Epoch})
}

// open gives the open directory of a real path. It stays open until forget at most.
func (x *extractor) open(real string) (int, error) {
	if d, ok := x.dirs[real]; ok {
		return int(d.Fd()), nil
	}
	name := real
	if name == "" {
		name = "."
	}
	d, err := x.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, err
	}
	x.dirs[real] = d
	return int(d.Fd()), nil
}

// forget drops what is known about places, because something that was on the way was replaced.
func (x *extractor) forget() {
	x.closeDirs()
	clear(x.real)
}

func (x *extractor) closeDirs() {
	for _, d := range x.dirs {
		_ = d.Close()
	}
	clear(x.dirs)
}

// split gives the elements of a path that mean something.
func split(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(e string) bool { return e == "" || e == "." })
}

// parentOf is the directory of a real path; the root's is the root.
func parentOf(real string) string {
	dir, _ := path.Split(real)
	return strings.TrimSuffix(dir, "/")
}
