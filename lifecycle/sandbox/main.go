package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Main does nothing unless the program was started again by this package, which it knows by argv[0]. As s2i-sandbox it
// does its job and does not return; in the user namespace of Enter it goes on as what it was called for.
// Call it before anything else in main, and in TestMain of tests that use OCI.
func Main() {
	if len(os.Args) > 2 && os.Args[0] == enterName {
		if err := entered(); err != nil {
			fmt.Fprintf(os.Stderr, "s2i: becoming root of a user namespace: %v\n", err)
			os.Exit(1) //nolint:forbidigo // nobody is there to take an error
		}
		return
	}
	if len(os.Args) != 1 || os.Args[0] != Name {
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintf(os.Stderr, "%s is a part of s2i that is not for use by hand\n", Name)
		os.Exit(2) //nolint:forbidigo // this is the main of the program in the sandbox
	}
	in := &inner{control: json.NewDecoder(os.NewFile(controlFD, "control"))}
	st := in.run()
	_ = json.NewEncoder(os.NewFile(statusFD, "status")).Encode(st)
	syscall.Exit(0) // not os.Exit: nothing is to be done at the end, and the race detector would wait a second
}

// inner is one run of a process, seen by s2i-sandbox.
type inner struct {
	control *json.Decoder
	job     job
	// points are the mount targets that were made in Rootfs.Upper.
	points []point

	mu sync.Mutex
	// pid is the process, once it has been started; or the runtime, where that stays in the foreground.
	pid int
	// ending says that the process is to be terminated as soon as it is known.
	ending bool
}

// run does the job. Whatever it makes ends with this process, which is the first of its pid namespace.
func (in *inner) run() *status {
	closeOnExec()
	if err := in.control.Decode(&in.job); err != nil {
		return &status{Error: fmt.Sprintf("reading the job: %v", err)}
	}
	go in.obey()
	unix.Umask(0o022)
	defer in.clean()
	if err := in.prepare(); err != nil {
		denied := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
		return &status{Error: err.Error(), Unavailable: in.job.UserNS && denied}
	}
	if !in.job.Owners {
		return in.runFirst()
	}
	owners, err := startRecorder(&in.job)
	if err != nil {
		return &status{Error: err.Error()}
	}
	st := in.runFirst()
	if err := owners.save(); err != nil && st.Error == "" {
		st.Error = fmt.Sprintf("recording owners: %v", err)
	}
	return st
}

// clean takes away what a run adds to Rootfs.Upper and Rootfs.Work. The kernel's part of the latter is a directory
// that an ordinary user could not remove.
func (in *inner) clean() {
	root := &in.job.Rootfs
	if root.Upper == "" {
		return
	}
	removePoints(rootPlace(in.job.Dir), in.points)
	if unix.Unmount(rootPlace(in.job.Dir), 0) == nil {
		_ = os.RemoveAll(filepath.Join(root.Work, "work"))
		_ = os.RemoveAll(filepath.Join(root.Work, "index"))
	}
}

// closeOnExec keeps descriptors that this process has got from its caller's caller from going any further.
func closeOnExec() {
	if unix.CloseRange(controlFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= controlFD {
			unix.CloseOnExec(fd)
		}
	}
}

// prepare makes the file tree.
func (in *inner) prepare() error {
	if err := in.mountAll(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(in.job.Dir, "config.json"), in.job.Config, 0o600); err != nil {
		return fmt.Errorf("writing the runtime's configuration: %w", err)
	}
	return nil
}

// obey passes signals on, and ends everything when the parent is gone.
func (in *inner) obey() {
	for {
		var signal string
		if err := in.control.Decode(&signal); err != nil {
			syscall.Exit(1)
		}
		in.mu.Lock()
		in.ending = true
		if in.pid != 0 {
			go terminate(in.pid)
		}
		in.mu.Unlock()
	}
}

// runFirst starts the process with the first runtime that works and waits for its end.
func (in *inner) runFirst() *status {
	var errs []string
	for i, path := range in.job.Runtimes {
		st, err := in.runWith(path, i)
		if err == nil {
			return st
		}
		errs = append(errs, fmt.Sprintf("%s: %v", filepath.Base(path), err))
	}
	return &status{Error: strings.Join(errs, "; ")}
}

// runWith runs the process with one runtime. The error says that the runtime could not start it.
func (in *inner) runWith(path string, i int) (*status, error) {
	kind := kindOf(path, in.job.Network)
	at := func(name string) string { return filepath.Join(in.job.Dir, name+strconv.Itoa(i)) }
	args := append([]string{path}, kind.global...)
	args = append(args, "--root", at("state"), "--log", at("log"), "run", "--bundle", in.job.Dir)
	if kind.detach {
		args = append(args, "--detach", "--pid-file", at("pid"))
	}
	args = append(args, "s2i-"+strconv.Itoa(i))
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{Dir: "/", Env: []string{}, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return nil, fmt.Errorf("starting it: %w", err)
	}
	if !kind.detach {
		in.started(pid)
		ws, err := reap(pid, nil)
		return &status{Runtime: path, Wait: uint32(ws)}, err
	}
	seen := map[int]syscall.WaitStatus{}
	ws, err := reap(pid, seen)
	if err != nil {
		return nil, err
	}
	if ws != 0 {
		return nil, runtimeError(at("log"), ws)
	}
	b, err := os.ReadFile(at("pid"))
	if err != nil {
		return nil, err
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil {
		return nil, fmt.Errorf("reading its pid file: %w", err)
	}
	in.started(pid)
	ws, err = reap(pid, seen)
	return &status{Runtime: path, Wait: uint32(ws)}, err
}

func (in *inner) started(pid int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.pid = pid
	if in.ending {
		go terminate(pid)
	}
}

// reap waits for the process pid, and takes in all other orphans meanwhile, because we are their pid 1. seen holds
// those that have ended; it may be nil.
func reap(pid int, seen map[int]syscall.WaitStatus) (syscall.WaitStatus, error) {
	for {
		if ws, ok := seen[pid]; ok {
			return ws, nil
		}
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, fmt.Errorf("waiting for process %d: %w", pid, err)
		case got == pid:
			return ws, nil
		case seen != nil:
			seen[got] = ws
		}
	}
}

// maxLog bounds what is read of a runtime's log, in bytes.
const maxLog = 64 << 10

// runtimeError finds what a runtime says about why it ended.
func runtimeError(log string, ws syscall.WaitStatus) error {
	text := ""
	if f, err := os.Open(log); err == nil {
		b, _ := io.ReadAll(io.LimitReader(f, maxLog))
		_ = f.Close()
		text = lastMessage(b)
	}
	if text == "" {
		return exitError(ws)
	}
	return errors.New(text)
}

// lastMessage takes the text of the last line of a log of logrus or crun: time="…" level=error msg="…".
func lastMessage(log []byte) string {
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	line := string(lines[len(lines)-1])
	if _, msg, ok := strings.Cut(line, "msg="); ok {
		if q, err := strconv.QuotedPrefix(msg); err == nil {
			if text, err := strconv.Unquote(q); err == nil {
				return text
			}
		}
		return msg
	}
	return line
}
