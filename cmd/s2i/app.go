package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	units "github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// newApp makes the command line. stdout gets only results; everything a person reads along the way goes to stderr.
func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                   "s2i",
		Usage:                  "turn a source tree into a runnable, minimal, reproducible OCI image",
		Version:                about(),
		Reader:                 stdin,
		Writer:                 stdout,
		ErrWriter:              stderr,
		UseShortOptionHandling: true,
		// A comma may be part of a value, as in --secret id=NAME,src=FILE.
		DisableSliceFlagSeparator: true,
		// The one place that decides about exit codes is main.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   wrongFlag,
		Action:         needsCommand,
		Flags:          append(globalFlags(), registryFlags()...),
		Commands: []*cli.Command{
			buildCommand(), runCommand(), detectCommand(), planCommand(), explainCommand(), inspectCommand(),
			imagesCommand(), pushCommand(), pullCommand(), saveCommand(), loadCommand(), exportCommand(), tagCommand(), removeCommand(),
			pruneCommand(), rebaseCommand(), manifestCommand(), stackCommand(), lifecycleCommand(), completionCommand(), completeCommand(), versionCommand(),
		},
	}
	finish(app.Commands)
	return app
}

// finish gives all commands what they have in common.
func finish(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = wrongFlag
		c.HideHelpCommand = true // there is --help, and `s2i help COMMAND`
		if len(c.Subcommands) > 0 {
			c.Action = needsCommand
		}
		finish(c.Subcommands)
	}
}

// globalFlags are the flags of every command.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "store", Usage: "the `DIR` with images, layers and caches (default: $XDG_DATA_HOME/s2i)", EnvVars: []string{"S2I_HOME"}},
		&cli.StringFlag{Name: "max-unpacked", Usage: "the `SIZE` that a layer or an archive may unpack to (default: 64GB, of which 32GB in one file)", EnvVars: []string{"S2I_MAX_UNPACKED"}},
		&cli.StringFlag{Name: "progress", Value: "auto", Usage: "how to show progress: `auto`, tty, plain or json", EnvVars: []string{"S2I_PROGRESS"}},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show only errors and the result"},
		&cli.BoolFlag{Name: "offline", Usage: "use nothing but what the store holds", EnvVars: []string{"S2I_OFFLINE"}},
	}
}

// tools is what most commands work with.
type tools struct {
	store  *store.Store
	images *image.Client
	// closers are called when the command has ended.
	closers []func()
}

// withTools opens the store and starts showing progress around a command.
func withTools(do func(ctx context.Context, c *cli.Context, t *tools) error) cli.ActionFunc {
	return func(c *cli.Context) (err error) {
		code, entered, err := sandbox.Enter()
		if err != nil {
			return err
		}
		if entered {
			return &appEnded{code}
		}
		client := &image.Client{Offline: c.Bool("offline")}
		if err := setRegistries(c, client); err != nil {
			return err
		}
		sink, err := newSink(c)
		if err != nil {
			return err
		}
		defer sink.Close()
		if os.Getenv("GOGC") == "" {
			// Most of what this program holds are buffers, which cost the collector nothing to look at: it can work twice
			// as often for a third less memory.
			debug.SetGCPercent(50)
		}
		dir := c.String("store")
		if dir == "" {
			if dir, err = store.DefaultDir(); err != nil {
				return err
			}
		}
		st, err := store.Open(dir)
		if err != nil {
			return fmt.Errorf("opening the store %s: %w", dir, err)
		}
		defer closeStore(c.Context, st)
		if size := c.String("max-unpacked"); size != "" {
			n, err := units.RAMInBytes(size)
			if err != nil || n <= 0 {
				return usageError("--max-unpacked %s is no size such as 100GB", size)
			}
			st.Limits = archive.Limits{Bytes: n, FileBytes: n}
		}
		client.Store = st
		t := &tools{store: st, images: client}
		defer func() {
			for _, f := range slices.Backward(t.closers) {
				f()
			}
		}()
		return do(progress.With(c.Context, sink), c, t)
	}
}

// closeStore waits until what the command no longer needs is removed, but not for long when the user has interrupted
// it: what is left then, the next command removes.
func closeStore(ctx context.Context, st *store.Store) {
	done := make(chan struct{})
	go func() { _ = st.Close(); close(done) }()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(300 * time.Millisecond):
	}
}

// insecureHosts reads --insecure-registry. Several hosts may stand in one value, since an environment variable has
// only one.
func insecureHosts(c *cli.Context) ([]string, error) {
	var hosts []string
	for _, value := range c.StringSlice("insecure-registry") {
		for host := range strings.SplitSeq(value, ",") {
			host = strings.TrimSpace(host)
			if strings.ContainsAny(host, "/@ ") {
				return nil, usageError("--insecure-registry %s is not HOST or HOST:PORT", host)
			}
			if host != "" {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts, nil
}

// newSink chooses the renderer of progress.
func newSink(c *cli.Context) (*progress.Sink, error) {
	mode := progress.Mode(c.String("progress"))
	switch c.String("log-format") { // Kaniko's
	case "json":
		mode = progress.Mode("json")
	case "text", "color":
		mode = progress.Mode("plain")
	}
	if v := c.String("verbosity"); c.Bool("quiet") || v == "panic" || v == "fatal" || v == "error" {
		mode = progress.Quiet
	}
	sink, err := progress.New(mode, c.App.ErrWriter)
	if err != nil {
		return nil, usageError("reading --progress: %w", err)
	}
	return sink, nil
}

// phaseArgs turns the specification's binary names into `s2i lifecycle PHASE`.
func phaseArgs(args []string) []string {
	if len(args) == 0 {
		return []string{"s2i"}
	}
	if name := filepath.Base(args[0]); slices.Contains(phaseNames(), name) {
		return append([]string{"s2i", "lifecycle", name}, args[1:]...)
	} else if name == "executor" {
		return kanikoArgs(args[1:])
	}
	return args
}
