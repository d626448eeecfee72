package stacks

import (
	"fmt"
	"os"
	"path/filepath"
)

// ReadLock reads a lock by itself: a stack.lock.json, or the one in a directory, to look at it or to compare it.
func ReadLock(path string) (*Lock, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, LockFile)
	}
	data, err := read(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("reading lock %s: %w", path, err)
	}
	lock, err := parseLock(data)
	if err != nil {
		return nil, fmt.Errorf("reading lock %s: %w", path, err)
	}
	return lock, nil
}
