package dockerfile

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"s2i/lifecycle/listing"
	"s2i/lifecycle/store"
)

// add evaluates an ADD: a COPY that unpacks archives of the build context.
func (s *stage) add(ctx context.Context, st *state, c *instructions.AddCommand) error {
	for _, src := range c.SourcePaths {
		switch {
		case kindOf(src) == local:
		case len(c.SourcePaths)+len(c.SourceContents) > 1:
			return fmt.Errorf("ADD %s: give a source on the network an ADD of its own", src)
		default:
			return s.addRemote(ctx, st, c)
		}
	}
	if c.Checksum != "" {
		return errors.New("ADD --checksum is for sources on the network")
	}
	unpack := true
	if c.Unpack != nil {
		unpack = *c.Unpack
	}
	return s.copy(ctx, st, copying{text: fmt.Sprint(c), sources: c.SourcePaths, contents: c.SourceContents, dest: c.DestPath,
		chown: c.Chown, chmod: c.Chmod, exclude: c.ExcludePatterns, link: c.Link, unpack: unpack})
}

// unpackArchives replaces archives among the sources by what is in them.
func (g *gathering) unpackArchives(ctx context.Context) error {
	for i := range g.out {
		one := &g.out[i]
		for j := range one.entries {
			one.entries[j].UID, one.entries[j].GID = 0, 0
		}
		if one.root().Type != tar.TypeReg || one.from == nil {
			continue
		}
		is, err := isArchive(ctx, one)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		if err := g.unpackOne(ctx, one); err != nil {
			return fmt.Errorf("unpacking %q: %w", "/"+one.root().Name, err)
		}
	}
	return nil
}

// isArchive tells whether a file begins as a tar archive, compressed or not.
func isArchive(ctx context.Context, g *gathered) (bool, error) {
	f, err := g.from.open(ctx, g.root())
	if err != nil {
		return false, err
	}
	defer f.Close()
	r, err := decompress(f)
	if err != nil {
		return false, nil // it is something else
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil, nil
}

// unpackOne makes the store unpack an archive, as if it were a layer, and takes its files.
func (g *gathering) unpackOne(ctx context.Context, one *gathered) error {
	from, file := one.from, one.root()
	b := g.s.b
	layer, err := b.Store.Layer(ctx, func(ctx context.Context, w io.Writer) error {
		f, err := from.open(ctx, file)
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := decompress(f)
		if err != nil {
			return err
		}
		defer r.Close()
		return rewriteArchive(ctx, r, w)
	}, store.LayerOptions{Key: "archive 2 " + file.Digest, Need: store.Tree})
	if err != nil {
		return err
	}
	list, err := b.listing(layer)
	if err != nil {
		return err
	}
	tree := &rootfs{b: b, layers: layersOf(layer), View: listing.Over(list)}
	one.from, one.entries, one.archive = tree, nil, true
	return (&gatherer{from: tree}).walk(ctx, one, tree.Lstat("").Entry, "")
}
