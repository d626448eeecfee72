package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ErrMismatch is in the chain of the error when bytes are not those that their digest or integrity promises.
var ErrMismatch = errors.New("content does not match its digest")

// recently is how precisely the time of the last use is kept.
const recently = time.Hour

// blobPath is where a blob is. Only sha256 digests name blobs.
func (s *Store) blobPath(d v1.Hash) (string, error) {
	if err := checkHash(d); err != nil {
		return "", err
	}
	return s.path("blobs", "sha256", d.Hex), nil
}

func checkHash(d v1.Hash) error {
	if b, err := hex.DecodeString(d.Hex); err != nil || d.Algorithm != "sha256" || len(b) != sha256.Size {
		return fmt.Errorf("digest %q is no sha256 digest", d)
	}
	return nil
}

// HasBlob tells whether the store holds a blob.
func (s *Store) HasBlob(d v1.Hash) bool {
	path, err := s.blobPath(d)
	if err != nil {
		return false
	}
	_, err = os.Lstat(path)
	return err == nil
}

// PutBlob stores what r gives and checks it against want (digest and, if size ≥ 0, size) before it becomes visible.
// A blob that is there already is not read again.
func (s *Store) PutBlob(ctx context.Context, r io.Reader, want v1.Hash, size int64) error {
	path, err := s.blobPath(want)
	if err != nil {
		return err
	}
	if s.HasBlob(want) {
		return nil
	}
	if size >= 0 {
		r = io.LimitReader(r, size+1)
	}
	w, err := s.newBlob()
	if err != nil {
		return err
	}
	defer w.discard()
	if _, err := copyContext(ctx, w, r); err != nil {
		return fmt.Errorf("storing blob %s: %w", want, err)
	}
	if size >= 0 && w.size != size {
		return fmt.Errorf("storing blob %s: got %d bytes (or more) instead of %d: %w", want, w.size, size, ErrMismatch)
	}
	if got := w.digest(); got != want {
		return fmt.Errorf("storing blob %s: the bytes have digest %s: %w", want, got, ErrMismatch)
	}
	return w.commit(path)
}

// OpenBlob opens a blob; ErrNotFound when it is absent.
func (s *Store) OpenBlob(d v1.Hash) (io.ReadCloser, int64, error) {
	path, err := s.blobPath(d)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("opening blob %s: %w", d, ErrNotFound)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("opening blob: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("opening blob %s: %w", d, err)
	}
	touch(path, st)
	return f, st.Size(), nil
}

// touch notes that something is used, for Prune, which removes the least recently used.
func touch(path string, st fs.FileInfo) {
	if now := time.Now(); now.Sub(st.ModTime()).Abs() > recently {
		_ = os.Chtimes(path, now, now) // of no use beyond a better guess
	}
}

// readBlob reads a small blob, such as a manifest, and makes sure that it is what its digest says.
func (s *Store) readBlob(d v1.Hash) ([]byte, error) {
	const maxSize = 32 << 20
	r, size, err := s.OpenBlob(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > maxSize {
		return nil, fmt.Errorf("reading blob %s: %d bytes are too many for a manifest or configuration", d, size)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSize))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", d, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.Hex {
		return nil, fmt.Errorf("reading blob %s from %s: %w", d, s.dir, ErrMismatch)
	}
	return data, nil
}
