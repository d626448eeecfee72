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
	// SingleID does without subordinate ids.
	SingleID bool
}

// OCI runs processes by an OCI runtime. It may be used by several goroutines at once.
type OCI struct {
	options  Options
	runtimes []string
	mode     Mode
	userNS   bool
	uids     idRange
	gids     idRange
	// noSub is set when newuidmap turned out not to work.
	noSub atomic.Bool
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
		return c, nil
	}
	if o.SingleID || c.userNS {
		return c, nil
	}
	if c.uids, c.gids, err = subordinate(); err == nil {
		c.mode = ModeSubordinate
	}
	return c, nil
}

// Mode says how ids inside relate to ids outside.
func (c *OCI) Mode() Mode {
	if c.mode == ModeSubordinate && c.noSub.Load() {
		return ModeSingle
	}
	return c.mode
}

// User says who a process that asks for want is: its ids as it sees them itself, and the ids that its files have
// outside.
func (c *OCI) User(want User) (inside, outside User) {
	caller := User{os.Getuid(), os.Getgid()}
	switch c.Mode() {
	case ModeRoot:
		if c.userNS && !mapped(want) {
			return User{}, User{}
		}
		return want, want
	case ModeSubordinate:
		return want, caller
	default:
		return User{}, caller
	}
}

// identity is all that decides a process's ids.
type identity struct {
	mode       Mode
	user       User
	uids, gids []mapping
}

// identify decides the ids of a run in the mode m.
func (c *OCI) identify(m Mode, p *Process) identity {
	want := User{p.UID, p.GID}
	switch m {
	case ModeRoot:
		inside, _ := c.User(want)
		id := identity{mode: m, user: inside}
		if p.Emulator != nil && !p.Emulator.Registered {
			// What is registered in the user namespace that root is in would be there for the whole machine.
			id.uids, id.gids = sameIDs("/proc/self/uid_map"), sameIDs("/proc/self/gid_map")
		}
		return id
	case ModeSubordinate:
		keep := want
		if p.RootOwned {
			keep = User{}
		}
		return identity{mode: m, user: want,
			uids: keepMap(keep.UID, os.Getuid(), c.uids), gids: keepMap(keep.GID, os.Getgid(), c.gids)}
	default:
		return identity{mode: ModeSingle,
			uids: []mapping{{0, os.Getuid(), 1}}, gids: []mapping{{0, os.Getgid(), 1}}}
	}
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
	return r.do(ctx)
}

// CheckLimits says whether limits can be enforced, before any work is done. The error is in the chain of ErrLimits
// and says what to do.
func (c *OCI) CheckLimits(l Limits) error {
	limits, _, err := c.limit(l)
	limits.remove()
	return err
}

// limit makes the cgroups for limits. In a user namespace of its own, a limit of processes alone can do without: the
// kernel counts the processes of a user per namespace. That count includes a handful of threads of ours.
func (c *OCI) limit(l Limits) (limits *cgroup, nproc int64, err error) {
	limits, err = newCgroup(l)
	if err != nil && c.mode != ModeRoot && l == (Limits{PIDs: l.PIDs}) {
		return nil, l.PIDs, nil
	}
	return limits, 0, err
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
