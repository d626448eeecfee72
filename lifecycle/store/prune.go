package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/progress"
)

// Pruned tells what Prune did.
type Pruned struct {
	Items int
	Bytes int64
}

// Item is something that Prune can remove.
type Item struct {
	// Kind is one of Kinds.
	Kind string
	// Name tells the user what it is: what a cache is for, if its user said so, else the file's name.
	Name  string
	Bytes int64
	// Used is when it was last used, to the hour.
	Used time.Time
}

// Kinds are the kinds of what Prune can remove: unpacked layers, caches of apps and cache mounts of Dockerfiles, layers and
// manifests, downloaded files, and notes about all of them.
func Kinds() []string { return []string{"trees", "caches", "blobs", "downloads", "records"} }

// AboutFile is the file in a cache's directory in which its user may say what it is.
const AboutFile = "about"

// Removable lists what Prune could remove, least recently used first.
func (s *Store) Removable(ctx context.Context) ([]Item, error) {
	items, _, err := s.items(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing what the store holds: %w", err)
	}
	sortItems(items)
	out := make([]Item, len(items))
	for i, it := range items {
		out[i] = Item{Kind: it.kind, Name: filepath.Base(it.path), Bytes: it.bytes, Used: it.used}
		if about, err := os.ReadFile(filepath.Join(it.path, AboutFile)); it.kind == "caches" && err == nil {
			out[i].Name = string(about[:min(len(about), 200)])
		}
	}
	return out, nil
}

func sortItems(items []item) {
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(a.used.Compare(b.used), strings.Compare(a.path, b.path))
	})
}

// item is something that Prune can remove.
type item struct {
	kind  string
	path  string
	bytes int64
	used  time.Time
	lock  string // that its users hold; empty: none but the pin
}

// Prune removes what no local image refers to, least recently used first, until the store is no larger than max
// bytes (0: everything that can go). While a build runs, which pins the store, nothing is removed and the user is told;
// caches that are locked stay. With kinds, nothing else is removed.
func (s *Store) Prune(ctx context.Context, max int64, kinds ...string) (Pruned, error) {
	var done Pruned
	unpin, ok, err := s.TryLock(pinLock)
	if err != nil {
		return done, err
	}
	if !ok {
		progress.Warn(ctx, "nothing was pruned: a build is using the store")
		return done, nil
	}
	defer unpin()
	items, total, err := s.items(ctx)
	if err != nil {
		return done, fmt.Errorf("pruning the store: %w", err)
	}
	sortItems(items)
	for _, i := range items {
		if ctx.Err() != nil {
			return done, context.Cause(ctx)
		}
		if len(kinds) > 0 && !slices.Contains(kinds, i.kind) {
			continue
		}
		if max > 0 && total-done.Bytes <= max {
			break
		}
		removed, err := s.remove(i)
		if err != nil {
			return done, fmt.Errorf("pruning the store: %w", err)
		}
		if removed {
			done.Items++
			done.Bytes += i.bytes
		}
	}
	s.behind.Wait() // the user wants the space now
	return done, nil
}

// remove removes an item unless it is locked.
func (s *Store) remove(i item) (bool, error) {
	if i.lock != "" {
		unlock, ok, err := s.TryLock(i.lock)
		if !ok {
			return false, err
		}
		defer unlock()
	}
	st, err := os.Lstat(i.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if st.IsDir() {
		return true, s.removeTree(i.path)
	}
	return true, os.Remove(i.path)
}

// items lists what could be removed, and counts everything.
func (s *Store) items(ctx context.Context) (items []item, total int64, err error) {
	keep, err := s.referenced()
	if err != nil {
		return nil, 0, err
	}
	for n, list := range []func() ([]item, error){ // in the order of Kinds
		s.treeItems,
		func() ([]item, error) { return s.cacheItems(ctx) },
		func() ([]item, error) { return fileItems(s.path("blobs", "sha256")) },
		func() ([]item, error) { return fileItems(s.path("downloads")) },
		func() ([]item, error) { return fileItems(s.path("records", "*")) },
	} {
		some, err := list()
		if err != nil {
			return nil, 0, err
		}
		for _, i := range some {
			total += i.bytes
			i.kind = Kinds()[n]
			if !keep[i.path] {
				items = append(items, i)
			}
		}
	}
	return items, total, nil
}

// fileItems lists the files of the directories that pattern matches.
func fileItems(pattern string) ([]item, error) {
	paths, err := filepath.Glob(filepath.Join(pattern, "*"))
	if err != nil {
		return nil, err
	}
	var out []item
	for _, p := range paths {
		st, err := os.Lstat(p)
		if err != nil {
			continue // gone by now
		}
		out = append(out, item{path: p, bytes: st.Size(), used: st.ModTime()})
	}
	return out, nil
}

func (s *Store) treeItems() ([]item, error) {
	entries, err := os.ReadDir(s.path("trees"))
	if err != nil {
		return nil, err
	}
	var out []item
	for _, e := range entries {
		info, err := s.readTreeInfo(e.Name())
		if err != nil {
			info = treeInfo{} // of no use, and the first to go
		}
		i := item{path: s.path("trees", e.Name()), bytes: info.Bytes}
		if st, err := e.Info(); err == nil && info.DiffID.Hex != "" {
			i.used = st.ModTime()
		}
		out = append(out, i)
	}
	return out, nil
}

func (s *Store) cacheItems(ctx context.Context) ([]item, error) {
	entries, err := os.ReadDir(s.path("cache"))
	if err != nil {
		return nil, err
	}
	var out []item
	for _, e := range entries {
		i := item{path: s.path("cache", e.Name()), lock: "cache-" + e.Name()}
		if st, err := e.Info(); err == nil {
			i.used = st.ModTime()
		}
		_ = filepath.WalkDir(i.path, func(_ string, d fs.DirEntry, err error) error {
			if st, statErr := entryInfo(d, err); statErr == nil {
				i.bytes += st.Size()
			}
			return ctx.Err()
		})
		out = append(out, i)
	}
	return out, ctx.Err()
}

func entryInfo(d fs.DirEntry, err error) (fs.FileInfo, error) {
	if err != nil || d.IsDir() {
		return nil, errors.Join(err, fs.ErrInvalid)
	}
	return d.Info()
}

// referenced gives the paths of all blobs that local images consist of.
func (s *Store) referenced() (map[string]bool, error) {
	m, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	return keep, s.mark(keep, m, 0)
}

// mark notes an index's members and all that they refer to. What is absent refers to nothing.
func (s *Store) mark(keep map[string]bool, m *v1.IndexManifest, depth int) error {
	for _, d := range m.Manifests {
		path, err := s.blobPath(d.Digest)
		if err != nil || keep[path] {
			continue
		}
		keep[path] = true
		switch {
		case d.MediaType.IsIndex() && depth < maxNesting:
			err = s.markIndex(keep, d.Digest, depth+1)
		case d.MediaType.IsImage():
			err = s.markImage(keep, d.Digest)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

func (s *Store) markIndex(keep map[string]bool, d v1.Hash, depth int) error {
	i, err := s.Index(d)
	if err != nil {
		return err
	}
	m, err := i.IndexManifest()
	if err != nil {
		return err
	}
	return s.mark(keep, m, depth)
}

func (s *Store) markImage(keep map[string]bool, d v1.Hash) error {
	data, err := s.readBlob(d)
	if err != nil {
		return err
	}
	m, err := v1.ParseManifest(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("reading the manifest of image %s: %w", d, err)
	}
	for _, l := range append(m.Layers, m.Config) {
		if path, err := s.blobPath(l.Digest); err == nil {
			keep[path] = true
		}
	}
	return nil
}
