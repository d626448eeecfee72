package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
)

// CopyTo writes the tree into dir, which is made when it does not exist and must be empty: directories 0755, files
// 0644 or 0755, links as they are, every time archive.Epoch, everything owned by the caller. File contents are shared
// with the source where the file system can do that. A file that is not as it was when the tree was opened, or, where
// it matters, when its digest was computed, is an error with ErrChanged.
func (t *Tree) CopyTo(ctx context.Context, dir string) (err error) {
	ctx, task := progress.Start(ctx, "Copying the source tree", t.bytes())
	defer func() { task.End(err) }()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("copying the source tree to %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("copying the source tree to %s: %w", dir, err)
	}
	defer root.Close()
	if names, err := fs.ReadDir(root.FS(), "."); err != nil || len(names) > 0 {
		return fmt.Errorf("copying the source tree to %s: the directory is not empty", dir)
	}
	c := &copier{tree: t, root: root, task: task}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("copying the source tree to %s: %w", dir, err)
	}
	return nil
}

type copier struct {
	tree    *Tree
	root    *os.Root
	task    *progress.Task
	noClone atomic.Bool // the file systems cannot share contents
}

func (c *copier) run(ctx context.Context) error {
	if err := c.makeDirs(ctx); err != nil {
		return err
	}
	c.tree.mu.Lock()
	sums := c.tree.sums
	c.tree.mu.Unlock()
	err := c.tree.eachFile(ctx, func() (fileFunc, func()) {
		w := &copyWorker{copier: c, sums: sums, hash: sha256.New(), dirs: dirCache{root: c.root}}
		return func(from *os.Root, e Entry) error { return w.file(ctx, from, e) }, w.dirs.close
	})
	if err != nil {
		return err
	}
	if err := c.makeLinks(); err != nil {
		return err
	}
	return c.setDirTimes()
}

// makeDirs makes all directories; in the sorted list a directory comes before what is in it.
func (c *copier) makeDirs(ctx context.Context) error {
	if err := c.root.Chmod(".", 0o755); err != nil {
		return err
	}
	dirs := dirCache{root: c.root}
	defer dirs.close()
	for _, e := range c.tree.Entries {
		if e.Kind != Dir {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := dirs.in(e.Path, func(dir *os.Root) error {
			name := path.Base(e.Path)
			if err := dir.Mkdir(name, 0o755); err != nil {
				return err
			}
			return dir.Chmod(name, 0o755) // whatever the umask
		})
		if err != nil {
			return fmt.Errorf("making the directory %q: %w", e.Path, existing(err))
		}
	}
	return nil
}

func (c *copier) makeLinks() error {
	dirs := dirCache{root: c.root}
	defer dirs.close()
	for _, e := range c.tree.Entries {
		if e.Kind != Link {
			continue
		}
		err := dirs.in(e.Path, func(dir *os.Root) error {
			if err := dir.Symlink(e.Target, path.Base(e.Path)); err != nil {
				return err
			}
			return setTime(dir, path.Base(e.Path))
		})
		if err != nil {
			return fmt.Errorf("making the link %q: %w", e.Path, existing(err))
		}
	}
	return nil
}

// setDirTimes comes last, because making something in a directory changes its time.
func (c *copier) setDirTimes() error {
	for _, e := range slices.Backward(c.tree.Entries) {
		if e.Kind == Dir {
			if err := c.root.Chtimes(e.Path, archive.Epoch, archive.Epoch); err != nil {
				return fmt.Errorf("setting the time of %q: %w", e.Path, pathCause(err))
			}
		}
	}
	return c.root.Chtimes(".", archive.Epoch, archive.Epoch)
}

// setTime sets the time of a link itself, which os.Root cannot.
func setTime(dir *os.Root, name string) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	times := []unix.Timespec{unix.NsecToTimespec(archive.Epoch.UnixNano()), unix.NsecToTimespec(archive.Epoch.UnixNano())}
	return unix.UtimesNanoAt(int(f.Fd()), name, times, unix.AT_SYMLINK_NOFOLLOW)
}

func existing(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return errors.New("it exists already; the copy needs an empty directory")
	}
	return pathCause(err)
}

// copyWorker copies files, one after the other.
type copyWorker struct {
	*copier
	sums map[string][32]byte // what the digest was computed from; nil when it was not, or was remembered
	hash hash.Hash
	dirs dirCache
}

func (w *copyWorker) file(ctx context.Context, from *os.Root, e Entry) error {
	src, err := openUnchanged(from, e)
	if err != nil {
		return err
	}
	defer src.Close()
	err = w.dirs.in(e.Path, func(to *os.Root) error {
		name := path.Base(e.Path)
		dst, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return existing(err)
		}
		err = w.fill(ctx, dst, src, e)
		if err == nil {
			err = dst.Chmod(e.Mode)
		}
		if closeErr := dst.Close(); err == nil {
			err = closeErr
		}
		if err == nil {
			err = to.Chtimes(name, archive.Epoch, archive.Epoch)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("copying %q: %w", e.Path, pathCause(err))
	}
	return unchanged(src, e)
}

// fill copies the content. Where a change since the digest could go unnoticed by the file's stamp, because it was
// changed just before the walk, the copied bytes are compared with the digest.
func (w *copyWorker) fill(ctx context.Context, dst, src *os.File, e Entry) error {
	want, hashed := w.sums[e.Path]
	if hashed && !w.tree.owned() && !e.settledAt(w.tree.began) {
		w.hash.Reset()
		if err := w.copy(ctx, io.MultiWriter(dst, w.hash), src, e.Size); err != nil {
			return err
		}
		if [32]byte(w.hash.Sum(nil)) != want {
			return ErrChanged
		}
		return nil
	}
	if e.Size > 0 && !w.noClone.Load() {
		if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil {
			w.task.Add(e.Size)
			return nil
		}
		w.noClone.Store(true)
	}
	return w.copy(ctx, dst, src, e.Size)
}

// copy copies exactly n bytes; between two files the kernel does it. It looks at ctx now and then.
func (w *copyWorker) copy(ctx context.Context, dst io.Writer, src io.Reader, n int64) error {
	const step = 32 << 20
	for n > 0 {
		m, err := io.Copy(dst, io.LimitReader(src, min(n, step)))
		w.task.Add(m)
		n -= m
		if err == nil && m == 0 {
			return ErrChanged // it became shorter
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
