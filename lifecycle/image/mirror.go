package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// errNoMirror says that the registry itself is to be asked.
var errNoMirror = errors.New("no mirror has it")

// openMirror opens an image at the first of its registry's mirrors that has it.
func (c *Client) openMirror(ctx context.Context, ref name.Reference) (source, v1.Descriptor, error) {
	var failed []error
	for _, m := range c.Mirrors[ref.Context().RegistryStr()] {
		separator := ":"
		if strings.Contains(ref.Identifier(), ":") {
			separator = "@"
		}
		there, err := c.reference(Ref{Kind: Registry, Name: m + "/" + ref.Context().RepositoryStr() + separator + ref.Identifier()})
		if err != nil {
			return nil, v1.Descriptor{}, err
		}
		src, d, err := c.openReference(ctx, there)
		if err == nil {
			return src, d, nil
		}
		if ctx.Err() != nil {
			return nil, d, err
		}
		failed = append(failed, fmt.Errorf("from the mirror %s: %w", m, err))
	}
	if len(failed) > 0 && c.MirrorsOnly {
		return nil, v1.Descriptor{}, errors.Join(failed...)
	}
	return nil, v1.Descriptor{}, errNoMirror
}
