package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/build"
)

// builderPhase runs bin/build of the group, in place.
func builderPhase() *cli.Command {
	return &cli.Command{
		Name: "builder", Usage: "run the build of every buildpack in the group",
		Flags: append([]cli.Flag{
			appFlag(), layersFlag(), fileFlag("group", "CNB_GROUP_PATH"), fileFlag("plan", "CNB_PLAN_PATH"),
			fileFlag("analyzed", "CNB_ANALYZED_PATH"),
		}, platformFlags()...),
		Action: asPhase(lifecycle.ExitBuild, func(c *cli.Context) error {
			group, analyzed, err := readInputs(c)
			if err != nil {
				return err
			}
			plan, err := lifecycle.ReadPlan(phaseFile(c, "plan"))
			if err != nil {
				return err
			}
			o := build.Options{
				AppDir: c.String("app"), LayersDir: c.String("layers"), PlatformDir: c.String("platform"),
				BuildConfigDir: c.String("build-config"), BuildpacksDir: c.String("buildpacks"), ExecEnv: c.String("exec-env"),
				Group: group.Group, Extensions: group.Extensions, Plan: plan, Stdout: os.Stdout, Stderr: os.Stderr,
			}
			if analyzed.RunImage != nil && analyzed.RunImage.Target != nil {
				o.Target = *analyzed.RunImage.Target
			}
			_, err = build.Group(c.Context, o)
			return err
		}),
	}
}
