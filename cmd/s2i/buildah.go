package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle/progress"
)

// buildahFlags are the names that users of buildah build and podman build have in their scripts, and that are not
// docker's, too. They are not in the help: each says in another way what a flag of ours says, or what is so anyway.
func buildahFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "ignorefile", Hidden: true, Usage: "read what the context leaves out from this `FILE`"},
		&cli.StringFlag{Name: "from", Hidden: true, Usage: "the `IMAGE` in place of that of the first FROM"},
		&cli.StringSliceFlag{Name: "unsetenv", Hidden: true, Usage: "take this `VARIABLE` out of the image's environment"},
		&cli.StringSliceFlag{Name: "unsetlabel", Hidden: true, Usage: "take this `LABEL` of the base out of the image"},
		&cli.StringFlag{Name: "timestamp", Hidden: true, Usage: "the same as --creation-time `SECONDS`"},
		&cli.StringFlag{Name: "source-date-epoch", Hidden: true, Usage: "the same as --creation-time `SECONDS`"},
		&cli.StringFlag{Name: "format", Hidden: true, Usage: "manifests are always OCI's: nothing is lost in `FORMAT` oci"},
		&cli.BoolFlag{Name: "tls-verify", Hidden: true, Value: true, Usage: "=false: reach registries also without a verified certificate"},
		&cli.BoolFlag{Name: "pull-always", Hidden: true, Usage: "the same as --pull"},
		&cli.IntFlag{Name: "jobs", Hidden: true, Usage: "as many stages as there are processors are built at once, whatever `N` says"},
	}
	for name, usage := range buildahSettled() {
		flags = append(flags, &cli.BoolFlag{Name: name, Hidden: true, Usage: usage})
	}
	return flags
}

// buildahSettled are flags about what is so anyway.
func buildahSettled() map[string]string {
	return map[string]string{
		"layers":            "every instruction has a layer, and --squash makes one of them",
		"rm":                "there are no containers left to remove",
		"force-rm":          "there are no containers left to remove",
		"rewrite-timestamp": "times of files never are those of the build",
	}
}

// translateBuildah sets our flags to what Buildah's say.
func translateBuildah(ctx context.Context, c *cli.Context) error {
	for from, to := range map[string]string{"timestamp": "creation-time", "source-date-epoch": "creation-time", "pull-always": "pull"} {
		if !c.IsSet(from) {
			continue
		}
		value := c.String(from)
		if from == "pull-always" {
			value = "true"
		}
		if err := c.Set(to, value); err != nil {
			return usageError("reading --%s: %w", from, err)
		}
	}
	switch format := c.String("format"); format {
	case "", "oci":
	case "docker", "v2s2":
		progress.Warn(ctx, "--format %s has no effect: manifests are OCI's, with Docker's configuration whole", format)
	default:
		return usageError("--format %s is neither oci nor docker", format)
	}
	if c.IsSet("layers") && !c.Bool("layers") {
		progress.Warn(ctx, "--layers=false has no effect: --squash makes one layer")
	}
	for _, label := range c.StringSlice("unsetlabel") {
		if strings.Contains(label, "=") {
			return usageError("--unsetlabel %s is no label's name", label)
		}
	}
	return nil
}
