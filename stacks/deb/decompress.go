package deb

import (
	"compress/gzip"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// decompress opens a member by the ending of its name.
func decompress(m member) (io.ReadCloser, error) {
	r, err := Decompress(m.body, path.Ext(m.name))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, m.name, err)
	}
	return r, nil
}

// Decompress unpacks a stream by the ending of its file's name: .xz, .zst, .gz, or none at all (.tar or empty).
// Memory is bounded whatever the stream asks for.
func Decompress(r io.Reader, ext string) (io.ReadCloser, error) {
	switch ext {
	case ".xz":
		x, err := xz.NewReader(r, maxDictionary)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(x), nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDictionary))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case ".gz":
		return gzip.NewReader(r)
	case ".tar", "":
		return io.NopCloser(r), nil
	default:
		return nil, fmt.Errorf("compression %q is not known", ext)
	}
}
