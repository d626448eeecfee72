package store

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	chunkSize = 256 << 10 // bytes that travel together
	chunkLag  = 4         // chunks by which one consumer may be ahead of another
)

// chunk is a piece of a stream that several consumers read.
type chunk struct {
	data []byte
	uses atomic.Int32
}

// fanout gives everything that is written to it to several consumers, each in its own goroutine. Memory is bounded:
// the fastest consumer waits for the slowest.
type fanout struct {
	group *errgroup.Group
	done  <-chan struct{} // closed when a consumer failed
	outs  []chan *chunk
	free  *sync.Pool
	cur   *chunk
}

// newFanout starts the consumers. Each reads its stream to the end.
func newFanout(ctx context.Context, consumers ...func(ctx context.Context, r io.Reader) error) *fanout {
	group, ctx := errgroup.WithContext(ctx)
	f := &fanout{group: group, done: ctx.Done()}
	f.free = &sync.Pool{New: func() any { return &chunk{data: make([]byte, 0, chunkSize)} }}
	for _, consume := range consumers {
		out := make(chan *chunk, chunkLag)
		f.outs = append(f.outs, out)
		group.Go(func() error {
			r := &chunkReader{in: out, done: f.done, free: f.free}
			defer r.drop()
			if err := consume(ctx, r); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, r)
			return err
		})
	}
	return f
}

// Write fails as soon as a consumer has failed; Close tells why.
func (f *fanout) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if f.cur == nil {
			f.cur = f.free.Get().(*chunk) //nolint:forcetypeassert // the pool holds nothing else
			f.cur.data = f.cur.data[:0]
		}
		n := min(len(p), chunkSize-len(f.cur.data))
		f.cur.data = append(f.cur.data, p[:n]...)
		p = p[n:]
		if len(f.cur.data) == chunkSize {
			if err := f.send(); err != nil {
				return total - len(p), err
			}
		}
	}
	return total, nil
}

// send hands the current chunk to every consumer.
func (f *fanout) send() error {
	c := f.cur
	f.cur = nil
	if c == nil {
		return nil
	}
	c.uses.Store(int32(len(f.outs)))
	for _, out := range f.outs {
		select {
		case out <- c:
		case <-f.done:
			return io.ErrClosedPipe
		}
	}
	return nil
}

// Close ends the stream and waits for the consumers; the error is that of the first that failed.
func (f *fanout) Close() error {
	_ = f.send() // fails only when Wait has the reason
	for _, out := range f.outs {
		close(out)
	}
	return f.group.Wait()
}

// chunkReader is a consumer's end.
type chunkReader struct {
	in   <-chan *chunk
	done <-chan struct{}
	free *sync.Pool
	cur  *chunk
	off  int
}

// next moves on to a chunk with unread bytes.
func (r *chunkReader) next() error {
	for r.cur == nil || r.off == len(r.cur.data) {
		r.drop()
		select {
		case c, ok := <-r.in:
			if !ok {
				return io.EOF
			}
			r.cur, r.off = c, 0
		case <-r.done:
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

// drop lets the current chunk go; the last to do so gives it back.
func (r *chunkReader) drop() {
	if r.cur != nil && r.cur.uses.Add(-1) == 0 {
		r.free.Put(r.cur)
	}
	r.cur = nil
}

// Read gives bytes of the current chunk and waits for the next where that is used up.
func (r *chunkReader) Read(p []byte) (int, error) {
	if err := r.next(); err != nil {
		return 0, err
	}
	n := copy(p, r.cur.data[r.off:])
	r.off += n
	return n, nil
}

// WriteTo gives each chunk to w as it is.
func (r *chunkReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if err := r.next(); err != nil {
			if err == io.EOF { //nolint:errorlint // next returns it bare
				err = nil
			}
			return total, err
		}
		n, err := w.Write(r.cur.data[r.off:])
		r.off += n
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}
