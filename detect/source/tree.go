package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"s2i/lifecycle"
)

// Kind is what an entry of a tree is.
type Kind byte

// The kinds of entries.
const (
	File Kind = 'f'
	Dir  Kind = 'd'
	Link Kind = 'l' // symbolic
)

// Entry is one file, directory or symbolic link of a tree.
type Entry struct {
	// Path is relative to the tree, with slashes.
	Path string
	Kind Kind
	// Mode is normalised: 0755 for directories and executable files, 0644 for other files, 0777 for links.
	Mode fs.FileMode
	// Size of a file in bytes.
	Size int64
	// Target of a link, as it is written in it.
	Target string

	stamp stamp
}

// stamp is what stat tells of a file. As long as it stays the same, so does the content, provided that the file was
// not changed within the tick of the file system's clock in which the stamp was taken.
type stamp struct {
	dev, ino     uint64
	size         int64
	mode         uint32
	mtime, ctime int64 // ns
}

// Tree is an open source.
type Tree struct {
	// Dir is where the files are on this machine. It may hold more than the tree: see Entries.
	Dir string
	// Entries is everything that belongs to the tree, sorted by path; the top directory itself is left out.
	Entries []Entry
	// Descriptor is the project descriptor (project.toml), or nil when there is none.
	Descriptor *lifecycle.ProjectDescriptor
	// Project says where a fetched source came from (never with credentials). It is empty for directories.
	Project lifecycle.ProjectMetadata
	// Made is when a fetched source was made: its commit, or what the server says of an archive (Last-Modified), else the
	// newest file in it. It is zero for directories, and where nothing tells.
	Made time.Time

	opts  Options
	root  *os.Root
	temp  string // removed by Close
	began time.Time

	mu     sync.Mutex
	digest string
	sums   map[string][32]byte // of the files that were read for the digest
}

// owned tells that the files are our own copy, which nobody else changes.
func (t *Tree) owned() bool { return t.temp != "" }

// Local tells that Dir is the user's own directory, and no copy of what was fetched or unpacked.
func (t *Tree) Local() bool { return !t.owned() }

// Lookup finds an entry by its path.
func (t *Tree) Lookup(path string) (Entry, bool) {
	i, ok := searchEntries(t.Entries, path)
	if !ok {
		return Entry{}, false
	}
	return t.Entries[i], true
}

// Close removes what Open unpacked. The tree cannot be used afterwards.
func (t *Tree) Close() error {
	var errs []error
	if t.root != nil {
		errs = append(errs, t.root.Close())
	}
	if t.temp != "" {
		errs = append(errs, removeAll(t.temp))
	}
	return errors.Join(errs...)
}

// removeAll removes a directory, also when an archive left directories in it that its owner may not write.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the unpacked source: %w", err)
	}
	return nil
}
