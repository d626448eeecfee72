// Package store is the content-addressed directory on the user's disk: blobs by digest, unpacked trees by diffID,
// local images by name, downloads by integrity, small records by key, and caches of apps.
//
//	oci-layout, index.json   an OCI image layout (OCI image specification, image-layout.md), readable by other tools;
//	blobs/sha256/HEX         local images carry their names in org.opencontainers.image.ref.name
//	trees/HEX/fs             an unpacked layer by diffID, in overlayfs's form of whiteouts
//	records/KIND/HEX         small JSON values by key
//	downloads/ALGO-HEX       downloaded files by integrity; *.part is one that was interrupted
//	cache/KEY                what outlives a build of one app
//	locks/NAME               flock(2): a lock goes with the process that holds it
//	boot                     the start of the system since which the blobs are known to be whole
//	tmp/NAME                 what is being written; its writer holds a lock on it, so the others can tell it from the
//	                         leftovers of the dead, which Open clears away
//
// Everything is written under a temporary name and renamed, so that a process may die at any instruction: the next one
// repairs or ignores what it left. What is lost when the system itself dies is found when the store is next opened.
// Any number of processes share a store.
package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"s2i/lifecycle/archive"
)

// ErrNotFound is in the chain of the error when the store does not hold what was asked for.
var ErrNotFound = errors.New("not in the store")

// Store is an open store. Its methods may be called from any number of goroutines.
type Store struct {
	// Limits bounds what a layer or an archive may unpack to; zero fields mean those of archive.DefaultLimits.
	Limits archive.Limits

	dir    string
	form   string         // of the names of trees; see treeForm
	making chan struct{}  // one slot for each layer that is being made
	behind sync.WaitGroup // removals in the background
	sync   bool           // files are written to the disk before they are named, because settle could not help
}

// Open opens the store at dir and makes it when it does not exist. It clears away what dead processes left, in the
// background.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s := &Store{dir: dir, making: make(chan struct{}, max(runtime.GOMAXPROCS(0), 2))}
	for _, sub := range []string{"blobs/sha256", "trees", "records", "downloads", "cache", "locks", "tmp"} {
		// Only the user may look: sources and their layers can be private.
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("opening the store (S2I_HOME chooses another place): %w", err)
		}
	}
	if err := s.settle(); err != nil {
		return nil, fmt.Errorf("checking the store at %s: %w", dir, err)
	}
	s.form = treeForm(s.path("trees"))
	if err := s.initLayout(); err != nil {
		return nil, fmt.Errorf("opening the store at %s: %w", dir, err)
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("clearing the store at %s: %w", dir, err)
	}
	return s, nil
}

// Close waits until removals in the background are done. A process need not call it: what it leaves is removed by
// the next.
func (s *Store) Close() error {
	s.behind.Wait()
	return nil
}

// DefaultDir is $S2I_HOME, else $XDG_DATA_HOME/s2i, else ~/.local/share/s2i.
func DefaultDir() (string, error) {
	if dir := os.Getenv("S2I_HOME"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "s2i"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding a place for the store (set S2I_HOME): %w", err)
	}
	return filepath.Join(home, ".local", "share", "s2i"), nil
}

// Dir is where the store is.
func (s *Store) Dir() string { return s.dir }

// path is a path below the store.
func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}
