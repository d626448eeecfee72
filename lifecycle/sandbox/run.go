package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// run is one run of a process, seen from outside.
type run struct {
	sandbox *OCI
	process *Process
	dir     string
	limits  *cgroup
	// nproc is RLIMIT_NPROC of the process, or 0.
	nproc int64
}

// child is a started s2i-sandbox.
type child struct {
	cmd *exec.Cmd
	// control carries the job, then signals; its end of file is the death of this process.
	control *os.File
	// status is where the result comes from.
	status  *os.File
	streams *streams
}

// do runs the process. It keeps its thread, because the kernel takes the end of the thread that started s2i-sandbox
// for the end of its parent.
func (r *run) do(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := r.start()
	if err != nil {
		return err
	}
	stop := c.cancelWith(ctx, r.sandbox.options.Grace)
	st, err := c.talk(r.job())
	cancelled := stop()
	c.streams.finish()
	switch {
	case ctx.Err() != nil && (cancelled || err != nil):
		return fmt.Errorf("running %s in a sandbox: %w", r.process.Args[0], ctx.Err())
	case err != nil && r.limits.outOfMemory():
		exit := &ExitError{Code: 128 + int(unix.SIGKILL), Signal: unix.SIGKILL, OutOfMemory: true}
		return fmt.Errorf("running %s in a sandbox: %w", r.process.Args[0], exit)
	case err != nil:
		return fmt.Errorf("running %s in a sandbox: %w", r.process.Args[0], err)
	}
	if st.Runtime != "" {
		r.sandbox.remember(st.Runtime)
	}
	return r.result(st)
}

// result makes an error of what s2i-sandbox tells.
func (r *run) result(st *status) error {
	if st.Error != "" {
		err := errors.New(st.Error)
		if st.Unavailable {
			err = fmt.Errorf("%w: %s%s%s", ErrUnavailable, st.Error, appArmorHint(), wayOut)
		}
		return fmt.Errorf("running %s in a sandbox: %w", r.process.Args[0], err)
	}
	err := exitError(syscall.WaitStatus(st.Wait))
	var exit *ExitError
	if errors.As(err, &exit) {
		exit.OutOfMemory = r.limits.outOfMemory()
		return fmt.Errorf("running %s in a sandbox: %w", r.process.Args[0], err)
	}
	return err
}

// start starts s2i-sandbox.
func (r *run) start() (*child, error) {
	c, err := r.spawn()
	if err != nil {
		return nil, explainStart(err, r.sandbox.mode != ModeRoot)
	}
	if err := r.limits.add(c.cmd.Process.Pid); err != nil {
		c.abandon()
		return nil, fmt.Errorf("running %s in a sandbox: %w", r.process.Args[0], err)
	}
	return c, nil
}

// spawn starts this program again as s2i-sandbox in new namespaces. There it waits for its job.
func (r *run) spawn() (*child, error) {
	controlR, controlW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer controlR.Close()
	statusR, statusW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, controlW.Close())
	}
	defer statusW.Close()
	s, err := openStreams(r.process)
	if err != nil {
		return nil, errors.Join(err, controlW.Close(), statusR.Close())
	}
	defer s.closeTheirs()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{Name}, Env: []string{}, Dir: "/",
		Stdin: s.in, Stdout: s.out, Stderr: s.err,
		ExtraFiles: []*os.File{controlR, statusW}, SysProcAttr: attributes(r.sandbox.mode, r.newUserNS())}
	c := &child{cmd: cmd, control: controlW, status: statusR, streams: s}
	if err := cmd.Start(); err != nil {
		s.closeTheirs()
		s.finish()
		return nil, errors.Join(err, controlW.Close(), statusR.Close())
	}
	return c, nil
}

// attributes are the namespaces and powers that s2i-sandbox starts with.
func attributes(m Mode, newUserNS bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		// Its check that the parent still lives fails in a new pid namespace, where the parent has no id, but a signal
		// of a pid 1 to itself has no effect.
		Pdeathsig: unix.SIGKILL,
		// Ctrl-C goes to the whole foreground process group; what it does to the process is decided by us.
		Setsid: true,
	}
	switch {
	case m == ModeSingle:
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	case newUserNS:
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings, a.GidMappings = sameIDs("/proc/self/uid_map"), sameIDs("/proc/self/gid_map")
		a.GidMappingsEnableSetgroups = true
	}
	return a
}

// newUserNS tells whether the run needs a user namespace of its own: an emulator that is registered in the one that we
// are in would be there for all of it, and for root for the whole machine.
func (r *run) newUserNS() bool {
	e := r.process.Emulator
	return r.sandbox.mode == ModeSingle || e != nil && !e.Registered
}

// maxStatus bounds what is read of s2i-sandbox's answer, in bytes.
const maxStatus = 1 << 20

// talk gives the job to s2i-sandbox and waits for its answer and its end.
func (c *child) talk(j *job, err error) (*status, error) {
	defer c.status.Close()
	if err != nil {
		c.abandon()
		return nil, err
	}
	b, err := json.Marshal(j)
	if err == nil {
		_, err = c.control.Write(append(b, '\n'))
	}
	if err != nil {
		c.abandon()
		return nil, fmt.Errorf("instructing the sandbox: %w", err)
	}
	st := new(status)
	read := json.NewDecoder(io.LimitReader(c.status, maxStatus)).Decode(st)
	waited := c.cmd.Wait()
	if read != nil {
		return nil, fmt.Errorf("the sandbox ended without an answer: %w", errors.Join(waited, read))
	}
	return st, nil
}

// abandon ends s2i-sandbox, and with it everything in its namespaces.
func (c *child) abandon() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	_ = c.control.Close()
	_ = c.status.Close()
	c.streams.finish()
}

// cancelWith ends the process when ctx ends: SIGTERM, and after grace SIGKILL to everything. The returned function
// ends the watch and says whether ctx ended before it.
func (c *child) cancelWith(ctx context.Context, grace time.Duration) func() bool {
	done, result := make(chan struct{}), make(chan bool, 1)
	go func() {
		defer c.control.Close()
		select {
		case <-done:
			result <- false
			return
		case <-ctx.Done():
		}
		_, _ = io.WriteString(c.control, "\"TERM\"\n")
		select {
		case <-done:
		case <-time.After(grace):
			_ = c.cmd.Process.Kill()
			<-done
		}
		result <- true
	}()
	return func() bool { close(done); return <-result }
}
