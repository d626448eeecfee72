package image

import (
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/store"
)

var errNoStore = errors.New("there is no store for local images here")

// openLocal finds an image of the store.
func (c *Client) openLocal(ref Ref) (source, v1.Descriptor, error) {
	if c.Store == nil {
		return nil, v1.Descriptor{}, errNoStore
	}
	d, err := c.Store.Resolve(ref.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, d, fmt.Errorf("%w in the store (a registry's image is written host/name): %w", ErrNotFound, err)
	case err != nil:
		return nil, d, err
	}
	return &storeSource{c}, d, nil
}

// storeSource reads from the store. A blob that is not there is fetched from a repository that the store recorded.
type storeSource struct{ c *Client }

func (s *storeSource) manifest(_ context.Context, d v1.Descriptor) ([]byte, error) {
	raw, err := s.c.storedBytes(d, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s from the store: %w", d.Digest, err)
	}
	return raw, checkBytes(raw, d, "the store")
}

func (s *storeSource) blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	rc, _, err := s.c.Store.OpenBlob(d.Digest)
	if errors.Is(err, store.ErrNotFound) {
		return s.c.fetch(ctx, d, s.c.origins(d.Digest))
	}
	if err != nil {
		return nil, fmt.Errorf("reading blob %s from the store: %w", d.Digest, err)
	}
	return rc, nil
}
