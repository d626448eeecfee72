package main

import (
	"fmt"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/restore"
)

// restorerPhase fills the layers directory from the cache and the previous image.
func restorerPhase() *cli.Command {
	return &cli.Command{
		Name: "restorer", Usage: "bring cached layers back",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "build-image", EnvVars: []string{"CNB_BUILD_IMAGE"}, Usage: "the build image `REF`, which extensions change"},
			layersFlag(), fileFlag("group", "CNB_GROUP_PATH"), fileFlag("analyzed", "CNB_ANALYZED_PATH"),
		}, imageFlags()...),
		Action: withImages(lifecycle.ExitRestore, func(p *phase) error {
			group, analyzed, err := readInputs(p.Context)
			if err != nil {
				return err
			}
			previous, err := p.previous(analyzed)
			if err != nil {
				return err
			}
			if err := p.pinImages(&analyzed); err != nil {
				return err
			}
			_, err = p.restore(group, analyzed.Metadata, previous)
			return err
		}),
	}
}

// previous opens the image that the analyzer found, or nil.
func (p *phase) previous(a lifecycle.Analyzed) (v1.Image, error) {
	if a.Previous == nil || a.Previous.Reference == "" {
		return nil, nil
	}
	ref, err := parseRef(a.Previous.Reference)
	if err != nil {
		return nil, err
	}
	return p.images.Image(p.ctx(), ref, targetOf(a))
}

// restore brings layers back from -cache-dir, which may be absent, and gives the open cache.
func (p *phase) restore(g lifecycle.GroupFile, m lifecycle.LayersMetadata, previous v1.Image) (*restore.Dir, error) {
	uid, gid, err := p.owner()
	if err != nil {
		return nil, err
	}
	o := restore.Options{
		LayersDir: p.String("layers"), Group: g.Group, Previous: m, PreviousImage: previous,
		SkipLayers: p.Bool("skip-layers"), UID: uid, GID: gid,
	}
	cache, err := p.cache()
	if err != nil {
		return nil, err
	}
	if cache != nil {
		o.Cache = cache
	}
	return cache, restore.Layers(p.ctx(), o)
}

// cache opens -cache-dir; nil when there is none.
func (p *phase) cache() (*restore.Dir, error) {
	dir := p.String("cache-dir")
	if dir == "" {
		return nil, nil
	}
	return restore.OpenDir(p.ctx(), filepath.Join(dir, "layers"), nil)
}

// owner reads -uid and -gid; both absent is 0, 0: leave ownership alone.
func (p *phase) owner() (uid, gid int, err error) {
	for name, into := range map[string]*int{"uid": &uid, "gid": &gid} {
		if s := p.String(name); s != "" {
			if *into, err = strconv.Atoi(s); err != nil {
				return 0, 0, usageError("-%s %s is no number", name, s)
			}
		}
	}
	return uid, gid, nil
}

// pinImages records the images that extensions change by digest.
func (p *phase) pinImages(a *lifecycle.Analyzed) error {
	pin := func(name string, target lifecycle.Target) (string, *v1.ConfigFile, error) {
		ref, err := parseRef(name)
		if err != nil {
			return "", nil, err
		}
		img, err := p.images.Image(p.ctx(), ref, target)
		if err != nil {
			return "", nil, fmt.Errorf("getting the image %s: %w", name, err)
		}
		digest, err := img.Digest()
		if err != nil {
			return "", nil, err
		}
		config, err := img.ConfigFile()
		return ref.Place() + "@" + digest.String(), config, err
	}
	changed := false
	if name := p.String("build-image"); name != "" {
		reference, _, err := pin(name, hostTarget())
		if err != nil {
			return err
		}
		if a.Build == nil {
			a.Build = &lifecycle.AnalyzedImage{}
		}
		a.Build.Reference, changed = reference, true
	}
	if run := a.RunImage; run != nil && run.Reference == "" && run.Image != "" {
		reference, config, err := pin(run.Image, hostTarget())
		if err != nil {
			return err
		}
		run.Reference, changed = reference, true
		run.Target = &lifecycle.Target{OS: config.OS, Arch: config.Architecture, Variant: config.Variant}
	}
	if !changed {
		return nil
	}
	return lifecycle.WriteAnalyzed(phaseFile(p.Context, "analyzed"), *a)
}
