// Command s2i turns source trees into OCI images.
//
// It is one program under many names: s2i for people; detector, analyzer, restorer, builder, exporter, creator,
// rebaser (or `s2i lifecycle PHASE`) for platforms that follow the Cloud Native Buildpacks specification; the
// bin/detect and bin/build of its own buildpacks; and the small program that sets up a sandbox.
//
// Standard output carries only results. The exit code is that of the specification's phases (lifecycle.ExitCode), 3
// for a wrong call, 128 plus its number after a signal, and with `s2i run` the app's own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"s2i/buildpacks"
	"s2i/lifecycle"
	"s2i/lifecycle/sandbox"
)

// version is set by the linker.
var version = "unversioned"

func main() {
	os.Exit(program())
}

// program is what this call of the program is about; it gives the exit code.
func program() int {
	sandbox.Main()
	if handled, code := buildpacks.Main(os.Args); handled {
		return code
	}
	return run(os.Args)
}

// run is the command line.
func run(args []string) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	app := newApp(os.Stdin, os.Stdout, os.Stderr)
	err := app.RunContext(ctx, flagsFirst(app, phaseArgs(args)))
	var signal *signalError
	var ended *appEnded
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended): // what went wrong, the app has said itself
		return ended.code
	case ctx.Err() != nil && errors.As(context.Cause(ctx), &signal):
		fmt.Fprintf(os.Stderr, "s2i: %v\n", signal)
		return signal.code()
	}
	fmt.Fprintf(os.Stderr, "s2i: %v\n", err)
	return lifecycle.ExitCode(err)
}
