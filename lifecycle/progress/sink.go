package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// Mode chooses a renderer.
type Mode string

// The modes.
const (
	Auto  Mode = "auto"  // TTY on a terminal, else Plain
	TTY   Mode = "tty"   // bars for what runs now, below the output of programs
	Plain Mode = "plain" // lines, for logs
	JSON  Mode = "json"  // one object per line, for programs
	Quiet Mode = "quiet" // warnings only
)

// patience is how long a task runs before the user is told about it.
const patience = time.Second

// Sink takes what happens to a renderer.
type Sink struct {
	mu      sync.Mutex
	r       renderer
	running []*Task // in order of their start
	lastID  int64
	closed  bool

	stop chan struct{}
	gone sync.WaitGroup
}

// kind says what kind of line something is.
type kind string

const (
	kindOutput  kind = "output" // by a program
	kindNote    kind = "note"
	kindWarning kind = "warning"
)

// renderer shows what happens. A sink calls one method at a time.
type renderer interface {
	start(t *Task)
	end(t *Task, err error, now time.Time)
	say(t *Task, k kind, text string)
	// tick is called regularly with the tasks that run.
	tick(running []*Task, now time.Time)
	close()
}

// New gives a sink that renders to w, which is usually os.Stderr. Its owner must Close it before writing anything else
// there.
func New(mode Mode, w io.Writer) (*Sink, error) {
	if mode == "" || mode == Auto {
		mode = choose(w)
	}
	var r renderer
	every := time.Second
	switch mode {
	case TTY:
		r, every = newTTY(w), 100*time.Millisecond
	case Plain:
		r = newPlain(w)
	case JSON:
		r = newJSON(w)
	case Quiet:
		r = quiet{w}
	default:
		return nil, fmt.Errorf("progress mode %q is not known (auto, tty, plain, json, quiet)", mode)
	}
	s := newSink(r)
	s.gone.Add(1)
	go s.run(every)
	return s, nil
}

func newSink(r renderer) *Sink { return &Sink{r: r, stop: make(chan struct{})} }

// choose is what Auto means for w.
func choose(w io.Writer) Mode {
	f, ok := w.(*os.File)
	if ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())) {
		return TTY
	}
	return Plain
}

// With gives a context whose tasks s shows.
func With(ctx context.Context, s *Sink) context.Context {
	return context.WithValue(ctx, placeKey{}, place{sink: s})
}

// Close stops rendering and leaves the terminal as it was; what happens later is dropped.
func (s *Sink) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	s.gone.Wait()
	s.r.close()
	return nil
}

func (s *Sink) run(every time.Duration) {
	defer s.gone.Done()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			s.tick(now)
		}
	}
}

func (s *Sink) tick(now time.Time) {
	s.locked(func() {
		if len(s.running) > 0 {
			s.r.tick(s.running, now)
		}
	})
}

// locked calls the renderer, unless the sink is closed.
func (s *Sink) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		do()
	}
}

func (s *Sink) start(parent *Task, name string, total int64) *Task {
	t := &Task{sink: s, parent: parent, name: clean(name), total: total, started: time.Now()}
	s.locked(func() {
		s.lastID++
		t.id = s.lastID
		s.running = append(s.running, t)
		s.r.start(t)
	})
	return t
}

func (s *Sink) end(t *Task, err error) {
	s.locked(func() {
		for i, r := range s.running {
			if r == t {
				s.running = append(s.running[:i:i], s.running[i+1:]...)
				break
			}
		}
		s.r.end(t, err, time.Now())
	})
}

func (s *Sink) line(t *Task, text string) { s.say(t, kindOutput, text) }

func (s *Sink) say(t *Task, k kind, text string) {
	text = clean(text)
	s.locked(func() { s.r.say(t, k, text) })
}

// cancelled tells whether a task ended because somebody stopped it, which is no failure of its own.
func cancelled(err error) bool { return errors.Is(err, context.Canceled) }

// quiet shows warnings only.
type quiet struct{ w io.Writer }

func (q quiet) start(*Task)                 {}
func (q quiet) end(*Task, error, time.Time) {}
func (q quiet) tick([]*Task, time.Time)     {}
func (q quiet) close()                      {}
func (q quiet) say(_ *Task, k kind, text string) {
	if k == kindWarning {
		_, _ = fmt.Fprintf(q.w, "warning: %s\n", text)
	}
}
