package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountAll makes every mount that the runtime needs. It runs as the calling user, with all capabilities in the
// namespace, so that it gets at everything that the user gets at.
func (in *inner) mountAll() error {
	j := &in.job
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", j.Dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	for _, name := range []string{"rootfs", "m", "l", "u", "w"} {
		if err := os.Mkdir(filepath.Join(j.Dir, name), 0o755); err != nil {
			return err
		}
	}
	if err := mountOverlay(j); err != nil {
		return err
	}
	if j.Rootfs.Upper != "" {
		made, err := makePoints(rootPlace(j.Dir), j.Targets)
		if err != nil {
			return err
		}
		in.points = made
	}
	for _, b := range j.Binds {
		if err := mountBind(b); err != nil {
			return err
		}
	}
	if err := mountCgroups(j); err != nil {
		return err
	}
	if j.Emulator != nil {
		if err := register(j.Emulator, binfmtPlace(j.Dir)); err != nil {
			return err
		}
	}
	// Runtimes read /proc to find their own children, so it has to be that of this pid namespace.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	return closeCgroups(cgroupRoot)
}

// closeCgroups keeps runtimes from making cgroups, which nobody would remove when they are killed. crun refuses to run
// at all where the version 2 hierarchy has controllers beside those of version 1, so that one is hidden.
func closeCgroups(root string) error {
	var st unix.Statfs_t
	hybrid := filepath.Join(root, "unified")
	if unix.Statfs(hybrid, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		if err := unix.Mount("tmpfs", hybrid, "tmpfs", unix.MS_RDONLY, "size=4k"); err != nil {
			return fmt.Errorf("hiding %s: %w", hybrid, err)
		}
	}
	// It may be missing, or no mount of its own.
	if err := setReadOnly(root); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("closing %s: %w", root, err)
	}
	return nil
}

// mountOverlay puts the root filesystem together. Its directories are named by short links: mount options have the
// size of a page at most, and paths may hold commas and colons.
func mountOverlay(j *job) error {
	links := filepath.Join(j.Dir, "l")
	if err := os.Chdir(links); err != nil {
		return err
	}
	var names []string
	for i, dir := range j.Rootfs.Lower {
		name := strconv.Itoa(i)
		if err := linkDir(dir, name); err != nil {
			return fmt.Errorf("putting the root filesystem together: %w", err)
		}
		names = append(names, name)
	}
	upper, work := j.Rootfs.Upper, j.Rootfs.Work
	if upper == "" {
		upper, work = filepath.Join(j.Dir, "u"), filepath.Join(j.Dir, "w")
		copyOwner(j.Rootfs.Lower[0], upper)
	}
	// What a run with a volatile upper leaves there forbids to mount it again, even after a regular end.
	_ = os.RemoveAll(filepath.Join(work, "work", "incompat"))
	if err := errors.Join(linkDir(upper, "u"), linkDir(work, "w")); err != nil {
		return fmt.Errorf("putting the root filesystem together: %w", err)
	}
	options := "lowerdir=" + strings.Join(names, ":") + ",upperdir=u,workdir=w,redirect_dir=nofollow,metacopy=off"
	if j.UserNS {
		options += ",userxattr"
	} else {
		options += ",index=off"
	}
	err := unix.Mount("overlay", rootPlace(j.Dir), "overlay", 0, options+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", rootPlace(j.Dir), "overlay", 0, options)
	}
	if err != nil {
		return fmt.Errorf("mounting the root filesystem (overlay of %d directories): %w", len(names), err)
	}
	return os.Chdir("/")
}

// linkDir makes a link to a directory that must exist.
func linkDir(dir, name string) error {
	if st, err := os.Stat(dir); err != nil {
		return err
	} else if !st.IsDir() {
		return &os.PathError{Op: "stat", Path: dir, Err: unix.ENOTDIR}
	}
	return os.Symlink(dir, name)
}

// copyOwner gives the directory to the owner and the mode of from, as the top of an overlay decides those of its root.
func copyOwner(from, to string) {
	var st unix.Stat_t
	if unix.Stat(from, &st) == nil {
		_ = unix.Chown(to, int(st.Uid), int(st.Gid))
		_ = unix.Chmod(to, st.Mode&0o7777)
	}
}

// mountBind prepares a mount for the runtime, with all that it contains and with the final flags on every part, so
// that the runtime has to change none: in a user namespace it could not keep the flags that are locked.
func mountBind(b bind) error {
	if b.Source == "" {
		flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
		if b.ReadOnly {
			flags |= unix.MS_RDONLY
		}
		options := "mode=1777"
		if b.Size > 0 {
			options += ",size=" + strconv.FormatInt(b.Size, 10)
		}
		return mountTmpfs(b.Place, flags, options)
	}
	st, err := os.Stat(b.Source)
	if err != nil {
		return fmt.Errorf("mounting: %w", err)
	}
	if st.IsDir() {
		err = os.Mkdir(b.Place, 0o755)
	} else {
		err = os.WriteFile(b.Place, nil, 0o644)
	}
	if err != nil {
		return fmt.Errorf("mounting %s: %w", b.Source, err)
	}
	if err := unix.Mount(b.Source, b.Place, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", b.Source, err)
	}
	flags := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
	if b.ReadOnly {
		flags |= unix.MOUNT_ATTR_RDONLY
	}
	if b.NoExec {
		flags |= unix.MOUNT_ATTR_NOEXEC
	}
	if err := addFlags(b.Place, flags); err != nil {
		return fmt.Errorf("mounting %s: %w", b.Source, err)
	}
	return nil
}

// mountTmpfs makes a directory and a tmpfs on it.
func mountTmpfs(place string, flags uintptr, options string) error {
	if err := os.Mkdir(place, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", place, "tmpfs", flags, options); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	return nil
}

// mountCgroups prepares what the process sees of cgroups: its own limits, where there are any, and nothing else. It
// lets language runtimes size themselves.
func mountCgroups(j *job) error {
	place := cgroupPlace(j.Dir)
	if path, ok := j.Cgroups[""]; ok && len(j.Cgroups) == 1 {
		return mountBind(bind{Source: path, Place: place, ReadOnly: true, NoExec: true})
	}
	if err := mountTmpfs(place, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return err
	}
	for controller, path := range j.Cgroups {
		if controller == "" {
			controller = "unified"
		}
		b := bind{Source: path, Place: filepath.Join(place, controller), ReadOnly: true, NoExec: true}
		if err := mountBind(b); err != nil {
			return err
		}
	}
	return setReadOnly(place)
}

func setReadOnly(path string) error { return addFlags(path, unix.MOUNT_ATTR_RDONLY) }

// addFlags adds mount flags to a mount and to all below it. Kernels before 5.12 can do the top one only.
func addFlags(path string, flags uint64) error {
	err := unix.MountSetattr(-1, path, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: flags})
	if !errors.Is(err, unix.ENOSYS) {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	old := uintptr(unix.MS_BIND | unix.MS_REMOUNT)
	for _, f := range []struct {
		st    int64
		attr  uint64
		mount uintptr
	}{
		{unix.ST_RDONLY, unix.MOUNT_ATTR_RDONLY, unix.MS_RDONLY},
		{unix.ST_NOSUID, unix.MOUNT_ATTR_NOSUID, unix.MS_NOSUID},
		{unix.ST_NODEV, unix.MOUNT_ATTR_NODEV, unix.MS_NODEV},
		{unix.ST_NOEXEC, unix.MOUNT_ATTR_NOEXEC, unix.MS_NOEXEC},
	} {
		if st.Flags&f.st != 0 || flags&f.attr != 0 {
			old |= f.mount
		}
	}
	return unix.Mount("", path, "", old, "")
}
