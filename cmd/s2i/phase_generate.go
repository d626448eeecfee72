package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"s2i/detect"
	"s2i/lifecycle"
	"s2i/lifecycle/extend"
	"s2i/lifecycle/progress"
)

// generateInPlace runs the extensions that were detected, and records what they come to in analyzed.toml.
func generateInPlace(c *cli.Context, found *detect.Result, a *lifecycle.Analyzed) error {
	modules, err := installedModules(c)
	if err != nil {
		return err
	}
	var runs []*extend.Dockerfile
	builds := false
	for _, e := range found.Group.Extensions {
		i := slices.IndexFunc(modules, func(b lifecycle.Buildpack) bool { return b.Element().Key() == e.Key() })
		if i < 0 {
			return fmt.Errorf("extension %s is not installed", e)
		}
		output := filepath.Join(phaseDir(c, "generated"), lifecycle.EscapedID(e.ID))
		if err := detect.Generate(c.Context, modules[i], found.Plan.For(e), output, inPlace(c, targetOf(*a)), os.Stderr); err != nil {
			return err
		}
		build, err := extend.Read(e.ID, output, c.String("app"), extend.Build)
		if err != nil {
			return err
		}
		run, err := extend.Read(e.ID, output, c.String("app"), extend.Run)
		if err != nil {
			return err
		}
		builds = builds || build != nil
		if run != nil {
			runs = append(runs, run)
		}
	}
	if err := chooseRun(c, runs, a); err != nil {
		return err
	}
	if builds {
		if a.Build == nil {
			a.Build = &lifecycle.AnalyzedImage{}
		}
		a.Build.Extend = true
	}
	return lifecycle.WriteAnalyzed(phaseFile(c, "analyzed"), *a)
}

// chooseRun records the run image that the extensions choose, and puts away the Dockerfiles before that choice.
func chooseRun(c *cli.Context, runs []*extend.Dockerfile, a *lifecycle.Analyzed) error {
	switched, apply := extend.Choose(runs)
	if a.RunImage == nil {
		a.RunImage = &lifecycle.AnalyzedRunImage{}
	}
	a.RunImage.Extend = len(apply) > 0
	if switched == "" {
		return nil
	}
	a.RunImage.Image, a.RunImage.Reference, a.RunImage.Target = switched, "", nil
	last := 0
	for i, d := range runs {
		if d.Switch != "" {
			last = i
		}
	}
	for _, d := range runs[:last] {
		if err := os.Rename(d.Path, d.Path+".ignore"); err != nil {
			return fmt.Errorf("putting away a Dockerfile that does not count: %w", err)
		}
	}
	if file, err := lifecycle.ReadRun("/cnb/run.toml"); err == nil && !slices.ContainsFunc(file.Images, func(n lifecycle.RunImageName) bool {
		return n.Image == switched || slices.Contains(n.Mirrors, switched)
	}) {
		progress.Warn(c.Context, "the run image %s that an extension chooses is not in run.toml", switched)
	}
	return nil
}
