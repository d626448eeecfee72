// Package create is the whole way of a build, as straight-line code: from a source tree to a published image.
//
// It calls the phases of the specification in the order detect, compose, analyze, restore, build, export, and then
// publishes. (The specification analyzes first; here detection comes first, because the target comes from the stack.)
// It is the only package that knows that there is more than one way to build. What it needs from the packages above
// it (the stack, the built-in buildpacks) it names as small interfaces, which cmd/s2i fills in.
package create

import (
	"context"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/detect/source"
	"s2i/lifecycle"
	"s2i/lifecycle/analyze"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// Options says what to build, with what, and where the result goes.
type Options struct {
	Tree  *source.Tree
	Store *store.Store
	// Images reads previous images and publishes the result.
	Images *image.Client
	// Sandbox runs buildpacks. It is not used when the result is already known.
	Sandbox sandbox.Sandbox
	Builder Builder
	Stack   Stack
	// Launcher gives the launcher binary for an architecture.
	Launcher func(arch string) ([]byte, error)
	// Refs is where the image goes; the first one also names the app's cache and its previous image.
	Refs []image.Ref
	App  AppOptions
	// Check, when set, has a look at every image before it is published; its error ends the build.
	Check func(ctx context.Context, img v1.Image) error
	// Assembly is how the images become the result.
	Assembly image.Assembly
	// NoCache recomputes everything: no known result, no cached layers.
	NoCache bool
	// WriteLock puts the lock files that the build resolved beside the app's sources, which are a directory then.
	WriteLock bool

	// emulate keeps buildpacks from crossing to the platform.
	emulate bool
}

// AppOptions is what the user says about the app, apart from its source.
type AppOptions struct {
	Target lifecycle.Target
	// Env is the user's build environment (/platform/env).
	Env map[string]string
	// OperatorEnv is the default environment of every buildpack (/cnb/build-config/env): mirrors and proxies. It is
	// no part of the result's key, because it says where things are and not what they are.
	// It is asked only when something is built.
	OperatorEnv func(ctx context.Context) map[string]string
	// Secrets are files that buildpacks may read at /run/secrets/<name> and that reach no layer; only their names
	// are part of the result's key.
	Secrets map[string]string
	// Bindings is a directory of service bindings, mounted at /platform/bindings; empty for none.
	Bindings string
	// Packages are stack packages the user adds to what the buildpacks require.
	Packages []lifecycle.Require
	// Start is the command of the web process in place of any that the buildpacks find; empty leaves it to them.
	Start string
	// DefaultProcess is the process type the image starts; empty leaves it to the buildpacks.
	DefaultProcess string
	Labels         map[string]string
	// Created is the image's creation time; zero means the fixed time of reproducible images.
	Created     time.Time
	Compression store.Compression
	Limits      sandbox.Limits
	Network     sandbox.Network
}

// Builder is the set of buildpacks and the order in which they are tried.
type Builder struct {
	Order lifecycle.Order
	// Extensions is the order of image extensions.
	Extensions lifecycle.Order
	// Buildpacks are all modules, extensions among them.
	Buildpacks []Buildpack
	// Install writes the built-in buildpacks below dir, their programs as links to binary.
	Install func(dir, binary string) error
	// Identity changes whenever anything that builds changes: the program and its buildpacks.
	Identity string
	// Binary is this program on disk; it is mounted into the sandbox as the builder.
	Binary string
}

// Stack composes base images from packages.
type Stack interface {
	// Identity changes whenever the stack would supply something else.
	Identity() string
	// Provided tells whether the stack has a package of this name.
	Provided(name string) bool
	// Compose makes the images for a build that requires these packages. full asks for a run image in which programs
	// of unknown needs can run (a C library and a shell).
	Compose(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*Bases, error)
	// Libraries names packages that have shared libraries, by soname, for a build that requires these packages; what
	// the stack cannot add to its run image is left out. A package found in this way is required with the metadata
	// "library".
	Libraries(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, sonames []string) (map[string]string, error)
	// Plan tells what Compose would use, and why. Along with an error it may tell what was asked for and what there is.
	Plan(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*StackPlan, error)
}

// Bases are the images a build stands on.
type Bases struct {
	Build v1.Image
	Run   v1.Image
	// Extended is Run before image extensions added to it; nil when none did.
	Extended v1.Image
	// RunImage is how the app image records its base.
	RunImage lifecycle.RunImageMetadata
	// Local tells that the layers of Run are on this machine, or are made here when they are asked for.
	Local bool
	// Plan is what they are made of, and why.
	Plan StackPlan
	// Lock is what LockFile has to say for the same choice next time; nil when there is nothing to say.
	Lock []byte
}

// LockFile is the name of the file beside an app that pins what the stack supplies.
const LockFile = "s2i.lock"

// Result is what a build gave.
type Result struct {
	// Whole is what is published: an image, or the index of several.
	Whole any
	// Images are the images by platform.
	Images []image.Member
	// Digest is that of the whole.
	Digest    v1.Hash
	Published []image.Published
	// Known tells that nothing had to be built.
	Known bool
	// Group is what built the app; empty when Known.
	Group []lifecycle.GroupElement
}

// Run builds the app for each of the platforms, one after the other, and publishes the image, or the index of several.
// Either every destination has it, or the error says which has not.
func Run(ctx context.Context, o Options, platforms []lifecycle.Target) (*Result, error) {
	result := &Result{Known: true}
	var builds []*built
	for _, p := range platforms {
		o.App.Target = p
		if len(platforms) > 1 {
			progress.Note(ctx, "%s", p)
		}
		b, err := o.image(ctx)
		if err != nil && len(platforms) > 1 {
			err = fmt.Errorf("building for %s: %w", p, err)
		}
		if err != nil {
			return nil, err
		}
		builds = append(builds, b)
		result.Images = append(result.Images, image.Member{Platform: p, Image: b.image})
		result.Known = result.Known && b.known
		if b.group != nil {
			result.Group = b.group
		}
	}
	return result, o.publish(ctx, builds, result)
}

// built is the image of one platform.
type built struct {
	Options
	key   string
	image v1.Image
	known bool
	group []lifecycle.GroupElement
}

// image gives the image of one platform: the one that is known, or one that is built.
func (o Options) image(ctx context.Context) (*built, error) {
	key, err := o.key(ctx)
	if err != nil {
		return nil, err
	}
	unlock, err := o.Store.Lock(ctx, "cache-"+o.cacheKey())
	if err != nil {
		return nil, fmt.Errorf("waiting for another build of the same app: %w", err)
	}
	defer unlock()
	b, err := o.known(ctx, key)
	if err != nil {
		return nil, err
	}
	if b == nil {
		if b, err = o.makeAnyhow(ctx); err != nil {
			return nil, err
		}
	}
	b.Options, b.key = o, key
	if o.Check != nil {
		if err := o.Check(ctx, b.image); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// make builds the image from its source.
func (o Options) make(ctx context.Context) (*built, error) {
	analyzed, err := o.analyze(ctx)
	if err != nil {
		return nil, err
	}
	unpin, err := o.Store.Pin()
	if err != nil {
		return nil, err
	}
	defer unpin()
	w, err := o.begin(ctx, analyzed)
	if err != nil {
		return nil, err
	}
	defer w.close(ctx)
	defer w.ahead.stop()
	if err := w.detect(ctx); err != nil {
		return nil, err
	}
	if err := w.generate(ctx); err != nil {
		return nil, err
	}
	if err := w.canRun(); err != nil {
		return nil, err
	}
	if err := w.compose(ctx); err != nil {
		return nil, err
	}
	if err := w.restore(ctx); err != nil {
		return nil, err
	}
	warm, cancel := context.WithCancel(ctx)
	warmed := w.warmUp(warm)
	defer func() { cancel(); warmed() }()
	if err := w.build(ctx); err != nil {
		return nil, err
	}
	warmed()
	if err := w.checkForeign(ctx); err != nil {
		return nil, err
	}
	if err := w.writeLocks(ctx); err != nil {
		return nil, err
	}
	result, err := w.export(ctx)
	if err == nil {
		w.ahead.wait()
	}
	return result, err
}

// analyze asks, before any work is done, whether every destination can be written, and what was there before.
func (o Options) analyze(ctx context.Context) (*analyze.Result, error) {
	q := analyze.Options{Images: o.Images, Destinations: o.Refs, Target: o.App.Target}
	if len(o.Refs) > 0 && !o.NoCache {
		q.Previous = o.Refs[0]
	}
	return analyze.Images(ctx, q)
}

// Publish puts the images together and sends the result to every destination.
func (r *Result) Publish(ctx context.Context, images *image.Client, a image.Assembly, refs []image.Ref) (err error) {
	if r.Whole, err = a.Result(r.Images); err != nil {
		return lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	if r.Digest, err = image.DigestOf(r.Whole); err != nil {
		return lifecycle.WithCode(lifecycle.ExitExport, err)
	}
	r.Published, err = images.Publish(ctx, r.Whole, refs)
	return lifecycle.WithCode(lifecycle.ExitExport, err)
}

// publish publishes the result, and remembers what the keys gave.
func (o Options) publish(ctx context.Context, builds []*built, r *Result) error {
	if err := r.Publish(ctx, o.Images, o.Assembly, o.Refs); err != nil {
		return err
	}
	for _, b := range builds {
		if b.key == "" || b.known {
			continue
		}
		if err := b.remember(ctx); err != nil {
			progress.Warn(ctx, "the result could not be remembered: %v", err)
		}
	}
	return nil
}
