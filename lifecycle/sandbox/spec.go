package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxFiles is the limit of open files inside, unless the caller's own is lower.
const maxFiles = 1 << 16

// newSpec writes the runtime specification of a process.
func newSpec(p *Process, user User, dir string, userNS bool) (*specs.Spec, error) {
	groups := p.Groups
	if user != (User{p.UID, p.GID}) { // only user 0 exists
		groups = nil
	}
	s := &specs.Spec{
		Version:  "1.0.2",
		Hostname: orDefault(p.Hostname, "s2i"),
		Root:     &specs.Root{Path: rootPlace(dir), Readonly: p.Rootfs.Upper == ""},
		Mounts:   append(systemMounts(p, dir, userNS), ownMounts(p, dir)...),
		Process: &specs.Process{
			User: specs.User{UID: uint32(user.UID), GID: uint32(user.GID), AdditionalGids: ids32(groups)},
			Args: p.Args,
			Env:  withHome(p.Env),
			Cwd:  orDefault(p.Dir, "/"),
			Capabilities: &specs.LinuxCapabilities{
				Bounding: p.Capabilities, Effective: p.Capabilities, Permitted: p.Capabilities,
			},
			Rlimits:         rlimits(p.Rlimits),
			NoNewPrivileges: !p.NewPrivileges,
			OOMScoreAdj:     oomScore(p.Limits),
		},
		Linux: &specs.Linux{
			Namespaces:    namespaces(p.Network),
			MaskedPaths:   maskedPaths(),
			ReadonlyPaths: readonlyPaths(),
		},
	}
	if p.Privileged {
		all := everyCapability()
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		return s, nil
	}
	profile, err := seccomp.GetDefaultProfile(s)
	if err != nil {
		return nil, fmt.Errorf("making the seccomp profile: %w", err)
	}
	s.Linux.Seccomp = profile
	return s, nil
}

func ids32(ids []int) []uint32 {
	var out []uint32
	for _, id := range ids {
		out = append(out, uint32(id))
	}
	return out
}

// withHome sets HOME, which runtimes otherwise set each in its own way.
func withHome(env []string) []string {
	for _, e := range env {
		if strings.HasPrefix(e, "HOME=") {
			return env
		}
	}
	return append([]string{"HOME=/"}, env...)
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func namespaces(n Network) []specs.LinuxNamespace {
	list := []specs.LinuxNamespace{
		{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace},
		{Type: specs.UTSNamespace}, {Type: specs.CgroupNamespace},
	}
	if n == NetworkNone {
		list = append(list, specs.LinuxNamespace{Type: specs.NetworkNamespace})
	}
	return list
}

// systemMounts are what every process finds in its file tree.
func systemMounts(p *Process, dir string, userNS bool) []specs.Mount {
	sys := specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs",
		Options: []string{"nosuid", "noexec", "nodev", "ro"}}
	if userNS {
		sys = prepared("/sys", sysPlace(dir), "nosuid", "noexec", "nodev", "ro")
	}
	shared := int64(64 << 20)
	if p.SharedMemory > 0 {
		shared = p.SharedMemory
	}
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm",
			Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.FormatInt(shared, 10)}},
		sys,
	}
	if _, err := os.Stat(cgroupRoot); err == nil {
		list = append(list, prepared(cgroupRoot, cgroupPlace(dir), "nosuid", "noexec", "nodev", "ro"))
	}
	return list
}

// prepared is a mount that s2i-sandbox makes, and that the runtime only has to put in its place. The flags are those
// that it has already: crun drops what it is not told, and runc may not drop what a user namespace has locked.
func prepared(target, place string, flags ...string) specs.Mount {
	options := append([]string{"rbind", "rprivate"}, flags...)
	return specs.Mount{Destination: target, Type: "bind", Source: place, Options: options}
}

// ownMounts are the mounts that the caller asks for.
func ownMounts(p *Process, dir string) []specs.Mount {
	var list []specs.Mount
	for i, m := range p.mounts() {
		flags := []string{"nosuid", "nodev"}
		var st unix.Statfs_t
		known := m.Source != "" && unix.Statfs(m.Source, &st) == nil
		if m.ReadOnly || known && st.Flags&unix.ST_RDONLY != 0 {
			flags = append(flags, "ro")
		}
		if known && st.Flags&unix.ST_NOEXEC != 0 {
			flags = append(flags, "noexec")
		}
		list = append(list, prepared(m.Target, bindPlace(dir, i), flags...))
	}
	return list
}

// rlimits are the same for everybody as far as the caller's own allow it, so that builds do not depend on them; but for
// those that are asked for.
func rlimits(asked []Rlimit) []specs.POSIXRlimit {
	files := uint64(maxFiles)
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err == nil {
		files = min(files, own.Max)
	}
	list := []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: files, Hard: files}, {Type: "RLIMIT_CORE"}}
	for _, r := range asked {
		list = slices.DeleteFunc(list, func(have specs.POSIXRlimit) bool { return have.Type == r.Name })
		list = append(list, specs.POSIXRlimit{Type: r.Name, Soft: r.Soft, Hard: r.Hard})
	}
	return list
}

// oomScore makes the kernel choose the process, and not what surrounds it under the same memory limit.
func oomScore(l Limits) *int {
	if l.Memory == 0 {
		return nil
	}
	b, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return nil
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return nil
	}
	score := min(own+100, 1000)
	return &score
}

// maskedPaths are the parts of /proc and /sys that tell about the host, or change it.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
		"/sys/devices/virtual/powercap", "/sys/firmware",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}
