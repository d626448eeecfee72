package image

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// storeSink publishes to the local store.
type storeSink struct {
	c     *Client
	names []string
}

func (s *storeSink) check(context.Context) error {
	_, release, err := s.c.Store.TempDir("check")
	if err != nil {
		return fmt.Errorf("writing to the store: %w", err)
	}
	release()
	return nil
}

// publish leaves out the layers that some repository has and nothing needed here.
func (s *storeSink) publish(ctx context.Context, m manifest) (v1.Hash, error) {
	d, err := s.c.save(ctx, m, s.names, s.c.elsewhere)
	return d.Digest, err
}

// elsewhere tells whether a layer can be fetched later: the store does not hold it, but a repository was seen that
// does.
func (c *Client) elsewhere(l v1.Layer) bool {
	h, err := l.Digest()
	return err == nil && !c.Store.HasBlob(h) && len(c.origins(h)) > 0
}

// save stores an image and where its layers come from.
func (c *Client) save(ctx context.Context, m manifest, names []string, sparse func(v1.Layer) bool,
) (v1.Descriptor, error) {
	p, err := collect(m)
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, b := range p.blobs {
		if repos := c.state().presence.of(b.desc.Digest); b.layer != nil && len(repos) > 0 {
			if err := recordOrigins(c.Store, b.desc.Digest, repos); err != nil {
				return v1.Descriptor{}, fmt.Errorf("recording where blob %s is: %w", b.desc.Digest, err)
			}
		}
	}
	return c.Store.Save(ctx, m, names, sparse)
}
