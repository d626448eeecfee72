package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/extend"
	"s2i/lifecycle/image"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/snapshot"
)

// extenderPhase applies the generated Dockerfiles (platform §extender).
func extenderPhase() *cli.Command {
	return &cli.Command{
		Name: "extender", Usage: "apply the Dockerfiles of image extensions; of the build image, and build on it",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "kind", Value: string(extend.Build), EnvVars: []string{"CNB_EXTEND_KIND"}, Usage: "the image to extend: `build` or run"},
			&cli.StringFlag{Name: "kaniko-cache-ttl", EnvVars: []string{"CNB_KANIKO_CACHE_TTL"}, Usage: "accepted; layers are cached by what they are made of"},
			appFlag(), layersFlag(), fileFlag("group", "CNB_GROUP_PATH"), fileFlag("plan", "CNB_PLAN_PATH"), fileFlag("analyzed", "CNB_ANALYZED_PATH"),
		}, platformFlags(), imageFlags(), extensionFlags()),
		Action: withImages(lifecycle.ExitExtend, extenderRun),
	}
}

func extenderRun(p *phase) error {
	group, analyzed, err := readInputs(p.Context)
	if err != nil {
		return err
	}
	kind := extend.Kind(p.String("kind"))
	list, err := p.generated(group.Extensions, kind)
	if err != nil {
		return err
	}
	box, err := sandbox.NewOCI(sandbox.Options{})
	if err != nil {
		return err
	}
	switch kind {
	case extend.Run:
		return p.extendRun(analyzed, list, box)
	case extend.Build:
		return p.extendBuild(analyzed, list, box)
	default:
		return usageError("-kind %s is neither build nor run", kind)
	}
}

// generated reads the Dockerfiles for one image.
func (p *phase) generated(group []lifecycle.GroupElement, kind extend.Kind) ([]*extend.Dockerfile, error) {
	var all []*extend.Dockerfile
	for _, e := range group {
		d, err := extend.Read(e.ID, filepath.Join(phaseDir(p.Context, "generated"), lifecycle.EscapedID(e.ID)), p.String("app"), kind)
		if err != nil {
			return nil, err
		}
		if d != nil {
			all = append(all, d)
		}
	}
	_, all = extend.Choose(all)
	return all, nil
}

// extendImage opens an image and applies Dockerfiles to it.
func (p *phase) extendImage(name string, target lifecycle.Target, list []*extend.Dockerfile, box sandbox.Sandbox) (v1.Image, error) {
	ref, err := parseRef(name)
	if err != nil {
		return nil, err
	}
	img, err := p.images.Image(p.ctx(), ref, target)
	if err != nil {
		return nil, fmt.Errorf("getting the image to extend: %w", err)
	}
	return extend.Apply(p.ctx(), img, list, dockerfile.Options{Store: p.store, Images: p.images, Sandbox: box, Platform: target})
}

// extendRun leaves the extended run image as a layout for the exporter.
func (p *phase) extendRun(a lifecycle.Analyzed, list []*extend.Dockerfile, box sandbox.Sandbox) error {
	if a.RunImage == nil || a.RunImage.Reference == "" {
		return errors.New("analyzed.toml names no run image: run the restorer first")
	}
	img, err := p.extendImage(a.RunImage.Reference, targetOf(a), list, box)
	if err == nil {
		err = extend.CheckUser(img)
	}
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	dir := filepath.Join(phaseDir(p.Context, "extended"), "run", digest.String())
	_, err = p.images.Publish(p.ctx(), img, []image.Ref{{Kind: image.OCILayout, Path: dir}})
	return err
}

// extendedRun opens what extendRun left.
func (p *phase) extendedRun(target lifecycle.Target) (v1.Image, error) {
	dirs, err := filepath.Glob(filepath.Join(phaseDir(p.Context, "extended"), "run", "*"))
	if err != nil || len(dirs) != 1 {
		return nil, errors.New("the run image is to be extended, and there is no extended one: run the extender with -kind run first")
	}
	return p.images.Image(p.ctx(), image.Ref{Kind: image.OCILayout, Path: dirs[0]}, target)
}

// extendBuild extends the build image, and runs the builder on the result.
func (p *phase) extendBuild(a lifecycle.Analyzed, list []*extend.Dockerfile, box sandbox.Sandbox) error {
	if a.Build == nil {
		return errors.New("analyzed.toml names no build image: run the restorer with -build-image first")
	}
	img, err := p.extendImage(a.Build.Reference, hostTarget(), list, box)
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	rootfs, release, err := snapshot.Prepare(p.ctx(), p.store, layers, true)
	if err != nil {
		return fmt.Errorf("preparing the extended build image: %w", err)
	}
	defer release()
	process := sandbox.Process{Rootfs: sandbox.Rootfs(*rootfs), Dir: p.String("app"), Stdout: os.Stdout, Stderr: os.Stderr,
		Env: append(slices.Clone(config.Config.Env), "CNB_PLATFORM_API="+os.Getenv("CNB_PLATFORM_API"))}
	if process.UID, process.GID, err = p.owner(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	const program = "/run/s2i"
	process.Mounts = []sandbox.Mount{{Target: "/tmp"}, {Source: self, Target: program, ReadOnly: true}}
	process.Args = []string{program, "lifecycle", "builder"}
	for _, name := range []string{"app", "layers", "platform", "buildpacks", "build-config"} {
		dir := p.String(name)
		if _, err := os.Stat(dir); err == nil {
			process.Mounts = append(process.Mounts, sandbox.Mount{Source: dir, Target: dir, ReadOnly: name != "app" && name != "layers"})
		}
		process.Args = append(process.Args, "-"+name, dir)
	}
	return box.Run(p.ctx(), process)
}
