package dockerfile

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"text/tabwriter"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"s2i/lifecycle/dockerfile/check"
)

// Outline is what a target can be given: the answer to BuildKit's subrequest frontend.outline, in its JSON.
type Outline struct {
	Name string `json:"name,omitempty"`
	// Description is what the comment above the target's FROM says after its name.
	Description string         `json:"description,omitempty"`
	Args        []OutlineArg   `json:"args,omitempty"`
	Secrets     []OutlineMount `json:"secrets,omitempty"`
	SSH         []OutlineMount `json:"ssh,omitempty"`
	// Sources are the text of the Dockerfile.
	Sources [][]byte `json:"sources,omitempty"`
}

// OutlineArg is a build argument, and what it is when it is not given, or as it was given.
type OutlineArg struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Value       string          `json:"value,omitempty"`
	Location    *check.Location `json:"location,omitempty"`
}

// OutlineMount is a secret or an ssh agent that a RUN mounts.
type OutlineMount struct {
	Name     string          `json:"name"`
	Required bool            `json:"required,omitempty"`
	Location *check.Location `json:"location,omitempty"`
}

// Describe tells what the target of a build can be given, without building anything.
func Describe(ctx context.Context, o Options) (*Outline, error) {
	target, err := o.File.target(o.Target)
	if err != nil {
		return nil, err
	}
	out := &Outline{Name: o.File.Stages[target].Name, Description: o.File.Stages[target].DocComment, Sources: [][]byte{o.File.text}}
	b, err := newBuilder(ctx, o, newWork(ctx, o), o.Platform, target)
	if err != nil {
		return nil, err
	}
	d := &outliner{b: b, out: out, globals: map[string]globalArg{}, ends: map[int]vars{}, seen: map[string]bool{}}
	if err := d.readGlobals(); err != nil {
		return nil, err
	}
	if err := d.stage(ctx, target); err != nil {
		return nil, err
	}
	slices.SortStableFunc(out.Args, func(a, b OutlineArg) int { return check.ByLine(a.Location, b.Location) })
	for _, mounts := range [][]OutlineMount{out.Secrets, out.SSH} {
		slices.SortStableFunc(mounts, func(a, b OutlineMount) int { return check.ByLine(a.Location, b.Location) })
	}
	return out, nil
}

// globalArg is an ARG before the first FROM, with the names of those that its default value needs.
type globalArg struct {
	OutlineArg
	needs map[string]struct{}
}

// outliner goes through the stages that a target needs.
type outliner struct {
	b       *builder
	out     *Outline
	globals map[string]globalArg
	ends    map[int]vars // the environment that a stage ends with
	seen    map[string]bool
}

func (d *outliner) readGlobals() error {
	lex := shell.NewLex(d.b.File.Escape)
	for _, c := range d.b.File.Args {
		for _, a := range c.Args {
			g := globalArg{OutlineArg: OutlineArg{Name: a.Key, Description: a.DocComment, Location: check.LocationOf(c.Location())}}
			g.Value, _ = d.b.args.Get(a.Key)
			if _, given := d.b.Args[a.Key]; !given && a.Value != nil {
				word, err := lex.ProcessWordWithMatches(*a.Value, d.b.args)
				if err != nil {
					return located(d.b.File.Name, err, c.Location())
				}
				g.needs = word.Matched
			}
			d.globals[a.Key] = g
		}
	}
	return nil
}

// stage describes a stage, and then those that it needs: what they say of a name that it has itself does not count.
func (d *outliner) stage(ctx context.Context, i int) error {
	if _, known := d.ends[i]; known {
		return nil
	}
	s := d.b.stage(i)
	deps, err := s.dependencies()
	if err != nil {
		return err
	}
	env, err := d.begin(ctx, i)
	if err != nil {
		return err
	}
	lex := shell.NewLex(d.b.File.Escape)
	for _, text := range []string{s.src.BaseName, s.src.Platform} {
		word, err := lex.ProcessWordWithMatches(text, d.b.args)
		if err != nil {
			return located(d.b.File.Name, err, s.src.Location)
		}
		d.global(slices.Sorted(maps.Keys(word.Matched))...)
	}
	for _, c := range s.src.Commands {
		if err := d.instruction(&env, c); err != nil {
			return located(d.b.File.Name, err, c.Location())
		}
	}
	d.ends[i] = env
	for _, dep := range deps {
		if err := d.stage(ctx, dep); err != nil {
			return err
		}
	}
	return nil
}

// begin is the environment that a stage begins with. That of an image that cannot be read is empty.
func (d *outliner) begin(ctx context.Context, i int) (vars, error) {
	s := d.b.stage(i)
	base, err := d.b.expand(s.src.BaseName, d.b.args, s.src.Location)
	if err != nil {
		return vars{}, err
	}
	if below, ok := d.b.File.baseStage(i, base); ok {
		return d.ends[below], d.stage(ctx, below)
	}
	platform, err := d.b.expand(s.src.Platform, d.b.args, s.src.Location)
	if err != nil || d.b.scratch(base) {
		return vars{}, err
	}
	if platform == "" {
		platform = d.b.Platform.String()
	}
	config, err := d.b.baseConfig(ctx, base, platform)
	if err != nil {
		return vars{}, ctx.Err()
	}
	return vars{config.Config.Env}, nil
}

// global describes ARGs before the first FROM, and those that their values need.
func (d *outliner) global(names ...string) {
	for _, name := range names {
		g, ok := d.globals[name]
		if !ok || d.seen["arg "+name] {
			continue
		}
		d.arg(g.OutlineArg)
		d.global(slices.Sorted(maps.Keys(g.needs))...)
	}
}

func (d *outliner) arg(a OutlineArg) {
	if key := "arg " + a.Name; !d.seen[key] {
		d.seen[key] = true
		d.out.Args = append(d.out.Args, a)
	}
}

func (d *outliner) instruction(env *vars, c instructions.Command) error {
	lex := shell.NewLex(d.b.File.Escape)
	expand := func(word string) (string, error) {
		out, _, err := lex.ProcessWord(word, env)
		return out, err
	}
	switch c := c.(type) {
	case *instructions.ArgCommand:
		return d.declare(env, c, expand)
	case *instructions.EnvCommand:
		if err := c.Expand(expand); err != nil {
			return err
		}
		for _, kv := range c.Env {
			env.set(kv.Key, kv.Value)
		}
	case *instructions.RunCommand:
		if err := c.Expand(expand); err != nil {
			return err
		}
		for _, m := range instructions.GetMounts(c) {
			d.mount(m, c.Location())
		}
	}
	return nil
}

// declare describes the build arguments of an ARG. One without a value of its own is the global one.
func (d *outliner) declare(env *vars, c *instructions.ArgCommand, expand instructions.SingleWordExpander) error {
	for _, a := range c.Args {
		value, given := d.b.Args[a.Key]
		if !given && a.Value != nil {
			expanded, err := expand(*a.Value)
			if err != nil {
				return err
			}
			value, given = expanded, true
		}
		if !given {
			if value, given = d.b.args.Get(a.Key); given {
				env.set(a.Key, value)
				d.global(a.Key)
				continue
			}
		}
		if given {
			env.set(a.Key, value)
		}
		d.arg(OutlineArg{Name: a.Key, Description: a.DocComment, Value: value, Location: check.LocationOf(c.Location())})
	}
	return nil
}

// mount describes a secret or an ssh agent.
func (d *outliner) mount(m *instructions.Mount, where []parser.Range) {
	name, list := m.CacheID, &d.out.Secrets
	switch {
	case m.Type == instructions.MountTypeSSH:
		list = &d.out.SSH
		if name == "" {
			name = "default"
		}
	case m.Type != instructions.MountTypeSecret:
		return
	case m.Source != "":
		name = m.Source
	case name == "":
		name = path.Base(m.Target)
	}
	key := string(m.Type) + " " + name
	if d.seen[key] {
		return
	}
	d.seen[key] = true
	*list = append(*list, OutlineMount{Name: name, Required: m.Required, Location: check.LocationOf(where)})
}

// Write writes the outline for people, as docker does.
func (o *Outline) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	if o.Name != "" || o.Description != "" {
		fmt.Fprintf(table, "TARGET:\t%s\n", o.Name)
		if o.Description != "" {
			fmt.Fprintf(table, "DESCRIPTION:\t%s\n", o.Description)
		}
		fmt.Fprintf(table, "\n")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	table = tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if len(o.Args) > 0 {
		fmt.Fprintf(table, "BUILD ARG\tVALUE\tDESCRIPTION\n")
		for _, a := range o.Args {
			fmt.Fprintf(table, "%s\t%s\t%s\n", a.Name, a.Value, a.Description)
		}
		fmt.Fprintf(table, "\n")
	}
	for _, part := range []struct {
		title  string
		mounts []OutlineMount
	}{{"SECRET", o.Secrets}, {"SSH", o.SSH}} {
		if len(part.mounts) == 0 {
			continue
		}
		fmt.Fprintf(table, "%s\tREQUIRED\n", part.title)
		for _, m := range part.mounts {
			required := ""
			if m.Required {
				required = "true"
			}
			fmt.Fprintf(table, "%s\t%s\n", m.Name, required)
		}
		fmt.Fprintf(table, "\n")
	}
	return table.Flush()
}
