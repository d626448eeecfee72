package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// move moves the directory from to the new path to. Where it cannot be moved (another file system, or a directory of
// another user of the same user namespace) it is copied, and from stays.
func move(ctx context.Context, from, to string) error {
	err := rename(from, to)
	if errors.Is(err, unix.EXDEV) || errors.Is(err, fs.ErrPermission) {
		if err = copyTree(ctx, from, to); err != nil {
			err = errors.Join(err, os.RemoveAll(to))
		}
	}
	return err
}

// rename renames a directory, also a read-only one, which the kernel refuses because ".." in it changes.
func rename(from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	info, statErr := os.Lstat(from)
	if statErr != nil || info.Mode()&0o200 != 0 || os.Chmod(from, info.Mode()|0o200) != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Chmod(from, info.Mode()))
	}
	return os.Chmod(to, info.Mode())
}

// removeTree removes path with everything below it, also from read-only directories, as module caches are.
func removeTree(path string) error {
	if err := os.RemoveAll(path); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			return os.Chmod(path, 0o700) // before WalkDir reads it
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(path))
}

// copyTree copies a directory with its modes, times, links and, for root, owners. Files share their blocks where the
// file system can do that. Sockets, pipes and devices are left out.
func copyTree(ctx context.Context, from, to string) error {
	c := copier{links: map[uint64]string{}}
	return c.dir(ctx, from, to)
}

type copier struct{ links map[uint64]string }

func (c *copier) dir(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		source, target := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		switch {
		case entry.IsDir():
			err = c.dir(ctx, source, target)
		case entry.Type().IsRegular():
			err = c.file(source, target)
		case entry.Type()&fs.ModeSymlink != 0:
			err = c.link(source, target)
		}
		if err != nil {
			return err
		}
	}
	return finish(to, info)
}

func (c *copier) link(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	return finish(to, info)
}

func (c *copier) file(from, to string) (err error) {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("copying %s: it is no file any more", from)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stat.Nlink > 1 {
		if first, ok := c.links[stat.Ino]; ok {
			return os.Link(first, to)
		}
		c.links[stat.Ino] = to
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return finish(to, info)
}

// finish gives path the mode and time of info, and its owner as far as this process may.
func finish(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := os.Lchown(path, int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		if err := os.Chmod(path, info.Mode()); err != nil {
			return err
		}
	}
	when := unix.NsecToTimespec(info.ModTime().UnixNano())
	times := []unix.Timespec{when, when}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting the time of %s to %s: %w", path, info.ModTime().Format(time.RFC3339), err)
	}
	return nil
}

// writeSynced writes a file so that after a crash there is either the old one or the new one.
func writeSynced(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is there; only its survival of a power failure is less certain
	}
	defer dir.Close()
	return dir.Sync()
}
