package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"s2i/lifecycle/progress"
)

// Digest gives the digest of what belongs to the tree ("sha256:…"): of the sorted list of path, kind, normalised mode,
// content and link target. A tree that is as it was when its digest was last computed is not read again.
func (t *Tree) Digest(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.digest != "" {
		return t.digest, nil
	}
	key := ""
	if t.opts.Records != nil && !t.owned() {
		key = fingerprint(t.Entries)
		if d, ok := t.recall(key); ok {
			t.digest = d
			return d, nil
		}
	}
	sums, err := t.hashFiles(ctx)
	if err != nil {
		return "", err
	}
	t.sums, t.digest = sums, treeDigest(t.Entries, sums)
	if key != "" && t.settled() {
		t.remember(ctx, key, t.digest)
	}
	return t.digest, nil
}

// treeDigest hashes the list of entries. Neither paths nor targets can hold the NUL that ends them.
func treeDigest(entries []Entry, sums map[string][32]byte) string {
	h := sha256.New()
	io.WriteString(h, "s2i source tree 1\n")
	for _, e := range entries {
		fmt.Fprintf(h, "%c %04o %s\x00", e.Kind, e.Mode.Perm(), e.Path)
		switch e.Kind {
		case File:
			sum := sums[e.Path]
			h.Write(sum[:])
		case Link:
			io.WriteString(h, e.Target+"\x00")
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// hashFiles reads every file, on all processors.
func (t *Tree) hashFiles(ctx context.Context) (sums map[string][32]byte, err error) {
	ctx, task := progress.Start(ctx, "Hashing the source tree", t.bytes())
	defer func() { task.End(err) }()
	sums = make(map[string][32]byte, len(t.Entries))
	var mu sync.Mutex
	err = t.eachFile(ctx, func() (fileFunc, func()) {
		h := &hasher{tree: t, hash: sha256.New(), buffer: make([]byte, 256<<10)}
		return func(dir *os.Root, e Entry) error {
			sum, err := h.file(ctx, dir, e)
			if err != nil {
				return err
			}
			task.Add(e.Size)
			mu.Lock()
			sums[e.Path] = sum
			mu.Unlock()
			return nil
		}, func() {}
	})
	return sums, err
}

func (t *Tree) bytes() (n int64) {
	for _, e := range t.Entries {
		n += e.Size
	}
	return n
}

// fileFunc works on one file; dir is the directory that it is in.
type fileFunc func(dir *os.Root, e Entry) error

// eachFile calls a function for every file of the tree from several goroutines, each with its own from start, which
// also gives what to do at that goroutine's end.
func (t *Tree) eachFile(ctx context.Context, start func() (fileFunc, func())) error {
	const chunk = 64 // neighbours are mostly in one directory, which is then opened once
	var next atomic.Int64
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	for range t.opts.Jobs {
		group.Go(func() {
			do, done := start()
			defer done()
			dirs := dirCache{root: t.root}
			defer dirs.close()
			for {
				end := int(next.Add(chunk))
				if end-chunk >= len(t.Entries) {
					return
				}
				for _, e := range t.Entries[end-chunk : min(end, len(t.Entries))] {
					if e.Kind != File {
						continue
					}
					err := ctx.Err()
					if err == nil {
						err = dirs.in(e.Path, func(dir *os.Root) error { return do(dir, e) })
					}
					if err != nil {
						stop(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// dirCache keeps the directory that was used last open.
type dirCache struct {
	root *os.Root
	path string
	dir  *os.Root
}

func (c *dirCache) in(file string, do func(*os.Root) error) error {
	parent := path.Dir(file)
	if c.dir == nil || c.path != parent {
		c.close()
		dir, err := c.root.OpenRoot(parent)
		if err != nil {
			return goneOr(parent, err)
		}
		c.dir, c.path = dir, parent
	}
	return do(c.dir)
}

func (c *dirCache) close() {
	if c.dir != nil {
		_ = c.dir.Close()
		c.dir = nil
	}
}

// hasher hashes files, one after the other.
type hasher struct {
	tree   *Tree
	hash   hash.Hash
	buffer []byte
}

func (h *hasher) file(ctx context.Context, dir *os.Root, e Entry) (sum [32]byte, err error) {
	if sum, ok := h.tree.recallFile(e); ok {
		return sum, nil
	}
	f, err := openUnchanged(dir, e)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h.hash.Reset()
	for left := e.Size; left > 0; {
		n, err := f.Read(h.buffer[:min(left, int64(len(h.buffer)))])
		h.hash.Write(h.buffer[:n])
		left -= int64(n)
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			return sum, fmt.Errorf("reading %q: %w", e.Path, ErrChanged)
		}
		if err != nil {
			return sum, fmt.Errorf("reading %q: %w", e.Path, pathCause(err))
		}
	}
	if err := unchanged(f, e); err != nil {
		return sum, err
	}
	h.hash.Sum(sum[:0])
	h.tree.rememberFile(ctx, e, sum)
	return sum, nil
}

// openUnchanged opens a file of the tree and makes sure that it is the one that the walk saw. It never waits, should
// a named pipe have taken the file's place.
func openUnchanged(dir *os.Root, e Entry) (*os.File, error) {
	f, err := dir.OpenFile(path.Base(e.Path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, goneOr(e.Path, err)
	}
	if err := unchanged(f, e); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func unchanged(f *os.File, e Entry) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading %q: %w", e.Path, pathCause(err))
	}
	if stampOf(info) != e.stamp {
		return fmt.Errorf("reading %q: %w", e.Path, ErrChanged)
	}
	return nil
}

func goneOr(path string, err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || strings.Contains(err.Error(), "escapes") {
		return fmt.Errorf("reading %q: %w", path, ErrChanged)
	}
	return unreadable(path, err)
}
