package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/image"
	"s2i/stacks"
)

// newStack makes the stack that a build stands on: a composed one, or a pair of images.
func newStack(ctx context.Context, c *cli.Context, t *tools, name string) (create.Stack, error) {
	run, build := c.String("run-image"), c.String("build-image")
	if run == "" && build == "" {
		return loadStack(c, t, name)
	}
	if run == "" || build == "" {
		return nil, usageError("--run-image and --build-image go together: a base of one kind under buildpacks of another would not fit")
	}
	s, err := loadStack(c, t, name)
	if err != nil {
		return nil, err
	}
	return newImagePair(ctx, t, s, [2]string{run, build})
}

// composed is a stack of this program's own as create sees it.
type composed struct {
	*stacks.Stack
	identity string
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
	return &composed{Stack: s, identity: fmt.Sprintf("%s %x", s.Config.Name, sha256.Sum256(lock))}, nil
}

// Identity is the lock: the same lock supplies the same packages.
func (s *composed) Identity() string { return s.identity }

// Compose resolves the requirements and makes the images.
func (s *composed) Compose(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*create.Bases, error) {
	r := stacks.Request{Target: t, Requires: requires}
	if full {
		r.RunSet = "base"
		r.Requires = append(r.Requires, lifecycle.Require{Name: "bash", Metadata: map[string]any{"launch": true}})
	}
	resolution, err := s.Resolve(ctx, r)
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
	return &create.Bases{Build: build, Run: run, RunImage: lifecycle.RunImageMetadata{Reference: name}}, nil
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
	build, run v1.Image
	runImage   lifecycle.RunImageMetadata
	identity   string
}

// newImagePair pins the run and the build image by digest.
func newImagePair(ctx context.Context, t *tools, s *composed, names [2]string) (*imagePair, error) {
	run, runDigest, err := pinned(ctx, t, names[0])
	if err != nil {
		return nil, fmt.Errorf("getting the run image: %w", err)
	}
	build, buildDigest, err := pinned(ctx, t, names[1])
	if err != nil {
		return nil, fmt.Errorf("getting the build image: %w", err)
	}
	ref, err := parseRef(names[0])
	if err != nil {
		return nil, err
	}
	return &imagePair{
		composed: s, build: build, run: run, identity: s.identity + " " + buildDigest + " " + runDigest,
		runImage: lifecycle.RunImageMetadata{Reference: ref.Place() + "@" + runDigest, Image: ref.Name},
	}, nil
}

// pinned opens an image and gives its digest: the name may mean another image tomorrow.
func pinned(ctx context.Context, t *tools, name string) (v1.Image, string, error) {
	ref, err := parseRef(name)
	if err != nil {
		return nil, "", err
	}
	img, err := t.images.Image(ctx, ref, hostTarget())
	if err != nil {
		if errors.Is(err, image.ErrNotFound) {
			return nil, "", usageError("%s: %w", name, err)
		}
		return nil, "", err
	}
	digest, err := img.Digest()
	return img, digest.String(), err
}

// Identity is the two digests and the lock.
func (p *imagePair) Identity() string { return p.identity }

// Compose adds what is required to the two images. A run image that got layers of ours on top is no longer the one that
// its registry knows.
func (p *imagePair) Compose(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, _ bool) (*create.Bases, error) {
	resolution, err := p.Resolve(ctx, stacks.Request{Target: t, Requires: requires})
	if err != nil {
		return nil, err
	}
	build, run, err := p.ComposeOnto(ctx, resolution, p.build, p.run)
	if err != nil {
		return nil, err
	}
	b := &create.Bases{Build: build, Run: run, RunImage: p.runImage}
	if run != p.run {
		name, err := composedName(p.Config.Name+"-"+resolution.RunSet, run)
		if err != nil {
			return nil, err
		}
		b.RunImage = lifecycle.RunImageMetadata{Reference: name}
	}
	return b, nil
}
