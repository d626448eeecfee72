package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
)

// detectCommand is the first part of a build only; its result is one line, for scripts.
func detectCommand() *cli.Command {
	return &cli.Command{
		Name: "detect", Usage: "say which buildpacks would build a source tree, and why", ArgsUsage: "[SRC]",
		Description: "Example:\n   s2i detect ./src",
		Flags:       slices.Concat(appFlags(), builderFlags(), sandboxFlags()),
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			plan, err := makePlan(ctx, c, t)
			if err != nil {
				return err
			}
			var names []string
			for _, e := range plan.Group {
				names = append(names, e.String())
			}
			_, err = fmt.Fprintln(c.App.Writer, strings.Join(names, " "))
			return err
		}),
	}
}

// planCommand tells everything that a build would decide, for people or as JSON.
func planCommand() *cli.Command {
	return &cli.Command{
		Name: "plan", Usage: "say what a build would do, without doing it", ArgsUsage: "[SRC]",
		Description: "Examples:\n   s2i plan ./src\n   s2i plan --json ./src",
		Flags: slices.Concat([]cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "write the plan as JSON"},
		}, appFlags(), builderFlags(), sandboxFlags()),
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			plan, err := makePlan(ctx, c, t)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				enc := json.NewEncoder(c.App.Writer)
				enc.SetIndent("", "  ")
				return enc.Encode(plan)
			}
			return printPlan(c.App.Writer, plan)
		}),
	}
}

// makePlan finds out what a build with the command's flags would do.
func makePlan(ctx context.Context, c *cli.Context, t *tools) (*create.Plan, error) {
	o, closeSource, err := buildOptions(ctx, c, t)
	if err != nil {
		return nil, err
	}
	defer closeSource()
	return create.MakePlan(ctx, o)
}

// printPlan writes a plan as two tables: every buildpack with what became of it, and what those that build need.
func printPlan(out io.Writer, p *create.Plan) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "buildpacks\n")
	for _, o := range p.Outcomes {
		mark := "-"
		if slices.ContainsFunc(p.Group, func(e lifecycle.GroupElement) bool { return e.ID == o.Buildpack }) {
			mark = "+"
		}
		fmt.Fprintf(w, "  %s %s\t%s\t%s\n", mark, o.Buildpack, o.Status, strings.Join(strings.Fields(o.Reason), " "))
	}
	if len(p.Requires) > 0 {
		fmt.Fprintf(w, "needs\n")
	}
	for _, r := range p.Requires {
		version, _ := r.Metadata["version"].(string)
		from, _ := r.Metadata["version-source"].(string)
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", r.Name, phases(r), version, from)
	}
	return w.Flush()
}

// phases says when a requirement is needed: at build, at launch, or both.
func phases(r lifecycle.Require) string {
	var when []string
	for _, phase := range []string{"build", "launch"} {
		if on, _ := r.Metadata[phase].(bool); on {
			when = append(when, phase)
		}
	}
	return strings.Join(when, "+")
}
