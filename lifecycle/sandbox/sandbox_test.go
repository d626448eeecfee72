package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Environment variables by which a test starts the test binary again.
const (
	// insideEnv is the path of the program of testdata/inside, ready built.
	insideEnv = "SANDBOX_TEST_INSIDE"
	// runtimeEnv is the runtime to test with; empty is the default.
	runtimeEnv = "SANDBOX_TEST_RUNTIME"
	// victimEnv is a lower directory; the test binary runs a sandbox with it, to be killed.
	victimEnv = "SANDBOX_TEST_VICTIM"
	// enterEnv asks the test binary to run its tests as root of a user namespace.
	enterEnv = "SANDBOX_TEST_ENTER"
)

func TestMain(m *testing.M) {
	Main()
	if os.Getenv(enterEnv) != "" {
		code, entered, err := Enter()
		if err != nil {
			fmt.Println(err)
		}
		if entered || err != nil {
			os.Exit(code)
		}
	}
	if lower := os.Getenv(victimEnv); lower != "" {
		victim(lower)
	}
	os.Exit(m.Run())
}

// insideBinary builds the program that runs in the sandboxes, once.
var insideBinary = sync.OnceValues(func() ([]byte, error) {
	if path := os.Getenv(insideEnv); path != "" {
		return os.ReadFile(path)
	}
	dir, err := os.MkdirTemp("", "inside")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "inside"), "./testdata/inside")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "inside"))
})

// lower makes a lower directory with the program inside.
func lower(t testing.TB) string {
	t.Helper()
	program, err := insideBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "lower")
	for _, d := range []string{"bin", "etc/dir", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "inside"), string(program))
	if err := os.Chmod(filepath.Join(dir, "inside"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "etc/old"), "old\n")
	return dir
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// newOCI makes a sandbox, and fails with what is missing.
func newOCI(t testing.TB, o Options) *OCI {
	t.Helper()
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	s, err := NewOCI(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// modes runs the test in the mode that this user has, and checks that it leaves nothing behind. TestAsOrdinaryUser
// runs it in the others.
func modes(t *testing.T, test func(t *testing.T, s *OCI)) {
	t.Helper()
	s := newOCI(t, Options{Runtime: os.Getenv(runtimeEnv)})
	t.Run(string(s.Mode()), func(t *testing.T) {
		test(t, s)
		noTrace(t, s.options.TempDir, "")
	})
}

// TestAsOrdinaryUser runs the tests, for root, as nobody and as a user with subordinate ids.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 || inUserNamespace() {
		return // they run anyway
	}
	runAs(t, "nobody", ModeSingle)
	runAs(t, subordinateUser(t), ModeSubordinate)
}

// subordinateUser finds a user of this machine that has subordinate ids.
func subordinateUser(t *testing.T) string {
	t.Helper()
	text, _ := os.ReadFile("/etc/subuid")
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		if u, err := user.Lookup(name); err == nil && u.Uid != "0" {
			return name
		}
	}
	t.Fatal("no ordinary user has subordinate ids (useradd tester, apt-get install uidmap)")
	return ""
}

// runAs runs the tests as an ordinary user.
func runAs(t *testing.T, name string, m Mode) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	dir, err := os.MkdirTemp("", name) //nolint:usetesting // an ordinary user reaches it, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := insideBinary()
	if err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(dir, "inside")
	write(t, inside, string(program))
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=./"+string(m), "-test.v")
	cmd.Env = []string{"TMPDIR=" + dir, insideEnv + "=" + inside, "PATH=" + os.Getenv("PATH"),
		runtimeEnv + "=" + os.Getenv(runtimeEnv), enterEnv + "=1"}
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("/"+string(m))) {
		t.Fatalf("as %s: %v\n%s", name, err, out)
	}
}

func output(t *testing.T, s Sandbox, p Process, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	p.Args = append([]string{"/inside"}, args...)
	p.Stdout, p.Stderr = &out, &out
	if p.Rootfs.Lower == nil {
		p.Rootfs.Lower = []string{lower(t)}
	}
	err := s.Run(context.Background(), p)
	return out.String(), err
}

// must is output for a program that has to succeed.
func must(t *testing.T, s Sandbox, p Process, args ...string) string {
	t.Helper()
	out, err := output(t, s, p, args...)
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return out
}

// noTrace waits until nothing is left of runs: no process with the mark among its arguments, and no mount and no file
// in the directory.
func noTrace(t *testing.T, dir, mark string) {
	t.Helper()
	var left []string
	for range 500 {
		if left = traces(t, dir, mark); len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
}

func traces(t *testing.T, dir, mark string) []string {
	t.Helper()
	var left []string
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		cmdline, _ := os.ReadFile(p + "/cmdline")
		if mark != "" && p != fmt.Sprintf("/proc/%d", os.Getpid()) && bytes.Contains(cmdline, []byte(mark)) {
			left = append(left, p+" "+string(cmdline))
		}
		mounts, _ := os.ReadFile(p + "/mounts")
		if bytes.Contains(mounts, []byte(dir)) {
			left = append(left, p+" has a mount in "+dir)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "s2i-sandbox-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return append(left, files...)
}
