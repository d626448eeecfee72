package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Direct runs processes in place, for containers and pods that are isolated already: on the file tree, network and
// process table that s2i itself has. Of Process,
//
//   - Hostname and, unless it has a Dir, Rootfs are ignored: what the process finds is what the container has;
//   - Mounts are not made but checked: Source must be Target already, or a link to it; the Target of a tmpfs must be a
//     directory. ReadOnly cannot be enforced;
//   - UID and GID are set when s2i is root, otherwise the process has those of s2i;
//   - Capabilities is ignored; as an ordinary user the process has none, as root it has those of s2i;
//   - NetworkNone and Limits are refused, because nothing here could enforce them.
//
// With Rootfs.Dir the process has that directory as its root directory, which takes CAP_SYS_CHROOT: root in a container
// has it by default. Then Mounts are copied, or moved, to their targets and away again; there are the usual devices in
// /dev, and /proc and /sys are empty; with InPlace all three are the container's.
//
// Cancellation ends the process and its process group. Descendants that leave the group are the container's to end.
type Direct struct {
	// Grace is the time between SIGTERM and SIGKILL when a run is cancelled; 0 is 500 ms.
	Grace time.Duration
	// InPlace, when set, puts the files of Rootfs.Dir into the container's root directory instead of changing it.
	InPlace *InPlace
}

// InContainer tells whether this process is a container's root that may make no sandbox and may change its root directory:
// the default of docker, podman and Kubernetes.
func InContainer() bool {
	return os.Geteuid() == 0 && !hasCapability(unix.CAP_SYS_ADMIN) && hasCapability(unix.CAP_SYS_CHROOT)
}

// Unavailable is the sandbox of builds that need none: it runs nothing.
type Unavailable struct {
	// Reason says why there is none.
	Reason error
}

// Run implements Sandbox.
func (u Unavailable) Run(_ context.Context, p Process) error {
	return fmt.Errorf("running %s: %w", orDefault(strings.Join(p.Args, " "), "nothing"), u.Reason)
}

// Run implements Sandbox.
func (d Direct) Run(ctx context.Context, p Process) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("preparing a process: %w", err)
	}
	if p.Rootfs.Dir != "" {
		if err := d.inDir(ctx, &p); err != nil {
			return fmt.Errorf("running %s without a sandbox: %w", p.Args[0], err)
		}
		return nil
	}
	if err := checkInPlace(&p); err != nil {
		return fmt.Errorf("running %s in place: %w", p.Args[0], err)
	}
	if p.Emulator != nil && !p.Emulator.Registered {
		return fmt.Errorf("running %s in place: %w: only a sandbox can register its emulator; let the machine's owner register it "+
			"(apt-get install qemu-user-static binfmt-support)", p.Args[0], ErrNoEmulator)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("running %s in place: %w", p.Args[0], err)
	}
	program, err := lookIn(p.Env, p.Args[0])
	if err != nil {
		return fmt.Errorf("running %s in place: %w", p.Args[0], err)
	}
	cmd := d.command(&p, program)
	if os.Geteuid() == 0 && (p.UID != 0 || p.GID != 0) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.UID), Gid: uint32(p.GID)}
	}
	if err := d.run(ctx, &p, cmd); err != nil {
		return fmt.Errorf("running %s in place: %w", p.Args[0], err)
	}
	return nil
}

// run runs a command to its end.
func (d Direct) run(ctx context.Context, p *Process, cmd *exec.Cmd) error {
	result, err := startInPlace(cmd, p.NewPrivileges)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.Args[0], err)
	}
	cancelled := make(chan bool, 1)
	stop := d.cancelWith(ctx, cmd.Process.Pid, cancelled)
	err = <-result
	close(stop)
	if <-cancelled {
		return ctx.Err()
	}
	return directResult(cmd, err)
}

// startInPlace starts cmd; the channel gets what Wait returns. A goroutine with a thread of its own does both: the
// thread is never unlocked, so it ends with the goroutine, and takes its "no new privileges" with it.
func startInPlace(cmd *exec.Cmd, newPrivileges bool) (<-chan error, error) {
	started, result := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if !newPrivileges {
			_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		}
		err := cmd.Start()
		started <- err
		if err == nil {
			result <- cmd.Wait()
		}
	}()
	return result, <-started
}

// command is the process, in a group of its own, that dies with us.
func (d Direct) command(p *Process, program string) *exec.Cmd {
	cmd := &exec.Cmd{Path: program, Args: p.Args, Env: append([]string{}, p.Env...), Dir: orDefault(p.Dir, "/"),
		Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, WaitDelay: d.grace(),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}}
	return cmd
}

func (d Direct) grace() time.Duration {
	if d.Grace == 0 {
		return 500 * time.Millisecond
	}
	return d.Grace
}

// cancelWith ends the process group pid when ctx ends. When stop is closed it ends what is left of the group, and says
// in cancelled whether ctx ended before.
func (d Direct) cancelWith(ctx context.Context, pid int, cancelled chan<- bool) (stop chan struct{}) {
	stop = make(chan struct{})
	go func() {
		ended := false
		select {
		case <-stop:
		case <-ctx.Done():
			ended = true
			_ = unix.Kill(-pid, unix.SIGTERM)
			select {
			case <-stop:
			case <-time.After(d.grace()):
				_ = unix.Kill(-pid, unix.SIGKILL)
				<-stop
			}
		}
		_ = unix.Kill(-pid, unix.SIGKILL)
		cancelled <- ended
	}()
	return stop
}

// directResult makes our error of that of os/exec.
func directResult(cmd *exec.Cmd, err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay) {
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
			err = exitError(ws)
		}
	}
	return err
}

// checkInPlace finds wishes that only isolation could meet.
func checkInPlace(p *Process) error {
	if p.Network == NetworkNone {
		return fmt.Errorf("%w: without a sandbox the network cannot be taken away", ErrUnavailable)
	}
	if p.Limits != (Limits{}) || len(p.Rlimits) > 0 || p.SharedMemory > 0 {
		return fmt.Errorf("%w without a sandbox: set them on the container or pod that this runs in", ErrLimits)
	}
	for _, m := range p.Mounts {
		target, err := os.Stat(m.Target)
		if err != nil {
			return fmt.Errorf("mount target is missing and cannot be made without a sandbox: %w", err)
		}
		if m.Source == "" {
			if !target.IsDir() {
				return fmt.Errorf("mount target %s is no directory", m.Target)
			}
			continue
		}
		source, err := os.Stat(m.Source)
		if err != nil {
			return fmt.Errorf("mounting: %w", err)
		}
		if !os.SameFile(source, target) {
			return fmt.Errorf("%s cannot appear at %s without a sandbox: put it there, or use a link", m.Source, m.Target)
		}
	}
	return nil
}

// lookIn finds a program as the process itself would, by the PATH of its environment.
func lookIn(env []string, name string) (string, error) {
	if filepath.Base(name) != name {
		return name, nil
	}
	path := ""
	for _, e := range env {
		if len(e) > 5 && e[:5] == "PATH=" {
			path = e[5:]
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%w: %s is not in PATH (%s)", exec.ErrNotFound, name, path)
}
