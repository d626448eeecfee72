package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/store"
)

// Place is where the image lives, without tag or digest: "host/repo", "app", or the written form of files.
func (r Ref) Place() string {
	if r.Kind != Registry && r.Kind != Local && r.Kind != Daemon {
		return r.String()
	}
	name, _, _ := strings.Cut(r.Name, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	return name
}

// Keep puts an image into the store under no name; Kept finds it again until it is pruned. Layers that a repository has
// and nothing here needed stay there.
func (c *Client) Keep(ctx context.Context, img v1.Image) (v1.Descriptor, error) {
	if c.Store == nil {
		return v1.Descriptor{}, errNoStore
	}
	d, err := c.save(ctx, img, nil, c.elsewhere)
	if err != nil {
		return d, fmt.Errorf("keeping the image in the store: %w", err)
	}
	return d, nil
}

// Kept opens an image that Keep put into the store. ErrNotFound when it, or a part of it, is no longer there.
func (c *Client) Kept(ctx context.Context, d v1.Descriptor) (v1.Image, error) {
	if c.Store == nil {
		return nil, errNoStore
	}
	got, err := load(ctx, &storeSource{c}, d)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s was kept, and is gone", ErrNotFound, d.Digest)
	}
	if err != nil {
		return nil, err
	}
	img, ok := got.(v1.Image)
	if !ok {
		return nil, fmt.Errorf("%s is an index, not an image", d.Digest)
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	for _, b := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if !c.Store.HasBlob(b.Digest) && len(c.origins(b.Digest)) == 0 {
			return nil, fmt.Errorf("%w: blob %s of %s is gone", ErrNotFound, b.Digest, d.Digest)
		}
	}
	return img, nil
}
