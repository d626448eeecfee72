package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"s2i/detect"
	"s2i/lifecycle/create"
	"s2i/lifecycle/progress"
)

// planFlags are the flags of the commands that stop before anything is built.
func planFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "when nothing can be built, say what every buildpack said"},
	}, appFlags(), builderFlags(), sandboxFlags())
}

// detectCommand is the first part of a build only; its result is one line.
func detectCommand() *cli.Command {
	return &cli.Command{
		Name: "detect", Usage: "say in one line what a build would make of a source tree", ArgsUsage: "[SRC]",
		Description: `The line has the main package with its version, how packages are installed, and what the image starts. The exit
code is 20 when no buildpack fits, and 21 when one recognises the app and says why it cannot be built.

Examples:
   s2i detect ./src
   s2i detect -v ./src`,
		Flags: planFlags(),
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			src, err := oneArg(c, "SRC", ".")
			if err != nil {
				return err
			}
			plan, err := makePlan(ctx, c, t, src)
			if plan == nil {
				return err
			}
			if err != nil { // what fits is known all the same
				progress.Warn(ctx, "a build would fail: %v", err)
			}
			_, err = fmt.Fprintln(c.App.Writer, plan.Summary)
			return err
		}),
	}
}

// planCommand tells everything that a build would decide, for people or as JSON.
func planCommand() *cli.Command {
	return &cli.Command{
		Name: "plan", Usage: "say what a build would do, without doing it", ArgsUsage: "[SRC]",
		Description: `Nothing is built, and nothing is downloaded unless the stack's lock lacks it. See explain for the reasons at
length.

The JSON has "schema": 1. Within a schema fields are only added, and what is empty may be left out:
   target, summary
   buildpacks[]    id version outcome reason facts[]{topic text source}
                   outcome: chosen alternative refused failed skipped errored
   alternatives[]  buildpacks[] choose
   packages[]      name version build launch constraints[]{value source kind dropped} candidates[]{version rejected}
                   why from integrity live
   starts[]        buildpack type command score chosen evidence[] rejected
   hosts[]         name why source
   warnings[]
   image           stack base user layers[]{name version debs bytes}
   problem         why a build would fail; the exit code says so, too

Examples:
   s2i plan ./src
   s2i plan --json ./src | jq -r '.packages[] | select(.name == "node").version'
   s2i plan --set node.version=22 ./src`,
		Flags: append([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "write the plan as JSON"}}, planFlags()...),
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			src, err := oneArg(c, "SRC", ".")
			if err != nil {
				return err
			}
			plan, problem := makePlan(ctx, c, t, src)
			if plan == nil {
				return problem
			}
			if c.Bool("json") {
				enc := json.NewEncoder(c.App.Writer)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return errors.Join(enc.Encode(plan), problem)
			}
			return errors.Join(writePlan(c.App.Writer, plan), problem)
		}),
	}
}

// makePlan finds out what a build with the command's flags would do. Along with the plan there may be the error that
// the build would end with.
func makePlan(ctx context.Context, c *cli.Context, t *tools, src string) (*create.Plan, error) {
	o, closeSource, err := buildOptions(ctx, c, t, src)
	if err != nil {
		return nil, err
	}
	defer closeSource()
	plan, err := create.MakePlan(ctx, o)
	var none *detect.NoGroupError
	if errors.As(err, &none) {
		none.Verbose = c.Bool("verbose")
	}
	return plan, err
}
