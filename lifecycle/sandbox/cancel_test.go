package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// readyWriter keeps what is written, and calls a function as soon as that contains "ready".
type readyWriter struct {
	mu   sync.Mutex
	all  bytes.Buffer
	done bool
	call func()
}

func (w *readyWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	if !w.done && bytes.Contains(w.all.Bytes(), []byte("ready")) {
		w.done = true
		w.call()
	}
	return len(b), nil
}

func (w *readyWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

func TestCancel(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		p := Process{Rootfs: Rootfs{Lower: []string{lower(t)}}}
		for _, tc := range []struct {
			args []string
			want string
		}{
			{[]string{"sleep"}, ""},
			{[]string{"trap"}, "got SIGTERM"},
			{[]string{"stubborn"}, ""},
			{[]string{"parent", "trap"}, ""},
			{[]string{"parent", "stubborn"}, ""},
		} {
			mark := fmt.Sprintf("cancelled-%d-%d", os.Getpid(), time.Now().UnixNano())
			p.Args = append(append([]string{"/inside"}, tc.args...), mark)
			ctx, cancel := context.WithCancel(t.Context())
			var began time.Time
			w := &readyWriter{call: func() { began = time.Now(); cancel() }}
			p.Stdout, p.Stderr = w, w
			err := s.Run(ctx, p)
			t.Logf("%v ended %v after the cancellation", tc.args, time.Since(began))
			if !errors.Is(err, context.Canceled) || !strings.Contains(w.String(), tc.want) {
				t.Errorf("%v: %v: %s", tc.args, err, w)
			}
			noTrace(t, s.options.TempDir, mark)
		}
	})
}

func TestCancelAtAnyTime(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		p := Process{Rootfs: Rootfs{Lower: []string{lower(t)}}}
		mark := fmt.Sprintf("early-%d-%d", os.Getpid(), time.Now().UnixNano())
		p.Args = []string{"/inside", "sleep", mark}
		for ms := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(3*ms)*time.Millisecond)
			if err := s.Run(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %d ms: %v", 3*ms, err)
			}
			cancel()
		}
		noTrace(t, s.options.TempDir, mark)
	})
}

// victim runs a sandbox until this process is killed.
func victim(lower string) {
	s, err := NewOCI(Options{TempDir: os.Getenv("TMPDIR"), Runtime: os.Getenv(runtimeEnv)})
	if err == nil {
		err = s.Run(context.Background(), Process{Rootfs: Rootfs{Lower: []string{lower}},
			Stdout: os.Stdout, Stderr: os.Stderr, Mounts: []Mount{{Target: "/tmp"}},
			Args: []string{"/inside", "parent", "stubborn", os.Getenv("MARK")}})
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestKilled(t *testing.T) {
	modes(t, func(t *testing.T, s *OCI) {
		low := lower(t)
		for i := range 12 {
			mark := fmt.Sprintf("killed-%d-%d", os.Getpid(), time.Now().UnixNano())
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = []string{runtimeEnv + "=" + os.Getenv(runtimeEnv), victimEnv + "=" + low, "MARK=" + mark,
				"TMPDIR=" + s.options.TempDir, "PATH=" + os.Getenv("PATH")}
			ready := make(chan struct{})
			w := &readyWriter{call: func() { close(ready) }}
			cmd.Stdout, cmd.Stderr = w, w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			if i < 2 { // in the middle of the run, and otherwise at some point before it
				select {
				case <-ready:
				case err := <-ended:
					t.Fatalf("%v: %s", err, w)
				}
			} else {
				time.Sleep(time.Duration(i*5) * time.Millisecond)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			noTrace(t, s.options.TempDir, mark)
			<-ended
		}
		must(t, s, Process{Rootfs: Rootfs{Lower: []string{low}}})
		if left, _ := os.ReadDir(s.options.TempDir); len(left) > 0 {
			t.Errorf("the next run leaves %v", left)
		}
	})
}
