package sandbox

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Options are the choices of OCI; the zero value is a good one.
type Options struct {
	// Runtime is the name or path of an OCI runtime; empty: crun or runc, whichever is found to work.
	Runtime string
	// TempDir is where each run makes a directory to mount on; empty is os.TempDir(). A run that was killed leaves an
	// empty directory named s2i-sandbox-* there, which the next one removes.
	TempDir string
	// Grace is the time between SIGTERM and SIGKILL when a run is cancelled; 0 is 500 ms.
	Grace time.Duration
}

// OCI runs processes by an OCI runtime. It may be used by several goroutines at once.
type OCI struct {
	options  Options
	runtimes []string
	mode     Mode
	userNS   bool
	// swept says that what killed runs have left has been removed.
	swept sync.Once
	// works is the index in runtimes of the one that is tried first.
	works atomic.Int32
}

// NewOCI finds the OCI runtimes and the way to isolate that suits this user. It starts nothing; what a machine
// forbids shows at the first Run. The error is in the chain of ErrNoRuntime and says what to install.
func NewOCI(o Options) (*OCI, error) {
	runtimes, err := findRuntimes(o.Runtime, lookRuntime)
	if err != nil {
		return nil, err
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.Grace == 0 {
		o.Grace = 500 * time.Millisecond
	}
	c := &OCI{options: o, runtimes: runtimes, mode: ModeSingle, userNS: inUserNamespace()}
	if os.Geteuid() == 0 && hasCapability(unix.CAP_SYS_ADMIN) {
		c.mode = ModeRoot
		if c.userNS {
			c.mode = ModeSubordinate
		}
	}
	return c, nil
}

// Mode says how ids inside relate to ids outside.
func (c *OCI) Mode() Mode { return c.mode }

// User says who a process that asks for want is: its ids as it sees them itself, and the ids that its files have
// outside.
func (c *OCI) User(want User) (inside, outside User) {
	switch {
	case c.mode == ModeSingle:
		return User{}, User{os.Getuid(), os.Getgid()}
	case c.userNS && !mapped(want):
		return User{}, User{}
	}
	return want, want
}

// Run implements Sandbox.
func (c *OCI) Run(ctx context.Context, p Process) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("preparing a sandbox: %w", err)
	}
	if err := p.Rootfs.check(); err != nil {
		return fmt.Errorf("preparing a sandbox: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("running %s in a sandbox: %w", p.Args[0], err)
	}
	limits, nproc, err := c.limit(p.Limits)
	if err != nil {
		return fmt.Errorf("running %s in a sandbox: %w", p.Args[0], err)
	}
	defer limits.remove()
	c.swept.Do(func() { sweep(c.options.TempDir) })
	dir, err := newOwnDir(c.options.TempDir)
	if err != nil {
		return fmt.Errorf("preparing a sandbox: %w", err)
	}
	defer dir.remove()
	r := run{sandbox: c, process: &p, dir: dir.path, limits: limits, nproc: nproc}
	if c.mode != ModeRoot || !r.newUserNS() {
		return r.do(ctx)
	}
	extra, err := newOwnDir(c.options.TempDir)
	if err != nil {
		return fmt.Errorf("preparing a sandbox: %w", err)
	}
	defer func() { _ = os.RemoveAll(extra.path); _ = extra.remove() }()
	if p.Rootfs.Lower, err = withoutOpaque(p.Rootfs.Lower, extra.path); err != nil {
		return fmt.Errorf("preparing a sandbox: %w", err)
	}
	return r.do(ctx)
}

// CheckLimits says whether limits can be enforced, before any work is done. The error is in the chain of ErrLimits
// and says what to do.
func (c *OCI) CheckLimits(l Limits) error {
	limits, _, err := c.limit(l)
	limits.remove()
	return err
}

// limit makes the cgroups for limits. In a user namespace a limit of processes alone can do without: the kernel counts
// the processes of a user per namespace. That count includes a handful of threads of ours, so those are added.
func (c *OCI) limit(l Limits) (limits *cgroup, nproc int64, err error) {
	limits, err = newCgroup(l)
	if err != nil && c.mode != ModeRoot && l == (Limits{PIDs: l.PIDs}) {
		return nil, l.PIDs + ownThreads(c.mode), nil
	}
	return limits, 0, err
}

// ownThreads is how many threads this program has in the namespace of a run.
func ownThreads(m Mode) int64 {
	if m == ModeSingle {
		return 0
	}
	threads, _ := os.ReadDir("/proc/self/task")
	return int64(len(threads))
}

// order gives the runtimes, the one that worked last first.
func (c *OCI) order() []string {
	first := int(c.works.Load())
	list := []string{c.runtimes[first]}
	for i, path := range c.runtimes {
		if i != first {
			list = append(list, path)
		}
	}
	return list
}

// remember keeps which runtime worked.
func (c *OCI) remember(path string) {
	for i, r := range c.runtimes {
		if r == path {
			c.works.Store(int32(i))
		}
	}
}
