package dockerfile

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"

	"github.com/mikelolasagasti/xz"

	"s2i/lifecycle/store"
)

// decompress reads what any of the compressions of archives holds: gzip, zstd, xz, bzip2, or none.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, _ := buffered.Peek(6)
	switch {
	case bytes.HasPrefix(head, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(buffered)), nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		x, err := xz.NewReader(buffered, xz.DefaultDictMax)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(x), nil
	}
	return store.Decompress(buffered)
}
