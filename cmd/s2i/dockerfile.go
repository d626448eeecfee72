package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/urfave/cli/v2"

	"s2i/detect"
	"s2i/detect/source"
	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/dockerfile"
	"s2i/lifecycle/dockerfile/check"
	"s2i/lifecycle/image"
)

// dockerfileFlags are about builds from Dockerfiles.
func dockerfileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "file", Aliases: []string{"f", "dockerfile"}, Usage: "build this Dockerfile `FILE`, or - for standard input, instead of detecting a language"},
		&cli.StringFlag{Name: "strategy", Value: "auto", Usage: "how to build: `auto`, buildpacks or dockerfile"},
		&cli.BoolFlag{Name: "check", Usage: "hold the Dockerfile against the build checks instead of building it; fails when one is violated"},
		&cli.StringFlag{Name: "target", Usage: "the `STAGE` of the Dockerfile to build"},
		&cli.StringSliceFlag{Name: "build-arg", Usage: "a build argument of the Dockerfile, `NAME=VALUE`, or NAME to pass on the current value; repeatable"},
		&cli.StringSliceFlag{Name: "build-context", Usage: "a named context, `NAME=DIR`, NAME=docker-image://REF or NAME=oci-layout://DIR; repeatable"},
		&cli.StringSliceFlag{Name: "add-host", Usage: "a line for /etc/hosts while the Dockerfile is built, `NAME:ADDRESS`; repeatable"},
		&cli.StringSliceFlag{Name: "ssh", Usage: "an ssh agent for the Dockerfile: `default` or NAME=SOCKET; repeatable"},
		&cli.StringSliceFlag{Name: "annotation", Usage: "an annotation of the manifest, `NAME=VALUE`, or index:NAME=VALUE, manifest-descriptor:…, manifest[linux/arm64]:…; repeatable"},
		&cli.StringSliceFlag{Name: "no-cache-filter", Usage: "build this `STAGE` of the Dockerfile anew; repeatable"},
	}
}

// wantsDockerfile tells whether the flags ask for a Dockerfile.
func wantsDockerfile(c *cli.Context) (bool, error) {
	switch s := c.String("strategy"); s {
	case "dockerfile":
		return true, nil
	case "auto":
		return c.IsSet("file") || c.Bool("check"), nil
	case "buildpacks":
		if c.IsSet("file") || c.Bool("check") {
			return false, usageError("--file and --check are for --strategy dockerfile")
		}
		return false, nil
	default:
		return false, usageError("--strategy %s is neither auto, buildpacks nor dockerfile", s)
	}
}

// fallsBack tells whether a Dockerfile is built because no buildpack builds the app.
func fallsBack(c *cli.Context, err error, dir string) bool {
	if c.String("strategy") != "auto" || !errors.Is(err, detect.ErrNoGroup) || len(c.StringSlice("buildpack")) > 0 {
		return false
	}
	_, _, err = findDockerfile(c, dir)
	return err == nil
}

// buildDockerfile builds an image from a Dockerfile. dir is the build context; empty for the one that SRC names.
func buildDockerfile(ctx context.Context, c *cli.Context, t *tools, dir string) error {
	o, closeAll, err := dockerfileOptions(ctx, c, t, dir)
	if err != nil {
		return err
	}
	defer closeAll()
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
	if err := writeResults(c, result, time.Since(started)); err != nil {
		return err
	}
	return printPublished(c, result.Published)
}

// dockerfileOptions is everything that the flags say about the build of a Dockerfile.
func dockerfileOptions(ctx context.Context, c *cli.Context, t *tools, dir string) (o dockerfile.Options, closeAll func(), err error) {
	app, err := appOptions(c)
	if err != nil {
		return o, nil, err
	}
	o = dockerfile.Options{Store: t.store, Images: t.images, Target: c.String("target"), Platform: app.Target,
		Labels: app.Labels, Secrets: app.Secrets, Network: app.Network, Limits: app.Limits, NoCache: c.Bool("no-cache"),
		NoCacheStages: c.StringSlice("no-cache-filter"), Compression: app.Compression, Created: app.Created}
	o.Offline, o.Git = c.Bool("offline"), repositories(t)
	if o.Args, err = buildArgs(c.StringSlice("build-arg")); err != nil {
		return o, nil, err
	}
	if o.Hosts, err = hosts(c.StringSlice("add-host")); err != nil {
		return o, nil, err
	}
	if o.SSH, err = agents(c.StringSlice("ssh")); err != nil {
		return o, nil, err
	}
	if o.Sandbox, err = newSandbox(c, t, 0); err != nil {
		return o, nil, err
	}
	closers := []func(){}
	closeAll = func() {
		for _, f := range closers {
			f()
		}
	}
	if err = openContexts(ctx, c, t, dir, &o, &closers); err != nil {
		closeAll()
		return o, nil, err
	}
	return o, closeAll, nil
}

// openContexts opens the build context, the Dockerfile, and the named contexts.
func openContexts(ctx context.Context, c *cli.Context, t *tools, dir string, o *dockerfile.Options, closers *[]func()) (err error) {
	if dir == "" {
		var closeDir func()
		if dir, closeDir, err = contextDir(ctx, c, t); err != nil {
			return err
		}
		*closers = append(*closers, closeDir)
	}
	var patterns []string
	if o.File, patterns, err = readDockerfile(c, dir); err != nil {
		return err
	}
	if o.Context, err = dockerfile.OpenContext(dir, patterns, t.store); err != nil {
		return err
	}
	*closers = append(*closers, func() { _ = o.Context.Close() })
	o.Contexts = map[string]dockerfile.NamedContext{}
	for _, flag := range c.StringSlice("build-context") {
		name, value, ok := strings.Cut(flag, "=")
		if !ok || name == "" || value == "" {
			return usageError("--build-context %s is not NAME=DIR", flag)
		}
		named, err := namedContext(t, value)
		if err != nil {
			return err
		}
		if named.Dir != nil {
			*closers = append(*closers, func() { _ = named.Dir.Close() })
		}
		o.Contexts[name] = named
	}
	return nil
}

// contextDir gives the directory of the build context: the one that SRC is, or where SRC was unpacked.
func contextDir(ctx context.Context, c *cli.Context, t *tools) (string, func(), error) {
	src, err := oneArg(c, "SRC", ".")
	if err != nil {
		return "", nil, err
	}
	if info, err := os.Stat(src); err == nil && info.IsDir() {
		return src, func() {}, nil
	}
	tree, closeTree, err := openSource(ctx, c, t, src)
	if err != nil {
		return "", nil, err
	}
	return tree.Dir, closeTree, nil
}

// readDockerfile finds and reads the Dockerfile, and what the context leaves out.
func readDockerfile(c *cli.Context, dir string) (*dockerfile.File, []string, error) {
	name, data, err := findDockerfile(c, dir)
	if err != nil {
		return nil, nil, err
	}
	file, err := dockerfile.Parse(name, data)
	if err != nil && c.Bool("check") {
		report, _ := check.Run(c.Context, data, check.Options{Name: name}) // what stands before the error
		return nil, nil, errorsFirst(c, report, usageError("%w", err))
	}
	if err != nil {
		return nil, nil, usageError("%w", err)
	}
	candidates := []string{filepath.Join(dir, ".containerignore"), filepath.Join(dir, ".dockerignore")}
	if name != "-" {
		candidates = append([]string{name + ".dockerignore"}, candidates...)
	}
	for _, ignore := range candidates {
		text, err := readBounded(ignore, dockerfile.MaxSize)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
		if err != nil {
			return nil, nil, usageError("reading %s: %w", ignore, err)
		}
		return file, append(patterns, c.StringSlice("ignore")...), nil
	}
	return file, c.StringSlice("ignore"), nil
}

// dockerfileNames are the files that are looked for in a directory.
var dockerfileNames = []string{"Dockerfile", "dockerfile", "Containerfile"} //nolint:gochecknoglobals // constant

func findDockerfile(c *cli.Context, dir string) (string, []byte, error) {
	if file := c.String("file"); file == "-" {
		data, err := io.ReadAll(io.LimitReader(c.App.Reader, dockerfile.MaxSize+1))
		return "-", data, err
	} else if file != "" {
		if _, err := os.Stat(file); err != nil {
			if _, inside := os.Stat(filepath.Join(dir, file)); inside == nil {
				file = filepath.Join(dir, file)
			}
		}
		data, err := readBounded(file, dockerfile.MaxSize+1)
		if err != nil {
			return "", nil, usageError("reading the Dockerfile: %w", err)
		}
		return file, data, nil
	}
	for _, name := range dockerfileNames {
		file := filepath.Join(dir, name)
		data, err := readBounded(file, dockerfile.MaxSize+1)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, data, err
		}
	}
	return "", nil, usageError("there is no Dockerfile in %s; name one with --file", dir)
}

func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// namedContext opens what --build-context names.
func namedContext(t *tools, value string) (dockerfile.NamedContext, error) {
	var n dockerfile.NamedContext
	var err error
	switch scheme, rest, _ := strings.Cut(value, "://"); {
	case scheme == "docker-image" && rest != "":
		n.Image, err = parseRef(rest)
	case scheme == "oci-layout" && rest != "":
		n.Image, err = parseRef("oci:" + rest)
	case strings.Contains(value, "://"):
		return n, usageError("--build-context %s: contexts are directories, docker-image:// and oci-layout://", source.Redact(value))
	default:
		n.Dir, err = dockerfile.OpenContext(value, nil, t.store)
	}
	return n, err
}

// buildArgs reads NAME=VALUE, and NAME for a variable of the environment.
func buildArgs(flags []string) (map[string]string, error) {
	args := map[string]string{}
	for _, f := range flags {
		name, value, ok := strings.Cut(f, "=")
		if name == "" {
			return nil, usageError("--build-arg %s has no name", f)
		}
		if !ok {
			if value, ok = os.LookupEnv(name); !ok {
				continue
			}
		}
		args[name] = value
	}
	return args, nil
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

func agents(flags []string) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range flags {
		name, socket, ok := strings.Cut(f, "=")
		if !ok {
			if socket = os.Getenv("SSH_AUTH_SOCK"); socket == "" {
				return nil, usageError("--ssh %s: there is no agent: SSH_AUTH_SOCK is not set", f)
			}
		}
		out[name] = socket
	}
	return out, nil
}

// repositories gives what checks out a git repository for ADD.
func repositories(t *tools) func(context.Context, string) (string, string, func(), error) {
	return func(ctx context.Context, ref string) (string, string, func(), error) {
		dir, release, err := t.store.TempDir("repository")
		if err != nil {
			return "", "", nil, err
		}
		tree, err := source.Open(ctx, ref, source.Options{TempDir: dir, Records: t.store})
		if err != nil {
			release()
			return "", "", nil, err
		}
		commit := ""
		if tree.Project.Source != nil {
			commit, _ = tree.Project.Source.Version["commit"].(string)
		}
		return tree.Dir, commit, func() { _ = tree.Close(); release() }, nil
	}
}
