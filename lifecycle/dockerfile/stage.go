package dockerfile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
)

// stage is a stage that is built.
type stage struct {
	b     *builder
	index int
	src   instructions.Stage

	mu   sync.Mutex
	done *state
	// at is the instruction that is being evaluated.
	at []parser.Range
}

// state is what a stage is after some of its instructions: a configuration, and layers that may not exist yet.
type state struct {
	config   v1.ConfigFile
	chain    []*node
	args     vars // the ARGs in scope
	platform lifecycle.Target
	// base is the number of layers that belong to the base image; baseName names it.
	base     int
	baseName string
	// baseImage is what the stage stands on in the end; nil for scratch.
	baseImage v1.Image
	cmdSet    bool // a CMD of this stage's own
	// startInterval is a part of the health check that the configuration's type lacks.
	startInterval time.Duration
	shell         []string
}

func (s *state) clone() *state {
	c := *s
	c.config = *s.config.DeepCopy()
	c.chain = slices.Clone(s.chain)
	c.cmdSet = false
	return &c
}

// env is the environment that words are expanded in: ENV wins over ARG.
func (s *state) env() vars { return s.args.over(vars{s.config.Config.Env}) }

// name is how errors and progress call the stage.
func (s *stage) name() string {
	name := s.src.Name
	if name == "" {
		name = fmt.Sprintf("stage %d", s.index)
	}
	if s.b.several {
		name = s.b.Platform.String() + " " + name
	}
	return name
}

// dependencies are the stages that this one needs.
func (s *stage) dependencies() ([]int, error) {
	var deps []int
	base, err := s.b.expand(s.src.BaseName, s.b.args, s.src.Location)
	if err != nil {
		return nil, err
	}
	if i, ok := s.b.File.baseStage(s.index, base); ok {
		deps = append(deps, i)
	}
	for _, c := range s.src.Commands {
		for _, name := range sourcesOf(c) {
			i, ok, err := s.b.File.from(s.index, name)
			if err != nil {
				return nil, located(s.b.File.Name, err, c.Location())
			}
			if ok {
				deps = append(deps, i)
			}
		}
	}
	return deps, nil
}

// sourcesOf are the names of what an instruction takes files from.
func sourcesOf(c instructions.Command) (names []string) {
	switch c := c.(type) {
	case *instructions.CopyCommand:
		if c.From != "" {
			names = append(names, c.From)
		}
	case *instructions.RunCommand:
		_ = c.Expand(func(word string) (string, error) { return word, nil }) // mounts are parsed then
		for _, m := range instructions.GetMounts(c) {
			if m.From != "" && m.From != ownFiles {
				names = append(names, m.From)
			}
		}
	}
	return names
}

// expand expands the variables in a word.
func (b *builder) expand(word string, env shell.EnvGetter, where []parser.Range) (string, error) {
	out, _, err := shell.NewLex(b.File.Escape).ProcessWord(word, env)
	if err != nil {
		return "", located(b.File.Name, err, where)
	}
	return out, nil
}

// state evaluates the stage, once.
func (s *stage) state(ctx context.Context) (*state, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return s.done, nil
	}
	st, err := s.begin(ctx)
	if err != nil {
		return nil, located(s.b.File.Name, err, s.src.Location)
	}
	triggers, err := s.triggers(st)
	if err != nil {
		return nil, err
	}
	for _, c := range slices.Concat(triggers, s.src.Commands) {
		s.at = c.Location()
		if err := s.do(ctx, st, c); err != nil {
			return nil, located(s.b.File.Name, err, s.at)
		}
	}
	s.done = st
	return st, nil
}

// begin gives the state that FROM means.
func (s *stage) begin(ctx context.Context) (*state, error) {
	base, err := s.b.expand(s.src.BaseName, s.b.args, s.src.Location)
	if err != nil {
		return nil, err
	}
	if base == "" {
		return nil, fmt.Errorf("FROM %s: the base image's name is empty; give the argument in it a value", s.src.BaseName)
	}
	platform := s.b.Platform
	if s.src.Platform != "" {
		text, err := s.b.expand(s.src.Platform, s.b.args, s.src.Location)
		if err != nil {
			return nil, err
		}
		if platform, err = lifecycle.ParseTarget(text); err != nil {
			return nil, err
		}
	}
	if i, ok := s.b.File.baseStage(s.index, base); ok {
		below, err := s.b.stage(i).state(ctx)
		if err != nil {
			return nil, err
		}
		return below.clone(), nil
	}
	if s.b.scratch(base) {
		return scratchState(platform), nil
	}
	if c, ok := s.b.context(base); ok && c.Dir != nil {
		return s.fromDir(ctx, base, c.Dir, platform)
	}
	return s.b.fromImage(ctx, base, platform)
}

func scratchState(platform lifecycle.Target) *state {
	st := &state{platform: platform}
	st.config.OS, st.config.Architecture, st.config.Variant = platform.OS, platform.Arch, platform.Variant
	st.addPath()
	return st
}

// fromDir begins with the files of a named context that is a directory.
func (s *stage) fromDir(ctx context.Context, name string, dir *Context, platform lifecycle.Target) (*state, error) {
	st := scratchState(platform)
	s.at = s.src.Location
	err := s.copy(ctx, st, copying{text: "FROM " + name, sources: []string{"/"}, dest: "/", remote: treeOf(dir), link: true})
	return st, err
}

// defaultPath is the PATH of images that set none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (s *state) addPath() {
	env := vars{s.config.Config.Env}
	if _, ok := env.Get("PATH"); !ok {
		env.set("PATH", defaultPath)
		s.config.Config.Env = env.list
	}
}

// fromImage begins with an image.
func (b *builder) fromImage(ctx context.Context, name string, platform lifecycle.Target) (*state, error) {
	img, ref, err := b.openImage(ctx, name, platform)
	if err != nil {
		return nil, fmt.Errorf("FROM %s: %w", name, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("FROM %s: reading its configuration: %w", name, err)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("FROM %s: reading its manifest: %w", name, err)
	}
	st := &state{config: *config.DeepCopy(), platform: platform, base: len(layers), baseImage: img, baseName: ref}
	st.shell = st.config.Config.Shell
	if st.startInterval, err = startInterval(img); err != nil {
		return nil, fmt.Errorf("FROM %s: %w", name, err)
	}
	for _, l := range layers {
		diffID, err := l.DiffID()
		if err != nil {
			return nil, fmt.Errorf("FROM %s: reading its layers: %w", name, err)
		}
		key, err := chained(st.chain, "base", diffID.String())
		if err != nil {
			return nil, err
		}
		st.chain = append(st.chain, &node{b: b, key: key, base: l, below: slices.Clone(st.chain)})
	}
	st.addPath()
	return st, nil
}

// triggers are the ONBUILD instructions of the base image, as instructions of this stage.
func (s *stage) triggers(st *state) ([]instructions.Command, error) {
	list := st.config.Config.OnBuild
	st.config.Config.OnBuild = nil
	var out []instructions.Command
	for _, text := range list {
		parsed, err := parser.Parse(strings.NewReader(text))
		if err != nil {
			return nil, &Error{File: s.b.File.Name, Line: lineOf(s.src.Location), Err: fmt.Errorf("reading the base's ONBUILD %s: %w", text, err)}
		}
		podmanMounts(parsed.AST)
		for _, n := range parsed.AST.Children {
			n.PrevComment = nil // with one that configures checks, the parser fails
			c, err := instructions.ParseCommand(n)
			if err != nil {
				return nil, &Error{File: s.b.File.Name, Line: lineOf(s.src.Location), Err: fmt.Errorf("reading the base's ONBUILD %s: %w", text, err)}
			}
			out = append(out, c)
		}
	}
	if len(out) > 0 {
		deps, err := (&stage{b: s.b, index: s.index, src: instructions.Stage{Commands: out, BaseName: "scratch"}}).dependencies()
		if err != nil {
			return nil, err
		}
		for _, d := range deps {
			if err := s.b.needLate(d); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// needLate makes a stage known that only a trigger of a base image asks for.
func (b *builder) needLate(i int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.need(i)
}

// opened is an image that a Dockerfile names.
type opened struct {
	once sync.Once
	img  v1.Image
	name string
	err  error
}

// openImage opens an image by the name in a Dockerfile, once.
func (b *builder) openImage(ctx context.Context, name string, platform lifecycle.Target) (v1.Image, string, error) {
	key := name + " " + platform.String()
	b.mu.Lock()
	one := b.images[key]
	if one == nil {
		one = &opened{}
		b.images[key] = one
	}
	b.mu.Unlock()
	one.once.Do(func() { one.img, one.name, one.err = b.findImage(ctx, name, platform) })
	return one.img, one.name, one.err
}

// findImage opens an image: a named context, a local image, or one in a registry, where names without a host are
// Docker Hub's.
func (b *builder) findImage(ctx context.Context, name string, platform lifecycle.Target) (v1.Image, string, error) {
	if img := b.Contexts[name].Opened; img != nil {
		return img, "", nil
	}
	ref, err := b.reference(name)
	if err != nil {
		return nil, "", err
	}
	_, task := progress.Start(ctx, "reading "+name, 0)
	img, err := b.open(ref, platform)
	task.End(err)
	if err != nil {
		return nil, "", err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, "", err
	}
	if ref.Kind == image.Registry {
		return img, ref.Place() + "@" + digest.String(), nil
	}
	return img, "", nil
}
