package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
)

// With a single id a file can belong to nobody but root. So that images are built all the same, the system calls that
// change owners are passed to s2i-sandbox (seccomp user notification, Linux 5.5), which records the owner instead of
// setting it: in the extended attribute archive.OwnerXattr, which overlayfs keeps with the file, or aside for links and
// other files that can have none. To the process all files appear to be root's.

// ownerCalls are the system calls that change owners.
var ownerCalls = []string{"chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32"}

// ownersSocket is where the runtime delivers the descriptor from which the calls are read.
func ownersSocket(dir string) string { return filepath.Join(dir, "owners.sock") }

// notifyOwners changes a seccomp profile so that the calls are passed on.
func notifyOwners(profile *specs.LinuxSeccomp, dir string) {
	for i := range profile.Syscalls {
		s := &profile.Syscalls[i]
		s.Names = slices.DeleteFunc(slices.Clone(s.Names), func(n string) bool { return slices.Contains(ownerCalls, n) })
	}
	profile.Syscalls = slices.DeleteFunc(profile.Syscalls, func(s specs.LinuxSyscall) bool { return len(s.Names) == 0 })
	profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{Names: ownerCalls, Action: specs.ActNotify})
	profile.ListenerPath = ownersSocket(dir)
}

// recorder records owners.
type recorder struct {
	proc, upper int // /proc of this pid namespace, and Rootfs.Upper, opened where they are visible
	file        string

	mu    sync.Mutex
	aside map[uint64]owner
}

// owner is what chown sets; -1 leaves what is there.
type owner struct{ uid, gid int32 }

// String gives uid:gid.
func (o owner) String() string { return fmt.Sprintf("%d:%d", o.uid, o.gid) }

// over completes o by what was there.
func (o owner) over(was owner) owner {
	if o.uid < 0 {
		o.uid = was.uid
	}
	if o.gid < 0 {
		o.gid = was.gid
	}
	return o
}

// startRecorder waits, in the background, for the runtime to deliver the descriptor.
func startRecorder(j *job) (*recorder, error) {
	c := &recorder{aside: map[uint64]owner{}, file: filepath.Join(j.Rootfs.Work, OwnersFile)}
	var err error
	if c.proc, err = unix.Open("/proc", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		c.upper, err = unix.Open(j.Rootfs.Upper, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("recording owners: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: ownersSocket(j.Dir), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("recording owners: %w", err)
	}
	go func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			if fd, err := receive(conn); err == nil {
				go c.serve(fd)
			}
			_ = conn.Close()
		}
	}()
	return c, nil
}

// receive reads what a runtime delivers (OCI runtime specification, config-linux.md, Seccomp listenerPath).
func receive(c *net.UnixConn) (int, error) {
	state, oob := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*8))
	n, oobn, _, _, err := c.ReadMsgUnix(state, oob)
	if err != nil {
		return 0, err
	}
	var msg specs.ContainerProcessState
	if err := json.Unmarshal(state[:n], &msg); err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) == 0 {
		return 0, errors.Join(err, errors.New("no descriptor was sent"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	i := slices.Index(msg.Fds, specs.SeccompFdName)
	if err != nil || i < 0 || i >= len(fds) {
		return 0, errors.Join(err, errors.New("no seccomp descriptor was sent"))
	}
	return fds[i], nil
}

// save writes what is recorded aside.
func (c *recorder) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.aside) == 0 {
		return nil
	}
	var text strings.Builder
	for ino, o := range c.aside {
		fmt.Fprintf(&text, "%d %s\n", ino, o)
	}
	return os.WriteFile(c.file, []byte(text.String()), 0o600)
}

// notification is the kernel's struct seccomp_notif, response its struct seccomp_notif_resp (linux/seccomp.h).
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id         uint64
	val        int64
	err, flags int32
}

const (
	notifReceive  = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	notifSend     = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	notifIDValid  = 0x40082102 // SECCOMP_IOCTL_NOTIF_ID_VALID
	notifContinue = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
)

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if e == 0 {
			return nil
		}
		if e != unix.EINTR {
			return e
		}
	}
}

// serve answers the calls of one container until it is gone. It has a thread of its own, with a root and a working
// directory of its own, that never does anything else.
func (c *recorder) serve(fd int) {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return
	}
	s := &caller{recorder: c, fd: fd}
	for {
		var n notification
		if err := ioctl(fd, notifReceive, unsafe.Pointer(&n)); err != nil {
			if errors.Is(err, unix.ENOENT) { // the caller was killed meanwhile
				continue
			}
			return
		}
		r := response{id: n.id}
		switch err := s.answer(&n); {
		case errors.Is(err, errUnknown):
			r.flags = notifContinue
		case err != nil:
			r.err = -int32(unix.EPERM)
			var e syscall.Errno
			if errors.As(err, &e) {
				r.err = -int32(e)
			}
		}
		_ = ioctl(fd, notifSend, unsafe.Pointer(&r))
	}
}

// errUnknown is the answer to calls that are left to the kernel.
var errUnknown = errors.New("not a call that is answered here")

// caller is a container that makes calls.
type caller struct {
	*recorder
	fd   int
	root int // of the container's mount namespace; 0 before that was entered
}

// call is a call to change an owner: of a file by descriptor, or by its name.
type call struct {
	dir   int32 // the descriptor of the file, or of the directory that name starts from
	name  uint64
	flags uint64
	want  owner
}

// parse reads the arguments of a call on the architectures that there are programs of here.
func (n *notification) parse() (call, bool) {
	a := n.args
	want := func(i int) owner { return owner{int32(a[i]), int32(a[i+1])} }
	byName := func(flags uint64) call { return call{unix.AT_FDCWD, a[0], flags, want(1)} }
	byFD := call{int32(a[0]), 0, unix.AT_EMPTY_PATH, want(1)}
	at := call{int32(a[0]), a[1], a[4], want(2)}
	switch [2]uint32{n.arch, uint32(n.nr)} {
	case [2]uint32{unix.AUDIT_ARCH_X86_64, 92}:
		return byName(0), true
	case [2]uint32{unix.AUDIT_ARCH_X86_64, 94}:
		return byName(unix.AT_SYMLINK_NOFOLLOW), true
	case [2]uint32{unix.AUDIT_ARCH_X86_64, 93}, [2]uint32{unix.AUDIT_ARCH_AARCH64, 55}:
		return byFD, true
	case [2]uint32{unix.AUDIT_ARCH_X86_64, 260}, [2]uint32{unix.AUDIT_ARCH_AARCH64, 54}:
		return at, true
	}
	return call{}, false
}

// answer does what a call asks for.
func (s *caller) answer(n *notification) error {
	c, ok := n.parse()
	if !ok {
		return errUnknown
	}
	task, err := unix.Openat(s.proc, fmt.Sprint(n.pid), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return unix.ESRCH
	}
	defer unix.Close(task)
	name := ""
	if c.name != 0 {
		if name, err = readString(task, c.name); err != nil {
			return err
		}
	}
	// The id of a task that has ended may be another's by now.
	if err := ioctl(s.fd, notifIDValid, unsafe.Pointer(&n.id)); err != nil {
		return unix.ESRCH
	}
	file, err := s.open(task, &c, name)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	return s.chown(file, c.want)
}

// maxPath is the longest name that the kernel takes.
const maxPath = 4096

// readString reads a name in the memory of a task.
func readString(task int, at uint64) (string, error) {
	mem, err := unix.Openat(task, "mem", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", unix.EFAULT
	}
	defer unix.Close(mem)
	var out []byte
	for len(out) < maxPath {
		// Not beyond a page, since the next may not be there.
		part := make([]byte, 4096-(at+uint64(len(out)))%4096)
		n, err := unix.Pread(mem, part, int64(at)+int64(len(out)))
		if err != nil || n <= 0 {
			return "", unix.EFAULT
		}
		if i := slices.Index(part[:n], 0); i >= 0 {
			return string(append(out, part[:i]...)), nil
		}
		out = append(out, part[:n]...)
	}
	return "", unix.ENAMETOOLONG
}

// open finds the file that a call is about, as the task would.
func (s *caller) open(task int, c *call, name string) (int, error) {
	const flags = unix.O_PATH | unix.O_CLOEXEC
	start := "cwd"
	if c.dir != unix.AT_FDCWD {
		start = fmt.Sprintf("fd/%d", c.dir)
	}
	if name == "" {
		if c.flags&unix.AT_EMPTY_PATH == 0 {
			return 0, unix.ENOENT
		}
		fd, err := unix.Openat(task, start, flags, 0)
		return fd, badFD(err)
	}
	if err := s.enter(task); err != nil {
		return 0, err
	}
	root, err := unix.Openat(task, "root", flags, 0)
	if err != nil {
		return 0, unix.ESRCH
	}
	defer unix.Close(root)
	if err := errors.Join(unix.Fchdir(root), unix.Chroot(".")); err != nil {
		return 0, err
	}
	defer func() { _ = errors.Join(unix.Fchdir(s.root), unix.Chroot(".")) }()
	from, err := unix.Openat(task, start, flags, 0)
	if err != nil {
		return 0, badFD(err)
	}
	defer unix.Close(from)
	follow := 0
	if c.flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
		follow = unix.O_NOFOLLOW
	}
	return unix.Openat(from, name, flags|follow, 0)
}

func badFD(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return unix.EBADF
	}
	return err
}

// enter makes this thread see the files that the container sees.
func (s *caller) enter(task int) error {
	if s.root != 0 {
		return nil
	}
	ns, err := unix.Openat(task, "ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return err
	}
	s.root, err = unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	return err
}

// chown records an owner, with all else that a change of owner brings about.
func (s *caller) chown(file int, want owner) error {
	var st unix.Stat_t
	// It copies the file to the upper directory, and takes the setuid bits and capabilities of a program away.
	if err := unix.Fchownat(file, "", -1, -1, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if err := unix.Fstatat(file, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return s.chownAside(file, want)
	}
	// By its link in our own /proc, which leads to the file wherever it is.
	if err := unix.Fchdir(s.proc); err != nil {
		return err
	}
	link := fmt.Sprintf("self/fd/%d", file)
	value := make([]byte, 64)
	var was owner
	if n, err := unix.Getxattr(link, archive.OwnerXattr, value); err == nil {
		_, _ = fmt.Sscanf(string(value[:n]), "%d:%d", &was.uid, &was.gid)
	}
	next := want.over(was)
	if next == was {
		return nil
	}
	if next == (owner{}) {
		return unix.Removexattr(link, archive.OwnerXattr)
	}
	return unix.Setxattr(link, archive.OwnerXattr, []byte(next.String()), 0)
}

// chownAside records the owner of a file that can have no attributes.
func (s *caller) chownAside(file int, want owner) error {
	if err := unix.Fchdir(s.proc); err != nil {
		return err
	}
	buf := make([]byte, maxPath)
	n, err := unix.Readlinkat(unix.AT_FDCWD, fmt.Sprintf("self/fd/%d", file), buf)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	rel := strings.TrimPrefix(string(buf[:n]), "/")
	if unix.Fstatat(s.upper, rel, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil // it is in no layer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aside[st.Ino] = want.over(s.aside[st.Ino])
	return nil
}
