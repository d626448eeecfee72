package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// direct runs the program of testdata/inside in place.
func direct(t *testing.T, p Process, args ...string) (string, error) {
	t.Helper()
	dir := lower(t)
	var out bytes.Buffer
	p.Args = append([]string{filepath.Join(dir, "inside")}, args...)
	p.Stdout, p.Stderr = &out, &out
	err := Direct{}.Run(t.Context(), p)
	return out.String(), err
}

func TestDirect(t *testing.T) {
	t.Setenv("SECRET_OF_THE_HOST", "x")
	own := Process{UID: os.Getuid(), GID: os.Getgid()}
	p := own
	p.Env = []string{"A=1"}
	if out, err := direct(t, p, "env"); err != nil || out != "A=1\n" {
		t.Errorf("%v: %q", err, out)
	}
	p.Stdin = strings.NewReader("in")
	if out, err := direct(t, p, "cat"); err != nil || out != "in" {
		t.Errorf("%v: %q", err, out)
	}
	for _, tc := range []struct {
		args []string
		want *ExitError
	}{
		{[]string{"exit", "0"}, nil},
		{[]string{"exit", "4"}, &ExitError{Code: 4}},
		{[]string{"die"}, &ExitError{Code: 137, Signal: 9}},
	} {
		var got *ExitError
		out, err := direct(t, own, tc.args...)
		if !errors.As(err, &got) && err != nil {
			t.Fatal(err, out)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%v: %s", tc.args, diff)
		}
	}
	if out, err := direct(t, own, "read", "/proc/self/status"); err != nil || !strings.Contains(out, "NoNewPrivs:\t1\n") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDirectCancel(t *testing.T) {
	for _, what := range []string{"sleep", "trap", "stubborn"} {
		mark := fmt.Sprintf("direct-%d-%d", os.Getpid(), time.Now().UnixNano())
		ctx, cancel := context.WithCancel(t.Context())
		w := &readyWriter{call: cancel}
		p := Process{Args: []string{filepath.Join(lower(t), "inside"), what, mark}, Stdout: w, Stderr: w}
		if err := (Direct{}).Run(ctx, p); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v: %s", what, err, w)
		}
		noTrace(t, t.TempDir(), mark)
	}
}

func TestDirectRefuses(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		p    Process
		want error
		ok   bool
	}{
		"no network":     {Process{Network: NetworkNone}, ErrUnavailable, false},
		"limits":         {Process{Limits: Limits{Memory: 1}}, ErrLimits, false},
		"same place":     {Process{Mounts: []Mount{{Source: dir, Target: dir}}}, nil, true},
		"link":           {Process{Mounts: []Mount{{Source: dir, Target: link}}}, nil, true},
		"temporary":      {Process{Mounts: []Mount{{Target: dir}}}, nil, true},
		"other place":    {Process{Mounts: []Mount{{Source: dir, Target: "/tmp"}}}, nil, false},
		"missing target": {Process{Mounts: []Mount{{Source: dir, Target: "/no/where"}}}, os.ErrNotExist, false},
		"missing source": {Process{Mounts: []Mount{{Source: "/no/where", Target: dir}}}, os.ErrNotExist, false},
	} {
		tc.p.UID, tc.p.GID = os.Getuid(), os.Getgid()
		_, err := direct(t, tc.p, "exit", "0")
		if tc.ok != (err == nil) || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDirectFindsPrograms(t *testing.T) {
	dir := lower(t)
	p := Process{Args: []string{"inside"}, Env: []string{"PATH=/nowhere:" + dir}, UID: os.Getuid(), GID: os.Getgid()}
	if err := (Direct{}).Run(t.Context(), p); err != nil {
		t.Error(err)
	}
	p.Env = []string{"PATH=/nowhere"}
	if err := (Direct{}).Run(t.Context(), p); err == nil {
		t.Error("it was found")
	}
}
