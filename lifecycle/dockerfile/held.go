package dockerfile

import (
	"cmp"
	"context"
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle/store"
)

// heldLayer is a layer whose blob is somewhere. Its media type is OCI's, whatever it was there.
type heldLayer struct {
	diffID v1.Hash
	desc   v1.Descriptor
	open   func() (io.ReadCloser, error)
}

func newHeldLayer(diffID v1.Hash, d v1.Descriptor, open func() (io.ReadCloser, error)) *heldLayer {
	mediaType, err := compressionOf(d.MediaType).MediaType()
	if err != nil {
		mediaType = d.MediaType
	}
	return &heldLayer{diffID, v1.Descriptor{MediaType: mediaType, Digest: d.Digest, Size: d.Size}, open}
}

// storedLayer is a layer whose blob is in the store, however it was compressed.
func storedLayer(st *store.Store, diffID v1.Hash, d v1.Descriptor) v1.Layer {
	return newHeldLayer(diffID, d, func() (io.ReadCloser, error) {
		r, _, err := st.OpenBlob(d.Digest)
		return r, err
	})
}

// Digest is that of the blob.
func (l *heldLayer) Digest() (v1.Hash, error) { return l.desc.Digest, nil }

// DiffID is the digest of what is in the layer.
func (l *heldLayer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is the blob's, in bytes.
func (l *heldLayer) Size() (int64, error) { return l.desc.Size, nil }

// MediaType tells how the blob is compressed.
func (l *heldLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }

// Compressed opens the blob.
func (l *heldLayer) Compressed() (io.ReadCloser, error) { return l.open() }

// Uncompressed opens what is in the blob.
func (l *heldLayer) Uncompressed() (io.ReadCloser, error) { return uncompressed(l.open) }

func uncompressed(open func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	blob, err := open()
	if err != nil {
		return nil, err
	}
	r, err := store.Decompress(blob)
	if err != nil {
		return nil, errors.Join(err, blob.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{r, closers{r, blob}}, nil
}

type closers []io.Closer

// Close closes all and gives all errors.
func (c closers) Close() error {
	var errs []error
	for _, one := range c {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// compressionOf is the compression of a layer blob by its media type; "" for what is no layer that can be read.
func compressionOf(m types.MediaType) store.Compression {
	switch m {
	case types.OCILayer, types.DockerLayer:
		return store.Gzip
	case types.OCILayerZStd:
		return store.Zstd
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		return store.None
	default:
		return ""
	}
}

// compressed gives a layer compressed as asked for. What is compressed otherwise is done again, so that the image does
// not depend on the cache.
func (b *builder) compressed(ctx context.Context, l v1.Layer, c store.Compression) (v1.Layer, error) {
	mediaType, err := l.MediaType()
	if err != nil {
		return nil, err
	}
	c = cmp.Or(c, store.Gzip)
	if compressionOf(mediaType) == c {
		return l, nil
	}
	diffID, err := l.DiffID()
	if err != nil {
		return nil, err
	}
	return b.Store.Layer(ctx, func(_ context.Context, w io.Writer) error {
		r, err := l.Uncompressed()
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		return errors.Join(err, r.Close())
	}, store.LayerOptions{Key: "content " + diffID.String(), Need: store.Blob, Compression: c})
}
