package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// Options says what to build. File, Context, Store, Images and Sandbox are required.
type Options struct {
	File *File
	// Context is the build context.
	Context *Context
	// Contexts are further ones, by the name that FROM and --from use for them: a *Context, or the reference of an image.
	Contexts map[string]NamedContext
	Store    *store.Store
	Images   *image.Client
	Sandbox  sandbox.Sandbox
	// Target is the stage to build; empty means the last.
	Target string
	// Platform is what the image is for.
	Platform lifecycle.Target
	// PlatformAsked tells that somebody asked for that platform, and that it is not just this machine's.
	PlatformAsked bool
	// From is an image in place of that of the first FROM; empty for none.
	From string
	// UnsetEnv and UnsetLabels are names of variables and labels that the image is not to have.
	UnsetEnv, UnsetLabels []string
	// Args are the build arguments (--build-arg).
	Args map[string]string
	// Labels are added to the image.
	Labels map[string]string
	// Secrets are the files behind the ids of RUN --mount=type=secret, and SecretValues secrets that are in no file.
	Secrets, SecretValues map[string]string
	// SSH are the agent sockets behind the ids of RUN --mount=type=ssh.
	SSH map[string]string
	// Hosts are lines for /etc/hosts: name → address.
	Hosts map[string]string
	// CA is a bundle of certificates that RUN finds in place of the image's own; empty for none. It reaches no layer.
	CA string
	// Network is that of RUN instructions that ask for none of their own.
	Network sandbox.Network
	Limits  sandbox.Limits
	// Rlimits and SharedMemory are those of sandbox.Process.
	Rlimits      []sandbox.Rlimit
	SharedMemory int64
	// Hostname is the name that commands see; empty for BuildKit's.
	Hostname string
	// NoCache runs every instruction anew.
	NoCache bool
	// NoCacheStages are the stages that are run anew, and with them the stages that begin with them.
	NoCacheStages []string
	// CacheFrom are images with caches (LabelCache): what is not in the store is looked for there, in this order. Whoever
	// can write them decides what comes out of the build.
	CacheFrom []image.Ref
	// CacheTo are the caches to make.
	CacheTo []CacheTo
	// InlineCache puts the records of the image's own layers into it.
	InlineCache bool
	// CacheTTL is the age at which layers are made anew; 0 means never.
	CacheTTL time.Duration
	// Squash makes one layer of those over the base.
	Squash bool
	// NoCacheRuns runs every RUN anew.
	NoCacheRuns bool
	// Whole brings the layers here that the image has from a cache elsewhere, because it is to be kept here.
	Whole       bool
	Compression store.Compression
	// Created is the image's time of creation; zero means the fixed one of reproducible images.
	Created time.Time
	// Git fetches repositories for ADD; nil when they cannot be fetched.
	Git Repositories
	// Offline forbids downloads.
	Offline bool
	// Generated tells that a program wrote the Dockerfile: nobody wants to hear how to write it better.
	Generated bool
	// Pull takes base images from their registries, also those that the store has.
	Pull bool
	// Allow are the entitlements of the Dockerfile: security.insecure.
	Allow []string
}

// NamedContext is what a name given with --build-context stands for: a directory or an image.
type NamedContext struct {
	Dir   *Context
	Image image.Ref
	// Opened is an image that is at hand, in place of Image.
	Opened v1.Image
}

// Result is what a build gave.
type Result struct {
	Image v1.Image
	// Base is the reference of the image that the target stage stands on, empty for scratch.
	Base string
	// Ran is the number of instructions that were run and not found in the cache.
	Ran int
	// Caches are those that Options.CacheTo asked for, for all platforms together; one without layers is nil.
	Caches []v1.Image
}

// Build builds an image.
func Build(ctx context.Context, o Options) (*Result, error) {
	results, err := BuildAll(ctx, o, []lifecycle.Target{o.Platform})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// BuildAll builds an image for each of several platforms, side by side. What they have in common, such as stages that
// run on $BUILDPLATFORM and ask for nothing of the target, is built once.
func BuildAll(ctx context.Context, o Options, platforms []lifecycle.Target) ([]*Result, error) {
	if syntax := o.Args["BUILDKIT_SYNTAX"]; syntax != "" && !builtin(syntax) {
		return nil, fmt.Errorf("build argument BUILDKIT_SYNTAX: %s %w", syntax, errFrontend)
	}
	target, err := o.File.target(o.Target)
	if err != nil {
		return nil, err
	}
	unpin, err := o.Store.Pin()
	if err != nil {
		return nil, err
	}
	defer unpin()
	w := newWork(ctx, o)
	w.several = len(platforms) > 1
	defer w.close()
	builders := make([]*builder, len(platforms))
	for i, p := range platforms {
		if builders[i], err = newBuilder(ctx, o, w, p, target); err != nil {
			return nil, err
		}
	}
	states := make([]*state, len(builders))
	group, forceCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return builders[0].warn(forceCtx) })
	for i, b := range builders {
		group.Go(func() (err error) {
			if states[i], err = b.make(forceCtx, target); err != nil && w.several {
				err = fmt.Errorf("building for %s: %w", b.Platform, err)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	builders[0].unusedArgs(ctx)
	results := make([]*Result, len(builders))
	for i, b := range builders {
		if results[i], err = b.finish(ctx, states[i]); err != nil {
			return nil, err
		}
	}
	return results, w.export(ctx, builders[0], states, results)
}

// newBuilder prepares the build for one platform. Evaluating instructions changes them, so each has its own.
func newBuilder(ctx context.Context, o Options, w *work, platform lifecycle.Target, target int) (*builder, error) {
	var err error
	if w.several {
		if o.File, err = Parse(o.File.Name, o.File.text); err != nil {
			return nil, err
		}
	}
	if o.From != "" {
		o.File.Stages[0].BaseName = o.From
	}
	o.Platform = platform
	b := &builder{Options: o, work: w}
	if err := errors.Join(b.globals(), b.epoch(ctx)); err != nil {
		return nil, err
	}
	b.override()
	return b, b.plan(target)
}

// make makes the layers of the target stage, and everything on the way there.
func (b *builder) make(ctx context.Context, target int) (*state, error) {
	group, ctx := errgroup.WithContext(ctx)
	var made *state
	for _, s := range slices.Clone(b.stages) { // a stage that is being evaluated may add others
		if s == nil {
			continue
		}
		group.Go(func() error {
			st, err := s.state(ctx)
			if err != nil || s.index != target {
				return err
			}
			made = st
			return b.force(ctx, st.chain)
		})
	}
	err := group.Wait()
	return made, err
}

// builder is the build for one platform.
type builder struct {
	Options
	*work
	// args are the global arguments, with the platform's.
	args vars
	// stages are those that the target needs, by index; nil for the others. work.mu guards them.
	stages []*stage
}

// work is what the builds for all platforms share.
type work struct {
	// several tells that there is more than one platform.
	several bool
	// open opens an image whose layers can be read for as long as anybody uses the result.
	open func(image.Ref, lifecycle.Target) (v1.Image, error)
	// others gives what the caches of Options.CacheFrom hold. They are read when the first thing is not in the store.
	others func() *foreign
	// slots bounds how many instructions run at once.
	slots chan struct{}
	// behind counts the goroutines that nobody waits for before the end of the build.
	behind sync.WaitGroup

	// listings are those of the layers that were looked into, by diffID.
	listings sync.Map

	mu      sync.Mutex
	ran     int
	closers []func()
	roots   []*plainRoot    // that nobody uses at the moment
	used    map[string]bool // build arguments that an ARG asked for
	nodes   map[string]*node
	images  map[string]*opened
	// contents are the records of contents that were used.
	contents map[string]string
}

func newWork(ctx context.Context, o Options) *work {
	return &work{
		slots: make(chan struct{}, max(2, runtime.NumCPU())), nodes: map[string]*node{}, images: map[string]*opened{},
		contents: map[string]string{},
		open:     func(ref image.Ref, p lifecycle.Target) (v1.Image, error) { return o.Images.Image(ctx, ref, p) },
		others:   sync.OnceValue(func() *foreign { return readCaches(ctx, o) }),
	}
}

// once gives the layer that was asked for by the same key before: stages, and platforms, that do the same do it once.
func (w *work) once(n *node) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := n.key
	if n.fresh {
		key += " fresh"
	}
	if have := w.nodes[key]; have != nil {
		return have
	}
	w.nodes[key] = n
	return n
}

// onClose calls f when the build is over.
func (w *work) onClose(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closers = append(w.closers, f)
}

func (w *work) close() {
	w.behind.Wait()
	for _, f := range slices.Backward(w.closers) {
		f()
	}
}

// plan finds the stages that the target needs.
func (b *builder) plan(target int) error {
	b.stages = make([]*stage, len(b.File.Stages))
	return b.need(target)
}

// stage gives a stage that the target needs.
func (b *builder) stage(i int) *stage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stages[i]
}

func (b *builder) need(i int) error {
	if b.stages[i] != nil {
		return nil
	}
	s := &stage{b: b, index: i, src: b.File.Stages[i]}
	b.stages[i] = s
	deps, err := s.dependencies()
	if err != nil {
		return err
	}
	for _, d := range deps {
		if err := b.need(d); err != nil {
			return err
		}
	}
	return nil
}

// unusedArgs warns of build arguments that no ARG asked for.
func (b *builder) unusedArgs(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.Args)) {
		if !b.used[name] && !slices.Contains(proxyArgs, name) && !strings.HasPrefix(name, "BUILDKIT_") {
			progress.Warn(ctx, "build argument %s: no ARG instruction that was built asks for it", name)
		}
	}
}

func (b *builder) use(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used == nil {
		b.used = map[string]bool{}
	}
	b.used[name] = true
}

// force makes the layers of a chain, those that nothing was cached for, in order.
func (b *builder) force(ctx context.Context, chain []*node) error {
	for _, n := range chain {
		if _, err := n.force(ctx); err != nil {
			return err
		}
	}
	return nil
}

// errNoResult cannot happen: the target is always among the stages.
var errNoResult = errors.New("the build gave no result")

func (b *builder) finish(ctx context.Context, st *state) (*Result, error) {
	if st == nil {
		return nil, errNoResult
	}
	img, err := b.image(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("putting the image together: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Result{Image: img, Base: st.baseName, Ran: b.ran}, nil
}
