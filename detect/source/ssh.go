package source

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sshLogin authenticates with the keys of the agent and the user's own key files, and trusts only servers that the
// known_hosts files hold.
type sshLogin struct {
	user       string
	signers    func() ([]ssh.Signer, error)
	hosts      *knownhosts.HostKeyDB
	algorithms []string
}

// Name says how it authenticates.
func (s *sshLogin) Name() string { return gitssh.PublicKeysCallbackName }

// String does not tell the keys.
func (s *sshLogin) String() string { return s.Name() }

// ClientConfig makes the configuration of a connection.
func (s *sshLogin) ClientConfig() (*ssh.ClientConfig, error) {
	return &ssh.ClientConfig{
		User:              s.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeysCallback(s.signers)},
		HostKeyCallback:   s.hosts.HostKeyCallback(),
		HostKeyAlgorithms: s.algorithms,
		Timeout:           30 * time.Second,
	}, nil
}

// sshAuth collects what is needed to connect to an endpoint. SSH_KNOWN_HOSTS may name other known_hosts files, and
// S2I_GIT_SSH_KEY another key file.
func sshAuth(ep *transport.Endpoint, getenv func(string) string) (transport.AuthMethod, error) {
	home := getenv("HOME")
	files := filepath.SplitList(getenv("SSH_KNOWN_HOSTS"))
	if len(files) == 0 {
		files = []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}
	}
	var there []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			there = append(there, f)
		}
	}
	if len(there) == 0 {
		return nil, fmt.Errorf("the key of the server is not known, because there is no file %s; %s", files[0], keyscan(ep))
	}
	hosts, err := knownhosts.NewDB(there...)
	if err != nil {
		return nil, fmt.Errorf("reading the known hosts in %v: %w", there, err)
	}
	user := ep.User
	if user == "" {
		user = gitssh.DefaultUsername
	}
	return &sshLogin{
		user: user, hosts: hosts, algorithms: hosts.HostKeyAlgorithms(sshAddress(ep)),
		signers: func() ([]ssh.Signer, error) { return sshSigners(getenv, home) },
	}, nil
}

func sshAddress(ep *transport.Endpoint) string {
	port := ep.Port
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	return net.JoinHostPort(ep.Host, strconv.Itoa(port))
}

func keyscan(ep *transport.Endpoint) string {
	port := ""
	if ep.Port > 0 && ep.Port != gitssh.DefaultPort {
		port = fmt.Sprintf("-p %d ", ep.Port)
	}
	return fmt.Sprintf("compare and add it: ssh-keyscan %s%s >> ~/.ssh/known_hosts", port, ep.Host)
}

// sshSigners gives the agent's keys, then those in files that need no passphrase.
func sshSigners(getenv func(string) string, home string) ([]ssh.Signer, error) {
	var out []ssh.Signer
	if socket := getenv("SSH_AUTH_SOCK"); socket != "" {
		if conn, err := net.Dial("unix", socket); err == nil { // it signs later, so it stays open
			if signers, err := agent.NewClient(conn).Signers(); err == nil {
				out = append(out, signers...)
			}
		}
	}
	var names []string
	if name := getenv("S2I_GIT_SSH_KEY"); name != "" {
		names = append(names, name)
	} else if home != "" {
		for _, kind := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			names = append(names, filepath.Join(home, ".ssh", kind))
		}
	}
	locked := ""
	for _, name := range names {
		data, err := readFileBounded(name)
		if err != nil {
			continue
		}
		signer, err := ssh.ParsePrivateKey(data)
		var missing *ssh.PassphraseMissingError
		switch {
		case err == nil:
			out = append(out, signer)
		case errors.As(err, &missing):
			locked = name
		default:
			return nil, fmt.Errorf("reading the key %s: %w", name, err)
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case locked != "":
		return nil, fmt.Errorf("the key %s needs a passphrase; add it to an agent: ssh-add %s", locked, locked)
	}
	return nil, fmt.Errorf("there is no ssh key: no agent (SSH_AUTH_SOCK), and none of %v", names)
}

// sshExplain says what to do about an ssh error; nil when it is none.
func sshExplain(err error, ep *transport.Endpoint) error {
	switch {
	case knownhosts.IsHostKeyChanged(err):
		return fmt.Errorf("the server %s shows another key than known_hosts has for it: somebody may be in between; "+
			"if the server's key really changed, remove the old one: ssh-keygen -R %s", ep.Host, ep.Host)
	case knownhosts.IsHostUnknown(err):
		return fmt.Errorf("the key of the server %s is not in known_hosts; %s", ep.Host, keyscan(ep))
	}
	return nil
}
