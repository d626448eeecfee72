package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ownPrefix begins the names of the directories and cgroups that runs make.
const ownPrefix = Name + "-"

// ownDir is an empty directory, or a cgroup, of a run. Its lock says that the run lives.
type ownDir struct {
	path string
	lock *os.File
}

// newOwnDir makes a directory and locks it. Another run may take it for a leftover before it is locked; then it is made
// again.
func newOwnDir(place string) (ownDir, error) {
	var last error
	for range 10 {
		path, err := os.MkdirTemp(place, ownPrefix)
		if err != nil {
			return ownDir{}, err
		}
		lock, err := tryLock(path)
		if _, gone := os.Stat(path); err == nil && gone == nil {
			return ownDir{path: path, lock: lock}, nil
		}
		last = err
		if lock != nil {
			_ = lock.Close()
		}
		_ = os.Remove(path)
	}
	return ownDir{}, fmt.Errorf("making a directory below %s: %w", place, last)
}

// tryLock locks a directory that nobody else has locked.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// remove removes the directory and its lock.
func (d ownDir) remove() error {
	return errors.Join(os.Remove(d.path), d.lock.Close())
}

// sweep removes the directories, or cgroups, of runs that have been killed.
func sweep(place string) {
	entries, _ := os.ReadDir(place)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ownPrefix) {
			continue
		}
		path := filepath.Join(place, e.Name())
		if lock, err := tryLock(path); err == nil {
			_ = os.RemoveAll(path)
			_ = lock.Close()
		}
	}
}
