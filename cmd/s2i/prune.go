package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle/store"
)

// pruneCommand frees space; what a running build uses stays.
func pruneCommand() *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "remove what no local image needs, least recently used first",
		Description: "Examples:\n   s2i prune\n   s2i prune --keep 10GB\n   s2i prune --list --only caches",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "keep", Value: "0", Usage: "stop when the store is no larger than `SIZE`"},
			&cli.StringSliceFlag{Name: "only", Usage: "remove only this `KIND`: " + strings.Join(store.Kinds(), ", ") + "; repeatable"},
			&cli.BoolFlag{Name: "list", Usage: "remove nothing; list what could go, with every cache and cache mount"},
		},
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			if err := argsBetween(c, 0, 0); err != nil {
				return err
			}
			keep, err := units.FromHumanSize(c.String("keep"))
			if err != nil {
				return usageError("--keep %s is no size such as 10GB", c.String("keep"))
			}
			only := c.StringSlice("only")
			for _, kind := range only {
				if !slices.Contains(store.Kinds(), kind) {
					return usageError("--only %s is none of %s", kind, strings.Join(store.Kinds(), ", "))
				}
			}
			if c.Bool("list") {
				return listRemovable(ctx, c, t, only)
			}
			pruned, err := t.store.Prune(ctx, keep, only...)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.App.Writer, "%d items, %s freed\n", pruned.Items, units.HumanSize(float64(pruned.Bytes)))
			return err
		}),
	}
}

// listRemovable lists what s2i prune could remove: every cache, and how much there is of the other kinds.
func listRemovable(ctx context.Context, c *cli.Context, t *tools, only []string) error {
	items, err := t.store.Removable(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "KIND\tSIZE\tLAST USED\tWHAT"); err != nil {
		return err
	}
	for _, kind := range store.Kinds() {
		if len(only) > 0 && !slices.Contains(only, kind) {
			continue
		}
		var bytes int64
		n := 0
		for _, i := range items {
			switch {
			case i.Kind != kind:
			case kind == "caches":
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", kind, units.HumanSize(float64(i.Bytes)), i.Used.Format(time.DateOnly), i.Name)
			default:
				bytes, n = bytes+i.Bytes, n+1
			}
		}
		if n > 0 {
			fmt.Fprintf(w, "%s\t%s\t\t%d items\n", kind, units.HumanSize(float64(bytes)), n)
		}
	}
	return w.Flush()
}
