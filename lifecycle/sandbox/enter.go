package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// enterName is the name (argv[0]) under which the program is started again as root of a user namespace.
const enterName = "s2i-userns"

// Enter lets an ordinary user with subordinate ids be root of a user namespace: it starts this program again there,
// with the same arguments, environment and files, and waits for its end. User 0 there is the caller, every other id a
// subordinate one. So all that a build unpacks, changes, packs and removes has its real owners, and none of it is out
// of reach. Nothing is done, and entered is false, for root, inside of a user namespace already, and for users without
// subordinate ids.
func Enter() (code int, entered bool, err error) {
	if os.Geteuid() == 0 || inUserNamespace() {
		return 0, false, nil
	}
	uids, gids, err := subordinate()
	if err != nil {
		return 0, false, nil // then a single id has to do
	}
	// The child is killed when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := startInside(rootMap(os.Getuid(), uids), rootMap(os.Getgid(), gids))
	if err != nil {
		return 0, false, nil // newuidmap does not work, or namespaces are forbidden: NewOCI says so
	}
	defer passSignals(cmd.Process)()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, true, fmt.Errorf("waiting for the build in a user namespace: %w", err)
	}
	ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal()), true, nil
	}
	return cmd.ProcessState.ExitCode(), true, nil
}

// startInside starts this program in a user namespace with these ids.
func startInside(uids, gids []mapping) (*exec.Cmd, error) {
	var ready [2]int // inherited under its own number: whoever called us may have given us a file 3
	if err := syscall.Pipe(ready[:]); err != nil {
		return nil, err
	}
	defer syscall.Close(ready[1])
	syscall.CloseOnExec(ready[1])
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{enterName, strconv.Itoa(ready[0])}, os.Args...),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, AmbientCaps: allCapabilities()}}
	err := cmd.Start()
	_ = syscall.Close(ready[0])
	if err != nil {
		return nil, err
	}
	if err := writeMaps(cmd.Process.Pid, uids, gids); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	_, err = syscall.Write(ready[1], []byte{1})
	return cmd, err
}

// allCapabilities keeps the powers over a user namespace whose ids are mapped only after the start.
func allCapabilities() []uintptr {
	last, err := strconv.Atoi(sysctl("kernel/cap_last_cap"))
	if err != nil {
		last = unix.CAP_AUDIT_READ
	}
	var all []uintptr
	for c := range last + 1 {
		all = append(all, uintptr(c))
	}
	return all
}

// passSignals passes on the signals that end a program. One from the terminal has reached the child already.
func passSignals(child *os.Process) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGINT || !inForeground() {
					_ = child.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

// inForeground tells whether what is typed at a terminal reaches this process and its children.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// entered is the first thing that the program does in its user namespace: it waits until ids are mapped, becomes user
// 0, and goes on as if it had been called by its own name.
func entered() error {
	fd, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	var b [1]byte
	n, err := syscall.Read(fd, b[:])
	if err != nil || n != 1 {
		return errors.New("the ids were not mapped")
	}
	_ = syscall.Close(fd)
	if err := syscall.Setresgid(0, 0, 0); err != nil {
		return err
	}
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return err
	}
	os.Args = os.Args[2:]
	// Changing the user has made the kernel forget it.
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}
