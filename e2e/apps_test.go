//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// want is a sample app's want.json; see testdata/apps/README.md.
type want struct {
	Env       map[string]string `json:"env"`
	Heavy     bool              `json:"heavy"`
	Group     []string          `json:"group"`
	Processes map[string]struct {
		Command    []string `json:"command"`
		WorkingDir string   `json:"working-dir"`
		Default    bool     `json:"default"`
	} `json:"processes"`
	HTTP *struct {
		Path     string `json:"path"`
		Status   int    `json:"status"`
		Contains string `json:"contains"`
	} `json:"http"`
	Output *struct {
		Process  string `json:"process"`
		Contains string `json:"contains"`
	} `json:"output"`
}

// readWant reads a sample app's want.json.
func readWant(name string) (want, error) {
	var w want
	data, err := os.ReadFile(filepath.Join(app(name), "want.json"))
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return w, fmt.Errorf("reading want.json of %s: %w", name, err)
	}
	return w, nil
}

// everywhere are the apps that are started by every runtime; the others take turns between podman and docker.
var everywhere = []string{"go-hello", "go-mains", "go-cgo", "node-npm-express", "node-pnpm-workspace"} //nolint:gochecknoglobals // constant

// all tells that heavy apps are tested too, and every app's digest: `make test-all`.
func all() bool { return os.Getenv("S2I_TEST_ALL") != "" }

// apps lists the sample apps that this run tests.
func apps(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared.root, "testdata", "apps", "*", "want.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample apps: %v", err)
	}
	var names []string
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		w, err := readWant(name)
		if err != nil {
			t.Fatal(err)
		}
		if !w.Heavy || all() {
			names = append(names, name)
		}
	}
	return names
}

// TestApps builds every sample app, pushes it to the registry, and asks it: started by s2i itself, by podman, and by
// docker from what they pull.
func TestApps(t *testing.T) {
	t.Parallel()
	for i, name := range apps(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testApp(t, name, i)
		})
	}
}

func testApp(t *testing.T, name string, turn int) {
	w, err := readWant(name)
	if err != nil {
		t.Fatal(err)
	}
	built(t, name)
	image := ref("apps/" + name + ":1")
	checkInspect(t, image, w)
	if w.Output != nil {
		out, errOut, _ := s2i("run", "--process", w.Output.Process, image).try(t.Context())
		if !strings.Contains(out+errOut, w.Output.Contains) {
			t.Errorf("process %s prints %q, want %q in it", w.Output.Process, out+errOut, w.Output.Contains)
		}
	}
	if w.HTTP == nil {
		return
	}
	for _, r := range runtimes(slices.Contains(everywhere, name), turn) {
		t.Run(r.name, func(t *testing.T) {
			port := freePort()
			r.start(t, image, port)
			status, body := get(t, "http://127.0.0.1:"+port+w.HTTP.Path)
			if status != w.HTTP.Status || !strings.Contains(body, w.HTTP.Contains) {
				t.Errorf("%s answers %d %q, want %d with %q", w.HTTP.Path, status, body, w.HTTP.Status, w.HTTP.Contains)
			}
		})
	}
}

// checkInspect compares what s2i inspect tells about the image with what the app expects.
func checkInspect(t *testing.T, image string, w want) {
	t.Helper()
	d := inspect(t, image)
	var group []string
	for _, b := range d.Buildpacks {
		group = append(group, b.ID)
	}
	if diff := cmp.Diff(w.Group, group); diff != "" {
		t.Errorf("buildpacks (-want +got):\n%s", diff)
	}
	got := map[string][]string{}
	for _, p := range d.Processes {
		got[p.Type] = append(p.Command, p.Args...)
	}
	wanted := map[string][]string{}
	for name, p := range w.Processes {
		wanted[name] = p.Command
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
}

// runtime starts an image that serves on a port until the test ends.
type runtime struct {
	name  string
	start func(t *testing.T, image, port string)
}

// runtimes are s2i itself, and podman, docker or both. Debian's docker daemon needs root.
func runtimes(both bool, turn int) []runtime {
	list := []runtime{{"s2i", serveS2I}}
	docker := os.Getuid() == 0
	if both || turn%2 == 0 || !docker {
		list = append(list, runtime{"podman", servePodman})
	}
	if docker && (both || turn%2 == 1) {
		list = append(list, runtime{"docker", serveDocker})
	}
	return list
}

func serveS2I(t *testing.T, image, port string) { s2i("run", "-e", "PORT="+port, image).serve(t) }

// Containers are stopped by name: a program that is process 1 and handles no signals does not see SIGTERM.

func servePodman(t *testing.T, image, port string) {
	name := "s2i-e2e-" + port
	podman("run", "--rm", "--name", name, "--network", "host", "--ulimit", "nofile=1024:1024",
		"--ulimit", "nproc=1024:1024", "--tls-verify=false", "-e", "PORT="+port, image).
		serve(t, podman("rm", "--force", "--time", "0", name))
}

func serveDocker(t *testing.T, image, port string) {
	name := "s2i-e2e-" + port
	docker(t, "run", "--rm", "--name", name, "--network", "host", "-e", "PORT="+port, image).
		serve(t, docker(t, "rm", "--force", name))
}

// docker is the client of a daemon with a data root and a socket of its own, started when it is first needed.
func docker(t *testing.T, args ...string) command {
	t.Helper()
	socket, err := startDocker()
	if err != nil {
		t.Fatalf("starting dockerd (apt-get install docker.io): %v", err)
	}
	return command{name: "docker", args: append([]string{"--host", "unix://" + socket}, args...)}
}

var startDocker = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // one daemon for all tests
	dir := filepath.Join(shared.dir, "docker")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	socket := filepath.Join(dir, "docker.sock")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--host", "unix://"+socket, "--pidfile", filepath.Join(dir, "pid"), "--iptables=false", "--ip6tables=false",
		"--bridge=none", "--insecure-registry", shared.registry)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stops = append(stops, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
		}
		_ = syscall.Unmount(filepath.Join(dir, "exec", "netns", "default"), syscall.MNT_DETACH) // the daemon leaves it
	})
	for range 300 {
		if err := exec.Command("docker", "--host", "unix://"+socket, "info").Run(); err == nil {
			return socket, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "log"))
	return "", fmt.Errorf("dockerd does not answer:\n%s", text)
})
