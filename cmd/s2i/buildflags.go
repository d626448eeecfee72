package main

import (
	"github.com/urfave/cli/v2"
)

// resultFlags are about the image that comes out.
func resultFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "tag", Aliases: []string{"t"}, Usage: "where the image goes: `REF` is host/repo:tag, name:tag (local), oci:DIR, docker-archive:FILE, oci-archive:FILE or docker-daemon:NAME; repeatable"},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the image's files into a `DIR`; or as docker has it: type=local, tar, oci or docker with dest=FILE, type=image with name=REF; repeatable"},
		&cli.StringFlag{Name: "digest-file", Usage: "write the image's digest to `FILE`"},
		&cli.StringFlag{Name: "iidfile", Usage: "write the image ID to `FILE`"},
		&cli.StringFlag{Name: "metadata-file", Usage: "write what was built, as JSON, to `FILE`"},
		&cli.StringFlag{Name: "compression", Value: "gzip", Usage: "compress layers with `gzip` or zstd"},
		&cli.StringFlag{Name: "creation-time", Usage: "the image's creation time: now, or `SECONDS` since 1970", EnvVars: []string{"SOURCE_DATE_EPOCH"}},
		&cli.BoolFlag{Name: "no-cache", Usage: "recompute everything"},
		&cli.BoolFlag{Name: "write-lock", Usage: "write what was resolved beside the sources: s2i.lock, and lock files of package managers that the app lacks"},
	}
}

// appFlags are about the app, and what goes into it.
func appFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "a build environment variable, `NAME=VALUE`, or NAME to pass on the current value; repeatable"},
		&cli.StringSliceFlag{Name: "env-file", Usage: "read build environment variables from `FILE`; repeatable"},
		&cli.StringSliceFlag{Name: "secret", Usage: "a file that buildpacks may read at /run/secrets/NAME and that reaches no layer: `id=NAME,src=FILE`; repeatable"},
		&cli.StringFlag{Name: "bindings", Usage: "a `DIR` of service bindings for the build", EnvVars: []string{"SERVICE_BINDING_ROOT"}},
		&cli.StringFlag{Name: "app", Usage: "which app of a repository with several to build: the `NAME` or the directory of a workspace's package (the same as --env S2I_APP=NAME)"},
		&cli.StringSliceFlag{Name: "set", Usage: "choose a version yourself, `NAME.version=VERSION` (the same as --env S2I_NAME_VERSION=VERSION), or start=COMMAND; repeatable"},
		&cli.StringFlag{Name: "start", Usage: "the `COMMAND` of the web process, in place of what the buildpacks find", EnvVars: []string{"S2I_START"}},
		&cli.StringFlag{Name: "default-process", Aliases: []string{"D"}, Usage: "the process `TYPE` that the image starts"},
		&cli.StringSliceFlag{Name: "label", Usage: "an image label, `NAME=VALUE`; repeatable"},
		&cli.StringSliceFlag{Name: "run-package", Usage: "a stack package or Debian package `NAME` to add to the image; repeatable"},
		&cli.StringSliceFlag{Name: "build-package", Usage: "a stack package or Debian package `NAME` to add to the build; repeatable"},
		&cli.StringFlag{Name: "descriptor", Aliases: []string{"d"}, Usage: "the project descriptor `FILE` (default: project.toml in the source)"},
		&cli.StringSliceFlag{Name: "ignore", Usage: "one more `PATTERN` of files to leave out, as in .s2iignore; repeatable"},
		&cli.StringSliceFlag{Name: "platform", Usage: "the `OS/ARCH` to build for (default: this machine's); several, separated by commas or repeated, give an index"},
	}
}

// builderFlags are about what builds it.
func builderFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "builder", Usage: "read stack and order from `FILE` instead of the built-in builder.toml"},
		&cli.StringSliceFlag{Name: "buildpack", Aliases: []string{"b"}, Usage: "use this buildpack instead of the builder's order: a built-in's `ID`, a directory, an archive or URL, or an image that is a buildpackage; repeatable, in order"},
		&cli.StringSliceFlag{Name: "extension", Usage: "let this image extension change the images that the app is built and runs on: a `DIR`, an archive or URL, or an image that is a package; repeatable, in order"},
		&cli.StringFlag{Name: "stack", Usage: "the stack: the `NAME` of a built-in one, or a directory with stack.toml and stack.lock.json (default: the first of the builder's that meets what the app asks for)"},
		&cli.StringFlag{Name: "versions", Value: "compatible", Usage: "when not every wish for a version can be met: `compatible` gives way where that is safe, strict refuses", EnvVars: []string{"S2I_VERSIONS"}},
		&cli.StringFlag{Name: "run-image", Usage: "use this image `REF` as the base instead of a composed one"},
		&cli.StringFlag{Name: "build-image", Usage: "run buildpacks on this image `REF` instead of a composed one"},
		&cli.BoolFlag{Name: "locked", Usage: "refuse to use a package that is not exactly as the lock says", EnvVars: []string{"S2I_LOCKED"}},
	}
}

// sandboxFlags are about where that runs.
func sandboxFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "runtime", Usage: "the OCI runtime: a `PATH`, or a name such as runc, crun or runsc (default: whichever works)", EnvVars: []string{"S2I_RUNTIME"}},
		&cli.StringFlag{Name: "isolation", Value: "auto", Usage: "`oci` runs what builds in a sandbox; direct runs buildpacks in place, inside a container that is the build image, and a Dockerfile's commands in the image's files; in-place runs those in the root directory of the container, as Kaniko does; auto is oci but for Dockerfiles in containers that allow no sandbox", EnvVars: []string{"S2I_ISOLATION"}},
		&cli.StringFlag{Name: "network", Value: "host", Usage: "the network of buildpacks: `host` or none"},
		&cli.StringFlag{Name: "memory", Usage: "bound the build's memory to `SIZE`, such as 2GB"},
		&cli.Float64Flag{Name: "cpus", Usage: "bound the build to `N` CPUs"},
		&cli.Int64Flag{Name: "pids", Usage: "bound the build to `N` processes"},
	}
}
