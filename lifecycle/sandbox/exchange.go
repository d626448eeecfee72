package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// exchange puts what is in one directory into another, whose own content waits aside, and back again: the files of an
// image into the root directory of a container, which is the only one that has a /proc where nobody may mount. Directories
// are renamed, so that little is done, and little changes: a few directories and the links in the root directory.
type exchange struct {
	// top is the directory whose content changes, image what takes its place, and aside is empty.
	top, image, aside string
	// keep is what stays in top, relative to it. The directories on the way there stay, too, and only their content
	// changes.
	keep map[string]bool
	// mounts are the mount points below top. They go with the directories that they are in.
	mounts []string
}

// during does something while the image is in place.
func (x *exchange) during(do func() error) (err error) {
	defer func() {
		if back := x.move(x.aside, x.top, ""); back != nil {
			err = errors.Join(err, fmt.Errorf("putting the container's own files back: %w", back))
		}
	}()
	if err := x.move(x.top, x.aside, ""); err != nil {
		return fmt.Errorf("moving the container's own files out of the way: %w", err)
	}
	defer func() {
		if back := x.move(x.top, x.image, ""); back != nil {
			err = errors.Join(err, fmt.Errorf("taking the image's files back: %w", back))
		}
	}()
	if err := x.move(x.image, x.top, ""); err != nil {
		return fmt.Errorf("putting the image's files in place: %w", err)
	}
	err = do()
	for name := range x.keep {
		if _, gone := os.Lstat(filepath.Join(x.top, name)); gone != nil {
			return errors.Join(err, fmt.Errorf("the command has moved or removed /%s, which is no part of the image", name))
		}
	}
	return err
}

// move moves the content of a directory, but for what stays. The directory itself gets the other's permissions.
func (x *exchange) move(from, to, rel string) error {
	source := filepath.Join(from, rel)
	if info, err := os.Lstat(source); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("/%s has to be a directory, since something is mounted in it", rel))
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return x.keep[filepath.Join(rel, e.Name())] })
	target := filepath.Join(to, rel)
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
		if len(entries) == 0 {
			return nil
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
	}
	if err := likeDir(source, target); err != nil {
		return err
	}
	for _, e := range entries {
		if err := x.moveOne(from, to, filepath.Join(rel, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (x *exchange) moveOne(from, to, name string) error {
	if x.leads(name) {
		return x.move(from, to, name)
	}
	err := os.Rename(filepath.Join(from, name), filepath.Join(to, name))
	switch {
	case errors.Is(err, unix.EBUSY) && slices.Contains(x.mounts, name):
		x.keep[name] = true
		return nil
	case !errors.Is(err, unix.EXDEV):
		return err
	}
	// A directory of the container's own image, which overlayfs does not rename.
	if inside := x.mountsIn(name); len(inside) > 0 {
		for _, m := range inside {
			x.keep[m] = true
		}
		return x.move(from, to, name)
	}
	if err := copyTree(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(from, name))
}

// leads tells whether something that stays is below a directory.
func (x *exchange) leads(name string) bool {
	for k := range x.keep {
		if strings.HasPrefix(k, name+"/") {
			return true
		}
	}
	return false
}

func (x *exchange) mountsIn(name string) (list []string) {
	for _, m := range x.mounts {
		if strings.HasPrefix(m, name+"/") {
			list = append(list, m)
		}
	}
	return list
}

// likeDir gives a directory the owner, permissions and times of another.
func likeDir(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if now, err := os.Lstat(to); err != nil || !now.IsDir() {
		return errors.Join(err, fmt.Errorf("%s has to be a directory, since something is mounted in it", to))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		err = os.Lchown(to, int(st.Uid), int(st.Gid))
	}
	return errors.Join(err, os.Chmod(to, info.Mode()), os.Chtimes(to, info.ModTime(), info.ModTime()))
}
