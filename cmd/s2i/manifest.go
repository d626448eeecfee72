package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle/image"
)

// manifestCommand puts images for several platforms together to an index (OCI image specification, image-index.md).
func manifestCommand() *cli.Command {
	return &cli.Command{
		Name: "manifest", Usage: "put images for several platforms together to an index",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make an index in the local store, of images or empty", ArgsUsage: "NAME [REF…]",
				Description: "Example:\n   s2i manifest create app:1 registry.example.com/app:1-amd64 registry.example.com/app:1-arm64",
				Flags:       []cli.Flag{&cli.BoolFlag{Name: "amend", Usage: "add to an index that is there"}},
				Action:      withTools(manifestCreate),
			},
			{
				Name: "add", Usage: "add an image to an index", ArgsUsage: "NAME REF",
				Description: "Of an index as REF, every platform is added.\n\nExample:\n   s2i manifest add app:1 oci:./layout --arch arm64",
				Flags:       memberFlags(), Action: withTools(manifestAdd),
			},
			{
				Name: "annotate", Usage: "change what an index says of one of its images", ArgsUsage: "NAME DIGEST",
				Description: "Example:\n   s2i manifest annotate app:1 sha256:… --variant v7 --annotation org.example.team=core",
				Flags:       memberFlags(), Action: withTools(manifestAnnotate),
			},
			{
				Name: "inspect", Usage: "write an index as JSON", ArgsUsage: "REF",
				Description: "Example:\n   s2i manifest inspect app:1", Action: withTools(manifestInspect),
			},
			{
				Name: "push", Usage: "send an index with all its images to a registry", ArgsUsage: "NAME [REF]",
				Description: "Example:\n   s2i manifest push app:1 registry.example.com/team/app:1", Action: pushCommand().Action,
			},
			{
				Name: "remove", Usage: "take an image out of an index", ArgsUsage: "NAME DIGEST",
				Description: "Example:\n   s2i manifest remove app:1 sha256:…", Action: withTools(manifestRemove),
			},
			{
				Name: "rm", Usage: "remove an index from the local store", ArgsUsage: "NAME…",
				Description: "Example:\n   s2i manifest rm app:1", Action: removeCommand().Action,
			},
		},
	}
}

// memberFlags say what an index tells of one image.
func memberFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "os", Usage: "the operating `SYSTEM` of the image"},
		&cli.StringFlag{Name: "arch", Usage: "the `ARCHITECTURE` of the image, as Go names it"},
		&cli.StringFlag{Name: "variant", Usage: "the `VARIANT` of the architecture"},
		&cli.StringFlag{Name: "os-version", Usage: "the `VERSION` of the operating system"},
		&cli.StringSliceFlag{Name: "annotation", Usage: "an annotation of the image in the index, `NAME=VALUE`; repeatable"},
	}
}

func manifestCreate(ctx context.Context, c *cli.Context, t *tools) error {
	if c.NArg() == 0 {
		return usageError("manifest create needs the NAME of the index")
	}
	name := c.Args().First()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	switch old, err := localIndex(ctx, t, name); {
	case err == nil && c.Bool("amend"):
		index = old
	case err == nil:
		return usageError("there is an index %s already; add to it with --amend, or remove it with `s2i manifest rm %s`", name, name)
	case !errors.Is(err, image.ErrNotFound):
		return err
	}
	for _, ref := range c.Args().Tail() {
		var err error
		if index, err = withImage(ctx, t, index, ref, v1.Descriptor{}); err != nil {
			return err
		}
	}
	return saveIndex(ctx, c, t, name, index)
}

func manifestAdd(ctx context.Context, c *cli.Context, t *tools) error {
	if err := argsBetween(c, 2, 2); err != nil {
		return err
	}
	index, err := localIndex(ctx, t, c.Args().First())
	if err != nil {
		return err
	}
	said, err := describedBy(c)
	if err != nil {
		return err
	}
	if index, err = withImage(ctx, t, index, c.Args().Get(1), said); err != nil {
		return err
	}
	return saveIndex(ctx, c, t, c.Args().First(), index)
}

// describedBy is what the flags say of an image; what they do not say is empty.
func describedBy(c *cli.Context) (v1.Descriptor, error) {
	d := v1.Descriptor{Platform: &v1.Platform{OS: c.String("os"), Architecture: c.String("arch"), Variant: c.String("variant"),
		OSVersion: c.String("os-version")}}
	annotations, err := pairs("--annotation", c.StringSlice("annotation"))
	if len(annotations) > 0 {
		d.Annotations = annotations
	}
	return d, err
}

// withImage adds an image, or every image of another index.
func withImage(ctx context.Context, t *tools, index v1.ImageIndex, name string, said v1.Descriptor) (v1.ImageIndex, error) {
	ref, err := parseRef(name)
	if err != nil {
		return nil, err
	}
	found, err := t.images.Get(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("adding %s: %w", name, err)
	}
	switch found := found.(type) {
	case v1.Image:
		return oneMore(index, found, said)
	case v1.ImageIndex:
		m, err := found.IndexManifest()
		if err != nil {
			return nil, fmt.Errorf("adding %s: %w", name, err)
		}
		for _, d := range m.Manifests {
			if !d.MediaType.IsImage() {
				continue
			}
			img, err := found.Image(d.Digest)
			if err != nil {
				return nil, fmt.Errorf("adding %s: %w", name, err)
			}
			if index, err = oneMore(index, img, v1.Descriptor{Platform: d.Platform, Annotations: d.Annotations}); err != nil {
				return nil, err
			}
		}
	}
	return index, nil
}

// oneMore adds an image with its platform: what is said, else what its configuration says. An image that is in the
// index already is described anew.
func oneMore(index v1.ImageIndex, img v1.Image, said v1.Descriptor) (v1.ImageIndex, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of %s: %w", digest, err)
	}
	platform := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant, OSVersion: config.OSVersion}
	if said.Platform != nil {
		platform = *over(&platform, said.Platform)
	}
	index = mutate.RemoveManifests(index, match.Digests(digest))
	return mutate.AppendManifests(index, mutate.IndexAddendum{
		Add: img, Descriptor: v1.Descriptor{Platform: &platform, Annotations: said.Annotations},
	}), nil
}

// over gives a platform with what said says of it.
func over(p, said *v1.Platform) *v1.Platform {
	out := *p
	out.OS, out.Architecture = cmp.Or(said.OS, p.OS), cmp.Or(said.Architecture, p.Architecture)
	out.Variant, out.OSVersion = cmp.Or(said.Variant, p.Variant), cmp.Or(said.OSVersion, p.OSVersion)
	return &out
}

func manifestAnnotate(ctx context.Context, c *cli.Context, t *tools) error {
	index, d, err := indexAndMember(ctx, c, t)
	if err != nil {
		return err
	}
	said, err := describedBy(c)
	if err != nil {
		return err
	}
	if d.Platform != nil {
		said.Platform = over(d.Platform, said.Platform)
	}
	for name, value := range d.Annotations {
		if _, replaced := said.Annotations[name]; !replaced {
			if said.Annotations == nil {
				said.Annotations = map[string]string{}
			}
			said.Annotations[name] = value
		}
	}
	img, err := index.Image(d.Digest)
	if err != nil {
		return err
	}
	if index, err = oneMore(index, img, said); err != nil {
		return err
	}
	return saveIndex(ctx, c, t, c.Args().First(), index)
}

func manifestRemove(ctx context.Context, c *cli.Context, t *tools) error {
	index, d, err := indexAndMember(ctx, c, t)
	if err != nil {
		return err
	}
	return saveIndex(ctx, c, t, c.Args().First(), mutate.RemoveManifests(index, match.Digests(d.Digest)))
}

// indexAndMember reads NAME and DIGEST.
func indexAndMember(ctx context.Context, c *cli.Context, t *tools) (v1.ImageIndex, v1.Descriptor, error) {
	if err := argsBetween(c, 2, 2); err != nil {
		return nil, v1.Descriptor{}, err
	}
	index, err := localIndex(ctx, t, c.Args().First())
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	var have []string
	for _, d := range m.Manifests {
		if d.Digest.String() == c.Args().Get(1) {
			return index, d, nil
		}
		have = append(have, d.Digest.String())
	}
	return nil, v1.Descriptor{}, usageError("the index %s has no image %s; it has %s", c.Args().First(), c.Args().Get(1),
		cmp.Or(strings.Join(have, ", "), "none"))
}

func manifestInspect(ctx context.Context, c *cli.Context, t *tools) error {
	if err := argsBetween(c, 1, 1); err != nil {
		return err
	}
	ref, err := parseRef(c.Args().First())
	if err != nil {
		return err
	}
	found, err := t.images.Get(ctx, ref)
	if err != nil {
		return err
	}
	raw, ok := found.(interface{ RawManifest() ([]byte, error) })
	if !ok {
		return fmt.Errorf("reading %s: it has no manifest", ref)
	}
	data, err := raw.RawManifest()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return fmt.Errorf("reading the manifest of %s: %w", ref, err)
	}
	_, err = fmt.Fprintln(c.App.Writer, out.String())
	return err
}

// localIndex opens an index of the local store.
func localIndex(ctx context.Context, t *tools, name string) (v1.ImageIndex, error) {
	found, err := t.images.Get(ctx, image.Ref{Kind: image.Local, Name: name})
	if err != nil {
		return nil, fmt.Errorf("opening the index %s: %w", name, err)
	}
	index, ok := found.(v1.ImageIndex)
	if !ok {
		return nil, usageError("%s is an image, and no index", name)
	}
	return index, nil
}

// saveIndex puts an index into the local store and prints what it is now.
func saveIndex(ctx context.Context, c *cli.Context, t *tools, name string, index v1.ImageIndex) error {
	published, err := t.images.Publish(ctx, index, []image.Ref{{Kind: image.Local, Name: name}})
	if err != nil {
		return err
	}
	return printPublished(c, published)
}
