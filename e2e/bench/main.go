// Command bench measures s2i against peers and against floors (the bare tool that does the part of the work that
// cannot be saved), in pairs within one run: on a machine that others use too only the ratios mean something. It is
// `make bench`; the names of cases as arguments run only those.
//
// Everything is sent to a registry on loopback, through a proxy that counts requests and can delay them. Trees are made
// before anything is measured and deleted at the very end: ext4 makes new files slowly where many were just deleted.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"s2i/lifecycle/sandbox"
)

func main() {
	sandbox.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// cases are what is measured, in this order.
var cases = []struct {
	name string
	run  func(ctx context.Context, w *world) error
}{
	{"go", benchGo}, {"node", benchNode}, {"export", benchExport}, {"registry", benchRegistry}, {"compose", benchCompose},
	{"sandbox", benchSandbox}, {"dockerfile", benchDockerfile}, {"languages", benchLanguages}, {"sizes", benchSizes},
}

func bench(ctx context.Context, only []string) error {
	dir, err := os.MkdirTemp("", "s2i-bench-")
	if err != nil {
		return fmt.Errorf("making a place for the measurements: %w", err)
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(ctx, dir, os.Stdout)
	if err != nil {
		return err
	}
	defer w.close()
	_, err = fmt.Fprintf(w.out, "%-38s %10s %10s %7s %7s %9s %8s  %s\n",
		"median of pairs", "floor s", "s2i s", "ratio", "cpu", "s2i MB", "requests", "goal")
	if err != nil {
		return err
	}
	for _, c := range cases {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		if err := c.run(ctx, w); err != nil {
			return fmt.Errorf("measuring %s: %w", c.name, err)
		}
	}
	return nil
}

// root is the repository's: the program is run from there.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "s2i")); err != nil {
		return "", fmt.Errorf("%w: run `make bench` in the repository", err)
	}
	return dir, nil
}
