package dockerfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"s2i/lifecycle/sandbox"
)

// agent mounts a socket that leads to an ssh agent. It is one of its own, since its owner and mode are the command's.
func (m *mounting) agent(one *mount, i int) error {
	id := one.CacheID
	if id == "" {
		id = "default"
	}
	socket, ok := m.b.SSH[id]
	if !ok {
		if one.Required {
			return fmt.Errorf("the build was not given the ssh agent %q: --ssh %s", id, id)
		}
		return nil
	}
	target := one.target
	if target == "" {
		target = "/run/buildkit/ssh_agent." + strconv.Itoa(i)
	}
	file, err := m.forward(socket)
	if err != nil {
		return fmt.Errorf("forwarding the ssh agent %q: %w", id, err)
	}
	if os.Geteuid() == 0 { // else every user of the command is this one
		if err := os.Lchown(file, int(value(one.UID, 0)), int(value(one.GID, 0))); err != nil {
			return err
		}
	}
	if err := os.Chmod(file, os.FileMode(value(one.Mode, 0o600))); err != nil {
		return err
	}
	m.mounts = append(m.mounts, sandbox.Mount{Source: file, Target: target})
	m.env = append(m.env, "SSH_AUTH_SOCK="+target)
	return nil
}

// forward makes a socket whose connections lead to another one, until the mounts are undone. It is not in the store,
// since a socket's path has little room.
func (m *mounting) forward(to string) (string, error) {
	dir, err := os.MkdirTemp("", "s2i-agent-")
	if errors.Is(err, fs.ErrNotExist) { // a container that has nothing but s2i
		dir, err = m.temp()
	}
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "agent")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: file, Net: "unix"})
	if err != nil {
		return "", err
	}
	go func() {
		for {
			from, err := l.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go join(from, to) // it ends with the command, which holds the other end
			}
		}
	}()
	m.undo = append(m.undo, func() { _ = l.Close() })
	return file, nil
}

// join copies between a connection and a new one to a socket, both ways, until the first side has said all.
func join(from *net.UnixConn, socket string) {
	defer from.Close()
	to, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return // the command sees an agent that hangs up
	}
	defer to.Close()
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(from, to) // either side may hang up at any time
		_ = from.CloseRead()
	})
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
	answers.Wait()
}
