package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// workTree is where the app's scripts run: a copy of the app's sources around the node_modules that were installed. Bundlers
// want node_modules to be a directory of the project and refuse symlinks that lead out of it, and moving an
// installation into the app and back again would cost more than copying the sources: those are small.
type workTree struct {
	// dir is the tree, app is the app: same layout.
	dir, app string
	// homes are the directories below dir in which node_modules belongs to the installation.
	homes []string
	// filling tells that the sources are being copied, whose times are then made from their contents.
	filling bool
	// filled is the time after the copy: what is younger was made by scripts.
	filled time.Time
}

// modules tells whether rel is a directory of installed packages.
func (t *workTree) modules(rel string) bool {
	return path.Base(rel) == "node_modules" && slices.Contains(t.homes, path.Dir(rel))
}

// fill replaces all but the installed packages by the app's sources.
func (t *workTree) fill() error {
	if _, err := t.clear("."); err != nil {
		return fmt.Errorf("emptying the place to build in: %w", err)
	}
	t.filling = true
	err := t.copy(t.app, t.dir, ".", nil)
	t.filling = false
	if err != nil {
		return fmt.Errorf("copying the sources to where they are built: %w", err)
	}
	t.filled, err = now(t.dir)
	return err
}

// clear removes all but the installed packages below rel, and tells whether any are there.
func (t *workTree) clear(rel string) (kept bool, err error) {
	entries, err := os.ReadDir(filepath.Join(t.dir, filepath.FromSlash(rel)))
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		if t.modules(name) {
			kept = true
			continue
		}
		if e.IsDir() {
			inside, err := t.clear(name)
			if err != nil {
				return kept, err
			}
			if inside {
				kept = true
				continue
			}
		}
		if err := os.RemoveAll(filepath.Join(t.dir, filepath.FromSlash(name))); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// copy copies the files below rel from one root to another; want chooses among them, nil means all. Modes and times are
// kept. Symlinks that lead into the tree by an absolute path lead to the same place from their new one.
func (t *workTree) copy(from, to, rel string, want func(rel string, d fs.DirEntry) (bool, error)) error {
	start := filepath.Join(from, filepath.FromSlash(rel))
	return filepath.WalkDir(start, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, inside)
		if want != nil {
			switch ok, err := want(filepath.ToSlash(inside), d); {
			case err != nil:
				return err
			case !ok:
				return nil
			}
		}
		switch {
		case d.IsDir():
			return makeDir(dest)
		case d.Type()&fs.ModeSymlink != 0:
			return t.copyLink(name, dest, filepath.Dir(inside))
		case d.Type().IsRegular():
			return t.replace(name, dest, d)
		}
		return nil // no sockets and pipes
	})
}

func makeDir(dest string) error {
	if info, err := os.Lstat(dest); err == nil && !info.IsDir() {
		if err := os.Remove(dest); err != nil {
			return err
		}
	}
	return os.MkdirAll(dest, 0o755)
}

// copyLink copies a symlink that stands in dir.
func (t *workTree) copyLink(name, dest, dir string) error {
	target, err := os.Readlink(name)
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(target, t.dir+"/"); ok {
		if target, err = filepath.Rel(dir, rest); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dest); err != nil {
		return err
	}
	return symlink(target, dest)
}

// replace copies a regular file over what is at dest.
func (t *workTree) replace(name, dest string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dest); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	if t.filling {
		return copyStamped(name, dest, info.Mode())
	}
	if err := copyFile(name, dest, info.Mode()); err != nil {
		return err
	}
	return os.Chtimes(dest, info.ModTime(), info.ModTime())
}

// buildCache tells of a directory in which build tools keep what they like between runs; nothing reads it at run time.
func buildCache(rel string) bool {
	base, dir := path.Base(rel), path.Base(path.Dir(rel))
	return base == ".turbo" || base == ".parcel-cache" || base == "cache" && slices.Contains([]string{".next", ".nx", ".angular"}, dir)
}

// bringBack brings what the scripts made, changed and removed to the app.
func (t *workTree) bringBack() error {
	err := t.copy(t.dir, t.app, ".", func(rel string, d fs.DirEntry) (bool, error) {
		if d.IsDir() {
			if t.modules(rel) || buildCache(rel) {
				return false, fs.SkipDir
			}
			_, err := os.Lstat(filepath.Join(t.app, filepath.FromSlash(rel)))
			return errors.Is(err, fs.ErrNotExist), nil
		}
		info, err := d.Info()
		if err != nil {
			return false, err
		}
		if changeTime(info).After(t.filled) {
			return true, nil
		}
		_, err = os.Lstat(filepath.Join(t.app, filepath.FromSlash(rel)))
		return errors.Is(err, fs.ErrNotExist), nil
	})
	if err != nil {
		return fmt.Errorf("bringing what was built to the app: %w", err)
	}
	if err := t.removeGone(); err != nil {
		return fmt.Errorf("removing from the app what the scripts removed: %w", err)
	}
	return nil
}

// removeGone removes from the app what is no longer in the tree.
func (t *workTree) removeGone() error {
	var gone []string
	err := filepath.WalkDir(t.app, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.app, name)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Join(t.dir, rel)); errors.Is(err, fs.ErrNotExist) {
			gone = append(gone, name)
			if d.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range gone {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// piece is a part of the tree that the image needs, and where in the app it belongs.
type piece struct{ from, to string }

// bringPieces replaces the whole app by parts of the tree.
func (t *workTree) bringPieces(pieces []piece) error {
	if err := emptyDir(t.app); err != nil {
		return fmt.Errorf("making room for what was built: %w", err)
	}
	for _, p := range pieces {
		from := filepath.Join(t.dir, filepath.FromSlash(p.from))
		info, err := os.Lstat(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("bringing %s to the app: %w", p.from, err)
		}
		to := filepath.Join(t.app, filepath.FromSlash(p.to))
		if !info.IsDir() {
			if info.Mode().IsRegular() {
				err = t.replace(from, to, fs.FileInfoToDirEntry(info))
			}
		} else {
			err = t.copy(from, to, ".", func(rel string, d fs.DirEntry) (bool, error) {
				name := path.Join(p.from, rel)
				if d.IsDir() && (t.modules(name) || buildCache(name)) {
					return false, fs.SkipDir
				}
				return true, nil
			})
		}
		if err != nil {
			return fmt.Errorf("bringing %s to the app: %w", p.from, err)
		}
	}
	return nil
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
