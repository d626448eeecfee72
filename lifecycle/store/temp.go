package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// trash is what the names of things to remove start with.
const trash = "trash-"

// temp is a file or directory in tmp that this process holds the lock of.
type temp struct {
	path string
	f    *os.File
	sync bool // write it to the disk before it gets its name
}

// tempFile makes a file to write to.
func (s *Store) tempFile(prefix string) (*temp, error) {
	return s.newTemp(func() (string, *os.File, error) {
		f, err := os.CreateTemp(s.path("tmp"), prefix+"-*")
		if err != nil {
			return "", nil, err
		}
		return f.Name(), f, nil
	})
}

// tempDir makes a directory.
func (s *Store) tempDir(prefix string) (*temp, error) {
	return s.newTemp(func() (string, *os.File, error) {
		dir, err := os.MkdirTemp(s.path("tmp"), prefix+"-*")
		if err != nil {
			return "", nil, err
		}
		f, err := os.Open(dir)
		return dir, f, err
	})
}

// newTemp makes something and locks it. In between another process can take it for the leftover of a dead one, and
// then it is made again.
func (s *Store) newTemp(create func() (string, *os.File, error)) (*temp, error) {
	for {
		path, f, err := create()
		if errors.Is(err, fs.ErrNotExist) && path != "" {
			continue
		}
		if err == nil {
			err = flock(f, unix.LOCK_EX)
		}
		if err != nil {
			return nil, fmt.Errorf("making a temporary name in the store: %w", err)
		}
		if isAt(f, path) {
			return &temp{path, f, s.sync}, nil
		}
		_ = f.Close()
	}
}

// commit makes a temporary file or directory visible at path, whole. A file replaces what is there.
func (t *temp) commit(path string) error {
	if t.sync {
		if err := t.f.Sync(); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	if err := os.Rename(t.path, path); err != nil {
		return fmt.Errorf("naming %s: %w", path, err)
	}
	_ = t.f.Close()
	t.f = nil
	if !t.sync {
		return nil
	}
	return syncDir(filepath.Dir(path))
}

// discard removes a temporary file that was not committed; after commit it does nothing.
func (t *temp) discard() {
	if t.f == nil {
		return
	}
	_ = os.Remove(t.path)
	_ = t.f.Close()
	t.f = nil
}

// discardDir is discard for directories, whose content is removed in the background.
func (s *Store) discardDir(t *temp) {
	if t.f == nil {
		return
	}
	f := t.f
	t.f = nil
	s.removeBehind(t.path, f)
}

// TempDir makes a directory below the store that is removed when release is called, or by the next process that
// opens the store when this one dies. The removal itself goes on in the background.
func (s *Store) TempDir(prefix string) (dir string, release func(), err error) {
	t, err := s.tempDir(fileName(prefix))
	if err != nil {
		return "", nil, err
	}
	return t.path, func() { s.discardDir(t) }, nil
}

// sweep removes what dead processes left in tmp.
func (s *Store) sweep() error {
	entries, err := os.ReadDir(s.path("tmp"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := s.path("tmp", e.Name())
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue // gone by now, or not ours
		}
		if flock(f, unix.LOCK_EX|unix.LOCK_NB) != nil || !isAt(f, path) {
			_ = f.Close() // alive
			continue
		}
		s.removeBehind(path, f)
	}
	return nil
}

// removeBehind renames path aside and removes it in the background, holding its lock f meanwhile so that no other
// process does the same. Deleting many files takes long, and slows down making new ones.
func (s *Store) removeBehind(path string, f *os.File) {
	if st, err := f.Stat(); err == nil && !st.IsDir() {
		_ = os.Remove(path)
		_ = f.Close()
		return
	}
	if !strings.HasPrefix(filepath.Base(path), trash) {
		if aside := s.aside(path); os.Rename(path, aside) == nil {
			path = aside
		}
	}
	s.behind.Add(1)
	go func() {
		defer s.behind.Done()
		defer f.Close()
		_ = removeAll(path) // what stays is tried again by the next process
	}()
}

// aside is a new name for something that is to be removed.
func (s *Store) aside(path string) string {
	return s.path("tmp", fmt.Sprintf("%s%x-%s", trash, rand.Uint64(), filepath.Base(path)))
}

// removeAll removes a tree, also one with directories that its owner may not write to.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700) //nolint:gosec // about to be removed
		}
		return nil
	})
	return os.RemoveAll(path)
}

// writeFile writes a small file whole or not at all.
func (s *Store) writeFile(path string, data []byte) error { return s.write(path, data, s.sync) }

// write is writeFile; with sync the file survives the end of the system.
func (s *Store) write(path string, data []byte, sync bool) error {
	t, err := s.tempFile("file")
	if err != nil {
		return err
	}
	defer t.discard()
	t.sync = sync
	if _, err := t.f.Write(data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return t.commit(path)
}

// syncDir makes the names in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
