package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
)

// partLinks makes files of their own of all names of a file, as they are with overlayfs once a layer is complete: who
// changes one of them later does not change the others.
func partLinks(ctx context.Context, dir string) error {
	var linked []string
	err := archive.Walk(ctx, dir, func(f *archive.File) error {
		if f.Stat.Mode&unix.S_IFMT == unix.S_IFREG && f.Stat.Nlink > 1 {
			linked = append(linked, f.Rel)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, rel := range linked {
		if err := part(filepath.Join(dir, rel)); err != nil {
			return fmt.Errorf("parting %s from its other names: %w", rel, err)
		}
	}
	return nil
}

// part replaces one of several names of a file by a copy of it.
func part(path string) error {
	f, err := archive.At(path)
	if err != nil || f.Stat.Nlink == 1 {
		return err
	}
	attrs, err := f.Xattrs()
	if err != nil {
		return err
	}
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.CreateTemp(filepath.Dir(path), ".s2i-*")
	if err != nil {
		return err
	}
	defer os.Remove(to.Name())
	_, err = io.Copy(to, from)
	fd := int(to.Fd())
	err = errors.Join(err, unix.Fchown(fd, int(f.Stat.Uid), int(f.Stat.Gid)), unix.Fchmod(fd, f.Stat.Mode&0o7777))
	for name, value := range attrs {
		if setErr := unix.Fsetxattr(fd, name, []byte(value), 0); !errors.Is(setErr, unix.EPERM) && !errors.Is(setErr, unix.ENOTSUP) {
			err = errors.Join(err, setErr)
		}
	}
	times := []unix.Timespec{f.Stat.Atim, f.Stat.Mtim}
	err = errors.Join(err, to.Close(), unix.UtimesNanoAt(unix.AT_FDCWD, to.Name(), times, 0))
	if err != nil {
		return err
	}
	return os.Rename(to.Name(), path)
}
