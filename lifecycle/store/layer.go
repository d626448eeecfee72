package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Source writes a layer's uncompressed tar stream to w. It must give the same bytes every time, return the error of a
// failed write, and not call Layer itself.
type Source func(ctx context.Context, w io.Writer) error

// Form says what a caller of Layer will need, so that one pass over the source makes it.
type Form int

// The forms of a layer. They can be combined.
const (
	Blob Form = 1 << iota // the compressed blob, to push or save
	Tree                  // the unpacked tree, to run something on
)

// LayerOptions says what Layer makes.
type LayerOptions struct {
	// Key identifies what the source gives; a key seen before gives its layer without running the source. Empty: the
	// source always runs.
	Key string
	// Need is what must exist when Layer returns; anything else is made when it is asked for, by running the source
	// again, with the values of the context that Layer was given but not its end.
	Need Form
	// Compression of the blob; empty means Gzip.
	Compression Compression
}

// Layer gives the layer that src makes. In one pass it computes the diffID and writes what o.Need asks for. When
// several callers, in this process or others, ask for one key at once, one of them runs its source and the others
// wait. The result implements v1.Layer.
func (s *Store) Layer(ctx context.Context, src Source, o LayerOptions) (v1.Layer, error) {
	if o.Compression == "" {
		o.Compression = Gzip
	}
	if _, err := o.Compression.MediaType(); err != nil {
		return nil, err
	}
	release, err := s.Pin()
	if err != nil {
		return nil, err
	}
	defer release()
	l := &layer{store: s, compression: o.Compression, src: src}
	l.later = func() context.Context { return context.WithoutCancel(ctx) }
	if o.Key == "" {
		return l, l.fill(ctx, o.Need)
	}
	if s.recall(l, o) {
		return l, nil
	}
	unlock, err := s.Lock(ctx, "layer-"+o.Key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s.recall(l, o) {
		return l, nil
	}
	if s.missing(l, o.Need) == Tree && s.missing(l, Blob) == 0 {
		_, err := s.Tree(ctx, l) // from the blob
		return l, err
	}
	if err := l.fill(ctx, o.Need); err != nil {
		return nil, err
	}
	return l, s.SetRecord("layer", o.Key, l.diffID)
}

// recall fills in what is known of the layer of a key; true when nothing that is needed has to be made.
func (s *Store) recall(l *layer, o LayerOptions) bool {
	var diffID v1.Hash
	if s.Record("layer", o.Key, &diffID) != nil || checkHash(diffID) != nil {
		return false
	}
	l.diffID = diffID
	return s.missing(l, o.Need) == 0
}

// missing is what of need the store does not hold.
func (s *Store) missing(l *layer, need Form) Form {
	if l.diffID == (v1.Hash{}) {
		return need
	}
	if need&Tree != 0 && s.hasTree(l.diffID) {
		need &^= Tree
	}
	if need&Blob != 0 && l.recallBlob() && s.HasBlob(l.blob.Digest) {
		need &^= Blob
	}
	return need
}

// LayerByDiffID gives a layer whose blob is in the store, compressed with c; ErrNotFound otherwise.
func (s *Store) LayerByDiffID(diffID v1.Hash, c Compression) (v1.Layer, error) {
	if c == "" {
		c = Gzip
	}
	l := &layer{store: s, compression: c, diffID: diffID}
	if s.missing(l, Blob) != 0 {
		return nil, fmt.Errorf("finding layer %s: %w", diffID, ErrNotFound)
	}
	return l, nil
}

// layer is a layer of which the store holds some forms, and can make the others.
type layer struct {
	store       *Store
	compression Compression
	diffID      v1.Hash
	src         Source                 // nil when it is not known
	later       func() context.Context // for running src when Layer has returned

	mu   sync.Mutex
	blob *blobInfo // nil until it is known
}

// fill runs the source for what of need is missing, and whenever the diffID is not known.
func (l *layer) fill(ctx context.Context, need Form) error {
	p := &pass{store: l.store, need: l.store.missing(l, need), compression: l.compression}
	if err := p.run(ctx, l.src); err != nil {
		return err
	}
	l.take(p)
	return nil
}

// take takes over what a pass found out.
func (l *layer) take(p *pass) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.diffID != p.diffID {
		l.diffID, l.blob = p.diffID, nil
	}
	if p.blob != nil {
		l.blob = &blobInfo{p.blob.digest(), p.blob.size}
	}
}

// recallBlob finds what is recorded of the blob.
func (l *layer) recallBlob() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blob != nil {
		return true
	}
	var info blobInfo
	if l.store.Record("blob", blobKey(l.diffID, l.compression), &info) != nil || checkHash(info.Digest) != nil {
		return false
	}
	l.blob = &info
	return true
}

// info is digest and size of the blob, which is made if they were never computed.
func (l *layer) info() (blobInfo, error) {
	if !l.recallBlob() {
		if err := l.makeBlob(); err != nil {
			return blobInfo{}, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.blob, nil
}

// makeBlob makes the blob once more, or for the first time.
func (l *layer) makeBlob() error {
	if l.src == nil {
		return fmt.Errorf("reading layer %s: its blob was removed: %w", l.diffID, ErrNotFound)
	}
	known := l.blob
	p := &pass{store: l.store, need: Blob, compression: l.compression, want: l.diffID}
	if err := p.run(l.later(), l.src); err != nil {
		return err
	}
	l.take(p)
	if known != nil && known.Digest != l.blob.Digest {
		return fmt.Errorf("compressing layer %s: got %s instead of %s: %w", l.diffID, l.blob.Digest, known.Digest, ErrMismatch)
	}
	return nil
}

// DiffID implements v1.Layer.
func (l *layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// MediaType implements v1.Layer.
func (l *layer) MediaType() (types.MediaType, error) { return l.compression.MediaType() }

// Digest implements v1.Layer.
func (l *layer) Digest() (v1.Hash, error) {
	i, err := l.info()
	return i.Digest, err
}

// Size implements v1.Layer.
func (l *layer) Size() (int64, error) {
	i, err := l.info()
	return i.Size, err
}

// Compressed implements v1.Layer.
func (l *layer) Compressed() (io.ReadCloser, error) {
	i, err := l.info()
	if err != nil {
		return nil, err
	}
	r, _, err := l.store.OpenBlob(i.Digest)
	if !errors.Is(err, ErrNotFound) {
		return r, err
	}
	if err := l.makeBlob(); err != nil {
		return nil, err
	}
	r, _, err = l.store.OpenBlob(i.Digest)
	return r, err
}

// Uncompressed implements v1.Layer.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	if l.recallBlob() {
		r, _, err := l.store.OpenBlob(l.blob.Digest)
		if err == nil {
			return decompressBlob(r)
		}
		if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	if l.src == nil {
		return nil, fmt.Errorf("reading layer %s: its blob was removed: %w", l.diffID, ErrNotFound)
	}
	r, w := io.Pipe()
	go func() {
		sum := sha256.New()
		err := l.src(l.later(), io.MultiWriter(w, sum))
		if got := hashOf(sum); err == nil && got != l.diffID {
			err = fmt.Errorf("reading layer %s: its source gave %s this time: %w", l.diffID, got, ErrMismatch)
		}
		w.CloseWithError(err)
	}()
	return r, nil
}

// decompressBlob gives what is in a blob; closing it closes the blob.
func decompressBlob(blob io.ReadCloser) (io.ReadCloser, error) {
	r, err := Decompress(blob)
	if err != nil {
		return nil, errors.Join(err, blob.Close())
	}
	return readCloser{r, func() error { return errors.Join(r.Close(), blob.Close()) }}, nil
}

// readCloser reads from the one and closes with the other.
type readCloser struct {
	io.Reader
	close func() error
}

// Close calls the function.
func (r readCloser) Close() error { return r.close() }
