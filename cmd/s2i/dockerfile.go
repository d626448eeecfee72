package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	units "github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"s2i/detect"
	"s2i/detect/source"
	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/image"
	"s2i/lifecycle/sandbox"
)

// dockerfileFlags are about builds from Dockerfiles.
func dockerfileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "file", Aliases: []string{"f", "dockerfile"}, Usage: "build this Dockerfile: a `FILE`, a URL, or - for standard input, instead of detecting a language"},
		&cli.StringFlag{Name: "strategy", Value: "auto", Usage: "how to build: `auto`, buildpacks or dockerfile"},
		&cli.BoolFlag{Name: "check", Usage: "hold the Dockerfile against the build checks instead of building it; fails when one is violated; short for --call check"},
		&cli.StringFlag{Name: "call", Value: "build", Usage: "what to do with the Dockerfile: `build` it; check it; outline: print what its target can be given; targets: print its stages; with ,format=json as docker prints it"},
		&cli.StringFlag{Name: "target", Usage: "the `STAGE` of the Dockerfile to build"},
		&cli.StringSliceFlag{Name: "build-arg-file", Usage: "read build arguments from `FILE`, NAME=VALUE by line; repeatable"},
		&cli.StringSliceFlag{Name: "build-arg", Usage: "a build argument of the Dockerfile, `NAME=VALUE`, or NAME to pass on the current value; repeatable"},
		&cli.StringSliceFlag{Name: "build-context", Usage: "a named context, `NAME=SRC`, NAME=docker-image://REF or NAME=oci-layout://DIR; repeatable"},
		&cli.StringSliceFlag{Name: "allow", Usage: "let the Dockerfile do what it may not by default: `security.insecure` or device; repeatable"},
		&cli.BoolFlag{Name: "pull", Usage: "take base images from their registries, also those that the local store has"},
		&cli.StringFlag{Name: "run-ca", Usage: "a `FILE` of certificates that RUN finds at /etc/ssl/certs/ca-certificates.crt and that reaches no layer, for a company's own authority", EnvVars: []string{"S2I_RUN_CA"}},
		&cli.StringSliceFlag{Name: "add-host", Usage: "a line for /etc/hosts while the Dockerfile is built, `NAME:ADDRESS`; repeatable"},
		&cli.StringFlag{Name: "hostname", Usage: "the `NAME` of the host that RUN sees (default: buildkitsandbox)"},
		&cli.StringFlag{Name: "shm-size", Usage: "the `SIZE` of /dev/shm for RUN (default: 64MB)"},
		&cli.StringSliceFlag{Name: "ulimit", Usage: "a limit of each process of RUN, `NAME=SOFT[:HARD]`, such as nofile=1024; repeatable"},
		&cli.StringSliceFlag{Name: "ssh", Usage: "an ssh agent for the Dockerfile: `default`, NAME=SOCKET, or NAME=FILE with a private key; repeatable"},
		&cli.StringSliceFlag{Name: "annotation", Usage: "an annotation of the manifest, `NAME=VALUE`, or index:NAME=VALUE, manifest-descriptor:…, manifest[linux/arm64]:…; repeatable"},
		&cli.StringSliceFlag{Name: "no-cache-filter", Usage: "build this `STAGE` of the Dockerfile anew; repeatable"},
	}
}

// wantsDockerfile tells whether the flags ask for a Dockerfile: to be built, or to answer --call.
func wantsDockerfile(c *cli.Context, asked bool) (bool, error) {
	switch s := c.String("strategy"); s {
	case "dockerfile":
		return true, nil
	case "auto":
		return c.IsSet("file") || asked, nil
	case "buildpacks":
		if c.IsSet("file") || asked {
			return false, usageError("--file, --check and --call are for --strategy dockerfile")
		}
		return false, nil
	default:
		return false, usageError("--strategy %s is neither auto, buildpacks nor dockerfile", s)
	}
}

// fallsBack tells whether a Dockerfile is built because no buildpack builds the app.
func fallsBack(ctx context.Context, c *cli.Context, err error, tree *source.Tree) bool {
	if c.String("strategy") != "auto" || !errors.Is(err, detect.ErrNoGroup) || len(c.StringSlice("buildpack")) > 0 {
		return false
	}
	_, err = findDockerfile(ctx, c, place{tree.Dir, !tree.Local(), tree.Made})
	return err == nil
}

// buildDockerfile builds an image from a Dockerfile. dir is the build context; empty for the one that SRC names.
func buildDockerfile(ctx context.Context, c *cli.Context, t *tools, dir place) error {
	o, err := dockerfileOptions(c, t)
	if err != nil {
		return err
	}
	x := &contexts{c: c, t: t, o: &o}
	defer x.close()
	if err := x.open(ctx, dir); err != nil {
		return err
	}
	targets, err := platforms(c)
	if err != nil {
		return err
	}
	together, err := assembly(c)
	if err != nil {
		return err
	}
	check, err := smokeCheck(c, t, targets)
	if err != nil {
		return err
	}
	refs, err := parseRefs(c.StringSlice("tag"))
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if c.Bool("skip-push-permission-check") {
			break
		}
		if err := t.images.CheckWrite(ctx, ref); err != nil {
			return lifecycle.WithCode(lifecycle.ExitAnalyze, err)
		}
	}
	caches, err := cacheOptions(c, t, &o, refs)
	if err == nil {
		err = checkCaches(ctx, t, caches)
	}
	if err != nil {
		return err
	}
	started := time.Now()
	built, err := dockerfile.BuildAll(ctx, o, targets)
	if err != nil {
		return lifecycle.WithCode(lifecycle.ExitBuild, err)
	}
	result := &create.Result{Known: built[0].Ran == 0}
	for i, b := range built {
		if check != nil {
			if err := check(ctx, b.Image); err != nil {
				return err
			}
		}
		result.Images = append(result.Images, image.Member{Platform: targets[i], Image: b.Image})
	}
	if err := result.Publish(ctx, t.images, together, refs); err != nil {
		return err
	}
	if err := publishCaches(ctx, t, caches, built[0].Caches); err != nil {
		return err
	}
	if err := errors.Join(writeResults(c, result, time.Since(started)), writeOutputs(ctx, c, result)); err != nil {
		return err
	}
	return printPublished(c, result.Published)
}

// dockerfileOptions is what the flags say about the build of a Dockerfile, without the files that it reads.
func dockerfileOptions(c *cli.Context, t *tools) (o dockerfile.Options, err error) {
	app, err := appOptions(c)
	if err != nil {
		return o, err
	}
	o = dockerfile.Options{Store: t.store, Images: t.images, Target: c.String("target"), Platform: app.Target, PlatformAsked: c.IsSet("platform"),
		Labels: app.Labels, Secrets: app.Secrets, Network: app.Network, Limits: app.Limits, NoCache: c.Bool("no-cache"),
		NoCacheStages: c.StringSlice("no-cache-filter"), Compression: app.Compression, Created: app.Created,
		Offline: c.Bool("offline"), Pull: c.Bool("pull"), From: c.String("from"), UnsetEnv: c.StringSlice("unsetenv"),
		UnsetLabels: c.StringSlice("unsetlabel")}
	if _, o.SecretValues, err = secrets(c.StringSlice("secret")); err != nil {
		return o, err
	}
	if o.Args, err = buildArgs(c.StringSlice("build-arg-file"), c.StringSlice("build-arg")); err != nil {
		return o, err
	}
	if o.Allow, err = entitlements(c.StringSlice("allow")); err != nil {
		return o, err
	}
	if file := c.String("run-ca"); file != "" {
		if o.CA, err = filepath.EvalSymlinks(file); err == nil {
			o.CA, err = filepath.Abs(o.CA)
		}
		if err != nil {
			return o, usageError("--run-ca: %w", err)
		}
	}
	if o.Hosts, err = hosts(c.StringSlice("add-host")); err != nil {
		return o, err
	}
	o.Hostname = c.String("hostname")
	if o.Rlimits, err = ulimits(c.StringSlice("ulimit")); err != nil {
		return o, err
	}
	if size := c.String("shm-size"); size != "" {
		if o.SharedMemory, err = units.RAMInBytes(size); err != nil || o.SharedMemory <= 0 {
			return o, usageError("--shm-size %s is no size such as 2GB", size)
		}
	}
	o.Sandbox, err = dockerfileSandbox(c.Context, c, t)
	if _, direct := o.Sandbox.(sandbox.Direct); err == nil && direct && o.Hostname != "" {
		return o, usageError("--hostname needs a sandbox: commands have this container's name")
	}
	return o, err
}

// ulimits reads --ulimit, as docker has it.
func ulimits(flags []string) ([]sandbox.Rlimit, error) {
	var out []sandbox.Rlimit
	for _, f := range flags {
		u, err := units.ParseUlimit(f)
		if err != nil {
			return nil, usageError("--ulimit %s: %w", f, err)
		}
		limit, err := u.GetRlimit()
		if err != nil {
			return nil, usageError("--ulimit %s: %w", f, err)
		}
		name := "RLIMIT_" + strings.ToUpper(u.Name)
		out = slices.DeleteFunc(out, func(have sandbox.Rlimit) bool { return have.Name == name })
		out = append(out, sandbox.Rlimit{Name: name, Soft: limit.Soft, Hard: limit.Hard})
	}
	return out, nil
}

// buildArgs reads files of build arguments and then single ones, of which a later one wins: NAME=VALUE, or NAME for a
// variable of the environment.
func buildArgs(files, flags []string) (map[string]string, error) {
	args, err := buildEnv(files, flags)
	if _, empty := args[""]; empty {
		return nil, usageError("a --build-arg has no name")
	}
	return args, err
}

// entitlements reads --allow.
func entitlements(values []string) ([]string, error) {
	for _, v := range values {
		if v != "security.insecure" && v != "network.host" && v != "device" && !strings.HasPrefix(v, "device=") {
			return nil, usageError("--allow %s is none of security.insecure, network.host, device", v)
		}
	}
	return values, nil
}

func hosts(flags []string) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range flags {
		name, address, ok := strings.Cut(f, "=")
		if !ok {
			name, address, ok = strings.Cut(f, ":")
		}
		if !ok || name == "" || address == "" {
			return nil, usageError("--add-host %s is not NAME:ADDRESS", f)
		}
		out[name] = strings.Trim(address, "[]")
	}
	return out, nil
}
