package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/dockerfile/check"
	"s2i/lifecycle/progress"
)

// checkDockerfile holds a Dockerfile against the build checks. What it finds is its result, so it goes to standard
// output, and makes it fail.
func checkDockerfile(ctx context.Context, c *cli.Context, t *tools) error {
	app, err := appOptions(c)
	if err != nil {
		return err
	}
	o := dockerfile.Options{Store: t.store, Images: t.images, Target: c.String("target"), Platform: app.Target}
	if o.Args, err = buildArgs(c.StringSlice("build-arg-file"), c.StringSlice("build-arg")); err != nil {
		return err
	}
	x := &contexts{c: c, t: t, o: &o}
	defer x.close()
	if err := x.open(ctx, place{}); err != nil {
		return err
	}
	report, err := dockerfile.Check(ctx, o)
	if err != nil {
		return errorsFirst(c, report, usageError("%w", err))
	}
	for _, name := range report.Unread {
		progress.Note(ctx, "%s cannot be read, so what it sets is not known: fewer checks apply to what stands on it", name)
	}
	return errorsFirst(c, report, nil)
}

// errorsFirst writes what was found, and gives err or that something was found.
func errorsFirst(c *cli.Context, report *check.Report, err error) error {
	if report == nil {
		return err
	}
	if writeErr := report.Write(c.App.Writer); writeErr != nil {
		return writeErr
	}
	switch n := len(report.Findings); {
	case err != nil:
		return err
	case n == 0:
		_, err := fmt.Fprintln(c.App.Writer, "the checks find nothing")
		return err
	case n == 1:
		return lifecycle.WithCode(lifecycle.ExitFailed, fmt.Errorf("the checks find 1 violation"))
	default:
		return lifecycle.WithCode(lifecycle.ExitFailed, fmt.Errorf("the checks find %d violations", n))
	}
}
