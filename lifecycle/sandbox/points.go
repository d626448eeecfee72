package sandbox

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// target is where something is mounted: an absolute path inside.
type target struct {
	Path string
	// File says that it is no directory.
	File bool
}

// point is a file or an empty directory that was made to mount on, and that is to go again, because it would
// otherwise become a part of the changes that Rootfs.Upper holds.
type point struct {
	parent, name string
	file         bool
}

// makePoints makes the targets that are missing in the root filesystem at root. Links are followed inside of it, and
// the times of directories stay. Targets behind dangling links are left to the runtime.
func makePoints(root string, targets []target) ([]point, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the root filesystem: %w", err)
	}
	defer unix.Close(dir)
	var made []point
	for _, t := range targets {
		parts := strings.Split(strings.Trim(path.Clean(t.Path), "/"), "/")
		for i := range parts {
			p := point{parent: filepath.Join(parts[:i]...), name: parts[i], file: t.File && i == len(parts)-1}
			fd, err := openIn(dir, filepath.Join(parts[:i+1]...))
			if err == nil {
				_ = unix.Close(fd)
				continue
			}
			if !errors.Is(err, unix.ENOENT) {
				return made, fmt.Errorf("looking for mount target %s: %w", t.Path, err)
			}
			err = keepingTime(dir, p.parent, p.make)
			if errors.Is(err, unix.EEXIST) {
				break
			}
			if err != nil {
				return made, fmt.Errorf("making mount target %s: %w", t.Path, err)
			}
			made = append(made, p)
		}
	}
	return made, nil
}

// removePoints removes what makePoints made, unless something has been put there.
func removePoints(root string, made []point) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	for i := len(made) - 1; i >= 0; i-- {
		_ = keepingTime(dir, made[i].parent, made[i].remove)
	}
}

func (p point) make(parent int) error {
	if !p.file {
		return unix.Mkdirat(parent, p.name, 0o755)
	}
	fd, err := unix.Openat(parent, p.name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (p point) remove(parent int) error {
	if !p.file {
		return unix.Unlinkat(parent, p.name, unix.AT_REMOVEDIR)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(parent, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != 0 {
		return unix.EEXIST
	}
	return unix.Unlinkat(parent, p.name, 0)
}

// keepingTime does something in a directory of the root filesystem and puts the directory's times back.
func keepingTime(root int, name string, do func(dir int) error) error {
	dir, err := openIn(root, name)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if err := unix.Fstatat(dir, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if err := do(dir); err != nil {
		return err
	}
	return unix.UtimesNanoAt(dir, ".", []unix.Timespec{st.Atim, st.Mtim}, 0)
}

// openIn finds a path inside of a root filesystem.
func openIn(root int, name string) (int, error) {
	if name == "" {
		name = "."
	}
	return unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
}
