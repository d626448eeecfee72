package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/archive"
)

// blobWriter writes a new blob and computes its digest.
type blobWriter struct {
	*temp
	sum  hash.Hash
	size int64
}

func (s *Store) newBlob() (*blobWriter, error) {
	t, err := s.tempFile("blob")
	if err != nil {
		return nil, err
	}
	return &blobWriter{temp: t, sum: sha256.New()}, nil
}

// Write writes to the blob, and to its digest.
func (w *blobWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.sum.Write(p[:n])
	w.size += int64(n)
	return n, err
}

func (w *blobWriter) digest() v1.Hash { return hashOf(w.sum) }

func hashOf(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// commit makes the blob visible at path, for all to read and none to write.
func (w *blobWriter) commit(path string) error {
	if err := os.Chmod(w.path, 0o444); err != nil { //nolint:gosec // a blob is not secret beside its directory
		return fmt.Errorf("storing blob: %w", err)
	}
	return w.temp.commit(path)
}

// copyContext is io.Copy that stops when ctx ends.
func copyContext(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(w, archive.Until(ctx, r), make([]byte, chunkSize))
}
