package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/stacks"
)

// stackCommand is for those who keep a stack up to date, or make their own.
func stackCommand() *cli.Command {
	stackFlag := &cli.StringFlag{Name: "stack", Value: stacks.Default, Usage: "the `NAME` of a built-in stack, or a directory"}
	archFlag := &cli.StringFlag{Name: "arch", Value: runtime.GOARCH, Usage: "the `ARCH`: amd64 or arm64"}
	return &cli.Command{
		Name: "stack", Usage: "work with stacks: the locks that base images and packages come from",
		Subcommands: []*cli.Command{
			{
				Name: "ls", Usage: "list what a stack's lock holds", Flags: []cli.Flag{stackFlag, archFlag},
				Description: "Example:\n   s2i stack ls",
				Action:      withTools(stackList),
			},
			{
				Name: "lock", Usage: "resolve a stack.toml into its stack.lock.json", ArgsUsage: "DIR",
				Description: "The package indexes' signatures are verified against Debian's keys.\n\nExample:\n   s2i stack lock ./mystack",
				Action:      withTools(stackLock),
			},
			{
				Name: "diff", Usage: "say what changed between two locks", ArgsUsage: "OLD NEW",
				Description: "Example:\n   s2i stack diff old.lock.json ./mystack/stack.lock.json",
				Action:      stackDiff,
			},
			{
				Name: "vendor", Usage: "export every file of a lock, for machines without network", ArgsUsage: "DIR",
				Description: "Example:\n   s2i stack vendor ./mirror && S2I_MIRRORS=file://$PWD/mirror s2i build ./src -t app:1",
				Flags:       []cli.Flag{stackFlag}, Action: withTools(stackVendor),
			},
			{
				Name: "build", Usage: "compose the build or run image of a stack", ArgsUsage: "[PACKAGE…]",
				Description: "Example:\n   s2i stack build --image run --set base -t registry.example.com/base/run:1 node",
				Flags: []cli.Flag{
					stackFlag,
					&cli.StringFlag{Name: "image", Value: "run", Usage: "`run` or build"},
					&cli.StringFlag{Name: "set", Usage: "the smallest run `SET` to use"},
					archFlag,
					&cli.StringSliceFlag{Name: "tag", Aliases: []string{"t"}, Usage: "where the image goes, `REF`; repeatable"},
					&cli.BoolFlag{Name: "locked", Usage: "refuse to use a package that is not exactly as the lock says"},
				},
				Action: withTools(stackBuild),
			},
		},
	}
}

// stackList writes a table of what a lock holds: name, versions, and whether it is for build or run images.
func stackList(_ context.Context, c *cli.Context, _ *tools) error {
	if err := argsBetween(c, 0, 0); err != nil {
		return err
	}
	s, err := stacks.Load(c.String("stack"))
	if err != nil {
		return err
	}
	listed, err := s.List(c.String("arch"))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.App.Writer, 0, 4, 2, ' ', 0)
	for _, l := range listed {
		fmt.Fprintf(w, "%s\t%s\t%s\n", l.Name, strings.Join(l.Versions, " "), strings.Join(l.Images, "+"))
	}
	return w.Flush()
}

// stackLock resolves DIR/stack.toml and replaces DIR/stack.lock.json as a whole.
func stackLock(ctx context.Context, c *cli.Context, t *tools) error {
	dir, err := oneArg(c, "DIR", "")
	if err != nil {
		return err
	}
	s, _, err := stacks.LoadUnlocked(dir)
	if err != nil {
		return err
	}
	s.Store = t.store
	lock, err := stacks.Relock(ctx, s)
	if err != nil {
		return err
	}
	data, err := lock.Encode()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, stacks.LockFile)
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	_, err = fmt.Fprintln(c.App.Writer, file)
	return err
}

// stackDiff compares two locks, by the packages that they hold.
func stackDiff(c *cli.Context) error {
	if err := argsBetween(c, 2, 2); err != nil {
		return err
	}
	old, err := stacks.ReadLock(c.Args().Get(0))
	if err != nil {
		return err
	}
	now, err := stacks.ReadLock(c.Args().Get(1))
	if err != nil {
		return err
	}
	for _, change := range stacks.Diff(old, now) {
		if _, err := fmt.Fprintln(c.App.Writer, change); err != nil {
			return err
		}
	}
	return nil
}

// stackVendor gets every file of a lock into a directory.
func stackVendor(ctx context.Context, c *cli.Context, t *tools) error {
	dir, err := oneArg(c, "DIR", "")
	if err != nil {
		return err
	}
	s, err := loadStack(c, t, c.String("stack"))
	if err != nil {
		return err
	}
	return s.Vendor(ctx, dir)
}

// stackBuild composes one image of a stack and publishes it.
func stackBuild(ctx context.Context, c *cli.Context, t *tools) error {
	phase, kind := "launch", c.String("image")
	if kind == "build" {
		phase = "build"
	} else if kind != "run" {
		return usageError("--image %s is neither run nor build", kind)
	}
	if !c.IsSet("tag") {
		return misused(c, "stack build needs to know where the image goes: -t REF")
	}
	refs, err := parseRefs(c.StringSlice("tag"))
	if err != nil {
		return err
	}
	s, err := loadStack(c, t, c.String("stack"))
	if err != nil {
		return err
	}
	resolution, err := s.Resolve(ctx, stacks.Request{
		Target: lifecycle.Target{OS: "linux", Arch: c.String("arch")}, RunSet: c.String("set"),
		Requires: packages(c.Args().Slice(), phase),
	})
	if err != nil {
		return err
	}
	if kind == "run" {
		resolution.Build = nil
	} else {
		resolution.Run = nil
	}
	build, run, err := s.Stack.Compose(ctx, resolution)
	if err != nil {
		return err
	}
	img := run
	if kind == "build" {
		img = build
	}
	published, err := t.images.Publish(ctx, img, refs)
	if err != nil {
		return err
	}
	return printPublished(c, published)
}
