package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
)

func TestMain(m *testing.M) {
	Main()
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

// modes runs the test in every mode that this user can have, and checks that it leaves nothing behind.
func modes(t *testing.T, test func(t *testing.T, s *OCI)) {
	t.Helper()
	each := func(name string, o Options) {
		o.Runtime = os.Getenv(runtimeEnv)
		t.Run(name, func(t *testing.T) {
			s := newOCI(t, o)
			if s.Mode() != Mode(name) {
				_, _, err := subordinate()
				t.Fatalf("mode is %s; this test needs newuidmap (apt-get install uidmap) and ranges for this user "+
					"in /etc/subuid and /etc/subgid: %v", s.Mode(), err)
			}
			test(t, s)
			if s.Mode() != Mode(name) {
				t.Errorf("mode became %s", s.Mode())
			}
			noTrace(t, s.options.TempDir, "")
		})
	}
	if os.Geteuid() == 0 {
		each("root", Options{})
		return
	}
	each("single", Options{SingleID: true})
	each("subordinate", Options{})
}

// TestAsOrdinaryUser runs the tests of the single id mode, for root, as the user nobody.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // they run anyway
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "nobody") //nolint:usetesting // an ordinary user reaches it, unlike t.TempDir
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
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=./single", "-test.v")
	cmd.Env = []string{"TMPDIR=" + dir, insideEnv + "=" + inside, "PATH=" + os.Getenv("PATH"),
		runtimeEnv + "=" + os.Getenv(runtimeEnv)}
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("/single")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// output runs the program inside and gives what it prints.
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
