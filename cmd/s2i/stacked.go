package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/image"
	"s2i/stacks"
	versions "s2i/stacks/version"
)

// newStack makes the stack that a build stands on: one of several composed ones, or a pair of images.
func newStack(ctx context.Context, c *cli.Context, t *tools, names []string) (create.Stack, error) {
	run, build := c.String("run-image"), c.String("build-image")
	if run == "" && build == "" {
		return loadStacks(func(name string) (*composed, error) { return loadStack(c, t, name) }, names)
	}
	if run == "" || build == "" {
		return nil, usageError("--run-image and --build-image go together: a base of one kind under buildpacks of another would not fit")
	}
	s, err := loadStack(c, t, names[0])
	if err != nil {
		return nil, err
	}
	return newImagePair(ctx, t, s, [2]string{run, build})
}

// composed is a stack of this program's own as create sees it.
type composed struct {
	*stacks.Stack
	identity string
	policy   versions.Policy
	app      *stacks.AppLock // s2i.lock; nil when the app has none
}

// loadStack loads a stack by the name of a built-in one, or its directory.
func loadStack(c *cli.Context, t *tools, name string) (*composed, error) {
	s, err := stacks.Load(name)
	if err != nil {
		return nil, err
	}
	s.Store, s.Locked, s.Offline = t.store, c.Bool("locked"), c.Bool("offline")
	lock, err := s.Lock.Encode()
	if err != nil {
		return nil, err
	}
	one := &composed{Stack: s, identity: fmt.Sprintf("%s %x", s.Config.Name, sha256.Sum256(lock)), policy: versions.Compatible}
	switch policy := versions.Policy(c.String("versions")); policy {
	case "", versions.Compatible:
	case versions.Strict:
		one.policy, one.identity = policy, one.identity+" strict"
	default:
		return nil, usageError("--versions %s is neither compatible nor strict", policy)
	}
	return one, nil
}

// lockNames is 1 when the app's lock was made with this stack.
func (s *composed) lockNames() int {
	if s.app != nil && s.app.Stack == s.Config.Name {
		return 1
	}
	return 0
}

// useLock gives a stack the app's lock.
func useLock(stack create.Stack, lock *stacks.AppLock) {
	switch s := stack.(type) {
	case *several:
		for _, one := range s.list {
			one.app = lock
		}
	case *imagePair:
		s.app = lock
	}
}

// appLock encodes the lock that a resolution gives.
func (s *composed) appLock(r *stacks.Resolution) ([]byte, error) { return s.AppLock(r).Encode() }

// Identity is the lock: the same lock supplies the same packages.
func (s *composed) Identity() string { return s.identity }

// resolve chooses what meets the requirements.
func (s *composed) resolve(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*stacks.Resolution, error) {
	r := stacks.Request{Target: t, Requires: requires, Policy: s.policy, App: s.app}
	if full {
		r.RunSet = "base"
		r.Requires = append(slices.Clone(requires), lifecycle.Require{Name: "bash", Metadata: map[string]any{"launch": true}})
	}
	return s.Resolve(ctx, r)
}

// Plan tells what the stack supplies.
func (s *composed) Plan(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*create.StackPlan, error) {
	resolution, err := s.resolve(ctx, t, requires, full)
	if err != nil {
		return nil, err
	}
	p := stackPlan(resolution, requires)
	return &p, nil
}

// Compose resolves the requirements and makes the images.
func (s *composed) Compose(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*create.Bases, error) {
	resolution, err := s.resolve(ctx, t, requires, full)
	if err != nil {
		return nil, err
	}
	build, run, err := s.Stack.Compose(ctx, resolution)
	if err != nil {
		return nil, err
	}
	name, err := composedName(s.Config.Name+"-"+resolution.RunSet, run)
	if err != nil {
		return nil, err
	}
	lock, err := s.appLock(resolution)
	if err != nil {
		return nil, err
	}
	return &create.Bases{Build: build, Run: run, RunImage: lifecycle.RunImageMetadata{Reference: name}, Local: true,
		Plan: stackPlan(resolution, requires), Lock: lock}, nil
}

// Libraries finds the packages that have shared libraries.
func (s *composed) Libraries(
	ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, sonames []string,
) (map[string]string, error) {
	return s.Stack.Libraries(ctx, stacks.Request{Target: t, Requires: requires, Policy: s.policy, App: s.app}, sonames)
}

// run makes only the run image of a request.
func (s *composed) run(ctx context.Context, r stacks.Request) (v1.Image, string, error) {
	resolution, err := s.Resolve(ctx, r)
	if err != nil {
		return nil, "", err
	}
	resolution.Build = nil
	_, run, err := s.Stack.Compose(ctx, resolution)
	if err != nil {
		return nil, "", err
	}
	name, err := composedName(s.Config.Name+"-"+resolution.RunSet, run)
	return run, name, err
}

// composedHost begins the names of composed bases. They are published nowhere.
const composedHost = "localhost/s2i/"

// composedName names a composed base by its digest.
func composedName(name string, img v1.Image) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("naming the run image: %w", err)
	}
	return composedHost + name + "@" + digest.String(), nil
}

// imagePair is a stack whose bases are two images that somebody else made. Packages still come from a stack, as far as
// they can be added to any base.
type imagePair struct {
	*composed
	images   *image.Client
	refs     [2]image.Ref // of the run and the build image
	identity string
	// name and place are those of the run image, as the user has them.
	name, place string
}

// newImagePair pins the run and the build image by digest; of an index, that of the index.
func newImagePair(ctx context.Context, t *tools, s *composed, names [2]string) (*imagePair, error) {
	p := &imagePair{composed: s, images: t.images, identity: s.identity}
	for i, what := range []string{"run", "build"} {
		ref, err := parseRef(names[i])
		if err != nil {
			return nil, err
		}
		if i == 0 {
			p.name, p.place = ref.Name, ref.Place()
		}
		digest, err := digestOf(ctx, t, ref)
		if errors.Is(err, image.ErrNotFound) {
			return nil, usageError("%s: %w", names[i], err)
		}
		if err != nil {
			return nil, fmt.Errorf("getting the %s image: %w", what, err)
		}
		if ref.Kind == image.Registry { // the name may mean another image tomorrow
			ref.Name = ref.Place() + "@" + digest
		}
		p.refs[i], p.identity = ref, p.identity+" "+digest
	}
	return p, nil
}

// digestOf gives the digest of an image or an index.
func digestOf(ctx context.Context, t *tools, ref image.Ref) (string, error) {
	found, err := t.images.Get(ctx, ref)
	if err != nil {
		return "", err
	}
	one, ok := found.(interface{ Digest() (v1.Hash, error) })
	if !ok {
		return "", fmt.Errorf("%s is neither an image nor an index", ref)
	}
	digest, err := one.Digest()
	return digest.String(), err
}

// open opens the run and the build image for a platform.
func (p *imagePair) open(ctx context.Context, t lifecycle.Target) (images [2]v1.Image, err error) {
	for i, what := range []string{"run", "build"} {
		if images[i], err = p.images.Image(ctx, p.refs[i], t); err != nil {
			return images, fmt.Errorf("getting the %s image: %w", what, err)
		}
	}
	return images, nil
}

// Identity is the two digests and the lock.
func (p *imagePair) Identity() string { return p.identity }

// Plan tells what the stack adds to the two images.
func (p *imagePair) Plan(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, _ bool) (*create.StackPlan, error) {
	plan, err := p.composed.Plan(ctx, t, requires, false)
	if err == nil {
		p.onto(plan)
	}
	return plan, err
}

// onto says that there is another base below the packages.
func (p *imagePair) onto(plan *create.StackPlan) {
	plan.Image.Base = p.name
	if layers := plan.Image.Layers; len(layers) > 0 { // the first one is the base that the stack would have
		plan.Image.Layers = layers[1:]
	}
}

// Compose adds what is required to the two images. A run image that got layers of ours on top is no longer the one that
// its registry knows.
func (p *imagePair) Compose(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, _ bool) (*create.Bases, error) {
	resolution, err := p.resolve(ctx, t, requires, false)
	if err != nil {
		return nil, err
	}
	below, err := p.open(ctx, t)
	if err != nil {
		return nil, err
	}
	build, run, err := p.ComposeOnto(ctx, resolution, below[1], below[0])
	if err != nil {
		return nil, err
	}
	digest, err := below[0].Digest()
	if err != nil {
		return nil, fmt.Errorf("getting the run image: %w", err)
	}
	b := &create.Bases{Build: build, Run: run, Plan: stackPlan(resolution, requires),
		RunImage: lifecycle.RunImageMetadata{Reference: p.place + "@" + digest.String(), Image: p.name}}
	p.onto(&b.Plan)
	if b.Lock, err = p.appLock(resolution); err != nil {
		return nil, err
	}
	if run != below[0] {
		name, err := composedName(p.Config.Name+"-"+resolution.RunSet, run)
		if err != nil {
			return nil, err
		}
		b.RunImage = lifecycle.RunImageMetadata{Reference: name}
	}
	return b, nil
}

// Libraries finds nothing: Debian packages cannot be added to an image of another make.
func (p *imagePair) Libraries(context.Context, lifecycle.Target, []lifecycle.Require, []string) (map[string]string, error) {
	return map[string]string{}, nil
}
