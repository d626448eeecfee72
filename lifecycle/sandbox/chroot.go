package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inDir runs a process in a plain directory as its root directory. Nothing is mounted: see putter for what is done
// instead.
func (d Direct) inDir(ctx context.Context, p *Process) error {
	if err := d.checkPlain(p); err != nil {
		return err
	}
	var err error
	if p.Rootfs.Dir, err = filepath.EvalSymlinks(p.Rootfs.Dir); err != nil {
		return err
	}
	put, err := newPutter(p.Rootfs.Dir, p.Rootfs.Work)
	if err != nil {
		return err
	}
	if d.InPlace == nil {
		err = put.system()
	}
	if err == nil {
		err = put.all(p.Mounts)
	}
	switch {
	case err != nil:
	case d.InPlace != nil:
		err = d.InPlace.run(ctx, d, p)
	default:
		err = d.runIn(ctx, p)
	}
	return errors.Join(err, put.undo())
}

// checkPlain finds wishes that only isolation could meet, and what even this needs.
func (d Direct) checkPlain(p *Process) error {
	switch {
	case d.InPlace == nil && (os.Geteuid() != 0 || !hasCapability(unix.CAP_SYS_CHROOT)):
		return fmt.Errorf("%w: to run commands in an image's file system, namespaces or CAP_SYS_CHROOT are needed; run as root "+
			"in this container, as which it has that capability by default, or let it make user namespaces", ErrUnavailable)
	case p.Network == NetworkNone:
		return fmt.Errorf("%w: without a sandbox the network cannot be taken away", ErrUnavailable)
	case p.Limits != (Limits{}):
		return fmt.Errorf("%w without a sandbox: set them on the container or pod that this runs in", ErrLimits)
	case len(p.Rlimits) > 0 || p.SharedMemory > 0:
		return fmt.Errorf("%w without a sandbox, nor a size of /dev/shm: set them on the container or pod that this runs in", ErrLimits)
	case p.Emulator != nil && !p.Emulator.Registered:
		return fmt.Errorf("%w: without a sandbox an emulator has to be registered for the whole machine", ErrUnavailable)
	}
	return nil
}

// runIn runs a process and ends everything that it has left behind.
func (d Direct) runIn(ctx context.Context, p *Process) error {
	dir, err := unix.Open(p.Rootfs.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the root filesystem: %w", err)
	}
	defer unix.Close(dir)
	program, err := lookBelow(dir, p)
	if err != nil {
		return err
	}
	cmd := d.command(p, program)
	cmd.SysProcAttr.Chroot = p.Rootfs.Dir
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.UID), Gid: uint32(p.GID), Groups: ids32(p.Groups)}
	defer killIn(p.Rootfs.Dir)
	return d.run(ctx, p, cmd)
}

// lookBelow finds a program by PATH as the process itself would.
func lookBelow(root int, p *Process) (string, error) {
	name := p.Args[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	list := ""
	for _, e := range p.Env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			list = value
		}
	}
	for _, dir := range filepath.SplitList(list) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		fd, err := openIn(root, strings.TrimPrefix(file, "/"))
		if err != nil {
			continue
		}
		var st unix.Stat_t
		err = unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH)
		_ = unix.Close(fd)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%w: %s is not in PATH (%s)", exec.ErrNotFound, name, list)
}

// killIn kills the processes whose root directory is dir: those that have left the process group, too.
func killIn(dir string) {
	for range 100 {
		found := false
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			root, err := os.Readlink(filepath.Join("/proc", e.Name(), "root"))
			if err != nil || root != dir {
				continue
			}
			if stat, err := os.ReadFile("/proc/" + e.Name() + "/stat"); err != nil || zombie(stat) {
				continue
			}
			found = true
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if !found {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// putter puts things where a sandbox would mount them. What is there already waits beside the root filesystem. A
// directory that may be written to is moved there and back, or copied when it is on another file system; anything else
// is copied, and what becomes of it is dropped.
type putter struct {
	root  int
	dir   string
	work  string
	undos []func() error
}

func newPutter(dir, work string) (*putter, error) {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the root filesystem: %w", err)
	}
	return &putter{root: root, dir: dir, work: work}, nil
}

// undo takes everything away again, the last first.
func (t *putter) undo() error {
	var errs []error
	for i := len(t.undos) - 1; i >= 0; i-- {
		errs = append(errs, t.undos[i]())
	}
	return errors.Join(append(errs, unix.Close(t.root))...)
}

// system puts what every process finds in its file tree.
func (t *putter) system() error {
	if err := t.put(Mount{Target: "/dev"}, t.makeDev); err != nil {
		return err
	}
	for _, name := range []string{"/proc", "/sys"} {
		if err := t.put(Mount{Target: name}, func(at string) error { return os.Mkdir(at, 0o555) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *putter) all(mounts []Mount) error {
	for _, m := range mounts {
		if err := t.put(m, func(at string) error { return t.fill(m, at) }); err != nil {
			return err
		}
	}
	return nil
}

// put makes something at a mount's target.
func (t *putter) put(m Mount, fill func(at string) error) error {
	file := false
	if m.Source != "" {
		info, err := os.Stat(m.Source)
		if err != nil {
			return fmt.Errorf("mounting: %w", err)
		}
		file = !info.IsDir()
	}
	made, err := makePoints(t.dir, []target{{Path: m.Target, File: file}})
	t.undos = append(t.undos, func() error { removePoints(t.dir, made); return nil })
	if err != nil {
		return err
	}
	s, err := t.spot(m.Target)
	if err != nil {
		return fmt.Errorf("mounting at %s: %w", m.Target, err)
	}
	t.undos = append(t.undos, s.close)
	aside := filepath.Join(t.work, "aside-"+strconv.Itoa(len(t.undos)))
	if err := os.Rename(s.path(), aside); err != nil {
		return fmt.Errorf("mounting at %s: %w", m.Target, err)
	}
	t.undos = append(t.undos, func() error { return s.restore(aside) })
	if err := fill(s.path()); err != nil {
		return fmt.Errorf("mounting at %s: %w", m.Target, err)
	}
	check, err := s.watch(m.Target)
	if err != nil {
		return fmt.Errorf("mounting at %s: %w", m.Target, err)
	}
	t.undos = append(t.undos, check)
	return nil
}

// spot is a name in a directory that is kept open, so that it is found again wherever the directory is moved.
type spot struct {
	parent int
	name   string
}

// spot finds a target, following links inside of the root filesystem.
func (t *putter) spot(name string) (*spot, error) {
	fd, err := openIn(t.root, strings.TrimPrefix(filepath.Clean(name), "/"))
	if err != nil {
		return nil, err
	}
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	_ = unix.Close(fd)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(real, t.dir+"/") {
		return nil, fmt.Errorf("it leads to the root directory")
	}
	parent, err := unix.Open(filepath.Dir(real), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	return &spot{parent: parent, name: filepath.Base(real)}, err
}

func (s *spot) path() string { return fmt.Sprintf("/proc/self/fd/%d/%s", s.parent, s.name) }

func (s *spot) close() error { return unix.Close(s.parent) }

// watch remembers what is at the spot. The check says whether the process has moved it elsewhere: there it would become
// a part of the image, which nothing that is mounted may.
func (s *spot) watch(name string) (check func() error, err error) {
	fd, err := unix.Openat(s.parent, s.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return func() error {
		defer unix.Close(fd)
		var put, now unix.Stat_t
		if err := unix.Fstatat(fd, "", &put, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
		err := unix.Fstatat(s.parent, s.name, &now, unix.AT_SYMLINK_NOFOLLOW)
		if put.Nlink > 0 && (err != nil || put.Ino != now.Ino || put.Dev != now.Dev) {
			return fmt.Errorf("the command has moved what is mounted at %s", name)
		}
		return nil
	}, nil
}

// restore takes away what was put, and puts back what was there.
func (s *spot) restore(aside string) error {
	err := os.RemoveAll(s.path())
	if back := os.Rename(aside, s.path()); back != nil && !errors.Is(back, fs.ErrNotExist) {
		err = errors.Join(err, back)
	}
	return err
}

// fill puts what a mount shows.
func (t *putter) fill(m Mount, at string) error {
	if m.Source == "" {
		return errors.Join(os.Mkdir(at, 0o777), os.Chmod(at, 0o777|os.ModeSticky))
	}
	info, err := os.Stat(m.Source)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket != 0:
		stop, err := forward(at, m.Source)
		if err == nil {
			t.undos = append(t.undos, stop)
		}
		return err
	case m.ReadOnly:
		return copyTree(m.Source, at)
	}
	err = os.Rename(m.Source, at)
	if err == nil {
		t.undos = append(t.undos, func() error { return os.Rename(at, m.Source) })
		return nil
	}
	if !errors.Is(err, unix.EXDEV) {
		return err
	}
	t.undos = append(t.undos, func() error {
		return errors.Join(os.RemoveAll(m.Source), copyTree(at, m.Source))
	})
	return copyTree(m.Source, at)
}
