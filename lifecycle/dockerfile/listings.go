package dockerfile

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
	"s2i/lifecycle/store"
)

// listed is the listing of a layer that is being written.
type listed struct {
	list *listing.Listing
	err  error
}

// begin starts a listing; what it gives is called for every entry.
func (l *listed) begin() func(h *tar.Header, digest string) {
	list := &listing.Listing{}
	l.list, l.err = list, nil
	return func(h *tar.Header, digest string) {
		if err := list.Add(h, digest); err != nil {
			l.err = err
		}
	}
}

// keep remembers the listing, so that nobody has to read the layer for it.
func (l *listed) keep(b *builder, layer v1.Layer) error {
	if l.list == nil || l.err != nil {
		return l.err
	}
	diffID, err := layer.DiffID()
	if err != nil {
		return err
	}
	list := l.list
	listing.Over(list)
	b.listings.Store(diffID, func() (*listing.Listing, error) { return list, nil })
	return b.Store.SetRecord(recordListing, diffID.String(), list)
}

// listLayer lists what a layer holds, and makes sure that it is the layer that it is said to be.
func listLayer(r io.Reader, diffID v1.Hash, limits archive.Limits) (*listing.Listing, error) {
	sum := sha256.New()
	list, err := listing.Read(io.TeeReader(r, sum), limits)
	if errors.Is(err, archive.ErrLimit) {
		err = fmt.Errorf("%w (--max-unpacked raises it)", err)
	}
	if err != nil {
		return nil, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != diffID.Hex {
		return nil, fmt.Errorf("its content is sha256:%s: %w", got, store.ErrMismatch)
	}
	return list, nil
}

// tree unpacks a layer and lists it in the same reading.
func (b *builder) tree(ctx context.Context, l v1.Layer) (string, error) {
	return b.Store.Tree(ctx, &listedLayer{Layer: l, b: b})
}

// listedLayer is a layer that is listed whenever it is read.
type listedLayer struct {
	v1.Layer
	b *builder
}

// Uncompressed implements v1.Layer. A listing that fails is made when it is needed, with the error that is due then.
func (l *listedLayer) Uncompressed() (io.ReadCloser, error) {
	r, err := l.Layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		diffID, err := l.DiffID()
		if err == nil {
			var list *listing.Listing
			if list, err = listLayer(pr, diffID, l.b.Store.Limits); err == nil {
				err = (&listed{list: list}).keep(l.b, l.Layer)
			}
		}
		_ = pr.CloseWithError(err)
		_, _ = io.Copy(io.Discard, pr)
	}()
	return &listedReader{Reader: r, to: pw, close: r.Close, done: done}, nil
}

// listedReader passes on what is read.
type listedReader struct {
	io.Reader
	to    *io.PipeWriter
	close func() error
	done  <-chan struct{}
}

// Read passes what it reads to the listing as well; what the listing thinks of it does not matter here.
func (r *listedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		_, _ = r.to.Write(p[:n]) // it fails when the listing has failed
	}
	if err != nil {
		_ = r.to.CloseWithError(err)
	}
	return n, err
}

// Close waits for the listing.
func (r *listedReader) Close() error {
	_ = r.to.CloseWithError(io.ErrUnexpectedEOF)
	<-r.done
	return r.close()
}
