package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// errChanged ends a walk that found a change.
var errChanged = errors.New("changed")

// toolCache tells of a directory in node_modules in which build tools keep what they like between runs.
func toolCache(name string) bool {
	switch name {
	case ".cache", ".vite", ".vite-temp", ".tmp":
		return true
	}
	return false
}

// now gives the time of the file system that dir is on.
func now(dir string) (time.Time, error) {
	f, err := os.CreateTemp(dir, ".time-")
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the time of the file system: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the time of the file system: %w", err)
	}
	return changeTime(info), nil
}

func changeTime(info fs.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix())
	}
	return info.ModTime()
}

// changedSince tells whether anything in the installation below dir was changed after a time: scripts of the app may
// generate code into packages. What tools keep for themselves does not count.
func changedSince(dir string, since time.Time) (bool, error) {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && toolCache(d.Name()) && filepath.Base(filepath.Dir(name)) == "node_modules" {
			return fs.SkipDir
		}
		if name == dir || filepath.Base(name) == "node_modules" {
			return nil // their times change with the directories that were skipped
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if changeTime(info).After(since) {
			return errChanged
		}
		return nil
	})
	if errors.Is(err, errChanged) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for changes in the packages: %w", err)
	}
	return false, nil
}

// removeToolCaches removes what tools keep in the node_modules of the directories below dir.
func removeToolCaches(dir string, homes []string) error {
	for _, home := range homes {
		modules := filepath.Join(dir, filepath.FromSlash(home), "node_modules")
		for _, name := range []string{".cache", ".vite", ".vite-temp", ".tmp"} {
			if err := os.RemoveAll(filepath.Join(modules, name)); err != nil {
				return fmt.Errorf("removing caches of build tools: %w", err)
			}
		}
	}
	return nil
}
