package listing

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// View is what layers over each other show. It may be read by several goroutines.
type View struct {
	layers []*Listing // bottom first
}

// Over makes a view of layers, bottom first.
func Over(layers ...*Listing) *View {
	for _, l := range layers {
		if l.byName == nil {
			l.index()
		}
	}
	return &View{layers: layers}
}

// Found is an entry with the layer that it comes from.
type Found struct {
	Entry
	// Layer is the index of the layer, from 0 for the bottom.
	Layer int
}

// Lstat looks a clean name up without following a link at its end or on the way; nil when there is nothing.
func (v *View) Lstat(name string) *Found {
	for i := len(v.layers) - 1; i >= 0; i-- {
		l := v.layers[i]
		if e := l.own(name); e != nil {
			return &Found{*e, i}
		}
		if name == "" {
			continue
		}
		if len(l.inDir[name]) > 0 { // a directory that the layer only implies
			if below := Over(v.layers[:i]...).Lstat(name); below != nil && below.IsDir() && !l.hides(name) {
				return below
			}
			return &Found{Entry{Name: name, Type: tar.TypeDir, Mode: 0o755, Implied: true}, i}
		}
		if l.hides(name) {
			return nil
		}
	}
	if name == "" {
		return &Found{Entry{Type: tar.TypeDir, Mode: 0o755}, 0}
	}
	return nil
}

// ReadDir lists the names (base names, sorted) in a directory given by its clean name.
func (v *View) ReadDir(dir string) []string {
	seen := map[string]bool{} // true: shown
	for i := len(v.layers) - 1; i >= 0; i-- {
		l := v.layers[i]
		for _, name := range l.inDir[dir] {
			if _, known := seen[name]; !known {
				seen[name] = true
			}
		}
		for name := range l.gone {
			if _, known := seen[name]; !known && parent(name) == dir {
				seen[name] = false
			}
		}
		if l.opaque[dir] || l.gone[dir] || l.hides(dir) {
			break
		}
		if e := l.own(dir); e != nil && !e.IsDir() {
			break
		}
	}
	var names []string
	for name, shown := range seen {
		if shown {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

// maxLinks is how many symbolic links are followed, as in Linux.
const maxLinks = 40

// ErrLinks is the error of resolving a name through too many symbolic links.
var ErrLinks = errors.New("too many levels of symbolic links")

// Resolve follows the symbolic links on the way to name, and with last also one at its end, as a process with this
// root directory would: ".." and absolute links stay inside. What does not exist resolves to where it would be made.
func (v *View) Resolve(name string, last bool) (string, error) {
	rest := strings.Split(Clean(name), "/")
	at := ""
	for links := 0; len(rest) > 0; {
		next := rest[0]
		rest = rest[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			at = parent(at)
			continue
		}
		full := join(at, next)
		e := v.Lstat(full)
		if e == nil || e.Type != tar.TypeSymlink || len(rest) == 0 && !last {
			at = full
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("resolving /%s: %w", name, ErrLinks)
		}
		if path.IsAbs(e.Link) {
			at = ""
		}
		rest = append(strings.Split(e.Link, "/"), rest...)
	}
	return at, nil
}

// Stat looks a name up, following links.
func (v *View) Stat(name string) (*Found, error) {
	resolved, err := v.Resolve(name, true)
	if err != nil {
		return nil, err
	}
	if e := v.Lstat(resolved); e != nil {
		return e, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: "/" + Clean(name), Err: fs.ErrNotExist}
}

// join joins a clean directory and a base name.
func join(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}
