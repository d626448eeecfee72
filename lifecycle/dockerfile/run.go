package dockerfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/snapshot"
	"s2i/lifecycle/store"
)

// running is a RUN.
type running struct {
	stage   *stage
	text    string
	args    []string
	script  string // of a heredoc that names its interpreter; "" for none
	env     []string
	hidden  []string // variables that are no part of the key
	user    string
	ids     ids // of user, once the image is known
	workdir string
	network sandbox.Network
	mounts  []*mount
	// privileged says that it runs with all capabilities (--security=insecure).
	privileged bool
	hostname   string
	// arch is the architecture of what runs, and emulator what it needs here; nil for nothing.
	arch     string
	emulator *sandbox.Emulator
}

// scriptPath is where a heredoc that names its interpreter is put.
const scriptPath = "/.dockerfile-heredoc"

// run evaluates a RUN.
func (s *stage) run(ctx context.Context, st *state, c *instructions.RunCommand) error {
	if err := s.devices(ctx, c); err != nil {
		return err
	}
	r := &running{stage: s, user: st.config.Config.User, workdir: cmp.Or(st.config.Config.WorkingDir, "/"),
		arch: st.platform.Arch, hostname: s.b.hostname()}
	if err := r.setSecurity(s.b.Allow, instructions.GetSecurity(c)); err != nil {
		return err
	}
	if err := r.command(st, c); err != nil {
		return err
	}
	if err := r.setNetwork(s.b.Network, instructions.GetNetwork(c)); err != nil {
		return err
	}
	args := slices.DeleteFunc(slices.Clone(st.args.list), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, shadowed := vars{st.config.Config.Env}.Get(name)
		return shadowed
	})
	r.env = slices.Concat(args, st.config.Config.Env)
	r.hidden = s.b.proxies()
	var mounted []any
	if r.privileged {
		mounted = append(mounted, "privileged")
	}
	for _, m := range instructions.GetMounts(c) {
		one, err := s.mount(ctx, st, m)
		if err != nil {
			return err
		}
		r.mounts = append(r.mounts, one)
		mounted = append(mounted, one.key...)
	}
	key, err := chained(st.chain, "run", r.args, r.script, r.env, r.user, r.workdir, r.hostname, r.network, r.arch, mounted)
	if err != nil {
		return err
	}
	s.append(st, historyOf(args, r), key, s.b.NoCacheRuns, func(ctx context.Context, n *node) (made, error) {
		return s.b.makeRun(ctx, n, r)
	})
	return nil
}

// historyOf is what docker history shows of a RUN.
func historyOf(args []string, r *running) string {
	line := strings.Join(r.args, " ")
	if len(args) > 0 {
		line = "|" + strconv.Itoa(len(args)) + " " + strings.Join(args, " ") + " " + line
	}
	return "RUN " + line + " # buildkit"
}

// command puts the command line together: with the shell in front, and with heredocs where a shell reads them.
func (r *running) command(st *state, c *instructions.RunCommand) error {
	r.text = fmt.Sprint(c)
	r.args = c.CmdLine
	if len(c.Files) > 0 {
		if len(c.CmdLine) != 1 || !c.PrependShell {
			return errors.New("RUN: a heredoc needs the shell form")
		}
		r.args = []string{r.heredoc(c)}
	}
	if c.PrependShell {
		r.args = append(slices.Clone(st.shellLine()), strings.Join(r.args, " "))
	}
	if len(r.args) == 0 || r.args[0] == "" {
		return errors.New("RUN: there is no command")
	}
	return nil
}

// heredoc gives the command line of a RUN with heredocs: a lone one is the script itself, others are left to the shell.
func (r *running) heredoc(c *instructions.RunCommand) string {
	line := c.CmdLine[0]
	if doc, err := parser.ParseHeredoc(line); err == nil && doc != nil {
		data := c.Files[0].Data
		if c.Files[0].Chomp {
			data = parser.ChompHeredocContent(data)
		}
		if strings.HasPrefix(data, "#!") {
			r.script = data
			return scriptPath
		}
		return data
	}
	for _, f := range c.Files {
		line += "\n" + f.Data + f.Name
	}
	return line
}

// setSecurity takes --security in, which needs an entitlement.
func (r *running) setSecurity(allowed []string, asked string) error {
	switch {
	case asked == "" || asked == instructions.SecuritySandbox:
		return nil
	case asked != instructions.SecurityInsecure:
		return fmt.Errorf("RUN --security=%s: there is sandbox and insecure", asked)
	case !slices.Contains(allowed, "security.insecure"):
		return errors.New("RUN --security=insecure: the build may not do that unless it is given --allow security.insecure")
	}
	r.privileged = true
	return nil
}

// devices looks for the devices that a RUN asks for (Container Device Interface). There are none; only those that the
// Dockerfile calls required are missed.
func (s *stage) devices(ctx context.Context, c *instructions.RunCommand) error {
	for _, d := range instructions.GetDevices(c) {
		if d.Required {
			return fmt.Errorf("RUN --device=%s,required: builds are given no devices of this machine", d.Name)
		}
		progress.Warn(ctx, "RUN --device=%s: builds are given no devices of this machine; it runs without", d.Name)
	}
	return nil
}

func (r *running) setNetwork(standard sandbox.Network, asked instructions.NetworkMode) error {
	switch asked {
	case "", instructions.NetworkDefault:
		r.network = standard
	case instructions.NetworkNone:
		r.network = sandbox.NetworkNone
	case instructions.NetworkHost:
		if standard == sandbox.NetworkNone {
			return errors.New("RUN --network=host: the build was started without network")
		}
		r.network = sandbox.NetworkHost
	default:
		return fmt.Errorf("RUN --network=%s: the network is default, none or host", asked)
	}
	return nil
}

// capabilities are those of a container that docker starts without options.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// makeRun runs a command on what is below and makes a layer of what it changed, unless another build that wants the same
// was faster: a command that runs twice may leave two different things. The lock is taken when all that the command
// needs is there, so whoever holds it waits for nobody. The changed files are packed while the next instruction runs on
// them.
func (b *builder) makeRun(ctx context.Context, n *node, r *running) (made, error) {
	var err error
	if r.emulator, err = sandbox.FindEmulator(r.arch); err != nil {
		return made{}, fmt.Errorf("stage %s is for linux/%s, and to run %s it needs emulation: %w; a stage that compiles for "+
			"other machines needs none: FROM --platform=$BUILDPLATFORM", r.stage.name(), r.arch, firstLine(r.text), err)
	}
	var lower []string
	if !b.inPlace() {
		if lower, err = b.lower(ctx, n.below); err != nil {
			return made{}, err
		}
	} else if err = b.force(ctx, n.below); err != nil {
		return made{}, err
	}
	if err := r.gather(ctx); err != nil {
		return made{}, err
	}
	unlock, err := b.Store.Lock(ctx, n.key)
	if err != nil {
		return made{}, err
	}
	if l := n.cached(ctx); l != nil {
		unlock()
		return ready(l), nil
	}
	if b.inPlace() {
		defer unlock()
		l, err := b.executePlain(ctx, n, r)
		return ready(l), err
	}
	dirs, err := b.execute(ctx, r, lower)
	if err != nil {
		unlock()
		return made{}, err
	}
	return b.packUpper(ctx, n, r, dirs, unlock), nil
}

// gather makes what the mounts show.
func (r *running) gather(ctx context.Context) error {
	for _, m := range r.mounts {
		if m.gather == nil {
			continue
		}
		if _, err := m.gather(ctx); err != nil {
			return fmt.Errorf("--mount=type=%s: %w", m.Type, err)
		}
	}
	return nil
}

// execute runs a command and gives its root filesystem.
func (b *builder) execute(ctx context.Context, r *running, lower []string) (*snapshot.Rootfs, error) {
	dirs, err := b.newUpper(lower)
	if err != nil {
		return nil, err
	}
	p, release, err := r.process(ctx, dirs)
	if err != nil {
		return nil, err
	}
	defer release()
	stubs := newStubs(dirs, p.Mounts)
	if err := b.start(ctx, r, p); err != nil {
		return nil, err
	}
	if err := stubs.remove(dirs.Upper); err != nil {
		return nil, err
	}
	return dirs, dirs.Settle(ctx, r.ids.uid, r.ids.gid)
}

// start runs a command to its end, when there is room for another.
func (b *builder) start(ctx context.Context, r *running, p sandbox.Process) error {
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b.count()
	ctx, task := progress.Start(ctx, r.stage.name()+": "+firstLine(r.text), 0)
	p.Stdout = progress.Output(ctx)
	p.Stderr, p.Emulator = p.Stdout, r.emulator
	err := b.Sandbox.Run(ctx, p)
	task.End(err)
	if err != nil {
		return runError(r, err)
	}
	return nil
}

// lower makes the directories that a chain consists of.
func (b *builder) lower(ctx context.Context, chain []*node) ([]string, error) {
	var dirs []string
	for _, n := range chain {
		if _, err := n.start(ctx); err != nil {
			return nil, err
		}
	}
	for _, n := range chain {
		dir, err := n.dir(ctx)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return topFirst(dirs), nil
}

// packUpper makes the layer in the background, and calls packed then.
func (b *builder) packUpper(ctx context.Context, n *node, r *running, dirs *snapshot.Rootfs, packed func()) made {
	type result struct {
		layer v1.Layer
		err   error
	}
	done := make(chan struct{})
	var out result
	go func() {
		defer close(done)
		defer packed()
		var list listed
		out.layer, out.err = dirs.Diff(ctx, b.Store, snapshot.DiffOptions{UID: r.ids.uid, GID: r.ids.gid, Each: list.begin,
			LayerOptions: store.LayerOptions{Need: store.Blob, Compression: b.Compression}})
		if out.err == nil {
			out.err = errors.Join(list.keep(b, out.layer), n.remember(out.layer))
		}
	}()
	b.onClose(func() { <-done })
	return made{dir: dirs.Upper, wait: func() (v1.Layer, error) { <-done; return out.layer, out.err }}
}

// process describes the command for the sandbox.
func (r *running) process(ctx context.Context, dirs *snapshot.Rootfs) (p sandbox.Process, release func(), err error) {
	b := r.stage.b
	p = sandbox.Process{
		Rootfs: sandbox.Rootfs(*dirs), Args: r.args, Dir: r.workdir, Env: slices.Concat(r.env, r.hidden),
		Capabilities: capabilities, NewPrivileges: true, Hostname: r.hostname,
		Privileged: r.privileged,
		Network:    r.network, Limits: b.Limits, Rlimits: b.Rlimits, SharedMemory: b.SharedMemory,
	}
	has := accountsIn(dirs.Lower)
	if dirs.Dir != "" {
		has = accountsIn([]string{dirs.Dir})
	}
	who, err := has.user(cmp.Or(r.user, "0"))
	if err != nil {
		return p, nil, fmt.Errorf("USER %s: %w", r.user, err)
	}
	if r.user == "" {
		who.home = cmp.Or(who.home, "/root")
	}
	p.UID, p.GID = who.uid, who.gid
	if p.Groups, err = has.groups(cmp.Or(r.user, "0"), p.GID); err != nil {
		return p, nil, fmt.Errorf("USER %s: %w", r.user, err)
	}
	r.ids, p.Owners = who.ids, p.UID == 0
	if p.UID != 0 {
		p.Capabilities = nil
	}
	if _, ok := (vars{p.Env}).Get("HOME"); !ok {
		p.Env = append(p.Env, "HOME="+cmp.Or(who.home, "/"))
	}
	m := &mounting{b: b, r: r, uid: p.UID, gid: p.GID, lower: dirs.Lower}
	defer func() {
		if err != nil {
			m.release()
		}
	}()
	if err = m.all(ctx); err != nil {
		return p, nil, err
	}
	p.Mounts, p.Env = m.mounts, append(p.Env, m.env...)
	return p, m.release, nil
}

func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}

// runError tells how a command ended.
func runError(r *running, err error) error {
	var exit *sandbox.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the command ended with status %d: %s: %w%s", exit.Code, firstLine(r.text), err, r.stage.b.singleHint())
	}
	return fmt.Errorf("running %s: %w", firstLine(r.text), err)
}

// singleHint says what cannot work where only one user exists.
func (b *builder) singleHint() string {
	if !b.singleID() {
		return ""
	}
	return " (you have no subordinate ids, so all commands run as root with your own id: they cannot become another user, as " +
		"su, gosu and servers do; give yourself ids: apt-get install uidmap, and usermod --add-subuids 100000-165535 " +
		"--add-subgids 100000-165535 $USER)"
}

// singleID tells whether only one user exists in the sandbox.
func (b *builder) singleID() bool {
	s, ok := b.Sandbox.(interface{ Mode() sandbox.Mode })
	return ok && s.Mode() == sandbox.ModeSingle
}

// newUpper gives a writable root filesystem over lower directories. It lives as long as the build.
func (b *builder) newUpper(lower []string) (*snapshot.Rootfs, error) {
	dir, remove, err := b.Store.TempDir("dockerfile")
	if err != nil {
		return nil, err
	}
	b.onClose(remove)
	return snapshot.Over(lower, dir)
}

// clean gives an absolute path without dots.
func clean(p string) string { return path.Clean("/" + p) }
