package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"s2i/detect/source"
	"s2i/lifecycle/create"
	"s2i/lifecycle/launch/prebuilt"
	"s2i/lifecycle/progress"
	"s2i/stacks"
)

// buildCommand is the main job: a source tree becomes an image, which goes wherever -t says.
func buildCommand() *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "turn a source tree into an image", ArgsUsage: "[SRC]",
		Description: `SRC is a directory (default: the current one), a git URL with an optional #ref:subdir or
?ref=REF&subdir=DIR, a tar or zip file or URL (also s3:// and gs://), or - for an archive on standard input.

A name with a registry host is pushed; a bare name stays in the local store.

Examples:
   s2i build ./src -t app:1
   s2i build ./src -t registry.example.com/team/app:1
   s2i build https://example.com/team/app.git#main:service -t app:1 -t oci:./layout -t docker-archive:app.tar
   git archive HEAD | s2i build - -t app:1
   s2i build -f Dockerfile . -t app:1 --build-arg VERSION=2 --secret id=token,env=TOKEN
   s2i build --check .
   s2i build --call outline --target service .
   s2i build --smoke -t registry.example.com/team/app:1`,
		Flags:  slices.Concat(resultFlags(), smokeFlags(), appFlags(), builderFlags(), dockerfileFlags(), kanikoFlags(), buildahFlags(), dockerFlags(), cacheFlags(), sandboxFlags()),
		Action: withTools(buildImage),
	}
}

// buildImage opens the source, puts the options together, and runs create.
func buildImage(ctx context.Context, c *cli.Context, t *tools) error {
	if err := translate(ctx, c); err != nil {
		return err
	}
	if err := translateBuildah(ctx, c); err != nil {
		return err
	}
	if err := translateDocker(c); err != nil {
		return err
	}
	asked, err := readCall(c)
	if err != nil {
		return err
	}
	is, err := wantsDockerfile(c, asked.method != "")
	if err != nil {
		return err
	}
	if err := checkStrategy(c, is); err != nil {
		return err
	}
	if asked.method != "" {
		return asked.answer(ctx, c, t)
	}
	if is {
		return buildDockerfile(ctx, c, t, place{})
	}
	src, err := sourceArg(c)
	if err != nil {
		return err
	}
	o, closeSource, err := buildOptions(ctx, c, t, src)
	if err != nil {
		return err
	}
	defer closeSource()
	started := time.Now()
	targets, err := platforms(c)
	if err != nil {
		return err
	}
	result, err := create.Run(ctx, o, targets)
	if fallsBack(ctx, c, err, o.Tree) {
		progress.Note(ctx, "no buildpack builds this app; its Dockerfile does")
		return buildDockerfile(ctx, c, t, place{o.Tree.Dir, !o.Tree.Local(), o.Tree.Made})
	}
	if err != nil {
		return err
	}
	warnOfStrategy(ctx, c)
	if err := errors.Join(writeResults(c, result, time.Since(started)), writeOutputs(ctx, c, result)); err != nil {
		return err
	}
	return printPublished(c, result.Published)
}

// buildOptions is everything that the flags, the source and its project.toml say about a build.
func buildOptions(ctx context.Context, c *cli.Context, t *tools, src string) (o create.Options, closeSource func(), err error) {
	o = create.Options{Store: t.store, Images: t.images, NoCache: c.Bool("no-cache"), Launcher: prebuilt.Launcher}
	if o.App, err = appOptions(c); err != nil {
		return o, nil, err
	}
	targets, err := platforms(c)
	if err != nil {
		return o, nil, err
	}
	if o.Check, err = smokeCheck(c, t, targets); err != nil {
		return o, nil, err
	}
	if o.Assembly, err = assembly(c); err != nil {
		return o, nil, err
	}
	if o.Refs, err = parseRefs(c.StringSlice("tag")); err != nil {
		return o, nil, err
	}
	if o.Builder, o.Stack, err = builder(ctx, c, t); err != nil {
		return o, nil, err
	}
	if o.Sandbox, err = newSandbox(c, t, 0); err != nil {
		return o, nil, err
	}
	if o.Tree, closeSource, err = openSource(ctx, c, t, src); err != nil {
		return o, nil, err
	}
	err = errors.Join(applyDescriptor(ctx, &o, c), applyLock(&o))
	if o.WriteLock = c.Bool("write-lock"); err == nil && o.WriteLock && !o.Tree.Local() {
		err = usageError("--write-lock writes beside the sources, and %s is no directory", source.Redact(src))
	}
	if err != nil {
		closeSource()
		return o, nil, err
	}
	return o, closeSource, nil
}

// applyLock gives the stack the s2i.lock beside the sources, when there is one.
func applyLock(o *create.Options) error {
	entry, ok := o.Tree.Lookup(create.LockFile)
	if !ok || entry.Kind != source.File {
		return nil
	}
	root, err := os.OpenRoot(o.Tree.Dir)
	if err != nil {
		return fmt.Errorf("reading %s: %w", create.LockFile, err)
	}
	defer root.Close()
	f, err := root.Open(create.LockFile)
	if err != nil {
		return fmt.Errorf("reading %s: %w", create.LockFile, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxAppLock+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", create.LockFile, err)
	}
	lock, err := stacks.ParseAppLock(text)
	if err != nil {
		return err
	}
	useLock(o.Stack, lock)
	return nil
}

// maxAppLock bounds how much of s2i.lock is read; what is larger is refused.
const maxAppLock = 8 << 20

// openSource opens SRC and gives what closes it.
func openSource(ctx context.Context, c *cli.Context, t *tools, src string) (*source.Tree, func(), error) {
	if err := checkOffline(c, src); err != nil {
		return nil, nil, err
	}
	dir, release, err := t.store.TempDir("source")
	if err != nil {
		return nil, nil, err
	}
	tree, err := source.Open(ctx, src, source.Options{
		TempDir: dir, Stdin: c.App.Reader, Records: t.store, Limits: t.store.Limits,
		Descriptor: c.String("descriptor"), Ignore: c.StringSlice("ignore"),
	})
	if err != nil {
		release()
		return nil, nil, err
	}
	return tree, func() { _ = tree.Close(); release() }, nil
}

// checkOffline refuses a source that is fetched when nothing may be.
func checkOffline(c *cli.Context, src string) error {
	ref, err := source.ParseRef(src)
	if err != nil {
		return usageError("%w", err)
	}
	if c.Bool("offline") && (ref.Kind == source.Git || ref.Kind == source.URL) {
		return usageError("%s would be fetched from the network, which --offline forbids; give a directory or an archive", source.Redact(src))
	}
	return nil
}
