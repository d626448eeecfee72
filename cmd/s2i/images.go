package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/image"
)

// imagesCommand lists what bare names stand for.
func imagesCommand() *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "list the images of the local store",
		Description: "Example:\n   s2i images",
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			if err := argsBetween(c, 0, 0); err != nil {
				return err
			}
			return listImages(ctx, c.App.Writer, t)
		}),
	}
}

// listImages writes a table of the local images.
func listImages(ctx context.Context, out io.Writer, t *tools) error {
	all, err := t.store.Images()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "NAME\tDIGEST\tSIZE\tCREATED\n")
	for _, i := range all {
		size, created := summary(ctx, t, i.Name)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Name, i.Descriptor.Digest, size, created)
	}
	return w.Flush()
}

// unknown stands in a table where there is nothing to say.
const unknown = "-"

// summary gives the compressed size of a local image and when it was made. An index has neither; nor is one image that
// cannot be read a reason to list none.
func summary(ctx context.Context, t *tools, name string) (size, created string) {
	found, err := t.images.Get(ctx, image.Ref{Kind: image.Local, Name: name})
	img, ok := found.(v1.Image)
	if err != nil || !ok {
		return unknown, unknown
	}
	manifest, err := img.Manifest()
	if err != nil {
		return unknown, unknown
	}
	total := manifest.Config.Size
	for _, l := range manifest.Layers {
		total += l.Size
	}
	config, err := img.ConfigFile()
	if err != nil || !config.Created.After(archive.Epoch) { // that time is the same for all reproducible images
		return units.HumanSize(float64(total)), unknown
	}
	return units.HumanSize(float64(total)), config.Created.UTC().Format(time.DateTime)
}

// pushCommand sends what is in the store; of an index, every platform.
func pushCommand() *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "send a local image to a registry", ArgsUsage: "NAME [REF]",
		Description: "Example:\n   s2i push app:1 registry.example.com/team/app:1",
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			from, to, err := fromTo(c)
			if err != nil {
				return err
			}
			dest, err := parseRef(to)
			if err != nil {
				return err
			}
			published, err := t.images.Push(ctx, from, dest)
			if err != nil {
				return err
			}
			return printPublished(c, published)
		}),
	}
}

// pullCommand brings everything of an image here, so that it can be used without network.
func pullCommand() *cli.Command {
	return &cli.Command{
		Name: "pull", Usage: "bring an image into the local store, whole", ArgsUsage: "REF [NAME]",
		Description: "Example:\n   s2i pull registry.example.com/team/app:1",
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			from, to, err := fromTo(c)
			if err != nil {
				return err
			}
			ref, err := parseRef(from)
			if err != nil {
				return err
			}
			d, err := t.images.Pull(ctx, ref, to, nil)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.App.Writer, "%s@%s\n", to, d.Digest)
			return err
		}),
	}
}

// saveCommand is for machines that no registry reaches.
func saveCommand() *cli.Command {
	return &cli.Command{
		Name: "save", Usage: "write an image to an archive that docker and podman load", ArgsUsage: "REF FILE",
		Description: "Example:\n   s2i save app:1 app.tar && docker load < app.tar",
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			if err := argsBetween(c, 2, 2); err != nil {
				return err
			}
			return save(ctx, c, t, c.Args().Get(0), c.Args().Get(1))
		}),
	}
}

// save writes an image or index to an archive under the name it has here.
func save(ctx context.Context, c *cli.Context, t *tools, from, file string) error {
	ref, err := parseRef(from)
	if err != nil {
		return err
	}
	img, err := t.images.Get(ctx, ref)
	if err != nil {
		return fmt.Errorf("getting %s: %w", ref, err)
	}
	published, err := t.images.Publish(ctx, img, []image.Ref{{Kind: image.DockerArchive, Path: file, Name: ref.Name}})
	if err != nil {
		return err
	}
	return printPublished(c, published)
}

// loadCommand takes what save, docker save and podman save write.
func loadCommand() *cli.Command {
	return &cli.Command{
		Name: "load", Usage: "bring an image archive into the local store", ArgsUsage: "FILE [NAME]",
		Description: "Example:\n   s2i load app.tar app:1",
		Action: withTools(func(ctx context.Context, c *cli.Context, t *tools) error {
			if err := argsBetween(c, 1, 2); err != nil {
				return err
			}
			d, err := t.images.Load(ctx, image.Ref{Kind: image.DockerArchive, Path: c.Args().Get(0)}, c.Args().Get(1))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.App.Writer, d.Digest)
			return err
		}),
	}
}

// tagCommand adds a name; nothing is copied.
func tagCommand() *cli.Command {
	return &cli.Command{
		Name: "tag", Usage: "give a local image one more name", ArgsUsage: "NAME NEWNAME",
		Description: "Example:\n   s2i tag app:1 app:stable",
		Action: withTools(func(_ context.Context, c *cli.Context, t *tools) error {
			if err := argsBetween(c, 2, 2); err != nil {
				return err
			}
			return t.images.Tag(c.Args().Get(0), c.Args().Get(1))
		}),
	}
}

// removeCommand only takes names away, since layers are shared.
func removeCommand() *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "take names away from local images; s2i prune frees their space", ArgsUsage: "NAME…",
		Description: "Example:\n   s2i rm app:1",
		Action: withTools(func(_ context.Context, c *cli.Context, t *tools) error {
			if err := argsBetween(c, 1, -1); err != nil {
				return err
			}
			for _, name := range c.Args().Slice() {
				if err := t.images.Remove(name); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// fromTo gives a command's source and destination, which is the same name when only one is given.
func fromTo(c *cli.Context) (from, to string, err error) {
	if err := argsBetween(c, 1, 2); err != nil {
		return "", "", err
	}
	from, to = c.Args().Get(0), c.Args().Get(1)
	return from, cmp.Or(to, from), nil
}

// parseRef reads a reference that the user wrote.
func parseRef(s string) (image.Ref, error) {
	ref, err := image.Parse(s)
	if err != nil {
		return ref, usageError("%w", err)
	}
	return ref, nil
}

// parseRefs reads several of them.
func parseRefs(names []string) ([]image.Ref, error) {
	var refs []image.Ref
	for _, n := range names {
		ref, err := parseRef(n)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// printPublished writes one line per destination: where the image is, by digest.
func printPublished(c *cli.Context, published []image.Published) error {
	for _, p := range published {
		if _, err := fmt.Fprintf(c.App.Writer, "%s@%s\n", p.Ref.Place(), p.Digest); err != nil {
			return err
		}
	}
	return nil
}
