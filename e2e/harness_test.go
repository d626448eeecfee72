//go:build e2e

// Package e2e tests s2i as its users use it: the real program, real registries, real runtimes, HTTP. Run it with
// `make e2e`, which builds the program first.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// world is what all tests share: the program, a store whose downloads are paid for once, a registry, and a directory
// for what the tests start.
type world struct {
	s2i, root, store, registry, dir string
}

var shared world //nolint:gochecknoglobals // TestMain hands the world to the tests through it

// stops are what the end of the tests has to stop.
var stops []func() //nolint:gochecknoglobals // filled by whatever starts a daemon for all tests

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	root, err := filepath.Abs("..")
	if err != nil {
		return fail(err)
	}
	dir, err := os.MkdirTemp("", "s2i-e2e-")
	if err != nil {
		return fail(err)
	}
	defer removeAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // sandboxes of other users reach into it
		return fail(err)
	}
	shared = world{s2i: filepath.Join(root, "bin", "s2i"), root: root, store: filepath.Join(dir, "store"), dir: dir}
	if kept := os.Getenv("S2I_E2E_STORE"); kept != "" {
		shared.store = kept
	}
	if _, err := os.Stat(shared.s2i); err != nil {
		return fail(fmt.Errorf("%w: run `make build` first", err))
	}
	if err := copyProgram(&shared); err != nil {
		return fail(err)
	}
	auth := filepath.Join(dir, "auth.json")                         // tools look into places that an ordinary user may not read
	if err := os.WriteFile(auth, []byte("{}"), 0o644); err != nil { //nolint:gosec // no secrets
		return fail(err)
	}
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	stop, err := startRegistry(dir)
	if err != nil {
		return fail(err)
	}
	defer stop()
	os.Setenv("REGISTRY_AUTH_FILE", auth) // only now: the registry would take it for its own
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	return m.Run()
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}

// startRegistry starts Debian's docker-registry on a free port of 127.0.0.1.
func startRegistry(dir string) (stop func(), err error) {
	address := "127.0.0.1:" + freePort()
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: %s}\n",
		filepath.Join(dir, "registry"), address)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting docker-registry (apt-get install docker-registry): %w", err)
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	if err := waitHTTP("http://"+address+"/v2/", 10*time.Second); err != nil {
		stop()
		return nil, fmt.Errorf("docker-registry does not answer: %w\n%s", err, out.String())
	}
	shared.registry = address
	return stop, nil
}

// copyProgram lets the tests run a copy of the program, so that making it anew meanwhile does not disturb them.
func copyProgram(w *world) error {
	data, err := os.ReadFile(w.s2i)
	if err != nil {
		return err
	}
	w.s2i = filepath.Join(w.dir, "s2i")
	return os.WriteFile(w.s2i, data, 0o755) //nolint:gosec // other users run it, too
}

// removeAll removes a directory in which rootless tools may have left files of subordinate users.
func removeAll(dir string) {
	if os.RemoveAll(dir) != nil && os.Getuid() != 0 {
		_ = exec.Command("podman", "unshare", "rm", "-rf", dir).Run()
	}
}

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "5000"
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func waitHTTP(url string, timeout time.Duration) error {
	var last error
	for end := time.Now().Add(timeout); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url) //nolint:gosec // loopback
		if err == nil {
			resp.Body.Close()
			return nil
		}
		last = err
	}
	return last
}

// get asks url until it answers, and gives status and body.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	if err := waitHTTP(url, 30*time.Second); err != nil {
		t.Fatalf("no answer from %s: %v", url, err)
	}
	resp, err := http.Get(url) //nolint:gosec // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// command is a program that a test runs.
type command struct {
	name string
	args []string
	dir  string
	env  []string
}

// run runs a command to its end and gives its standard output; it fails the test when the command fails.
func (c command) run(t *testing.T) string {
	t.Helper()
	out, errOut, err := c.try(t.Context())
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", c.name, strings.Join(c.args, " "), err, out, errOut)
	}
	return strings.TrimSpace(out)
}

// try runs a command to its end and gives both outputs.
func (c command) try(ctx context.Context) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

// s2i is the program on the shared store.
func s2i(args ...string) command {
	return command{name: shared.s2i, args: append([]string{"--store", shared.store}, args...)}
}

// serve starts a command that serves HTTP until the test ends. Then stop is run, if given, and the command gets SIGTERM
// and a moment later SIGKILL, since an app that is process 1 and handles no signals does not see the first.
func (c command) serve(t *testing.T, stop ...command) {
	t.Helper()
	cmd := exec.Command(c.name, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", c.name, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		for _, s := range stop {
			_, _, _ = s.try(context.Background())
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("output of %s %s:\n%s", c.name, strings.Join(c.args, " "), out.String())
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// in is the program on another store than the shared one.
func in(store string, args ...string) command {
	return command{name: shared.s2i, args: append([]string{"--store", store}, args...)}
}

// code is the exit code of a command that try has run.
func code(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// fails runs a command that must end with an exit code, and whose standard error must hold every one of words.
func (c command) fails(t *testing.T, want int, words ...string) string {
	t.Helper()
	out, errOut, err := c.try(t.Context())
	if code(err) != want {
		t.Fatalf("%s %s: exit code %d (%v), want %d\n%s%s", c.name, strings.Join(c.args, " "), code(err), err, want, out, errOut)
	}
	for _, w := range words {
		if !strings.Contains(errOut, w) {
			t.Errorf("%s %s: the error does not name %q:\n%s", c.name, strings.Join(c.args, " "), w, errOut)
		}
	}
	return errOut
}

// built builds a sample app once for all tests, into the registry and the shared store, and gives its digest.
func built(t *testing.T, name string) string {
	t.Helper()
	build, _ := builds.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		args := []string{"build", app(name), "-t", ref("apps/" + name + ":1"), "-t", "apps-" + name}
		args = append(args, options(t, name)...)
		out, errOut, err := s2i(args...).try(context.Background())
		if err != nil {
			return "", fmt.Errorf("s2i %s: %w\n%s", strings.Join(args, " "), err, errOut)
		}
		_, digest, _ := strings.Cut(strings.Split(out, "\n")[0], "@")
		return digest, nil
	}))
	digest, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// options are the options that a sample app is built with.
func options(t *testing.T, name string) []string {
	t.Helper()
	w, err := readWant(name)
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for k, v := range w.Env {
		args = append(args, "-e", k+"="+v)
	}
	return args
}

var builds sync.Map //nolint:gochecknoglobals // every app is built once for all tests

// ownStore gives a store of a test's own. It begins with the downloads of the shared one, as links.
func ownStore(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(shared.dir, "own-") //nolint:usetesting // on the file system of the shared store
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(dir) })
	to := filepath.Join(dir, "downloads")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	downloads, err := filepath.Glob(filepath.Join(shared.store, "downloads", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range downloads {
		if strings.HasSuffix(d, ".part") {
			continue
		}
		if err := os.Link(d, filepath.Join(to, filepath.Base(d))); err != nil {
			t.Logf("a store begins without %s: %v", filepath.Base(d), err)
		}
	}
	return dir
}

// podman runs images by Debian's runc with modest limits, so that it also works inside other sandboxes.
func podman(args ...string) command {
	dir := filepath.Join(shared.dir, "podman")
	return command{name: "podman", args: append([]string{
		"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--runtime", "runc",
		"--cgroup-manager", "cgroupfs", "--events-backend", "none",
	}, args...)}
}

func app(name string) string { return filepath.Join(shared.root, "testdata", "apps", name) }

func ref(name string) string { return shared.registry + "/" + name }

// write makes files below dir; a name that ends with ! is executable.
func write(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if n, ok := strings.CutSuffix(name, "!"); ok {
			name, mode = n, 0o755
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
