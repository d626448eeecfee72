package stacks

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"

	"s2i/stacks/deb"
)

// Decompression of xz is the slowest step of composing, and one package cannot be decompressed by two processors. So
// the packages that come next are decompressed while one is written, within this much memory for each.
const (
	chunkSize  = 256 << 10
	chunkCount = 16
)

// unpacked is an opened package whose data tar can be read while it is still being decompressed.
type unpacked struct {
	pkg   *deb.Package
	data  io.Reader
	err   error
	close func()
}

// unpackAhead opens packages and gives them in order. The receiver closes each one before it takes the next. When ctx
// ends, readers give its cause.
func unpackAhead(ctx context.Context, files []string) iter.Seq[*unpacked] {
	return func(yield func(*unpacked) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		// With the one that is read and the one that waits to get in, there is work for every processor.
		queue := make(chan *unpacked, max(runtime.GOMAXPROCS(0)-2, 0))
		go func() {
			defer close(queue)
			for _, file := range files {
				select {
				case queue <- startUnpacking(ctx, file):
				case <-ctx.Done():
					return
				}
			}
		}()
		for o := range queue {
			if !yield(o) {
				return
			}
		}
	}
}

// startUnpacking opens a package and decompresses it in the background.
func startUnpacking(ctx context.Context, file string) *unpacked {
	p, f, err := openDeb(file)
	if err != nil {
		return &unpacked{err: err, close: func() {}}
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &chunks{ctx: ctx, full: make(chan chunk, chunkCount)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		c.fill(p)
	}()
	return &unpacked{pkg: p, data: c, close: func() { cancel(); <-done }}
}

// chunks hands bytes from one goroutine to another.
type chunks struct {
	ctx  context.Context //nolint:containedctx // io.Reader has none
	full chan chunk
	cur  chunk
}

type chunk struct {
	b   []byte
	err error
}

func (c *chunks) fill(p *deb.Package) {
	defer close(c.full)
	files, err := p.Files()
	if err != nil {
		c.send(chunk{err: err})
		return
	}
	defer files.Close()
	for {
		b := make([]byte, chunkSize)
		n, err := io.ReadFull(files, b)
		if n > 0 && !c.send(chunk{b: b[:n]}) {
			return
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, deb.ErrFormat) {
			return
		}
		if err != nil {
			c.send(chunk{err: err})
			return
		}
	}
}

func (c *chunks) send(one chunk) bool {
	select {
	case c.full <- one:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// Read gives what was decompressed.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.cur.b) == 0 {
		if c.cur.err != nil {
			return 0, c.cur.err
		}
		next, ok := <-c.full
		if !ok {
			if err := c.ctx.Err(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		c.cur = next
	}
	n := copy(p, c.cur.b)
	c.cur.b = c.cur.b[n:]
	return n, nil
}
