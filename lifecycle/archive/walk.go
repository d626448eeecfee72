package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// File is one file met by Walk. It is valid until the visit returns.
type File struct {
	// Rel is the slash path relative to the walk's root, which itself has "".
	Rel string
	// Stat is what lstat says.
	Stat unix.Stat_t

	dir  int    // the open directory that holds it
	name string // its name there
}

// Walk visits root and everything below it, in lexical order of the names within each directory and each directory
// before its content; symbolic links are not followed. A visit may return fs.SkipDir to leave out a directory's
// content. Walk stops when ctx ends.
func Walk(ctx context.Context, root string, visit func(f *File) error) error {
	f := &File{dir: unix.AT_FDCWD, name: root}
	if err := f.lstat(); err != nil {
		return fmt.Errorf("walking %s: %w", root, err)
	}
	w := &walker{root: root, visit: visit}
	return w.walk(ctx, f)
}

// At gives the one file at path.
func At(path string) (*File, error) {
	f := &File{dir: unix.AT_FDCWD, name: path}
	if err := f.lstat(); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return f, nil
}

type walker struct {
	root  string
	visit func(f *File) error
}

func (w *walker) walk(ctx context.Context, f *File) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	err := w.visit(f)
	if err != nil || f.Stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		if errors.Is(err, fs.SkipDir) {
			return nil
		}
		return err
	}
	d, names, err := f.list()
	if err != nil {
		return fmt.Errorf("reading directory %s: %w", w.path(f.Rel), err)
	}
	defer d.Close()
	prefix := f.Rel
	if prefix != "" {
		prefix += "/"
	}
	for _, name := range names {
		child := &File{Rel: prefix + name, dir: int(d.Fd()), name: name}
		if err := child.lstat(); err != nil {
			return fmt.Errorf("reading %s: %w", w.path(child.Rel), err)
		}
		if err := w.walk(ctx, child); err != nil {
			return err
		}
	}
	return nil
}

// path is where rel is, for messages.
func (w *walker) path(rel string) string { return strings.TrimSuffix(w.root+"/"+rel, "/") }

// lstat fills f.Stat.
func (f *File) lstat() error {
	return retry(func() error { return unix.Fstatat(f.dir, f.name, &f.Stat, unix.AT_SYMLINK_NOFOLLOW) })
}

// list opens a directory and gives its names in order.
func (f *File) list() (*os.File, []string, error) {
	d, err := f.open(unix.O_DIRECTORY)
	if err != nil {
		return nil, nil, err
	}
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	slices.Sort(names)
	return d, names, nil
}

// Open opens a file for reading; it never follows a link and never blocks.
func (f *File) Open() (*os.File, error) { return f.open(unix.O_NONBLOCK) }

func (f *File) open(flags int) (*os.File, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat(f.dir, f.name, flags|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.name), nil
}

// Readlink gives the target of a symbolic link.
func (f *File) Readlink() (string, error) { return Readlink(f.dir, f.name) }

// Readlink gives the target of a symbolic link in an open directory.
func Readlink(dir int, name string) (string, error) {
	for size := 256; ; size *= 2 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(dir, name, buf)
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
