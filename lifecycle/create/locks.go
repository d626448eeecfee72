package create

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
)

// lockDir is the directory of a buildpack's layers in which it leaves the lock files that it resolved, by their names
// relative to the app. It is no layer.
const lockDir = "lock"

// What is taken of lock files.
const (
	maxLocks    = 50
	maxLockFile = 64 << 20
)

// lockFile is a file to be put beside the app's sources.
type lockFile struct {
	name string // relative to the app, with slashes
	data []byte
}

// writeLocks puts the lock files of this build beside the app's sources, when the user asked for that.
func (w *work) writeLocks(ctx context.Context) error {
	if !w.WriteLock {
		return nil
	}
	var locks []lockFile
	for _, e := range w.detected.Group.Group {
		resolved, err := readLocks(w.dirs.layers, e)
		if err != nil {
			return lifecycle.WithCode(lifecycle.ExitBuild, fmt.Errorf("reading the lock files of %s: %w", e.ID, err))
		}
		locks = append(locks, resolved...)
	}
	if len(w.bases.Lock) > 0 {
		locks = append(locks, lockFile{LockFile, w.bases.Lock})
	}
	root, err := os.OpenRoot(w.Tree.Dir)
	if err != nil {
		return fmt.Errorf("writing lock files: %w", err)
	}
	defer root.Close()
	for _, l := range locks {
		changed, err := replaceIn(root, l)
		if err != nil {
			return fmt.Errorf("writing the lock file %s beside the sources: %w", l.name, err)
		}
		if changed {
			progress.Note(ctx, "wrote %s; commit it", l.name)
		}
	}
	if len(locks) == 0 {
		progress.Note(ctx, "there was no lock to write: the app has its own")
	}
	return nil
}

// readLocks reads what a buildpack left in its lock directory. The build may have put anything there: only real
// directories and regular files count.
func readLocks(layersDir string, e lifecycle.GroupElement) ([]lockFile, error) {
	at := path.Join(lifecycle.EscapedID(e.ID), lockDir)
	if ok, err := lifecycle.IsRealDir(layersDir, at); err != nil || !ok {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Join(layersDir, filepath.FromSlash(at)))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var locks []lockFile
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is no regular file", name)
		case len(locks) == maxLocks:
			return fmt.Errorf("there are more than %d of them", maxLocks)
		}
		data, err := readBounded(root, name)
		locks = append(locks, lockFile{name, data})
		return err
	})
	return locks, err
}

func readBounded(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLockFile+1))
	if err == nil && len(data) > maxLockFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxLockFile)
	}
	return data, err
}

// replaceIn writes a file as a whole, or not at all, and tells whether there was anything to change. It cannot leave
// root, and makes no directories.
func replaceIn(root *os.Root, l lockFile) (changed bool, err error) {
	name := filepath.FromSlash(l.name)
	mode := fs.FileMode(0o644)
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, errors.New("what is there is no regular file; move it away")
	default:
		mode = info.Mode().Perm()
		if have, err := readBounded(root, l.name); err == nil && bytes.Equal(have, l.data) {
			return false, nil
		}
	}
	dir, base := filepath.Split(name)
	tmp := dir + "." + base + ".s2i-" + fmt.Sprint(os.Getpid())
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return false, err
	}
	_, err = f.Write(l.data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		return false, errors.Join(err, root.Remove(tmp))
	}
	return true, nil
}
