package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// InPlace lets Direct run processes in the root directory of the container itself, as Kaniko does: while one runs, the
// files of its image are in / and those of the container wait aside, so that it has the container's /proc, /sys and /dev.
// What is mounted in the root directory stays, and the directories that s2i itself needs. One process runs at a time, and
// s2i runs in one process.
type InPlace struct {
	place string
	keep  map[string]bool
	lock  *os.File
	turn  sync.Mutex
}

// systemDirs are directories that images have, so that none of them can stay.
const systemDirs = " bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var "

// MayRunInPlace tells whether this process is root of a container, which is what InPlace is for; and whether the container
// has nothing but s2i, so that nothing of it has to be moved out of the way.
func MayRunInPlace() (may, empty bool) {
	may = os.Geteuid() == 0 && !hasCapability(unix.CAP_SYS_ADMIN)
	empty = true
	for _, name := range []string{"bin", "sbin", "usr", "lib"} {
		if _, err := os.Lstat("/" + name); err == nil {
			empty = false
		}
	}
	return may, empty
}

// NewInPlace prepares a directory below the root directory for the files of images. needs are the files and directories
// that this process needs while processes run.
func NewInPlace(place string, needs []string) (*InPlace, error) {
	if may, _ := MayRunInPlace(); !may {
		return nil, fmt.Errorf("%w in place: only root of a container may do that, without CAP_SYS_ADMIN, since it moves all "+
			"files that are there", ErrUnavailable)
	}
	mounts, err := mountPoints("/")
	if err != nil {
		return nil, err
	}
	i := &InPlace{place: place, keep: map[string]bool{}}
	for _, name := range append(needs, place, "/proc", "/sys", "/dev") {
		stays, err := staying(name, mounts)
		if err != nil {
			return nil, err
		}
		if stays != "" {
			i.keep[stays] = true
		}
	}
	for _, m := range mounts {
		if !strings.Contains(m, "/") || slices.Contains([]string{"etc/resolv.conf", "etc/hosts", "etc/hostname"}, m) {
			i.keep[m] = true
		}
	}
	if err := os.MkdirAll(place, 0o755); err != nil { //nolint:gosec // processes of other users are run below it
		return nil, fmt.Errorf("preparing to run commands in place, which takes a root directory that can be written to: %w", err)
	}
	if i.lock, err = tryLock(place); err != nil {
		return nil, fmt.Errorf("running commands in place: another build does so in this container: %w", err)
	}
	if left, _ := os.ReadDir(i.aside()); len(left) > 0 {
		return nil, fmt.Errorf("running commands in place: a build was killed in this container, whose own files are still in %s: "+
			"start a new container", i.aside())
	}
	// What a command leaves behind becomes our child, and is found as such; and it can look neither into our memory nor at
	// our files.
	return i, errors.Join(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// Dir is where root filesystems have to be, on the file system of the root directory.
func (i *InPlace) Dir() string { return i.place }

func (i *InPlace) aside() string { return filepath.Join(i.place, "aside") }

// staying finds what has to stay so that a file keeps its place: a directory in the root directory that no image has, or a
// mount. It is relative to the root directory, and empty for that itself.
func staying(name string, mounts []string) (string, error) {
	real, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		real, err = filepath.Clean(name), nil
	}
	rel := strings.TrimPrefix(real, "/")
	top, _, _ := strings.Cut(rel, "/")
	if err != nil || rel == "" || strings.Contains(" proc sys dev ", " "+top+" ") {
		return top, err
	}
	for _, m := range mounts {
		if rel == m || strings.HasPrefix(rel, m+"/") {
			return m, nil
		}
	}
	if strings.Contains(systemDirs, " "+top+" ") {
		return "", fmt.Errorf("%w in place: %s is in a directory that images have, too: put it into a volume, or into a "+
			"directory like /workspace", ErrUnavailable, name)
	}
	return top, nil
}

// mountPoints lists the mount points below a directory, relative to it.
func mountPoints(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("listing the mounts of this container: %w", err)
	}
	var list []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		if rel, err := filepath.Rel(dir, point); err == nil && filepath.IsLocal(rel) && rel != "." {
			list = append(list, rel)
		}
	}
	return list, lines.Err()
}

// run runs a process whose image is in p.Rootfs.Dir.
func (i *InPlace) run(ctx context.Context, d Direct, p *Process) error {
	i.turn.Lock()
	defer i.turn.Unlock()
	if err := errors.Join(ctx.Err(), i.hidden(p), os.MkdirAll(i.aside(), 0o700)); err != nil {
		return err
	}
	root, err := unix.Open(p.Rootfs.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the root filesystem: %w", err)
	}
	defer unix.Close(root)
	program, err := lookBelow(root, p)
	if err != nil {
		return err
	}
	streams, err := openStreams(p)
	if err != nil {
		return err
	}
	defer streams.finish()
	defer streams.closeTheirs()
	streams.give(p.UID, p.GID)
	cmd := d.command(p, program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams.in, streams.out, streams.err
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.UID), Gid: uint32(p.GID), Groups: ids32(p.Groups)}
	x := &exchange{top: "/", image: p.Rootfs.Dir, aside: i.aside(), keep: i.keep}
	if x.mounts, err = mountPoints("/"); err != nil {
		return err
	}
	restore, err := i.overwrite(p.Mounts)
	if err != nil {
		return err
	}
	err = x.during(func() error {
		defer killStrays()
		return d.run(ctx, p, cmd)
	})
	if err := restore(); err != nil {
		return err
	}
	removeEmpty(i.aside())
	return err
}

// hidden finds what of an image the process would not see, and what it would write that nobody would see.
func (i *InPlace) hidden(p *Process) error {
	for _, m := range p.Mounts {
		if info, err := os.Stat(m.Target); strings.HasPrefix(m.Target, "/dev/") && (m.Source != "" || err != nil || !info.IsDir()) {
			return fmt.Errorf("%w in place: nothing can be mounted at %s, since /dev is the container's", ErrUnavailable, m.Target)
		}
	}
	for name := range i.keep {
		if info, err := os.Lstat("/" + name); err != nil || !info.IsDir() || strings.Contains(" proc sys dev ", " "+name+" ") {
			continue
		}
		in, err := os.ReadDir(filepath.Join(p.Rootfs.Dir, name))
		if err == nil && len(in) > 0 || p.Dir == "/"+name || strings.HasPrefix(p.Dir, "/"+name+"/") {
			return fmt.Errorf("%w in place: /%s is a part of the image, and of this container, too: give what the container has "+
				"there, such as the build context, another place", ErrUnavailable, name)
		}
	}
	return nil
}

// overwrite gives files that stay the content of what is to be mounted on them.
func (i *InPlace) overwrite(mounts []Mount) (restore func() error, err error) {
	was := map[string][]byte{}
	restore = func() error {
		var errs []error
		for file, data := range was {
			errs = append(errs, os.WriteFile(file, data, 0))
		}
		return errors.Join(errs...)
	}
	for _, m := range mounts {
		if !i.keep[strings.TrimPrefix(m.Target, "/")] {
			continue
		}
		want, err := os.ReadFile(m.Source)
		have, missing := os.ReadFile(m.Target)
		if err = errors.Join(err, missing); err == nil && bytes.Equal(want, have) {
			continue
		}
		if err == nil {
			was[m.Target] = have
			err = os.WriteFile(m.Target, want, 0)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("mounting at %s, where this container has a mount: %w", m.Target, err), restore())
		}
	}
	return restore, nil
}

// killStrays kills what descends from this process, but for its own process group.
func killStrays() {
	for range 100 {
		strays := descendants()
		if len(strays) == 0 {
			return
		}
		for _, pid := range strays {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil) // fails for those that are not our own children yet
		}
	}
}

// descendants lists the processes that have come from this one and have left its process group.
func descendants() (list []int) {
	parents, groups := map[int]int{}, map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name, in parentheses, may hold anything.
		var state string
		var parent, group int
		if _, err := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent, &group); err == nil {
			parents[pid], groups[pid] = parent, group
		}
	}
	self, own := os.Getpid(), unix.Getpgrp()
	for pid := range parents {
		at := pid
		for range len(parents) {
			if at = parents[at]; at == self || at == 0 {
				break
			}
		}
		if at == self && groups[pid] != own {
			list = append(list, pid)
		}
	}
	return list
}

// removeEmpty removes a directory and those in it, as far as they hold no files.
func removeEmpty(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeEmpty(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}
