package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Name is the name (argv[0]) under which the program is started again inside a sandbox's namespaces.
const Name = "s2i-sandbox"

// Descriptors of s2i-sandbox, besides the standard ones.
const (
	controlFD = 3
	statusFD  = 4
)

// job is what s2i-sandbox has to do. It comes as one JSON value on the control pipe; strings that follow are signals.
type job struct {
	// Dir is the empty directory to mount on.
	Dir string
	// Runtimes are to be tried in this order.
	Runtimes []string
	Network  Network
	Rootfs   Rootfs
	Binds    []bind
	// Cgroups are the cgroups of this run by controller; that of version 2 has no name.
	Cgroups map[string]string
	// UserNS says that this is not the first user namespace.
	UserNS bool
	// Emulator is what to register in a binfmt_misc of the user namespace's own.
	Emulator []byte
	// Owners says that changes of owners are recorded.
	Owners bool
	// Targets are where the runtime will mount something.
	Targets []target
	Config  json.RawMessage
}

// bind is a mount that s2i-sandbox prepares for the runtime.
type bind struct {
	// Source is outside, Place is below job.Dir. Without Source it is a tmpfs.
	Source, Place    string
	ReadOnly, NoExec bool
	// Size bounds a tmpfs, in bytes.
	Size int64
}

// status is the answer of s2i-sandbox.
type status struct {
	// Error is set when the process could not be started; Unavailable says that the kernel forbids it.
	Error       string
	Unavailable bool
	// Runtime is the runtime that worked.
	Runtime string
	// Wait is the process's wait status.
	Wait uint32
}

// Places below job.Dir.
func rootPlace(dir string) string        { return filepath.Join(dir, "rootfs") }
func bindPlace(dir string, i int) string { return filepath.Join(dir, "m", strconv.Itoa(i)) }
func sysPlace(dir string) string         { return filepath.Join(dir, "m", "sys") }
func binfmtPlace(dir string) string      { return filepath.Join(dir, "m", "binfmt") }
func cgroupPlace(dir string) string      { return filepath.Join(dir, "m", "cgroup") }

// cgroupRoot is where cgroups are mounted by convention.
const cgroupRoot = "/sys/fs/cgroup"

// job makes the job of this run.
func (r *run) job() (*job, error) {
	p := r.process
	user, _ := r.sandbox.User(User{p.UID, p.GID})
	j := &job{Dir: r.dir, Cgroups: r.limits.paths(), Runtimes: r.sandbox.order(), Network: p.Network, Rootfs: p.Rootfs,
		UserNS: r.newUserNS() || r.sandbox.mode != ModeRoot}
	j.Targets = []target{{Path: "/proc"}, {Path: "/dev"}, {Path: "/sys"}}
	mounts := p.mounts()
	for i, m := range mounts {
		st, err := os.Stat(m.Source)
		if m.Source != "" && err != nil {
			return nil, fmt.Errorf("mounting: %w", err)
		}
		if !strings.HasPrefix(path.Clean(m.Target), "/dev/") { // where the runtime makes everything
			j.Targets = append(j.Targets, target{Path: m.Target, File: m.Source != "" && !st.IsDir()})
		}
		j.Binds = append(j.Binds, bind{Source: m.Source, Place: bindPlace(r.dir, i), ReadOnly: m.ReadOnly, Size: m.Size})
	}
	if j.UserNS {
		// A fresh sysfs is for owners of their network namespace only; the host's shows nothing more.
		j.Binds = append(j.Binds, bind{Source: "/sys", Place: sysPlace(r.dir), ReadOnly: true, NoExec: true})
	}
	if p.Emulator != nil && !p.Emulator.Registered {
		var err error
		if j.Emulator, err = p.Emulator.registration(); err != nil {
			return nil, err
		}
	}
	spec, err := newSpec(p, user, r.dir, j.UserNS)
	if err != nil {
		return nil, err
	}
	if j.Owners = p.Owners && r.sandbox.mode == ModeSingle && p.Rootfs.Upper != ""; j.Owners {
		notifyOwners(spec.Linux.Seccomp, r.dir)
	}
	if r.nproc > 0 {
		n := uint64(r.nproc)
		s := specs.POSIXRlimit{Type: "RLIMIT_NPROC", Soft: n, Hard: n}
		spec.Process.Rlimits = append(spec.Process.Rlimits, s)
	}
	j.Config, err = json.Marshal(spec)
	return j, err
}
