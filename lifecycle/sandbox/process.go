package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Sandbox runs one process to its end.
type Sandbox interface {
	// Run returns nil when the process ends with status 0, an *ExitError when it ends otherwise, an error that wraps
	// ctx.Err() when ctx ended first, and any other error when the process could not be started. When Run returns,
	// the process and all its descendants are gone.
	Run(ctx context.Context, p Process) error
}

// Process is what to run, and where.
type Process struct {
	// Rootfs is the root filesystem. Required by OCI; Direct knows only plain directories.
	Rootfs Rootfs
	// Args are the program and its arguments. A program without a slash is looked up in PATH of Env. Required.
	Args []string
	// Env is the whole environment, as NAME=value; OCI adds HOME=/ when there is no HOME.
	Env []string
	// Dir is the absolute working directory inside; empty is "/".
	Dir string
	// UID and GID are the user and group inside; see Mode for which of them an ordinary user gets.
	UID, GID int
	// Groups are further groups of the process. With a single id it has none.
	Groups []int
	// Capabilities are added to none at all, as in "CAP_CHOWN".
	Capabilities []string
	// Privileged gives it all capabilities there are for it, and hides no system calls and files of the kernel from it.
	Privileged bool
	// Owners lets the process, where only user 0 exists, give files to others: that is recorded. See ModeSingle.
	Owners bool
	// NewPrivileges lets setuid programs have an effect.
	NewPrivileges bool
	// Mounts are made in this order on top of Rootfs.
	Mounts []Mount
	// Network is the network inside; the zero value is the host's.
	Network Network
	// Hostname is the host's name inside; empty is "s2i".
	Hostname string
	// Limits bound what the process and its descendants use together.
	Limits Limits
	// Rlimits are limits of each process by itself, in place of those that all processes have.
	Rlimits []Rlimit
	// SharedMemory is the size of /dev/shm in bytes; 0 is 64 MB.
	SharedMemory int64
	// Emulator runs the process when it is for another architecture, and whatever it starts; see FindEmulator.
	Emulator *Emulator
	// Stdin is where standard input comes from; nil is an empty input.
	Stdin io.Reader
	// Stdout and Stderr are where the outputs go; nil drops them. The same value may be given for both.
	Stdout, Stderr io.Writer
}

// Rootfs is where a root filesystem comes from. All paths are absolute, and exist.
type Rootfs struct {
	// Lower are overlayfs lower directories, top first, at least one.
	Lower []string
	// Upper is the directory that takes all changes, in the form of overlayfs (whiteouts are character devices 0/0;
	// an opaque directory has trusted.overlay.opaque, in a user namespace user.overlay.opaque). Empty makes the root
	// filesystem read-only.
	Upper string
	// Work is an empty directory on Upper's filesystem, or Dir's; required with either.
	Work string
	// Dir is a plain directory that is the whole root filesystem: for Direct, which changes into it (chroot), and which
	// takes no other.
	Dir string
}

// Mount is a part of the file tree inside that comes from outside of Rootfs.
type Mount struct {
	// Source is the file or directory outside that appears at Target; empty is a new tmpfs, open to all users.
	Source string
	// Target is the absolute path inside. It is made when it is missing.
	Target string
	// ReadOnly forbids writing, also below mounts that Source contains.
	ReadOnly bool
	// Size bounds a tmpfs, in bytes; 0 is no bound.
	Size int64
}

// Network says which network a process sees.
type Network string

const (
	// NetworkHost is the network of the host.
	NetworkHost Network = "host"
	// NetworkNone is a network with nothing but a loopback interface.
	NetworkNone Network = "none"
)

// Limits bound a process and its descendants together. Zero is no limit.
type Limits struct {
	// Memory is in bytes, swap included.
	Memory int64
	// CPUs is a number of processors, such as 1.5.
	CPUs float64
	// PIDs is a number of processes and threads.
	PIDs int64
}

// Rlimit is a limit that each process has by itself (getrlimit(2)).
type Rlimit struct {
	// Name is that of the system, such as RLIMIT_NOFILE.
	Name       string
	Soft, Hard uint64
}

// check finds what no sandbox could run.
func (p *Process) check() error {
	switch {
	case len(p.Args) == 0 || p.Args[0] == "":
		return errors.New("no program to run was given")
	case p.Dir != "" && !path.IsAbs(p.Dir):
		return fmt.Errorf("working directory %q is not an absolute path", p.Dir)
	case p.UID < 0 || p.GID < 0:
		return fmt.Errorf("user %d:%d is negative", p.UID, p.GID)
	case p.Network != "" && p.Network != NetworkHost && p.Network != NetworkNone:
		return fmt.Errorf("network %q is unknown: use %q or %q", p.Network, NetworkHost, NetworkNone)
	case p.SharedMemory < 0:
		return errors.New("the size of /dev/shm is negative")
	case p.Limits.Memory < 0 || p.Limits.CPUs < 0 || p.Limits.PIDs < 0:
		return errors.New("a limit is negative")
	}
	for _, s := range append(append([]string{p.Dir}, p.Args...), p.Env...) {
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("%q holds a zero byte", s)
		}
	}
	return p.checkMounts()
}

// mounts are those that are asked for and, when the kernel looks for the emulator inside, the emulator.
func (p *Process) mounts() []Mount {
	e := p.Emulator
	if e == nil || !e.Registered || e.Program == "" {
		return p.Mounts
	}
	return append(slices.Clone(p.Mounts), Mount{Source: e.Program, Target: e.Program, ReadOnly: true})
}

// checkMounts finds mounts that would hide what every sandbox needs, or that name no place.
func (p *Process) checkMounts() error {
	for _, m := range p.Mounts {
		clean := path.Clean(m.Target)
		switch top, _, _ := strings.Cut(strings.TrimPrefix(clean, "/"), "/"); {
		case !path.IsAbs(m.Target):
			return fmt.Errorf("mount target %q is not an absolute path", m.Target)
		case clean == "/":
			return errors.New("a mount cannot replace the root filesystem")
		case top == "proc" || top == "sys" || clean == "/dev":
			return fmt.Errorf("mount target %s would hide a part of /%s", m.Target, top)
		case m.Source != "" && !filepath.IsAbs(m.Source):
			return fmt.Errorf("mount source %q is not an absolute path", m.Source)
		}
	}
	return nil
}

// check finds root filesystems that cannot be put together.
func (r *Rootfs) check() error {
	switch {
	case len(r.Lower) == 0 || r.Dir != "":
		return errors.New("the root filesystem has no layers of directories")
	case (r.Upper == "") != (r.Work == ""):
		return errors.New("the root filesystem needs both an upper and a work directory, or none")
	}
	for _, dir := range append(append([]string{}, r.Lower...), r.Upper, r.Work) {
		if dir != "" && !filepath.IsAbs(dir) {
			return fmt.Errorf("root filesystem directory %q is not an absolute path", dir)
		}
	}
	return nil
}

// OwnersFile is the file in Rootfs.Work in which a run with a single id records the owners of files in Rootfs.Upper that
// can have no extended attributes: lines of an inode number and uid:gid. See ModeSingle.
const OwnersFile = "owners"
