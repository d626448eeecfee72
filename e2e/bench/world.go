package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// world is what the cases share.
type world struct {
	root, dir, s2i, store string
	out                   io.Writer
	registry              *exec.Cmd
	// proxy is the address under which the registry is reached.
	proxy    string
	server   *http.Server
	requests atomic.Int64
	delay    atomic.Int64 // nanoseconds that every request takes longer
}

func newWorld(ctx context.Context, dir string, out io.Writer) (*world, error) {
	top, err := root()
	if err != nil {
		return nil, err
	}
	w := &world{root: top, dir: dir, out: out, s2i: filepath.Join(top, "bin", "s2i"), store: filepath.Join(dir, "store")}
	// Downloads of earlier runs may be used; what is measured is not in them.
	if kept := os.Getenv("S2I_BENCH_STORE"); kept != "" {
		w.store = kept
	}
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return nil, err
	}
	return w, w.serve(ctx)
}

// serve starts Debian's registry, and the proxy before it.
func (w *world) serve(ctx context.Context) error {
	upstream, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	config := filepath.Join(w.dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: "+
		"{rootdirectory: %s}}\nhttp: {addr: %s, relativeurls: true}\n", filepath.Join(w.dir, "registry"), upstream)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	w.registry = exec.CommandContext(ctx, "docker-registry", "serve", config) //nolint:gosec // our own file
	w.registry.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.registry.Start(); err != nil {
		return fmt.Errorf("starting docker-registry (apt-get install docker-registry): %w", err)
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
	forward.ErrorLog = log.New(io.Discard, "", 0) // the clients tell
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.proxy = listener.Addr().String()
	w.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(rw http.ResponseWriter, r *http.Request) {
			w.requests.Add(1)
			time.Sleep(time.Duration(w.delay.Load()))
			forward.ServeHTTP(rw, r)
		})}
	go func() { _ = w.server.Serve(listener) }()
	return w.ready(ctx)
}

func (w *world) ready(ctx context.Context) error {
	for range 200 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.proxy+"/v2/", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("docker-registry does not answer at %s", w.proxy)
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (w *world) close() {
	_ = w.server.Close()
	_ = w.registry.Process.Kill()
	_ = w.registry.Wait()
}

// ours is a call of s2i on the shared store.
func (w *world) ours(args ...string) command {
	return command{args: append([]string{w.s2i, "-q", "--store", w.store}, args...)}
}

// counted adds the number of requests to a sample.
func (w *world) counted(ctx context.Context, c command) (sample, error) {
	before := w.requests.Load()
	s, err := c.run(ctx)
	s.requests = w.requests.Load() - before
	return s, err
}

// ref names an image in the registry.
func (w *world) ref(name string) string { return w.proxy + "/" + name }

// do runs commands that are not measured.
func do(ctx context.Context, commands ...command) error {
	for _, c := range commands {
		if _, err := c.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// copyApp copies a sample app.
func (w *world) copyApp(ctx context.Context, name, to string) (string, error) {
	dir := filepath.Join(w.dir, to)
	return dir, do(ctx, command{args: []string{"cp", "-r", filepath.Join(w.root, "testdata", "apps", name), dir}})
}

// touch changes one line of a file, to something that it never was.
func touch(file string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "// %d\n", time.Now().UnixNano())
	if err := f.Close(); err != nil {
		return err
	}
	return err
}

// inTree finds a file in the unpacked layers of the store.
func (w *world) inTree(rel string) (tree, file string, err error) {
	found, err := filepath.Glob(filepath.Join(w.store, "trees", "*", "fs", rel))
	if err != nil || len(found) == 0 {
		return "", "", fmt.Errorf("no layer in %s has %s", w.store, rel)
	}
	return strings.TrimSuffix(found[0], "/"+rel), found[0], nil
}

// crane builds go-containerregistry's own tool once, at the version that this module uses.
func (w *world) crane(ctx context.Context) (string, error) {
	tools := filepath.Join(w.root, ".tools")
	binary := filepath.Join(tools, "crane")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	return binary, do(ctx, command{
		args: []string{"go", "install", "github.com/google/go-containerregistry/cmd/crane@v0.22.0"}, env: []string{"GOBIN=" + tools},
	})
}
