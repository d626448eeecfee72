package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle/progress"
)

// The flags that mean something to one of the strategies only, but for those that the environment can set, too.
const (
	forDockerfiles = "target build-arg build-arg-file build-context allow pull add-host ssh no-cache-filter cache-from cache-to " +
		"squash cache-ttl cache-repo cache-dir ignorefile from unsetenv unsetlabel hostname shm-size ulimit"
	forBuildpacks = "env env-file app set default-process run-package build-package descriptor write-lock builder buildpack " +
		"extension stack run-image build-image"
)

// given lists the flags among some that were given.
func given(c *cli.Context, names string) (flags []string) {
	for name := range strings.FieldsSeq(names) {
		if c.IsSet(name) {
			flags = append(flags, "--"+name)
		}
	}
	return flags
}

// checkStrategy refuses flags of the other strategy than the one that was chosen.
func checkStrategy(c *cli.Context, isDockerfile bool) error {
	if flags := given(c, forBuildpacks); isDockerfile && len(flags) > 0 {
		return usageError("%s: only buildpacks know what that means, and a Dockerfile is to be built", strings.Join(flags, ", "))
	}
	if flags := given(c, forDockerfiles); c.String("strategy") == "buildpacks" && len(flags) > 0 {
		return usageError("%s: only Dockerfiles know what that means, and buildpacks are to build", strings.Join(flags, ", "))
	}
	return nil
}

// warnOfStrategy tells which flags have no effect since buildpacks build the app.
func warnOfStrategy(ctx context.Context, c *cli.Context) {
	if flags := given(c, forDockerfiles); len(flags) > 0 {
		progress.Warn(ctx, "without effect, because buildpacks built this app and not a Dockerfile (--strategy dockerfile): %s",
			strings.Join(flags, ", "))
	}
}
