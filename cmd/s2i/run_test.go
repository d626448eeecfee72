package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"s2i/lifecycle"
	"s2i/lifecycle/sandbox"
)

func TestEnding(t *testing.T) {
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(&signalError{syscall.SIGTERM})
	plain := errors.New("no such program")
	for _, c := range []struct {
		name  string
		ctx   context.Context
		err   error
		code  int
		quiet bool
	}{
		{"success", t.Context(), nil, 0, false},
		{"own code", t.Context(), fmt.Errorf("running: %w", &sandbox.ExitError{Code: 7}), 7, true},
		{"killed", t.Context(), &sandbox.ExitError{Code: 139, Signal: syscall.SIGSEGV}, 139, true},
		{"memory", t.Context(), &sandbox.ExitError{Code: 137, OutOfMemory: true}, 137, false},
		{"not started", t.Context(), plain, 1, false},
		{"stopped", stopped, context.Canceled, 143, true},
		{"stopped, and ended well", stopped, nil, 0, false},
	} {
		err := ending(c.ctx, c.err)
		var ended *appEnded
		quiet := errors.As(err, &ended)
		code := lifecycle.ExitCode(err)
		if quiet {
			code = ended.code
		}
		if quiet != c.quiet || code != c.code {
			t.Errorf("%s: quiet %v, code %d; want %v, %d", c.name, quiet, code, c.quiet, c.code)
		}
	}
}

func TestWithSignals(t *testing.T) {
	ctx, stop := withSignals(t.Context())
	defer stop()
	if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	var signal *signalError
	if !errors.As(context.Cause(ctx), &signal) || signal.code() != 143 {
		t.Errorf("the cause is %v", context.Cause(ctx))
	}
}

func TestUserIn(t *testing.T) {
	top, bottom := t.TempDir(), t.TempDir()
	for file, text := range map[string]string{
		filepath.Join(bottom, "etc/passwd"): "root:x:0:0:root:/root:/bin/sh\nold:x:5:5::/:\n",
		filepath.Join(top, "etc/passwd"): "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\n" +
			"broken:x\nodd:x:-1:0::/:\nnogroup:x:44::/:\n",
		filepath.Join(bottom, "etc/group"): "staff:x:50:web\n",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		user, want string
	}{
		{"", "0:0"},
		{"root", "0:0"},
		{"web", "33:34"},
		{"33", "33:34"},
		{"1000", "1000:0"},
		{"1000:1001", "1000:1001"},
		{"web:staff", "33:50"},
		{":staff", "0:50"},
		{"old", `the image's user "old" is neither a number nor known in the image's /etc`}, // hidden by the upper layer
		{"broken", `the image's user "broken" is neither a number nor known in the image's /etc`},
		{"odd", `the image's user "odd" is neither a number nor known in the image's /etc`},
		{"nogroup", `the image's group "" is neither a number nor known in the image's /etc`},
		{"web:none", `the image's group "none" is neither a number nor known in the image's /etc`},
		{"-1", `the image's user "-1" is neither a number nor known in the image's /etc`},
		{"99999999999", `the image's user "99999999999" is neither a number nor known in the image's /etc`},
	} {
		uid, gid, err := userIn([]string{top, bottom}, c.user)
		got := fmt.Sprintf("%d:%d", uid, gid)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.user, got, c.want)
		}
	}
}

// TestUserOutside tells that links in an image lead to no file of this machine.
func TestUserOutside(t *testing.T) {
	layer, outside := t.TempDir(), filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(outside, []byte("web:x:33:33::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(layer, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(layer, "etc/passwd")); err != nil {
		t.Fatal(err)
	}
	if uid, _, err := userIn([]string{layer}, "web"); err == nil {
		t.Errorf("web is %d, from outside of the image", uid)
	}
}

func TestUserWithoutFiles(t *testing.T) {
	if uid, gid, err := userIn([]string{t.TempDir()}, "1000:1000"); uid != 1000 || gid != 1000 || err != nil {
		t.Errorf("got %d:%d, %v", uid, gid, err)
	}
}
