package kit

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is a tool to run in a build.
type Command struct {
	// Args is the command line; Args[0] is looked up in Env's PATH.
	Args []string
	// Dir is where it runs.
	Dir string
	// Env is its whole environment.
	Env Env
	// Out receives its output and error output as they come.
	Out io.Writer
	// Why is the decision behind the command, for the error: "package-lock.json is there".
	Why string
	// Advice turns what a tool says when it fails into what to do about it.
	Advice []Advice
	// Hide, when it is not empty, is part of lines that are not passed on to Out: what a tool says about a setting that
	// is not the user's.
	Hide string
}

// Advice is a way out of a known failure: when the output contains Sign, the error says Say.
type Advice struct{ Sign, Say string }

// outputTail is how much of a command's output is searched for advice.
const outputTail = 64 << 10

// stopGrace is how long a command may take to end after it was told to.
const stopGrace = 5 * time.Second

// Run runs the command and streams its output. The error names the command, the decision behind it, the hosts that the
// output says could not be reached and, when it is known, what to do.
func (c Command) Run(ctx context.Context) error {
	said := newOutput()
	cmd, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	out := c.Out
	if out == nil {
		out = io.Discard
	}
	if c.Hide != "" {
		filter := &lineFilter{to: out, sign: []byte(c.Hide)}
		defer filter.flush()
		out = filter
	}
	cmd.Stdout = io.MultiWriter(out, said)
	cmd.Stderr = cmd.Stdout
	return c.explain(cmd.Run(), said)
}

// Output runs the command and gives what it wrote to its standard output, trimmed; its error output is streamed.
func (c Command) Output(ctx context.Context) (string, error) {
	cmd, err := c.prepare(ctx)
	if err != nil {
		return "", err
	}
	said := newOutput()
	var stdout strings.Builder
	cmd.Stdout = &stdout
	cmd.Stderr = said
	if c.Out != nil {
		cmd.Stderr = io.MultiWriter(c.Out, said)
	}
	if err := c.explain(cmd.Run(), said); err != nil {
		return "", err
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (c Command) prepare(ctx context.Context) (*exec.Cmd, error) {
	path, err := lookPath(c.Args[0], c.Env["PATH"])
	if err != nil {
		return nil, c.explain(err, newOutput())
	}
	cmd := exec.CommandContext(ctx, path, c.Args[1:]...)
	cmd.Args[0] = c.Args[0]
	cmd.Dir, cmd.Env = c.Dir, c.Env.List()
	// Tools get the chance to remove what they were writing, and nothing of them outlives the build.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

func (c Command) explain(err error, said *output) error {
	if err == nil {
		return nil
	}
	why := ""
	if c.Why != "" {
		why = " (run because " + c.Why + ")"
	}
	err = fmt.Errorf("running %q%s: %w", strings.Join(c.Args, " "), why, err)
	tail := said.tail.String()
	for _, a := range c.Advice {
		if strings.Contains(tail, a.Sign) {
			err = fmt.Errorf("%w: %s", err, a.Say)
			break
		}
	}
	if said.hosts.flush(); len(said.hosts.found) > 0 {
		err = fmt.Errorf("%w: it %s", err, unreachedText(said.hosts.found))
	}
	return err
}

// output is what is remembered of what a command printed.
type output struct {
	tail  tailWriter
	hosts hostWatch
}

func newOutput() *output { return &output{tail: tailWriter{limit: outputTail}} }

// Write never fails.
func (o *output) Write(p []byte) (int, error) {
	_, _ = o.tail.Write(p)
	return o.hosts.Write(p)
}

// lookPath finds a program in path, which need not be the PATH of this process.
func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for dir := range strings.SplitSeq(path, ":") {
		candidate := dir + "/" + name
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%w: it is not in the build image (PATH is %q)", exec.ErrNotFound, path)
}

// tailWriter keeps the last bytes written to it.
type tailWriter struct {
	limit int
	data  []byte
}

// Write keeps p and lets go of what is too old; it never fails.
func (t *tailWriter) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*t.limit {
		t.data = append([]byte(nil), t.data[len(t.data)-t.limit:]...)
	}
	return len(p), nil
}

// String gives the last bytes, at most the limit.
func (t *tailWriter) String() string { return string(t.data[max(0, len(t.data)-t.limit):]) }
