package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// maxSize bounds the server, in bytes: it is most of an image of a static site.
const maxSize = 6_000_000

// compile builds the server as the Makefile does.
func compile(t *testing.T, arch string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "static-server")
	cmd := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=",
		"-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", arch, err, out)
	}
	return program
}

func TestSize(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		info, err := os.Stat(compile(t, arch))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxSize {
			t.Errorf("for %s the server has %d bytes, more than %d", arch, info.Size(), maxSize)
		}
	}
}

// The server is the standard library and one package.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(out)) {
		first, _, _ := strings.Cut(name, "/")
		switch {
		case name == "s2i/cmd/static-server" || name == "s2i/buildpacks/staticserver/server":
		case strings.HasPrefix(name, "vendor/golang.org/"):
		case first == "s2i" || strings.Contains(first, "."):
			t.Errorf("the server imports %s", name)
		}
	}
}

// TestStartAndEnd starts the program, asks it, and ends it while a request is being answered.
func TestStartAndEnd(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	site, err := json.Marshal(map[string]any{
		"root": dir, "files": map[string]any{"index.html": map[string]any{"size": 5, "type": "text/html", "tag": "a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "site.json")
	if err := os.WriteFile(file, site, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	cmd := exec.Command(compile(t, "amd64"), file)
	cmd.Env = []string{"PORT=" + port, "S2I_ACCESS_LOG=1"}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.Contains(lines.Text(), "serving 1 files") {
		t.Fatalf("it said %q", lines.Text())
	}
	r, err := http.Get("http://127.0.0.1:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil || string(data) != "hello" {
		t.Fatalf("got %q, %v", data, err)
	}
	_ = r.Body.Close()
	if !lines.Scan() || !strings.Contains(lines.Text(), `"GET / HTTP/1.1" 200 5 `) {
		t.Errorf("it logged %q", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it did not end")
	}
}
