package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/dockerfile/check"
	"s2i/lifecycle/progress"
)

// call is what --call asks of a Dockerfile, in docker's words: its method is empty for a build.
type call struct {
	method       string
	json         bool
	ignoreStatus bool
}

// readCall reads --call METHOD[,format=json][,ignorestatus=true], and --check, which is --call check.
func readCall(c *cli.Context) (k call, err error) {
	for i, part := range strings.Split(c.String("call"), ",") {
		key, value, given := strings.Cut(part, "=")
		switch {
		case i == 0 && !given:
			k.method = part
		case key == "format" && (value == "json" || value == "text"):
			k.json = value == "json"
		case key == "ignorestatus":
			if k.ignoreStatus, err = strconv.ParseBool(value); err != nil {
				return k, usageError("--call: ignorestatus is true or false, not %s", value)
			}
		default:
			return k, usageError("--call %s is not METHOD, METHOD,format=json or METHOD,ignorestatus=true", c.String("call"))
		}
	}
	switch {
	case c.Bool("check") && k.method != "" && k.method != "check" && k.method != "build":
		return k, usageError("--check is --call check, and --call says %s", k.method)
	case c.Bool("check"):
		k.method = "check"
	case k.method == "lint":
		k.method = "check"
	case k.method == "build":
		k.method = ""
	}
	switch k.method {
	case "", "check", "outline", "targets":
		return k, nil
	}
	return k, usageError("--call %s is none of build, check, outline, targets", k.method)
}

// answer does what --call asks for. What it finds is its result, so it goes to standard output.
func (k call) answer(ctx context.Context, c *cli.Context, t *tools) error {
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
	switch k.method {
	case "outline":
		outline, err := dockerfile.Describe(ctx, o)
		if err != nil {
			return usageError("%w", err)
		}
		return k.write(c.App.Writer, outline)
	case "targets":
		return k.write(c.App.Writer, o.File.Targets())
	}
	report, err := dockerfile.Check(ctx, o)
	if err != nil {
		return k.errorsFirst(c, report, usageError("%w", err))
	}
	for _, name := range report.Unread {
		progress.Note(ctx, "%s cannot be read, so what it sets is not known: fewer checks apply to what stands on it", name)
	}
	return k.errorsFirst(c, report, nil)
}

// write writes an answer for people, or for programs.
func (k call) write(w io.Writer, answer interface{ Write(w io.Writer) error }) error {
	if !k.json {
		return answer.Write(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(answer)
}

// errorsFirst writes what the checks found, and gives err or that something was found.
func (k call) errorsFirst(c *cli.Context, report *check.Report, err error) error {
	if report == nil {
		return err
	}
	write := report.Write
	if k.json {
		write = func(w io.Writer) error { return report.WriteJSON(w, err) }
	}
	if writeErr := write(c.App.Writer); writeErr != nil {
		return writeErr
	}
	switch n := len(report.Findings); {
	case err != nil:
		return err
	case n == 0 && !k.json:
		_, err := fmt.Fprintln(c.App.Writer, "the checks find nothing")
		return err
	case n == 0 || k.ignoreStatus:
		return nil
	case n == 1:
		return lifecycle.WithCode(lifecycle.ExitFailed, fmt.Errorf("the checks find 1 violation"))
	default:
		return lifecycle.WithCode(lifecycle.ExitFailed, fmt.Errorf("the checks find %d violations", n))
	}
}
