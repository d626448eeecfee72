package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/store"
)

// phase is one run of a phase: its flags, and what it needs of the world.
type phase struct {
	*cli.Context
	store  *store.Store
	images *image.Client
}

// ctx is the context of the run.
func (p *phase) ctx() context.Context { return p.Context.Context }

// openPhase opens a store for a phase that works with images: the one of --store, else one beside the cache, else a
// temporary one, since a pod may have no home.
func openPhase(c *cli.Context) (*phase, func(), error) {
	insecure, err := insecureHosts(c)
	if err != nil {
		return nil, nil, err
	}
	dir, closeStore := c.String("store"), func() {}
	switch {
	case dir != "":
	case c.String("cache-dir") != "":
		dir = filepath.Join(c.String("cache-dir"), "s2i")
	default:
		tmp, err := os.MkdirTemp("", "s2i-lifecycle-")
		if err != nil {
			return nil, nil, fmt.Errorf("making a store for this phase: %w", err)
		}
		dir, closeStore = tmp, func() { _ = os.RemoveAll(tmp) }
	}
	st, err := store.Open(dir)
	if err != nil {
		closeStore()
		return nil, nil, fmt.Errorf("opening the store %s: %w", dir, err)
	}
	client := &image.Client{Store: st, Insecure: insecure}
	return &phase{Context: c, store: st, images: client}, closeStore, nil
}

// withImages is asPhase for phases that work with images.
func withImages(code int, do func(p *phase) error) cli.ActionFunc {
	return asPhase(code, func(c *cli.Context) error {
		if c.Bool("daemon") {
			return usageError("-daemon is not supported: export to a registry, or use s2i build -t docker-daemon:NAME")
		}
		if c.String("cache-image") != "" {
			return usageError("-cache-image is not supported; use -cache-dir")
		}
		p, closeStore, err := openPhase(c)
		if err != nil {
			return err
		}
		defer closeStore()
		return do(p)
	})
}

// refs reads the image names of a phase: its arguments, and its -tag flags.
func (p *phase) refs() ([]image.Ref, error) {
	names := append(p.Args().Slice(), p.StringSlice("tag")...)
	if len(names) == 0 {
		return nil, misused(p.Context, "%s needs the name of an image", p.Command.Name)
	}
	return parseRefs(names)
}

// imageFlags are the flags of phases that work with images.
func imageFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "tag", Usage: "one more name, `REF`, for the image; repeatable"},
		&cli.StringFlag{Name: "run-image", EnvVars: []string{"CNB_RUN_IMAGE"}, Usage: "the run image, `REF`"},
		&cli.StringFlag{Name: "previous-image", EnvVars: []string{"CNB_PREVIOUS_IMAGE"}, Usage: "the image of the last build, `REF` (default: the image)"},
		&cli.StringFlag{Name: "run", EnvVars: []string{"CNB_RUN_PATH"}, Value: "/cnb/run.toml", Usage: "the `FILE` run.toml"},
		&cli.StringFlag{Name: "cache-dir", EnvVars: []string{"CNB_CACHE_DIR"}, Usage: "the cache `DIR`"},
		&cli.StringFlag{Name: "cache-image", EnvVars: []string{"CNB_CACHE_IMAGE"}, Usage: "not supported"},
		&cli.StringFlag{Name: "launch-cache", EnvVars: []string{"CNB_LAUNCH_CACHE_DIR"}, Usage: "accepted; not needed without a daemon"},
		&cli.BoolFlag{Name: "daemon", EnvVars: []string{"CNB_USE_DAEMON"}, Usage: "not supported"},
		&cli.StringSliceFlag{Name: "insecure-registry", EnvVars: []string{"CNB_INSECURE_REGISTRIES"}, Usage: "reach this registry `HOST` by plain HTTP"},
		&cli.StringFlag{Name: "uid", EnvVars: []string{"CNB_USER_ID"}, Usage: "the build's user `ID`"},
		&cli.StringFlag{Name: "gid", EnvVars: []string{"CNB_GROUP_ID"}, Usage: "the build's group `ID`"},
		&cli.BoolFlag{Name: "skip-layers", EnvVars: []string{"CNB_SKIP_LAYERS"}, Usage: "restore store.toml only"},
	}
}

// exportFlags are the flags of the exporter.
func exportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "launcher", Usage: "the launcher `FILE` (default: this program's own)"},
		&cli.StringFlag{Name: "process-type", EnvVars: []string{"CNB_PROCESS_TYPE"}, Usage: "the process `TYPE` that the image starts"},
		&cli.StringFlag{Name: "project-metadata", EnvVars: []string{"CNB_PROJECT_METADATA_PATH"}, Usage: "the `FILE` project-metadata.toml (default: in the layers directory)"},
		&cli.StringFlag{Name: "report", EnvVars: []string{"CNB_REPORT_PATH"}, Usage: "the `FILE` report.toml (default: in the layers directory)"},
		&cli.BoolFlag{Name: "parallel", EnvVars: []string{"CNB_PARALLEL_EXPORT"}, Usage: "accepted; export is parallel anyway"},
	}
}

// targetOf is the platform of the run image, as far as it is known.
func targetOf(a lifecycle.Analyzed) lifecycle.Target {
	if a.RunImage != nil && a.RunImage.Target != nil {
		return *a.RunImage.Target
	}
	return hostTarget()
}

// hostTarget is the platform of this machine.
func hostTarget() lifecycle.Target { return lifecycle.HostTarget() }
