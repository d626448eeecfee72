package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxKey bounds the file of a private key.
const maxKey = 1 << 20

// agents reads --ssh: for each name the socket of an agent. For NAME=FILE[,FILE…] with private keys it is one of our
// own, which knows these keys for as long as the command runs.
func (x *contexts) agents(flags []string) (map[string]string, error) {
	out := map[string]string{}
	for _, flag := range flags {
		name, place, ok := strings.Cut(flag, "=")
		if !ok {
			if place = os.Getenv("SSH_AUTH_SOCK"); place == "" {
				return nil, usageError("--ssh %s: there is no agent: SSH_AUTH_SOCK is not set", flag)
			}
		}
		first, _, _ := strings.Cut(place, ",")
		info, err := os.Stat(first)
		if err != nil {
			return nil, usageError("--ssh %s: %w", name, err)
		}
		if info.Mode().IsRegular() {
			if place, err = x.serveKeys(strings.Split(place, ",")); err != nil {
				return nil, usageError("--ssh %s: %w", name, err)
			}
		}
		out[name] = place
	}
	return out, nil
}

// serveKeys starts an agent for some keys and gives its socket.
func (x *contexts) serveKeys(files []string) (string, error) {
	ring := agent.NewKeyring()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if len(text) > maxKey {
			return "", fmt.Errorf("%s is larger than %d bytes", file, maxKey)
		}
		key, err := ssh.ParseRawPrivateKey(text)
		if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
			return "", fmt.Errorf("the key %s has a passphrase; add it to an agent with ssh-add", file)
		}
		if err != nil {
			return "", fmt.Errorf("%s is no private key", file)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			return "", fmt.Errorf("reading the key %s: %w", file, err)
		}
	}
	dir, err := os.MkdirTemp("", "s2i-ssh-") // the path of a socket must be short
	if err != nil {
		return "", err
	}
	x.closers = append(x.closers, func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return "", fmt.Errorf("serving the keys: %w", err)
	}
	x.closers = append(x.closers, func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = agent.ServeAgent(signOnly{ring}, conn) // the process inside has gone
			}()
		}
	}()
	return socket, nil
}

// signOnly is an agent whose keys nobody can change.
type signOnly struct{ agent.Agent }

var errSignOnly = errors.New("this agent only signs")

// Add refuses to take a key.
func (signOnly) Add(agent.AddedKey) error { return errSignOnly }

// Remove refuses to drop a key.
func (signOnly) Remove(ssh.PublicKey) error { return errSignOnly }

// RemoveAll refuses to drop the keys.
func (signOnly) RemoveAll() error { return errSignOnly }

// Lock refuses to lock the agent.
func (signOnly) Lock([]byte) error { return errSignOnly }

// Unlock refuses to unlock the agent.
func (signOnly) Unlock([]byte) error { return errSignOnly }
