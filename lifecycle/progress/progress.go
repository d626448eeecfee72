// Package progress carries what a user should see of a running build from the code that knows it to a renderer.
//
// Work is a tree of tasks. Code starts a task with Start, adds to it, ends it; whatever a program prints goes to
// Output. Which renderer shows it (Plain, TTY, JSON, Quiet) is decided once by whoever makes the context, with New and
// With; without one, everything is dropped. Renderers stay silent about tasks that end within a second or so.
// Diagnostics for developers are no progress: they go to log/slog.
package progress

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Task is a piece of work that is under way. A nil Task does nothing.
type Task struct {
	sink    *Sink
	parent  *Task
	id      int64 // unique within the sink, from 1
	name    string
	total   int64 // bytes; 0 when not known
	done    atomic.Int64
	started time.Time

	mu    sync.Mutex
	lines []*lineWriter // outputs that may hold an unfinished line
	ended bool
}

// place is where in the tree of tasks a context stands.
type place struct {
	sink *Sink
	task *Task // nil: at the root
}

type placeKey struct{}

func placeOf(ctx context.Context) place {
	p, _ := ctx.Value(placeKey{}).(place)
	return p
}

// Shown tells whether somebody sees what is said in ctx.
func Shown(ctx context.Context) bool { return placeOf(ctx).sink != nil }

// Start begins the task name as a child of ctx's task. total is its size in bytes, or 0 when it is not known or not
// counted in bytes. The returned context carries the task.
func Start(ctx context.Context, name string, total int64) (context.Context, *Task) {
	at := placeOf(ctx)
	if at.sink == nil {
		return ctx, nil
	}
	t := at.sink.start(at.task, name, max(total, 0))
	return context.WithValue(ctx, placeKey{}, place{at.sink, t}), t
}

// Add counts n more bytes as done.
func (t *Task) Add(n int64) {
	if t != nil {
		t.done.Add(n)
	}
}

// Set counts n bytes in all as done: for what starts in the middle or starts anew.
func (t *Task) Set(n int64) {
	if t != nil {
		t.done.Store(n)
	}
}

// End finishes the task; err tells how. Ending it again does nothing.
func (t *Task) End(err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	ended, lines := t.ended, t.lines
	t.ended, t.lines = true, nil
	t.mu.Unlock()
	if ended {
		return
	}
	for _, l := range lines {
		l.flush()
	}
	t.sink.end(t, err)
}

// Reader counts what is read through it as done.
func (t *Task) Reader(r io.Reader) io.Reader {
	if t == nil {
		return r
	}
	return reader{t, r}
}

type reader struct {
	t *Task
	r io.Reader
}

// Read adds what it reads to the task.
func (r reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.t.Add(int64(n))
	return n, err
}

// Output is where the output of the task's programs goes, line by line, attributed to the task. It may be used by
// several goroutines; two programs should have one each, lest their lines mix.
func Output(ctx context.Context) io.Writer {
	at := placeOf(ctx)
	if at.sink == nil {
		return io.Discard
	}
	l := &lineWriter{emit: func(line string) { at.sink.line(at.task, line) }}
	if at.task != nil {
		at.task.mu.Lock()
		defer at.task.mu.Unlock()
		at.task.lines = append(at.task.lines, l)
	}
	return l
}

// Note tells the user one line that is no output of a program: a decision, a warning's cause, a result.
func Note(ctx context.Context, format string, args ...any) {
	if at := placeOf(ctx); at.sink != nil {
		at.sink.say(at.task, kindNote, fmt.Sprintf(format, args...))
	}
}

// Warn tells the user one line that needs attention.
func Warn(ctx context.Context, format string, args ...any) {
	if at := placeOf(ctx); at.sink != nil {
		at.sink.say(at.task, kindWarning, fmt.Sprintf(format, args...))
	}
}
