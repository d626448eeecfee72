package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxSize bounds the launcher, in bytes: it is in every image, on a base that is no larger than that.
const maxSize = 2_000_000

func TestSize(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		program := filepath.Join(t.TempDir(), "launcher")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", program, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", arch, err, out)
		}
		info, err := os.Stat(program)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxSize {
			t.Errorf("for %s the launcher has %d bytes, more than %d", arch, info.Size(), maxSize)
		}
	}
}

// What makes the launcher large and slow to start stays out of it.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(out)) {
		switch name {
		case "fmt", "reflect", "os/exec", "net", "encoding/json", "regexp", "context", "s2i/lifecycle":
			t.Errorf("the launcher imports %s", name)
		}
	}
}
