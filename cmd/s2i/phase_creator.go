package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/build"
)

// creatorPhase has the flags of all phases that it stands for.
func creatorPhase() *cli.Command {
	flags := []cli.Flag{appFlag(), layersFlag(), orderFlag(), systemFlag(),
		&cli.BoolFlag{Name: "skip-restore", EnvVars: []string{"CNB_SKIP_RESTORE"}, Usage: "restore store.toml only"}}
	for _, more := range [][]cli.Flag{platformFlags(), imageFlags(), extensionFlags(), exportFlags()} {
		flags = append(flags, more...)
	}
	return &cli.Command{
		Name: "creator", Usage: "analyze, detect, restore, build and export in one go", ArgsUsage: "IMAGE", Flags: flags,
		Action: withImages(lifecycle.ExitFailed, creatorRun),
	}
}

// creatorRun is the creator: the phases in the specification's order, in place.
func creatorRun(p *phase) error {
	analyzed, err := p.analyze()
	if err != nil {
		return err
	}
	target := targetOf(analyzed.Analyzed)
	found, err := detectInPlace(p.Context, target)
	if err != nil {
		return err
	}
	if ext := found.Group.Extensions; len(ext) > 0 { // as the reference has it; those in the order that do not detect do no harm
		return lifecycle.WithCode(lifecycle.ExitDetect, fmt.Errorf("the group has the image extension %s, which the creator does not apply: "+
			"run the phases one after the other, with the extender among them", ext[0]))
	}
	cache, err := p.restore(found.Group, analyzed.Metadata, analyzed.PreviousImage)
	if err != nil {
		return err
	}
	if _, err := build.Group(p.ctx(), build.Options{
		AppDir: p.String("app"), LayersDir: p.String("layers"), PlatformDir: p.String("platform"),
		BuildConfigDir: p.String("build-config"), BuildpacksDir: p.String("buildpacks"), ExecEnv: p.String("exec-env"),
		Group: found.Group.Group, Plan: found.Plan, Target: target, Stdout: os.Stdout, Stderr: os.Stderr,
	}); err != nil {
		return err
	}
	return p.export(found.Group, analyzed, cache)
}
