package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/snapshot"
)

// runCommand starts an image the way a container engine would, for trying it out.
func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "start an image on this machine's network", ArgsUsage: "REF [ARG…]",
		Description: `The image runs in the foreground, with the OCI runtime, until it ends or is stopped with Ctrl-C. The exit code is
the app's own.

Examples:
   s2i run app:1 -e PORT=8080
   s2i run --process worker registry.example.com/team/app:1
   s2i run app:1 -- --verbose`,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "an environment variable, `NAME=VALUE`; repeatable"},
			&cli.StringFlag{Name: "process", Usage: "start the process of this `TYPE` instead of the default one"},
			&cli.StringFlag{Name: "entrypoint", Usage: "start this `PROGRAM` instead of the image's"},
		}, sandboxFlags()...),
		Action: withTools(runImage),
	}
}

// appEnded says that the app of `s2i run` ended with a code of its own, or because the user stopped it; or that all has
// been done, and said, by this program in a user namespace. None is an error of this one, so nothing is said about it.
type appEnded struct{ code int }

// Error is there for completeness; main does not print it.
func (e *appEnded) Error() string { return fmt.Sprintf("the app ended with exit code %d", e.code) }

// stopGrace is how long an app may take to end after it was asked to.
const stopGrace = 10 * time.Second

// runImage gets an image, unpacks it and starts it.
func runImage(ctx context.Context, c *cli.Context, t *tools) error {
	if c.NArg() == 0 {
		return misused(c, "run needs the name of an image (s2i images lists the local ones)")
	}
	box, err := newSandbox(c, t, stopGrace)
	if err != nil {
		return err
	}
	ref, err := parseRef(c.Args().First())
	if err != nil {
		return err
	}
	img, err := t.images.Image(ctx, ref, hostTarget())
	if err != nil {
		return fmt.Errorf("getting %s: %w", ref, err)
	}
	process, config, err := processOf(c, img)
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("reading the layers of %s: %w", ref, err)
	}
	rootfs, release, err := snapshot.Prepare(ctx, t.store, layers, true)
	if err != nil {
		return fmt.Errorf("preparing %s: %w", ref, err)
	}
	defer release()
	process.Rootfs = sandbox.Rootfs(*rootfs)
	if process.UID, process.GID, err = userIn(rootfs.Lower, config.User); err != nil {
		return fmt.Errorf("starting %s: %w", ref, err)
	}
	process.Stdin, process.Stdout, process.Stderr = os.Stdin, os.Stdout, os.Stderr
	return ending(ctx, box.Run(ctx, process))
}

// ending tells how an app ended from what went wrong with it.
func ending(ctx context.Context, err error) error {
	var exit *sandbox.ExitError
	var signal *signalError
	switch {
	case err != nil && errors.As(context.Cause(ctx), &signal):
		return &appEnded{signal.code()}
	case errors.As(err, &exit) && exit.OutOfMemory:
		return lifecycle.WithCode(exit.Code, err)
	case errors.As(err, &exit):
		return &appEnded{exit.Code}
	}
	return err
}

// processOf says how an image starts: its configuration, and what the flags change about it.
func processOf(c *cli.Context, img v1.Image) (sandbox.Process, *v1.Config, error) {
	var p sandbox.Process
	file, err := img.ConfigFile()
	if err != nil {
		return p, nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	config := &file.Config
	if p.Args = command(c, config); len(p.Args) == 0 {
		return p, nil, usageError("the image says nothing to start; name a program with --entrypoint")
	}
	vars, err := pairs("--env", c.StringSlice("env"))
	if err != nil {
		return p, nil, err
	}
	p.Env = withVars(config.Env, vars)
	if p.Limits, err = limits(c); err != nil {
		return p, nil, err
	}
	if p.Network, err = network(c); err != nil {
		return p, nil, err
	}
	p.Dir, p.Mounts = cmp.Or(config.WorkingDir, "/"), networkFiles()
	return p, config, nil
}

// withVars sets variables in an environment.
func withVars(env []string, vars map[string]string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, replaced := vars[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return env
}

// valueOf gives the value of a variable in an environment, or "".
func valueOf(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		if n, value, _ := strings.Cut(kv, "="); n == name {
			return value
		}
	}
	return ""
}

// command puts together what is started: as with docker, arguments of the user replace the image's.
func command(c *cli.Context, config *v1.Config) []string {
	args, entrypoint := c.Args().Tail(), config.Entrypoint
	switch {
	case c.IsSet("process"):
		entrypoint = []string{path.Join(lifecycle.ProcessDir, c.String("process"))}
	case c.IsSet("entrypoint"):
		entrypoint = []string{c.String("entrypoint")}
	case len(args) == 0:
		args = config.Cmd
	}
	return slices.Concat(entrypoint, args)
}

// networkFiles makes names resolve inside as they do on this machine.
func networkFiles() []sandbox.Mount {
	var mounts []sandbox.Mount
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if _, err := os.Stat(file); err == nil {
			mounts = append(mounts, sandbox.Mount{Source: file, Target: file, ReadOnly: true})
		}
	}
	return append(mounts, sandbox.Mount{Target: "/tmp"})
}
