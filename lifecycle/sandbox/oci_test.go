package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
)

func TestExit(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		for _, tc := range []struct {
			args []string
			want *ExitError
		}{
			{[]string{"exit", "0"}, nil},
			{[]string{"exit", "3"}, &ExitError{Code: 3}},
			{[]string{"exit", "255"}, &ExitError{Code: 255}},
			{[]string{"parent", "exit", "7"}, &ExitError{Code: 1}},
		} {
			out, err := output(t, s, Process{}, tc.args...)
			var got *ExitError
			if !errors.As(err, &got) && err != nil {
				t.Fatalf("%v: %v: %s", tc.args, err, out)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%v: %s", tc.args, diff)
			}
		}
	})
}

func TestNoProgram(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		for _, args := range [][]string{{"/nowhere"}, {"nowhere"}, {"/etc/old"}} {
			err := s.Run(t.Context(), Process{Rootfs: Rootfs{Lower: []string{lower(t)}}, Args: args, Env: []string{"PATH=/bin"}})
			var exit *ExitError
			if err == nil || errors.As(err, &exit) || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), args[0]) {
				t.Errorf("%v: %v", args, err)
			}
		}
	})
}

func TestStreams(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		p := Process{Rootfs: Rootfs{Lower: []string{lower(t)}}}
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		p.Stdin = bytes.NewReader(big)
		if got := must(t, s, p, "cat"); got != string(big) {
			t.Errorf("got %d bytes of %d", len(got), len(big))
		}
		p.Stdin = nil
		if got := must(t, s, p, "cat"); got != "" {
			t.Errorf("got %q", got)
		}
		// A reader that never ends does not keep Run from ending.
		r, w := io.Pipe()
		defer w.Close()
		p.Stdin = r
		must(t, s, p)
		var stdout, stderr bytes.Buffer
		p.Args, p.Stdin, p.Stdout, p.Stderr = []string{"/inside", "both"}, nil, &stdout, &stderr
		if err := s.Run(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if stdout.String() != "to stdout\n" || stderr.String() != "to stderr\n" {
			t.Errorf("got %q and %q", &stdout, &stderr)
		}
	})
}

func TestFilesAsStreamsKeepTheirOwner(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		f, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p := Process{Rootfs: Rootfs{Lower: []string{lower(t)}}, Args: []string{"/inside", "both"}, UID: 1000, GID: 1000,
			Stdout: f, Stderr: f}
		if err := s.Run(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if got := read(t, f.Name()); got != "to stdout\nto stderr\n" {
			t.Errorf("got %q", got)
		}
		checkOwner(t, f.Name(), User{os.Getuid(), os.Getgid()})
	})
}

func checkOwner(t *testing.T, path string, want User) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	if got := (User{int(st.Uid), int(st.Gid)}); got != want {
		t.Errorf("%s belongs to %v, want %v", path, got, want)
	}
}

func TestWhoAndWhere(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		for _, want := range []User{{1000, 1000}, {0, 0}, {1234, 999}} {
			inside, _ := s.User(want)
			p := Process{UID: want.UID, GID: want.GID, Dir: "/etc", Hostname: "box"}
			got := must(t, s, p, "where")
			if want := fmt.Sprintf("/etc box %d %d 1\n", inside.UID, inside.GID); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := must(t, s, p, "groups"); got != "[]\n" && s.Mode() != ModeSingle {
				t.Errorf("groups: %s", got)
			}
		}
		inside, _ := s.User(User{})
		if got, want := must(t, s, Process{}, "where"), fmt.Sprintf("/ s2i %d %d 1\n", inside.UID, inside.GID); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_HOST", "x")
	modes(t, func(t *testing.T, s *OCI) {
		if got := must(t, s, Process{Env: []string{"B=2 3", "A="}}, "env"); got != "A=\nB=2 3\nHOME=/\n" {
			t.Errorf("got %q", got)
		}
		var many []string
		for i := range 4000 {
			many = append(many, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", 100)))
		}
		if got := must(t, s, Process{Env: many}, "env"); strings.Count(got, "\n") != len(many)+1 {
			t.Errorf("of many variables %d are left", strings.Count(got, "\n"))
		}
		if got := must(t, s, Process{Env: []string{"HOME=/x"}}, "env"); got != "HOME=/x\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNoDescriptorLeaks(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		f, err := os.Create(filepath.Join(t.TempDir(), "open-in-the-host"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fd, err := unix.Dup(int(f.Fd())) // without close-on-exec
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		got := must(t, s, Process{}, "fds")
		for line := range strings.Lines(got) {
			name, target, _ := strings.Cut(strings.TrimSpace(line), " ")
			own := strings.HasPrefix(target, "/proc") || strings.HasPrefix(target, "anon_inode:")
			if n, err := strconv.Atoi(name); err != nil || n > 2 && !own {
				t.Errorf("descriptor %s", line)
			}
		}
	})
}

func TestNoPowers(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		p := Process{UID: 1000, GID: 1000}
		status := must(t, s, p, "read", "/proc/self/status")
		for _, want := range []string{
			"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
			"CapAmb:\t0000000000000000", "CapInh:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
		} {
			if !strings.Contains(status, want+"\n") {
				t.Errorf("%q is missing in\n%s", want, status)
			}
		}
		if out, err := output(t, s, p, "unshare"); err == nil || !strings.Contains(out, "operation not permitted") {
			t.Errorf("unshare: %v: %s", err, out)
		}
		for _, path := range []string{"/proc/sys/kernel/hostname", "/sys/kernel/mm/transparent_hugepage/enabled"} {
			if out, err := output(t, s, p, "write", path, "x"); err == nil {
				t.Errorf("writing %s: %s", path, out)
			}
		}
		status = must(t, s, Process{Capabilities: []string{"CAP_CHOWN"}, NewPrivileges: true}, "read", "/proc/self/status")
		for _, want := range []string{"CapPrm:\t0000000000000001", "CapBnd:\t0000000000000001", "NoNewPrivs:\t0",
			"Seccomp:\t2"} {
			if !strings.Contains(status, want+"\n") {
				t.Errorf("%q is missing in\n%s", want, status)
			}
		}
	})
}

func TestNetwork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	modes(t, func(t *testing.T, s *OCI) {
		addr := listener.Addr().String()
		if got := must(t, s, Process{}, "dial", addr); got != "connected\n" {
			t.Errorf("host network: %s", got)
		}
		p := Process{Network: NetworkNone}
		if got := must(t, s, p, "ifaces"); got != "lo true\n" {
			t.Errorf("no network: %s", got)
		}
		if out, err := output(t, s, p, "dial", addr); err == nil {
			t.Errorf("no network: %s", out)
		}
	})
}

func TestReadOnlyRoot(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		dir := lower(t)
		p := Process{Rootfs: Rootfs{Lower: []string{dir}}, Mounts: []Mount{{Target: "/made/for/this"}}}
		for _, path := range []string{"/new", "/etc/old", "/made/for/x", "/sys/x", "/proc/x"} {
			if out, err := output(t, s, p, "write", path, "x"); err == nil {
				t.Errorf("%s can be written: %s", path, out)
			}
		}
		must(t, s, p, "write", "/dev/null", "x")
		must(t, s, p, "write", "/dev/shm/x", "x")
		must(t, s, p, "write", "/made/for/this/x", "x")
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
			t.Errorf("the lower directory has changed: %v %v", entries, err)
		}
		if got := must(t, s, p, "ls", "/sys/fs/cgroup"); got != "" {
			t.Errorf("cgroups are seen: %s", got)
		}
		if got := must(t, s, p, "ls", "/dev"); !strings.Contains(got, "null\n") || strings.Contains(got, "vda") {
			t.Errorf("/dev holds %s", got)
		}
	})
}

func TestUpper(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		top := t.TempDir()
		upper, work := filepath.Join(top, "upper"), filepath.Join(top, "work")
		source := filepath.Join(top, "source")
		for _, d := range []string{upper, work, source} {
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(source, "file"), "")
		low := lower(t)
		before, err := os.Stat(filepath.Join(low, "etc"))
		if err != nil {
			t.Fatal(err)
		}
		p := Process{Rootfs: Rootfs{Lower: []string{low}, Upper: upper, Work: work}, Mounts: []Mount{
			{Target: "/a/b"}, {Source: source, Target: "/etc/c"}, {Source: filepath.Join(source, "file"), Target: "/etc/d"}}}
		must(t, s, p, "ls", "/etc")
		if info, err := os.Stat(filepath.Join(upper, "etc")); err == nil && !info.ModTime().Equal(before.ModTime()) {
			t.Errorf("mounting below /etc changed its time to %v", info.ModTime())
		}
		must(t, s, p, "write", "/etc/new", "new")
		must(t, s, p, "rm", "/etc/old")
		must(t, s, p, "redo", "/etc/dir")
		if got := must(t, s, p, "ls", "/etc"); got != "c\nd\ndir\nnew\n" {
			t.Errorf("inside: %q", got)
		}
		if got := read(t, filepath.Join(upper, "etc/new")); got != "new" {
			t.Errorf("got %q", got)
		}
		_, outside := s.User(User{})
		checkOwner(t, filepath.Join(upper, "etc/new"), outside)
		var st unix.Stat_t
		err = unix.Lstat(filepath.Join(upper, "etc/old"), &st)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
			t.Errorf("no whiteout: %v %o %d", err, st.Mode, st.Rdev)
		}
		checkOpaque(t, s, filepath.Join(upper, "etc/dir"))
		found, err := filepath.Glob(filepath.Join(upper, "*"))
		if want := []string{filepath.Join(upper, "etc")}; err != nil || !cmp.Equal(found, want) {
			t.Errorf("upper holds %v", found)
		}
	})
}

func checkOpaque(t *testing.T, s *OCI, dir string) {
	t.Helper()
	name := "trusted.overlay.opaque"
	if s.Mode() != ModeRoot || s.userNS {
		name = "user.overlay.opaque"
	}
	b := make([]byte, 8)
	if n, err := unix.Lgetxattr(dir, name, b); err != nil || string(b[:n]) != "y" {
		t.Errorf("%s has no %s: %v", dir, name, err)
	}
}

func TestManyLowers(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		top := t.TempDir()
		lowers := []string{lower(t)}
		for i := range 60 {
			dir := filepath.Join(top, strings.Repeat("long,with:odd\\names ", 9)+strconv.Itoa(i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "file"+strconv.Itoa(i)), "")
			write(t, filepath.Join(dir, "which"), strconv.Itoa(i))
			lowers = append(lowers, dir)
		}
		p := Process{Rootfs: Rootfs{Lower: lowers}}
		if got := must(t, s, p, "ls", "/"); !strings.Contains(got, "file0\n") || !strings.Contains(got, "file59\n") {
			t.Errorf("got %s", got)
		}
		if got := must(t, s, p, "read", "/which"); got != "0" {
			t.Errorf("the file of lower directory %s is seen, want 0", got)
		}
	})
}

func TestMounts(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		_, outside := s.User(User{1000, 1000})
		dir := t.TempDir()
		if err := os.Chown(dir, outside.UID, outside.GID); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "file")
		write(t, file, "content")
		p := Process{UID: 1000, GID: 1000, Mounts: []Mount{
			{Source: dir, Target: "/rw"},
			{Source: dir, Target: "/ro", ReadOnly: true},
			{Source: file, Target: "/etc/file", ReadOnly: true},
			{Source: file, Target: "/etc/old", ReadOnly: true},
			{Target: "/tmp"},
			{Source: dir, Target: "/tmp/below"},
		}}
		for _, path := range []string{"/rw/file", "/ro/file", "/etc/file", "/etc/old", "/tmp/below/file"} {
			if got := must(t, s, p, "read", path); got != "content" {
				t.Errorf("%s: %s", path, got)
			}
		}
		for _, path := range []string{"/ro/new", "/ro/file", "/etc/file"} {
			if out, err := output(t, s, p, "write", path, "x"); err == nil || !strings.Contains(out, "read-only") {
				t.Errorf("writing %s: %v: %s", path, err, out)
			}
		}
		must(t, s, p, "write", "/tmp/x", "x")
		must(t, s, p, "write", "/rw/made", "x")
		checkOwner(t, filepath.Join(dir, "made"), outside)
		if got := read(t, file); got != "content" {
			t.Errorf("the file became %q", got)
		}
	})
}

// TestMountFlags mounts what lies on a file system with flags that a user namespace cannot take away.
func TestMountFlags(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		dir, err := os.MkdirTemp("/dev/shm", "sandbox-test-") //nolint:usetesting // a file system with such flags
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		write(t, filepath.Join(dir, "file"), "content")
		p := Process{Mounts: []Mount{{Source: dir, Target: "/x", ReadOnly: true}}}
		if got := must(t, s, p, "read", "/x/file"); got != "content" {
			t.Error(got)
		}
		info := must(t, s, p, "read", "/proc/self/mountinfo")
		for line := range strings.Lines(info) {
			f := strings.Fields(line)
			if f[4] != "/x" {
				continue
			}
			for _, want := range []string{"ro", "nosuid", "nodev"} {
				if !strings.Contains(","+f[5]+",", ","+want+",") {
					t.Errorf("%s is missing in %s", want, line)
				}
			}
		}
	})
}

func TestReadOnlyReachesMountsBelow(t *testing.T) {
	if os.Geteuid() != 0 || inUserNamespace() {
		return // only root can make the mount
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", filepath.Join(dir, "below"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(filepath.Join(dir, "below"), unix.MNT_DETACH)
	p := Process{Mounts: []Mount{{Source: dir, Target: "/x", ReadOnly: true}}}
	if out, err := output(t, newOCI(t, Options{}), p, "write", "/x/below/file", "x"); err == nil {
		t.Errorf("it can be written: %s", out)
	}
}

// TestLinksStayInside mounts on targets behind links of the root filesystem that lead to places of the host.
func TestLinksStayInside(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		host, low, top := t.TempDir(), lower(t), t.TempDir()
		for name, to := range map[string]string{"evil": host, "up": "../../../../../../../.." + host} {
			if err := os.Symlink(to, filepath.Join(low, name)); err != nil {
				t.Fatal(err)
			}
		}
		mounts := []Mount{{Target: "/evil/a"}, {Target: "/up/b/c"}, {Source: filepath.Join(low, "inside"), Target: "/evil/f"}}
		for i, root := range []Rootfs{{Lower: []string{low}},
			{Lower: []string{low}, Upper: filepath.Join(top, "upper"), Work: filepath.Join(top, "work")}} {
			if root.Upper != "" {
				if err := errors.Join(os.Mkdir(root.Upper, 0o755), os.Mkdir(root.Work, 0o755)); err != nil {
					t.Fatal(err)
				}
			}
			// Runtimes may refuse it.
			out, err := output(t, s, Process{Rootfs: root, Mounts: mounts}, "ls", "/")
			if err != nil && out != "" && !strings.Contains(out, "evil") {
				t.Errorf("%d: %v: %s", i, err, out)
			}
			if entries, err := os.ReadDir(host); err != nil || len(entries) != 0 {
				t.Errorf("%d: something was made outside: %v %v", i, entries, err)
			}
		}
	})
}

func TestParallel(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		p := Process{Rootfs: Rootfs{Lower: []string{lower(t)}}}
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				var out bytes.Buffer
				p := p
				p.Args, p.Stdout = []string{"/inside", "cat"}, &out
				p.Stdin = strings.NewReader(strconv.Itoa(i))
				if err := s.Run(context.Background(), p); err != nil || out.String() != strconv.Itoa(i) {
					t.Errorf("%d: %v: %s", i, err, &out)
				}
			})
		}
		wait.Wait()
	})
}

func TestRuntimeThatDoesNotWork(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		low := lower(t)
		broken := filepath.Join(t.TempDir(), "crun")
		if err := os.Link(filepath.Join(low, "inside"), broken); err != nil {
			t.Fatal(err)
		}
		s.runtimes = append([]string{broken}, s.runtimes...)
		p := Process{Rootfs: Rootfs{Lower: []string{low}}}
		must(t, s, p)
		if s.order()[0] == broken {
			t.Error("the next run would try the broken one first")
		}
		if got := must(t, s, p, "both"); got != "to stdout\nto stderr\n" {
			t.Errorf("got %q", got)
		}
		s.runtimes = []string{broken}
		s.works.Store(0)
		if _, err := output(t, s, p); err == nil || !strings.Contains(err.Error(), "crun: ") {
			t.Errorf("got %v", err)
		}
	})
}

// TestUnknownRuntime runs one that is only known to read a bundle.
func TestUnknownRuntime(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		runc, err := lookRuntime("runc")
		if err != nil {
			t.Fatal("apt-get install runc: ", err)
		}
		other := filepath.Join(t.TempDir(), "other")
		write(t, other, "#!/bin/sh\nexec "+runc+" --rootless=true \"$@\"\n")
		if err := os.Chmod(other, 0o755); err != nil {
			t.Fatal(err)
		}
		s.runtimes = []string{other}
		if got := must(t, s, Process{Stdin: strings.NewReader("x")}, "cat"); got != "x" {
			t.Errorf("got %q", got)
		}
		_, err = output(t, s, Process{}, "exit", "3")
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != 3 {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoRuntime(t *testing.T) {
	none := func(string) (string, error) { return "", exec.ErrNotFound }
	for _, asked := range []string{"", "runsc"} {
		_, err := findRuntimes(asked, none)
		if !errors.Is(err, ErrNoRuntime) || asked == "" && !strings.Contains(err.Error(), "apt-get install") {
			t.Errorf("%q: %v", asked, err)
		}
	}
}

// TestNested tries to make a sandbox where namespaces are forbidden.
func TestNested(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		out, err := output(t, s, Process{Mounts: []Mount{{Target: "/tmp"}}}, "nested")
		if err == nil || !strings.Contains(out, ErrUnavailable.Error()) || !strings.Contains(out, "--isolation direct") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func TestBadProcesses(t *testing.T) {
	s := newOCI(t, Options{})
	ok := func() Process { return Process{Args: []string{"/x"}, Rootfs: Rootfs{Lower: []string{"/"}}} }
	for name, change := range map[string]func(p *Process){
		"no program":      func(p *Process) { p.Args = nil },
		"relative dir":    func(p *Process) { p.Dir = "x" },
		"negative user":   func(p *Process) { p.UID = -1 },
		"network":         func(p *Process) { p.Network = "bridge" },
		"negative limit":  func(p *Process) { p.Limits.Memory = -1 },
		"zero byte":       func(p *Process) { p.Env = []string{"A=\x00"} },
		"relative target": func(p *Process) { p.Mounts = []Mount{{Target: "x"}} },
		"root target":     func(p *Process) { p.Mounts = []Mount{{Target: "/x/.."}} },
		"proc target":     func(p *Process) { p.Mounts = []Mount{{Target: "/x/../proc/sys"}} },
		"relative source": func(p *Process) { p.Mounts = []Mount{{Source: "x", Target: "/x"}} },
		"missing source":  func(p *Process) { p.Mounts = []Mount{{Source: "/no/where", Target: "/x"}} },
		"no lower":        func(p *Process) { p.Rootfs.Lower = nil },
		"missing lower":   func(p *Process) { p.Rootfs.Lower = []string{"/no/where"} },
		"file as lower":   func(p *Process) { p.Rootfs.Lower = []string{"/etc/passwd"} },
		"relative lower":  func(p *Process) { p.Rootfs.Lower = []string{"x"} },
		"no work":         func(p *Process) { p.Rootfs.Upper = "/x" },
	} {
		p := ok()
		change(&p)
		err := s.Run(t.Context(), p)
		var exit *ExitError
		if err == nil || errors.As(err, &exit) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExitErrorText(t *testing.T) {
	for want, e := range map[string]*ExitError{
		"exit status 3":     {Code: 3},
		"killed by SIGSEGV": {Code: 139, Signal: syscall.SIGSEGV},
		"killed by SIGKILL (the memory limit was reached)": {Code: 137, Signal: syscall.SIGKILL, OutOfMemory: true},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestOwners gives files away: really where other users exist, and otherwise by a record.
func TestOwners(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		top := t.TempDir()
		root := Rootfs{Lower: []string{lower(t)}, Upper: filepath.Join(top, "upper"), Work: filepath.Join(top, "work")}
		if err := errors.Join(os.Mkdir(root.Upper, 0o755), os.Mkdir(root.Work, 0o755)); err != nil {
			t.Fatal(err)
		}
		must(t, s, Process{Rootfs: root, Capabilities: []string{"CAP_CHOWN"}, Owners: true}, "give", "/etc/dir", "7")
		file := filepath.Join(root.Upper, "etc", "dir")
		if s.Mode() != ModeSingle {
			var st unix.Stat_t
			if err := unix.Lstat(file, &st); err != nil || st.Uid != 7 {
				t.Errorf("%v, owner %d", err, st.Uid)
			}
			return
		}
		value := make([]byte, 64)
		n, err := unix.Getxattr(file, archive.OwnerXattr, value)
		if got := string(value[:max(n, 0)]); err != nil || !strings.HasPrefix(got, "7:") {
			t.Errorf("recorded %q, %v", got, err)
		}
		out, err := output(t, s, Process{Rootfs: root, Capabilities: []string{"CAP_CHOWN"}}, "give", "/etc/dir", "7")
		if err == nil {
			t.Errorf("a file was given away although nothing records it: %s", out)
		}
	})
}
