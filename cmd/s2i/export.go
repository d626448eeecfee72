package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
)

// exportCommand writes what is in an image, without its layers and its configuration.
func exportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write an image's files as one tar archive", ArgsUsage: "REF [FILE]",
		Description: `The layers are put together as a container would see them. Without FILE, or with -, the archive goes to
standard output.

Examples:
   s2i export app:1 rootfs.tar
   s2i export registry.example.com/team/app:1 | tar -t`,
		Flags: []cli.Flag{&cli.StringFlag{Name: "platform", Value: "local", Usage: "of an image for several platforms, that for `OS/ARCH`"}},
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			if err := argsBetween(c, 1, 2); err != nil {
				return err
			}
			return exportImage(ctx, c, t, c.Args().Get(0), c.Args().Get(1))
		}),
	}
}

func exportImage(ctx context.Context, c *cli.Context, t *tools, from, file string) (err error) {
	ref, err := parseRef(from)
	if err != nil {
		return err
	}
	target, err := lifecycle.ParseTarget(c.String("platform"))
	if err != nil {
		return usageError("--platform: %w", err)
	}
	img, err := t.images.Image(ctx, ref, target)
	if err != nil {
		return fmt.Errorf("getting %s: %w", ref, err)
	}
	out := c.App.Writer
	if file != "" && file != "-" {
		f, err := os.Create(file)
		if err != nil {
			return fmt.Errorf("exporting %s: %w", ref, err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	} else if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return usageError("an archive is nothing for a terminal; name a FILE")
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	if err := flatten(ctx, img, buffered); err != nil {
		return fmt.Errorf("exporting %s: %w", ref, err)
	}
	return buffered.Flush()
}

// flatten writes the files of an image.
func flatten(ctx context.Context, img v1.Image, w io.Writer) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	lists := make([]*listing.Listing, len(layers))
	for i, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			return err
		}
		lists[i], err = listing.Read(r, archive.Limits{})
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return listing.Over(lists...).Flatten(ctx, w, func(i int) (io.ReadCloser, error) { return layers[i].Uncompressed() })
}
