package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	smallFile  = 64 << 10 // files up to this size are written by the pool
	maxPending = 64       // small files that wait to be written: bounds memory to 4 MiB
)

// job is a file to write.
type job struct {
	place
	h    *tar.Header
	data []byte
}

// pool writes small files while the archive is read on. Only the extractor's goroutine calls its methods.
type pool struct {
	create  func(p place, h *tar.Header, r io.Reader) error
	jobs    chan job
	running sync.WaitGroup // jobs not finished
	workers sync.WaitGroup
	pending map[string]bool // paths given out since the last settle

	mu    sync.Mutex
	again []job // met something under their name
	err   error
}

func newPool(create func(place, *tar.Header, io.Reader) error) *pool {
	return &pool{create: create, pending: map[string]bool{}}
}

// start starts the workers, once there is something to do.
func (l *pool) start() {
	if l.jobs != nil {
		return
	}
	l.jobs = make(chan job, maxPending)
	for range min(max(runtime.GOMAXPROCS(0), 2), 8) {
		l.workers.Add(1)
		go func() {
			defer l.workers.Done()
			for j := range l.jobs {
				l.done(j, l.create(j.place, j.h, bytes.NewReader(j.data)))
			}
		}()
	}
}

// done takes the result of a job.
func (l *pool) done(j job, err error) {
	defer l.running.Done()
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, unix.EEXIST):
		l.again = append(l.again, j)
	case l.err == nil:
		l.err = fmt.Errorf("writing %s: %w", j.path, err)
	}
}

// add hands out a job.
func (l *pool) add(j job) {
	l.start()
	l.running.Add(1)
	l.pending[j.path] = true
	l.jobs <- j
}

// busy tells whether path may be being written.
func (l *pool) busy(path string) bool { return l.pending[path] }

// failed is the first error of any job so far.
func (l *pool) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// wait waits for all jobs and gives those that met something under their name.
func (l *pool) wait() ([]job, error) {
	l.running.Wait()
	clear(l.pending)
	again := l.again
	l.again = nil
	return again, l.err
}

func (l *pool) close() {
	if l.jobs != nil {
		close(l.jobs)
		l.workers.Wait()
		l.jobs = nil
	}
}

// file writes a regular file: a small one by the pool.
func (x *extractor) file(rel string, p place, h *tar.Header, content io.Reader) error {
	if err := x.pool.failed(); err != nil {
		return err
	}
	if x.pool.busy(p.path) || len(x.pool.pending) > 4096 {
		if err := x.settle(); err != nil {
			return err
		}
		var err error
		if p, err = x.reopen(p); err != nil {
			return err
		}
	}
	if _, isDir := x.real[rel]; h.Size > smallFile || isDir {
		return x.fileNow(p, h, content)
	}
	data := make([]byte, h.Size)
	if _, err := io.ReadFull(content, data); err != nil {
		return fmt.Errorf("reading its content: %w", noEOF(err))
	}
	x.pool.add(job{p, h, data})
	return nil
}

// fileNow writes a file in place of what is there.
func (x *extractor) fileNow(p place, h *tar.Header, content io.Reader) error {
	err := x.createFile(p, h, content)
	if errors.Is(err, unix.EEXIST) {
		if p, err = x.clear(p); err != nil {
			return err
		}
		err = x.createFile(p, h, content)
	}
	return err
}

// settle waits until everything that the pool was given is written.
func (x *extractor) settle() error {
	again, err := x.pool.wait()
	for i := 0; i < len(again) && err == nil; i++ {
		j := again[i]
		if j.place, err = x.reopen(j.place); err == nil {
			err = x.fileNow(j.place, j.h, bytes.NewReader(j.data))
		}
	}
	return err
}

// createFile writes a new file; unix.EEXIST when there is something under its name. It is called concurrently.
func (x *extractor) createFile(p place, h *tar.Header, content io.Reader) error {
	mode := uint32(h.Mode) & 0o7777
	var fd int
	err := retry(func() (err error) {
		const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err = unix.Openat(p.dir, p.name, flags, x.who.created(mode))
		return err
	})
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), p.path)
	if err := errors.Join(x.fill(f, p, h, content), f.Close()); err != nil {
		// Nobody should take half a file for a whole one.
		return errors.Join(err, unix.Unlinkat(p.dir, p.name, 0))
	}
	return nil
}

// fill writes content and metadata of a new file.
func (x *extractor) fill(f *os.File, p place, h *tar.Header, content io.Reader) error {
	if data, ok := content.(*bytes.Reader); ok { // by the pool
		if _, err := data.WriteTo(f); err != nil {
			return err
		}
	} else if err := x.copy(f, content, h.Size); err != nil {
		return err
	}
	return x.who.setFile(f, p, h, x.o)
}

// copy writes size bytes of content.
func (x *extractor) copy(f *os.File, content io.Reader, size int64) error {
	if x.buf == nil {
		x.buf = make([]byte, copySize)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(content, size), x.buf)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// noEOF makes clear that the end came too early.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
