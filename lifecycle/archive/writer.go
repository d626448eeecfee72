package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// copySize is how much of a file is read at once.
const copySize = 128 << 10

// Writer writes a deterministic tar stream.
type Writer struct {
	// Each, when set, learns of every entry that was written, as it is in the stream, with the sha256 of a regular
	// file's content in hex.
	Each func(h *tar.Header, digest string)

	tw  *tar.Writer
	buf []byte
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{tw: tar.NewWriter(w)} }

// Add writes one entry. It overrides what must not vary (times, user and group names, format, the slash after a
// directory's name) and keeps the rest of h, which it does not modify. content is read for h.Size bytes when h is a
// regular file, and an error tells when it holds more or less; it may be nil otherwise.
func (w *Writer) Add(h *tar.Header, content io.Reader) error {
	n := *h
	n.ModTime, n.AccessTime, n.ChangeTime = Epoch, time.Time{}, time.Time{}
	n.Uname, n.Gname = "", ""
	n.Format = tar.FormatUnknown
	if n.Typeflag == tar.TypeDir && len(n.Name) > 1 {
		n.Name = strings.TrimRight(n.Name, "/")
	}
	if err := w.tw.WriteHeader(&n); err != nil {
		return fmt.Errorf("writing the tar header of %q: %w", n.Name, err)
	}
	if content == nil && n.Size > 0 && n.Typeflag == tar.TypeReg {
		return fmt.Errorf("writing %q: %d bytes announced but no content given", n.Name, n.Size)
	}
	if w.Each == nil {
		return w.content(&n, content)
	}
	sum := sha256.New()
	if content != nil {
		content = io.TeeReader(content, sum)
	}
	if err := w.content(&n, content); err != nil {
		return err
	}
	w.Each(&n, hex.EncodeToString(sum.Sum(nil)))
	return nil
}

// content writes the content of the entry h, if it can have any.
func (w *Writer) content(h *tar.Header, content io.Reader) error {
	if h.Typeflag != tar.TypeReg || content == nil {
		return nil
	}
	return w.copy(h.Name, h.Size, content)
}

// copy writes exactly size bytes of r and makes sure that r ends there.
func (w *Writer) copy(name string, size int64, r io.Reader) error {
	if w.buf == nil {
		w.buf = make([]byte, copySize)
	}
	for left := size; ; {
		n, err := r.Read(w.buf)
		if int64(n) > left {
			return fmt.Errorf("reading %q: it grew beyond its %d bytes while it was read", name, size)
		}
		if n > 0 {
			if _, werr := w.tw.Write(w.buf[:n]); werr != nil {
				return fmt.Errorf("writing the content of %q: %w", name, werr)
			}
			left -= int64(n)
		}
		switch {
		case errors.Is(err, io.EOF) && left > 0:
			return fmt.Errorf("reading %q: it shrank to %d of its %d bytes while it was read", name, size-left, size)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading %q: %w", name, err)
		}
	}
}

// Close writes the end of the stream; it does not close the underlying writer.
func (w *Writer) Close() error {
	if err := w.tw.Close(); err != nil {
		return fmt.Errorf("ending the tar stream: %w", err)
	}
	return nil
}
