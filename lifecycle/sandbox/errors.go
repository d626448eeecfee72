package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrUnavailable is in the chain of errors that say that this machine, or the container that we are in, does not let
// us isolate a process. The message says what to enable.
var ErrUnavailable = errors.New("no isolation is possible here")

// ErrLimits is in the chain of errors that say that limits cannot be enforced.
var ErrLimits = errors.New("limits cannot be enforced")

// ErrNoRuntime is in the chain of errors that say that no OCI runtime was found.
var ErrNoRuntime = errors.New("no OCI runtime was found")

// ExitError says how a process ended that did not end with status 0.
type ExitError struct {
	// Code is the exit status; 128 plus the signal's number when a signal ended the process.
	Code int
	// Signal is the signal that ended the process, or 0.
	Signal syscall.Signal
	// OutOfMemory says that processes were killed because Limits.Memory was reached.
	OutOfMemory bool
}

// Error names the exit status or the signal.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != 0 {
		text = "killed by " + unix.SignalName(e.Signal)
	}
	if e.OutOfMemory {
		text += " (the memory limit was reached)"
	}
	return text
}

// exitError makes the result of a process from how it ended.
func exitError(ws syscall.WaitStatus) error {
	switch {
	case ws.Signaled():
		return &ExitError{Code: 128 + int(ws.Signal()), Signal: ws.Signal()}
	case ws.ExitStatus() != 0:
		return &ExitError{Code: ws.ExitStatus()}
	}
	return nil
}

// wayOut ends the messages of errors that mean that namespaces are forbidden.
const wayOut = "; inside a container or pod that is isolated already, run the build in place (--isolation direct)"

// explainStart says why the kernel refuses new namespaces, and what to change.
func explainStart(err error, rootless bool) error {
	var hint string
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("starting the sandbox: %w", err)
	case !rootless:
		hint = "root lacks CAP_SYS_ADMIN or a seccomp profile forbids new namespaces"
	case sysctl("user/max_user_namespaces") == "0":
		hint = "user namespaces are off; enable them as root: sysctl -w user.max_user_namespaces=15000"
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		hint = "user namespaces are for root only; open them as root: sysctl -w kernel.unprivileged_userns_clone=1"
	case errors.Is(err, unix.ENOSPC):
		hint = "the number of user namespaces is used up; raise it as root: sysctl -w user.max_user_namespaces=15000"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		hint = "the kernel has no user namespaces (CONFIG_USER_NS)"
	default:
		hint = "a seccomp or security profile forbids new user namespaces" + appArmorHint()
	}
	return fmt.Errorf("%w: starting the sandbox: %w: %s%s", ErrUnavailable, err, hint, wayOut)
}

// appArmorHint names the switch by which Ubuntu keeps ordinary users' namespaces without powers.
func appArmorHint() string {
	if sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" {
		return "; AppArmor restricts user namespaces (as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)"
	}
	return ""
}

// sysctl reads a kernel setting; empty when there is none of that name.
func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
