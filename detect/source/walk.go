package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"s2i/lifecycle/progress"
)

// walker lists a tree with several goroutines. Directories that wait are on a stack, so that few wait at any time.
type walker struct {
	tree  *Tree
	rules *rules

	mu       sync.Mutex
	wake     *sync.Cond
	stack    []dirTask
	pending  int // on the stack or being listed
	entries  []Entry
	maybe    map[string]bool // directories to keep only when something below them is kept
	problems []Problem
	sockets  []string
	err      error
}

type dirTask struct {
	path  string // "" is the top
	state ruleState
}

// walk fills t.Entries.
func (t *Tree) walk(ctx context.Context, rules *rules) error {
	ctx, task := progress.Start(ctx, "Reading the source tree", 0)
	err := t.list(ctx, rules)
	task.End(err)
	return err
}

func (t *Tree) list(ctx context.Context, rules *rules) error {
	w := &walker{tree: t, rules: rules, stack: []dirTask{{}}, pending: 1, maybe: map[string]bool{}}
	w.wake = sync.NewCond(&w.mu)
	t.began = time.Now()
	var group sync.WaitGroup
	for range t.opts.Jobs {
		group.Go(func() { w.work(ctx) })
	}
	group.Wait()
	if w.err != nil {
		return w.err
	}
	slices.SortFunc(w.entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	t.Entries = dropEmpty(w.entries, w.maybe)
	if len(w.sockets) > 0 {
		slices.Sort(w.sockets)
		progress.Warn(ctx, "leaving out sockets: %q", w.sockets)
	}
	return refused(append(w.problems, leavingLinks(t.Entries)...))
}

func (w *walker) work(ctx context.Context) {
	for {
		task, ok := w.next(ctx)
		if !ok {
			return
		}
		found, err := w.listDir(task)
		w.mu.Lock()
		w.pending += len(found.dirs) - 1
		w.stack = append(w.stack, found.dirs...)
		w.entries = append(w.entries, found.entries...)
		w.problems = append(w.problems, found.problems...)
		w.sockets = append(w.sockets, found.sockets...)
		for _, path := range found.maybe {
			w.maybe[path] = true
		}
		if w.err == nil {
			w.err = err
		}
		if w.err == nil && int64(len(w.entries)) > w.tree.opts.Limits.Entries {
			w.err = fmt.Errorf("reading the source tree: it has more than %d files; leave some out with .s2iignore",
				w.tree.opts.Limits.Entries)
		}
		w.mu.Unlock()
		w.wake.Broadcast()
	}
}

// next waits for a directory to list; false when all are listed or an error ends the walk.
func (w *walker) next(ctx context.Context) (dirTask, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if w.err == nil {
			w.err = ctx.Err()
		}
		if w.err != nil || w.pending == 0 {
			return dirTask{}, false
		}
		if n := len(w.stack); n > 0 {
			task := w.stack[n-1]
			w.stack = w.stack[:n-1]
			return task, true
		}
		w.wake.Wait()
	}
}

// found is what a directory holds.
type found struct {
	dirs     []dirTask
	entries  []Entry
	maybe    []string
	sockets  []string
	problems []Problem
}

func (w *walker) listDir(task dirTask) (out found, err error) {
	name := task.path
	if name == "" {
		name = "."
	}
	if w.tree.owned() {
		_ = w.tree.root.Chmod(name, 0o755) // an archive may forbid its owner to read it; this copy is ours
	}
	dir, err := w.tree.root.OpenRoot(name)
	if err != nil {
		return out, unreadable(task.path, err)
	}
	defer dir.Close()
	names, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return out, unreadable(task.path, err)
	}
	for _, d := range names {
		if d.Name() == ".git" {
			continue
		}
		path := join(task.path, d.Name())
		verdict, state := w.rules.check(path, d.IsDir(), task.state)
		if verdict == leaveOut {
			continue
		}
		if reason := badName(path, d.Name()); reason != "" {
			out.problems = append(out.problems, Problem{path, reason})
			continue
		}
		if d.IsDir() {
			out.dirs = append(out.dirs, dirTask{path, state})
			out.entries = append(out.entries, Entry{Path: path, Kind: Dir, Mode: 0o755})
			if verdict == lookInside {
				out.maybe = append(out.maybe, path)
			}
			continue
		}
		if err := w.add(&out, dir, path, d.Name()); err != nil {
			return out, err
		}
	}
	return out, nil
}

// add looks at one entry that is no directory.
func (w *walker) add(out *found, dir *os.Root, path, name string) error {
	info, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %q: %w", path, ErrChanged)
	}
	if err != nil {
		return unreadable(path, err)
	}
	e := Entry{Path: path, stamp: stampOf(info)}
	switch kind := info.Mode().Type(); kind {
	case 0:
		e.Kind, e.Mode, e.Size = File, 0o644, info.Size()
		if info.Mode()&0o100 != 0 {
			e.Mode = 0o755
		}
		if w.tree.owned() && info.Mode()&0o400 == 0 {
			if err := dir.Chmod(name, e.Mode); err != nil {
				return unreadable(path, err)
			}
			return w.add(out, dir, path, name)
		}
	case fs.ModeSymlink:
		e.Kind, e.Mode = Link, 0o777
		if e.Target, err = dir.Readlink(name); err != nil {
			return unreadable(path, err)
		}
	case fs.ModeSocket:
		out.sockets = append(out.sockets, path)
		return nil
	case fs.ModeNamedPipe:
		out.problems = append(out.problems, Problem{path, "is a named pipe"})
		return nil
	default:
		out.problems = append(out.problems, Problem{path, "is a device"})
		return nil
	}
	out.entries = append(out.entries, e)
	return nil
}

func unreadable(path string, err error) error {
	if path == "" {
		path = "."
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return fmt.Errorf("reading %q of the source: %w (make it readable, or add it to .s2iignore)", path, err)
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mode: uint32(info.Mode()), mtime: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = sys.Dev, sys.Ino
		s.ctime = syscall.TimespecToNsec(sys.Ctim)
	}
	return s
}

// dropEmpty takes out the directories of maybe below which nothing is kept. Entries are sorted, so what is below a
// directory comes after it.
func dropEmpty(entries []Entry, maybe map[string]bool) []Entry {
	if len(maybe) == 0 {
		return entries
	}
	needed := map[string]bool{}
	for _, e := range slices.Backward(entries) {
		if maybe[e.Path] && !needed[e.Path] {
			continue
		}
		if i := strings.LastIndexByte(e.Path, '/'); i >= 0 {
			needed[e.Path[:i]] = true
		}
	}
	return slices.DeleteFunc(entries, func(e Entry) bool { return maybe[e.Path] && !needed[e.Path] })
}

func searchEntries(entries []Entry, path string) (int, bool) {
	return slices.BinarySearchFunc(entries, path, func(e Entry, p string) int { return strings.Compare(e.Path, p) })
}
