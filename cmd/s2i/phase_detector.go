package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"s2i/detect"
	"s2i/lifecycle"
)

// detectorPhase writes group.toml and plan.toml.
func detectorPhase() *cli.Command {
	return &cli.Command{
		Name: "detector", Usage: "choose the buildpacks that build the app",
		Flags: append([]cli.Flag{
			appFlag(), layersFlag(), fileFlag("group", "CNB_GROUP_PATH"), fileFlag("plan", "CNB_PLAN_PATH"),
			fileFlag("analyzed", "CNB_ANALYZED_PATH"), orderFlag(), systemFlag(),
		}, append(platformFlags(), extensionFlags()...)...),
		Action: asPhase(lifecycle.ExitDetect, func(c *cli.Context) error {
			analyzed, err := lifecycle.ReadAnalyzed(phaseFile(c, "analyzed"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			result, err := detectInPlace(c, targetOf(analyzed))
			if err != nil {
				return err
			}
			if len(result.Group.Extensions) > 0 {
				if err := generateInPlace(c, result, &analyzed); err != nil {
					return lifecycle.WithCode(lifecycle.ExitGenerate, err)
				}
			}
			if err := lifecycle.WriteGroup(phaseFile(c, "group"), result.Group); err != nil {
				return err
			}
			return lifecycle.WritePlan(phaseFile(c, "plan"), result.Plan)
		}),
	}
}

// orderFlag is where the order is.
func orderFlag() cli.Flag {
	return &cli.StringFlag{Name: "order", EnvVars: []string{"CNB_ORDER_PATH"}, Usage: "the `FILE` order.toml (default: in the layers directory, else /cnb/order.toml)"}
}

// systemFlag is where the buildpacks are that every group begins and ends with.
func systemFlag() cli.Flag {
	return &cli.StringFlag{Name: "system", Value: "/cnb/system.toml", EnvVars: []string{"CNB_SYSTEM_PATH"}, Usage: "the `FILE` system.toml, which may be missing"}
}

// detectInPlace runs the detect phase on the buildpacks of this container.
func detectInPlace(c *cli.Context, target lifecycle.Target) (*detect.Result, error) {
	path := phaseFile(c, "order")
	if _, err := os.Stat(path); err != nil && c.String("order") == "" {
		path = "/cnb/order.toml"
	}
	order, err := lifecycle.ReadOrder(path)
	if err != nil {
		return nil, err
	}
	system, err := lifecycle.ReadSystem(c.String("system"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	installed, err := installedModules(c)
	if err != nil {
		return nil, err
	}
	return detect.Run(c.Context, detect.Options{
		Order: system.Wrap(order.Order), Extensions: order.Extensions, Buildpacks: installed, Target: target, ExecEnv: c.String("exec-env"),
		Detect: func(ctx context.Context, bp lifecycle.Buildpack) detect.Outcome {
			return detect.Exec(ctx, bp, inPlace(c, target))
		},
	})
}

// inPlace is how programs of modules run in this container.
func inPlace(c *cli.Context, target lifecycle.Target) detect.ExecOptions {
	return detect.ExecOptions{
		AppDir: c.String("app"), PlatformDir: c.String("platform"), BuildConfigDir: c.String("build-config"),
		Target: target, ExecEnv: c.String("exec-env"),
	}
}

// installedModules reads the buildpacks and the image extensions of this container.
func installedModules(c *cli.Context) ([]lifecycle.Buildpack, error) {
	buildpacks, err := installedIn(c.String("buildpacks"), "buildpack.toml")
	if err != nil {
		return nil, err
	}
	extensions, err := installedIn(c.String("extensions"), "extension.toml")
	return append(buildpacks, extensions...), err
}

// installedIn reads every <id>/<version>/ with a file of this name below dir; an empty one has none.
func installedIn(dir, name string) ([]lifecycle.Buildpack, error) {
	if dir == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", name))
	if err != nil {
		return nil, err
	}
	var all []lifecycle.Buildpack
	for _, file := range files {
		b, err := lifecycle.ReadBuildpack(file)
		if err != nil {
			return nil, err
		}
		b.Dir = filepath.Dir(file)
		all = append(all, b)
	}
	return all, nil
}
