package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
)

// Pull brings an image from anywhere into the store, whole, and names it after name ("" means the reference's own
// name). With a target, of an index only that platform's image is pulled; with a nil target everything.
func (c *Client) Pull(ctx context.Context, from Ref, name string, target *lifecycle.Target) (v1.Descriptor, error) {
	d, err := c.pull(ctx, from, name, target)
	if err != nil {
		return d, fmt.Errorf("pulling image %s: %w", from, err)
	}
	return d, nil
}

func (c *Client) pull(ctx context.Context, from Ref, name string, target *lifecycle.Target) (v1.Descriptor, error) {
	if c.Store == nil {
		return v1.Descriptor{}, errNoStore
	}
	var found any
	var err error
	if target == nil {
		found, err = c.Get(ctx, from)
	} else {
		found, err = c.Image(ctx, from, *target)
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	if name == "" {
		name = from.Name
	}
	var names []string
	if name != "" {
		names = []string{name}
	}
	m, ok := found.(manifest)
	if !ok {
		return v1.Descriptor{}, fmt.Errorf("%s is neither an image nor an index", from)
	}
	d, err := c.save(ctx, m, names, nil)
	if err != nil || from.Kind != Registry {
		return d, err
	}
	ref, err := c.reference(from)
	if err != nil {
		return d, err
	}
	return d, c.Store.SetRecord(refKind, ref.Name(), d)
}

// Push publishes a local image, whole: of an index, every platform.
func (c *Client) Push(ctx context.Context, local string, to ...Ref) ([]Published, error) {
	found, err := c.Get(ctx, Ref{Kind: Local, Name: local})
	if err != nil {
		return nil, err
	}
	return c.Publish(ctx, found, to)
}

// Load brings the image in an archive, a layout or a daemon into the store. When neither name nor the reference names
// it, the name that it carries itself is used; an image without any name can be spoken of by its digest.
func (c *Client) Load(ctx context.Context, from Ref, name string) (v1.Descriptor, error) {
	if name == "" && from.Name == "" && from.Path != "" {
		name = c.carriedName(ctx, from)
	}
	return c.Pull(ctx, from, name, nil)
}

// carriedName is the name of the only image of an archive, or "".
func (c *Client) carriedName(ctx context.Context, from Ref) string {
	_, d, err := c.open(ctx, from)
	if err != nil {
		return ""
	}
	name := firstNonEmpty(d.Annotations[annotationContainerd], d.Annotations[annotationRefName])
	name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
	if _, err := parseLocal(name); err != nil {
		return ""
	}
	return name
}

// Tag gives a local image one more name.
func (c *Client) Tag(name, newName string) error {
	if c.Store == nil {
		return errNoStore
	}
	d, err := c.Store.Resolve(name)
	if err == nil {
		err = c.Store.Tag(d, newName)
	}
	return c.named(name, "tagging", err)
}

// Remove takes a name of a local image away.
func (c *Client) Remove(name string) error {
	if c.Store == nil {
		return errNoStore
	}
	return c.named(name, "removing", c.Store.Remove(name))
}

func (c *Client) named(name, doing string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%s %s: %w: %w", doing, name, ErrNotFound, err)
	case err != nil:
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	return nil
}

// Upload sends one layer to the registries among refs ahead of the image that will use it, while other layers are
// still being made. Publish with the same client then finds it there. Refs elsewhere are left out.
func (c *Client) Upload(ctx context.Context, layer v1.Layer, refs []Ref) error {
	d, err := layerDescriptor(layer)
	if err != nil {
		return fmt.Errorf("describing the layer to upload: %w", err)
	}
	for _, r := range refs {
		if r.Kind != Registry {
			continue
		}
		ref, err := c.reference(r)
		if err != nil {
			return err
		}
		b := blobPart{desc: d, layer: layer}
		w, err := c.newPusher(ctx, ref.Context(), []blobPart{b})
		if err == nil {
			err = w.upload(ctx, b)
		}
		if err != nil {
			return fmt.Errorf("uploading a layer for %s: %w", r, err)
		}
	}
	return nil
}

func layerDescriptor(l v1.Layer) (v1.Descriptor, error) {
	var d v1.Descriptor
	var err error
	if d.Digest, err = l.Digest(); err != nil {
		return d, err
	}
	if d.Size, err = l.Size(); err != nil {
		return d, err
	}
	d.MediaType, err = l.MediaType()
	return d, err
}
