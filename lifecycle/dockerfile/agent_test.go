package dockerfile

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// TestAgent talks to an agent through the socket that a command gets, whose mode is what the mount says.
func TestAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	mode := uint64(0o640)
	m := &mounting{b: &builder{Options: Options{SSH: map[string]string{"default": socket}}}}
	if err := m.agent(&mount{Mount: &instructions.Mount{Mode: &mode}}, 3); err != nil {
		t.Fatal(err)
	}
	file := m.mounts[0].Source
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if m.mounts[0].Target != "/run/buildkit/ssh_agent.3" || m.env[0] != "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.3" {
		t.Errorf("mounted at %s, %v", m.mounts[0].Target, m.env)
	}
	for range 2 {
		c, err := net.Dial("unix", file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.UnixConn).CloseWrite()
		if answer, err := io.ReadAll(c); err != nil || string(answer) != "hello" {
			t.Errorf("the agent said %q, %v", answer, err)
		}
		_ = c.Close()
	}
	m.release()
	if _, err := os.Stat(filepath.Dir(file)); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}
