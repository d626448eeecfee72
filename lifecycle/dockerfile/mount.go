package dockerfile

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// mount is one --mount of a RUN.
type mount struct {
	*instructions.Mount
	target string
	key    []any
	// gather gives the content of a bind mount, and what a cache mount begins with; nil for none.
	gather func(context.Context) ([]gathered, error)
	digest string // of that content
}

// mount evaluates a --mount. What is bound is part of the instruction's key; caches, secrets and agents are not.
func (s *stage) mount(ctx context.Context, st *state, m *instructions.Mount) (*mount, error) {
	one := &mount{Mount: m, target: m.Target}
	if one.target != "" && !path.IsAbs(one.target) {
		one.target = path.Join("/", st.config.Config.WorkingDir, one.target)
	}
	switch m.Type {
	case instructions.MountTypeBind:
		one.key = []any{"bind", one.target, m.ReadOnly}
	case instructions.MountTypeCache:
		one.key = []any{"cache", one.target, m.ReadOnly, m.UID, m.GID, m.Mode}
		if m.From == "" {
			return one, nil
		}
	case instructions.MountTypeTmpfs:
		one.key = []any{"tmpfs", one.target}
		return one, nil
	case instructions.MountTypeSecret, instructions.MountTypeSSH:
		one.key = []any{string(m.Type), one.target, m.CacheID, m.Required, m.Env, m.UID, m.GID, m.Mode}
		return one, nil
	default:
		return nil, fmt.Errorf("--mount=type=%s is unknown: there are bind, cache, tmpfs, secret and ssh", m.Type)
	}
	tree, err := s.tree(ctx, st, m.From)
	if err != nil {
		return nil, err
	}
	source := path.Join("/", m.Source)
	if m.From == ownFiles {
		source = one.target
		if is, err := s.holds(ctx, st, source); err != nil || !is { // then it is empty
			one.Mount = &instructions.Mount{Type: instructions.MountTypeTmpfs}
			return one, err
		}
	}
	g := &gathering{s: s, c: copying{sources: []string{source}}, tree: tree.open}
	if one.digest, err = s.b.content(ctx, tree.at, g); err != nil {
		return nil, during("--mount=type="+string(m.Type), err)
	}
	one.gather = g.gather
	one.key = append(one.key, one.digest)
	return one, nil
}

// holds tells whether the stage has something at a path so far.
func (s *stage) holds(ctx context.Context, st *state, name string) (bool, error) {
	own, err := s.b.view(ctx, st.chain)
	if err != nil {
		return false, err
	}
	at, err := own.Resolve(name, true)
	return err == nil && own.Lstat(at) != nil, err
}

// mounting makes the mounts of one run.
type mounting struct {
	b        *builder
	r        *running
	uid, gid int
	lower    []string
	mounts   []sandbox.Mount
	env      []string
	undo     []func()
	caches   map[*mount]cacheMount
}

func (m *mounting) release() {
	for _, f := range slices.Backward(m.undo) {
		f()
	}
}

func (m *mounting) all(ctx context.Context) error {
	if err := m.names(); err != nil {
		return err
	}
	if err := m.lockCaches(ctx); err != nil {
		return fmt.Errorf("--mount=type=cache: %w", err)
	}
	for i, one := range m.r.mounts {
		if err := m.one(ctx, one, i); err != nil {
			return during("--mount=type="+string(one.Type), err)
		}
	}
	if err := m.aptUser(); err != nil {
		return err
	}
	if m.b.CA != "" {
		m.mounts = append(m.mounts, sandbox.Mount{Source: m.b.CA, Target: "/etc/ssl/certs/ca-certificates.crt", ReadOnly: true})
	}
	if m.r.script == "" {
		return nil
	}
	file, err := m.file("heredoc", []byte(m.r.script), 0o755)
	if err != nil {
		return err
	}
	m.mounts = append(m.mounts, sandbox.Mount{Source: file, Target: scriptPath, ReadOnly: true})
	return nil
}

// aptUser keeps apt, where only root exists, from becoming its own user to download.
func (m *mounting) aptUser() error {
	if !m.b.singleID() || !m.has("etc/apt/apt.conf.d") {
		return nil
	}
	file, err := m.file("apt.conf", []byte("APT::Sandbox::User \"root\";\n"), 0o644)
	if err == nil {
		m.mounts = append(m.mounts, sandbox.Mount{Source: file, Target: "/etc/apt/apt.conf.d/99single-id", ReadOnly: true})
	}
	return err
}

// has tells whether the root filesystem has a directory.
func (m *mounting) has(name string) bool {
	return slices.ContainsFunc(m.lower, func(dir string) bool {
		info, err := os.Lstat(filepath.Join(dir, name))
		return err == nil && info.IsDir()
	})
}

// names makes names resolve inside as they do on this machine, and those of --add-host.
func (m *mounting) names() error {
	if m.r.network == sandbox.NetworkNone && len(m.b.Hosts) == 0 {
		return nil
	}
	if _, err := os.Stat("/etc/resolv.conf"); err == nil {
		m.mounts = append(m.mounts, sandbox.Mount{Source: "/etc/resolv.conf", Target: "/etc/resolv.conf", ReadOnly: true})
	}
	if d, ok := m.b.Sandbox.(sandbox.Direct); ok && d.InPlace != nil && len(m.b.Hosts) == 0 {
		return nil // the container's own is there
	}
	text := "127.0.0.1\tlocalhost " + m.r.hostname + "\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, name := range slices.Sorted(maps.Keys(m.b.Hosts)) {
		text += m.b.Hosts[name] + "\t" + name + "\n"
	}
	file, err := m.file("hosts", []byte(text), 0o644)
	if err != nil {
		return err
	}
	m.mounts = append(m.mounts, sandbox.Mount{Source: file, Target: "/etc/hosts", ReadOnly: true})
	return nil
}

func (m *mounting) one(ctx context.Context, one *mount, i int) error {
	switch one.Type {
	case instructions.MountTypeBind:
		return m.bind(ctx, one)
	case instructions.MountTypeCache:
		return m.cache(ctx, one)
	case instructions.MountTypeTmpfs:
		m.mounts = append(m.mounts, sandbox.Mount{Target: one.target, Size: one.SizeLimit})
		return nil
	case instructions.MountTypeSecret:
		return m.secret(one)
	default:
		return m.agent(one, i)
	}
}

// bind mounts files of the build context or of a stage. What is written to them is gone after the run.
func (m *mounting) bind(ctx context.Context, one *mount) error {
	if !one.ReadOnly {
		dir, err := m.temp()
		if err == nil {
			err = m.b.extract(ctx, one, dir)
		}
		m.mounts = append(m.mounts, sandbox.Mount{Source: filepath.Join(dir, "mounted"), Target: one.target})
		return err
	}
	source, err := m.b.unpacked(ctx, one)
	if err != nil {
		return err
	}
	m.mounts = append(m.mounts, sandbox.Mount{Source: source, Target: one.target, ReadOnly: true})
	return nil
}

// unpacked gives the file or directory that a mount shows, as the store keeps it by its content.
func (b *builder) unpacked(ctx context.Context, one *mount) (string, error) {
	items, err := b.mounted(ctx, one)
	if err != nil {
		return "", err
	}
	l, err := b.Store.Layer(ctx, func(ctx context.Context, w io.Writer) error { return writeItems(ctx, w, items, nil) },
		store.LayerOptions{Key: "dockerfile-mount " + one.digest, Need: store.Tree})
	if err != nil {
		return "", err
	}
	dir, err := b.Store.Tree(ctx, l)
	return filepath.Join(dir, "mounted"), err
}

func (m *mounting) temp() (string, error) {
	dir, remove, err := m.b.Store.TempDir("mount")
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, remove)
	return dir, nil
}

// file makes a file for one run.
func (m *mounting) file(name string, data []byte, mode os.FileMode) (string, error) {
	dir, err := m.temp()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, data, mode); err != nil {
		return "", err
	}
	return file, os.Chmod(file, mode)
}

func value(v *uint64, fallback uint64) uint64 {
	if v == nil {
		return fallback
	}
	return *v
}

// secret mounts a secret's file, or puts it into the environment of this one command.
func (m *mounting) secret(one *mount) error {
	id := one.CacheID
	if id == "" {
		id = path.Base(one.target)
	}
	data, ok, err := m.b.Secret(id)
	if err != nil {
		return err
	}
	if !ok {
		if one.Required {
			return fmt.Errorf("the build was not given the secret %q: --secret id=%s,src=FILE", id, id)
		}
		return nil
	}
	if one.Env != nil {
		name := *one.Env
		if name == "" {
			name = id
		}
		m.env = append(m.env, name+"="+string(data))
		if one.target == "" {
			return nil
		}
	}
	target := one.target
	if target == "" {
		target = "/run/secrets/" + id
	}
	file, err := m.private(data, one)
	if err != nil {
		return err
	}
	m.mounts = append(m.mounts, sandbox.Mount{Source: file, Target: target, ReadOnly: true})
	return nil
}

// private makes a file for a secret, in memory where the machine has such a place.
func (m *mounting) private(data []byte, one *mount) (string, error) {
	dir, err := os.MkdirTemp("/dev/shm", "s2i-secret-")
	if err != nil {
		if dir, err = m.temp(); err != nil {
			return "", err
		}
	} else {
		m.undo = append(m.undo, func() { _ = os.RemoveAll(dir) })
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the process inside may be another user
		return "", err
	}
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return "", err
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(file, int(value(one.UID, 0)), int(value(one.GID, 0))); err != nil {
			return "", err
		}
	}
	return file, os.Chmod(file, os.FileMode(value(one.Mode, 0o400)))
}
