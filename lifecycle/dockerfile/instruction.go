package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// do evaluates one instruction: what it says about the configuration now, what it does to the files when that is
// needed.
func (s *stage) do(ctx context.Context, st *state, c instructions.Command) error {
	if arg, ok := c.(*instructions.ArgCommand); ok {
		return s.arg(st, arg) // one after the other, and only what counts
	}
	if err := s.expandCommand(st, c); err != nil {
		return err
	}
	config := &st.config.Config
	switch c := c.(type) {
	case *instructions.EnvCommand:
		env := vars{config.Env}
		for _, kv := range c.Env {
			env.set(kv.Key, kv.Value)
		}
		config.Env = env.list
		return st.note(c)
	case *instructions.LabelCommand:
		if config.Labels == nil {
			config.Labels = map[string]string{}
		}
		for _, kv := range c.Labels {
			config.Labels[kv.Key] = kv.Value
		}
		return st.note(c)
	case *instructions.RunCommand:
		return s.run(ctx, st, c)
	case *instructions.CopyCommand:
		return s.copy(ctx, st, copyOf(c))
	case *instructions.AddCommand:
		return s.add(ctx, st, c)
	case *instructions.WorkdirCommand:
		return s.workdir(st, c)
	case *instructions.ExposeCommand:
		return s.expose(st, c)
	default:
		return st.configure(c)
	}
}

// configure does the instructions that only set the configuration.
func (s *state) configure(c instructions.Command) error {
	config := &s.config.Config
	switch c := c.(type) {
	case *instructions.MaintainerCommand:
		s.config.Author = c.Maintainer
	case *instructions.UserCommand:
		config.User = c.User
	case *instructions.CmdCommand:
		config.Cmd, s.cmdSet = s.line(c.ShellDependantCmdLine), true
		config.ArgsEscaped = false
	case *instructions.EntrypointCommand:
		config.Entrypoint = s.line(c.ShellDependantCmdLine)
		if !s.cmdSet {
			config.Cmd = nil
		}
	case *instructions.StopSignalCommand:
		if !isSignal(c.Signal) {
			return fmt.Errorf("STOPSIGNAL %s: there is no such signal", c.Signal)
		}
		config.StopSignal = c.Signal
	case *instructions.ShellCommand:
		s.shell = c.Shell
		config.Shell = c.Shell
	case *instructions.VolumeCommand:
		if config.Volumes == nil {
			config.Volumes = map[string]struct{}{}
		}
		for _, v := range c.Volumes {
			if v == "" {
				return errors.New("VOLUME: the path is empty")
			}
			config.Volumes[v] = struct{}{}
		}
	case *instructions.HealthCheckCommand:
		h := c.Health
		config.Healthcheck = &v1.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout,
			StartPeriod: h.StartPeriod, Retries: h.Retries}
		s.startInterval = h.StartInterval
	case *instructions.OnbuildCommand:
		config.OnBuild = append(config.OnBuild, c.Expression)
	default:
		return fmt.Errorf("%s is not supported", command(c))
	}
	return s.note(c)
}

// line is a command line with the shell in front where it is in shell form.
func (s *state) line(c instructions.ShellDependantCmdLine) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	return append(slices.Clone(s.shellLine()), strings.Join(c.CmdLine, " "))
}

func (s *state) shellLine() []string {
	if len(s.shell) > 0 {
		return s.shell
	}
	return []string{"/bin/sh", "-c"}
}

// note adds an instruction that made no layer to the history.
func (s *state) note(c instructions.Command) error {
	s.history(fmt.Sprint(c), true)
	return nil
}

func (s *state) history(by string, empty bool) {
	s.config.History = append(s.config.History, v1.History{CreatedBy: by, Comment: "buildkit.dockerfile.v0", EmptyLayer: empty})
}

// expandCommand expands the variables in an instruction.
func (s *stage) expandCommand(st *state, c instructions.Command) error {
	env := st.env()
	words := func(lex *shell.Lex) instructions.SingleWordExpander {
		return func(word string) (string, error) {
			out, _, err := lex.ProcessWord(word, env)
			return out, err
		}
	}
	if raw, ok := c.(instructions.SupportsSingleWordExpansionRaw); ok { // heredocs
		lex := shell.NewLex('\\')
		lex.SkipProcessQuotes = true
		if err := raw.ExpandRaw(words(lex)); err != nil {
			return err
		}
	}
	_, isArg := c.(*instructions.ArgCommand) // a default that is not needed may be wrong
	if x, ok := c.(instructions.SupportsSingleWordExpansion); ok && !isArg {
		if err := x.Expand(words(shell.NewLex(s.b.File.Escape))); err != nil {
			return fmt.Errorf("%s: %w", command(c), err)
		}
	}
	return nil
}

// arg declares build arguments: what the user gives wins over the default, and that over the global one.
func (s *stage) arg(st *state, c *instructions.ArgCommand) error {
	for _, a := range c.Args {
		value, given := s.b.Args[a.Key]
		if given {
			s.b.use(a.Key)
		}
		if !given && a.Value != nil {
			expanded, _, err := shell.NewLex(s.b.File.Escape).ProcessWord(*a.Value, st.env())
			if err != nil {
				return fmt.Errorf("ARG %s: %w", a.Key, err)
			}
			value, given = expanded, true
		}
		if !given {
			value, given = s.b.args.Get(a.Key)
		}
		if given {
			st.args.set(a.Key, value)
		}
	}
	return st.note(c)
}

// expose adds ports: "80", "53/udp", "8000-8010/tcp". A variable may hold several.
func (s *stage) expose(st *state, c *instructions.ExposeCommand) error {
	config := &st.config.Config
	if config.ExposedPorts == nil {
		config.ExposedPorts = map[string]struct{}{}
	}
	for _, text := range c.Ports {
		words, err := shell.NewLex(s.b.File.Escape).ProcessWords(text, st.env())
		if err != nil {
			return fmt.Errorf("EXPOSE %s: %w", text, err)
		}
		for _, word := range words {
			ports, err := parsePorts(word)
			if err != nil {
				return err
			}
			for _, p := range ports {
				config.ExposedPorts[p] = struct{}{}
			}
		}
	}
	return st.note(c)
}

// workdir sets the working directory and makes it.
func (s *stage) workdir(st *state, c *instructions.WorkdirCommand) error {
	if c.Path == "" {
		return errors.New("WORKDIR: the path is empty")
	}
	config := &st.config.Config
	dir := path.Join("/", c.Path)
	if !path.IsAbs(c.Path) {
		dir = path.Join("/", config.WorkingDir, c.Path)
	}
	config.WorkingDir = dir
	key, err := chained(st.chain, "workdir", dir, config.User)
	if err != nil {
		return err
	}
	user := config.User
	s.append(st, fmt.Sprint(c), key, false, func(ctx context.Context, n *node) (made, error) {
		return s.b.makeDir(ctx, n, dir, user)
	})
	return nil
}

// append adds a layer to the stage. fresh forbids to take it from the cache.
func (s *stage) append(st *state, by, key string, fresh bool, make func(context.Context, *node) (made, error)) {
	n := &node{b: s.b, key: key, below: slices.Clone(st.chain), make: make, where: s.at,
		fresh: fresh || s.fresh() || isFresh(st.chain)}
	st.chain = append(st.chain, s.b.once(n))
	st.history(by, false)
}

// fresh tells whether the stage's own instructions may not use the cache.
func (s *stage) fresh() bool {
	return s.b.NoCache || slices.ContainsFunc(s.b.NoCacheStages, func(name string) bool {
		return name == "" || strings.EqualFold(name, s.src.Name)
	})
}
