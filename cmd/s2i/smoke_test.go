package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle/sandbox"
)

// app is a sandbox in which a function plays the app.
type app func(ctx context.Context, p sandbox.Process) error

func (a app) Run(ctx context.Context, p sandbox.Process) error { return a(ctx, p) }

// server listens on an address until it is stopped.
func server(address func(port string) string) app {
	return func(ctx context.Context, p sandbox.Process) error {
		var c net.ListenConfig
		l, err := c.Listen(ctx, "tcp", address(valueOf(p.Env, "PORT")))
		if err != nil {
			fmt.Fprintln(p.Stderr, err)
			return &sandbox.ExitError{Code: 1}
		}
		defer l.Close()
		fmt.Fprintln(p.Stdout, "\x1b[1mlistening\x1b[0m")
		<-ctx.Done()
		return context.Cause(ctx)
	}
}

func idle(ctx context.Context, p sandbox.Process) error {
	fmt.Fprintln(p.Stdout, "working")
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestSmoke(t *testing.T) {
	ends := func(err error) app {
		return func(_ context.Context, p sandbox.Process) error {
			fmt.Fprintln(p.Stderr, "no database")
			return err
		}
	}
	for name, c := range map[string]struct {
		app    app
		worker bool
		want   string
	}{
		"listens":             {app: server(func(port string) string { return "0.0.0.0:" + port })},
		"listens on IPv6":     {app: server(func(port string) string { return "[::]:" + port })},
		"loopback only":       {app: server(func(port string) string { return "127.0.0.1:" + port }), want: "of the loopback interface only"},
		"another port":        {app: server(func(string) string { return "0.0.0.0:0" }), want: "did not listen on $PORT"},
		"does not listen":     {app: idle, want: "within 300ms"},
		"ends":                {app: ends(nil), want: "ended with status 0 before it listened"},
		"fails":               {app: ends(&sandbox.ExitError{Code: 3}), want: "no database"},
		"cannot be started":   {app: ends(errors.New("no runtime")), want: "starting the image for the smoke test: no runtime"},
		"worker that works":   {app: idle, worker: true},
		"worker that is done": {app: ends(nil), worker: true},
		"worker that fails":   {app: ends(&sandbox.ExitError{Code: 3}), worker: true, want: "smoke test: process web failed: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := &smoke{box: c.app, kind: "web", timeout: 300 * time.Millisecond}
			if !c.worker {
				port, err := freePort(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.port = port
				s.process.Env = []string{"PORT=1", "PORT=" + strconv.Itoa(port)}
			}
			err := s.run(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\x1b") {
				t.Errorf("the error has control sequences: %q", err)
			}
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped by the user"))
	s := &smoke{box: app(idle), kind: "web", port: 1, timeout: time.Minute}
	if err := s.run(ctx); err == nil || err.Error() != "stopped by the user" {
		t.Errorf("got %v", err)
	}
}

func TestSmokeFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{"true": 30 * time.Second, "false": 0, "90s": 90 * time.Second, "2m": 2 * time.Minute} {
		var f smokeFlag
		if err := f.Set(text); err != nil || f.timeout != want {
			t.Errorf("%q: got %v, %v", text, f.timeout, err)
		}
	}
	for _, text := range []string{"", "-1s", "0s", "soon", "10"} {
		if err := new(smokeFlag).Set(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	a := newApp(strings.NewReader(""), nil, nil)
	got := flagsFirst(a, []string{"s2i", "build", "--smoke", "./src", "--smoke=5s", "-t", "x"})
	if d := cmp.Diff([]string{"s2i", "build", "--smoke", "--smoke=5s", "-t", "x", "--", "./src"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestListens(t *testing.T) {
	dir := t.TempDir()
	env := filepath.Join(dir, "layers", "s2i_x", "env", "env.launch", "admin")
	if err := os.MkdirAll(env, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(env, "PORT.default"), []byte("8080"), 0o644); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]bool{"web": true, "admin": true, "worker": false} {
		if got := listens([]string{t.TempDir(), dir}, kind); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

const procNetTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0
   3: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   4: 0000000000000000FFFF00000100007F:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   5: 00:1F93 00:00 0A
   6: ZZ:1F93 00:00 0A
`

func TestParseListening(t *testing.T) {
	got := parseListening(strings.NewReader(procNetTCP))
	want := []endpoint{{netip.MustParseAddr("127.0.0.1"), 8080}, {netip.MustParseAddr("0.0.0.0"), 80},
		{netip.MustParseAddr("::1"), 8082}, {netip.MustParseAddr("127.0.0.1"), 8083}}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b endpoint) bool { return a == b })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzParseListening(f *testing.F) {
	f.Add(procNetTCP)
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range parseListening(strings.NewReader(text)) {
			if !e.address.IsValid() || e.port < 0 || e.port > 65535 {
				t.Errorf("%v", e)
			}
		}
	})
}

func TestTail(t *testing.T) {
	var out tail
	if got := out.quoted(); got != "\nit wrote nothing" {
		t.Errorf("got %q", got)
	}
	for i := range 5000 {
		fmt.Fprintf(&out, "line %d\n", i)
	}
	got := out.quoted()
	if !strings.HasSuffix(got, "\n  line 4999") || strings.Count(got, "\n") != smokeOutput+1 {
		t.Errorf("got %q", got)
	}
}
