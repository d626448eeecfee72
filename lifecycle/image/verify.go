package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// errCorrupt is in the chain of the error when bytes are not what their descriptor says.
var errCorrupt = errors.New("corrupt content")

// verify reads r and fails at its end unless it had the size and the digest of d.
func verify(r io.ReadCloser, d v1.Descriptor, where string) io.ReadCloser {
	return &verifier{ReadCloser: r, desc: d, where: where, hash: sha256.New()}
}

type verifier struct {
	io.ReadCloser
	desc  v1.Descriptor
	where string
	hash  hash.Hash
	n     int64
	err   error
}

// Read fails with errCorrupt at the end, or as soon as the blob is too long, unless it is what the descriptor says.
func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.ReadCloser.Read(p)
	v.hash.Write(p[:n])
	v.n += int64(n)
	switch {
	case v.n > v.desc.Size:
		v.err = fmt.Errorf("%w: %s from %s is longer than the %d bytes it should have",
			errCorrupt, v.desc.Digest, v.where, v.desc.Size)
	case errors.Is(err, io.EOF):
		v.err = v.check()
	default:
		v.err = err
	}
	return n, v.err
}

func (v *verifier) check() error {
	if v.n != v.desc.Size {
		return fmt.Errorf("%w: %s from %s ends after %d of %d bytes",
			errCorrupt, v.desc.Digest, v.where, v.n, v.desc.Size)
	}
	if got := hex.EncodeToString(v.hash.Sum(nil)); got != v.desc.Digest.Hex {
		return fmt.Errorf("%w: %s from %s has the digest sha256:%s", errCorrupt, v.desc.Digest, v.where, got)
	}
	return io.EOF
}

// checkBytes verifies bytes in memory.
func checkBytes(data []byte, d v1.Descriptor, where string) error {
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != d.Digest.Hex {
		return fmt.Errorf("%w: %s from %s has the digest sha256:%s", errCorrupt, d.Digest, where, got)
	}
	return nil
}

func describe(data []byte) (v1.Hash, int64) {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}, int64(len(data))
}
