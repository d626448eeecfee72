// Package listing tells what is in a layer without unpacking it, and what several layers over each other make.
//
// A Listing is read from a layer's tar stream, once, with the digest of every file's content; it is small and is kept.
// A View looks names up in layers as overlayfs would show them (OCI image specification, layer.md: whiteouts, opaque
// directories), so that copying into an image needs none of its layers on disk.
package listing

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"s2i/lifecycle/archive"
)

// Entry is a file, directory, link or device of a layer.
type Entry struct {
	// Name is the clean slash path from the root, without a leading slash; the root directory is "".
	Name string `json:"n"`
	// Type is tar's: TypeReg, TypeDir, TypeSymlink, TypeChar, TypeBlock or TypeFifo. Hard links have the type and all
	// else of the file that they are.
	Type byte `json:"t"`
	// Mode is the permissions with setuid, setgid and sticky bits (0o7777).
	Mode int64 `json:"m"`
	UID  int   `json:"u,omitempty"`
	GID  int   `json:"g,omitempty"`
	Size int64 `json:"s,omitempty"` // bytes of a file
	// Link is the target of a symbolic link.
	Link string `json:"l,omitempty"`
	// SameAs is the name in the same layer whose content this is, for a hard link.
	SameAs string `json:"h,omitempty"`
	// Digest is the sha256 of a file's content, in hex.
	Digest string            `json:"d,omitempty"`
	Xattrs map[string]string `json:"x,omitempty"`
	Major  int64             `json:"a,omitempty"`
	Minor  int64             `json:"b,omitempty"`
	// Implied tells of a directory that no layer describes, but in which some layer has something.
	Implied bool `json:"i,omitempty"`
}

// IsDir tells whether the entry is a directory.
func (e *Entry) IsDir() bool { return e.Type == tar.TypeDir }

// Listing is what one layer holds.
type Listing struct {
	Entries []Entry `json:"entries"`
	// Gone are the names that the layer takes away from those below.
	Gone []string `json:"gone,omitempty"`
	// Opaque are the directories of which nothing below shows.
	Opaque []string `json:"opaque,omitempty"`

	byName map[string]int
	gone   map[string]bool
	opaque map[string]bool
	inDir  map[string][]string // names of a directory's entries
}

// maxPadding bounds what may follow the end of a layer, in bytes.
const maxPadding = 1 << 30

// Read reads the uncompressed tar stream of a layer to its end. What it may hold is bounded as for unpacking it.
func Read(r io.Reader, limits archive.Limits) (*Listing, error) {
	l, budget := &Listing{}, archive.NewBudget(limits)
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("listing a layer: %w", err)
		}
		if err = budget.Take(h.Size); err == nil {
			err = l.add(h, tr)
		}
		if err != nil {
			return nil, fmt.Errorf("listing a layer: %s: %w", h.Name, err)
		}
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, maxPadding+1)) // padding after the end
	if n > maxPadding {
		err = fmt.Errorf("%w of %d bytes after its end", archive.ErrLimit, maxPadding)
	}
	if err != nil {
		return nil, fmt.Errorf("listing a layer: %w", err)
	}
	l.index()
	return l, nil
}

// Add notes an entry of a layer that is being written, in the order of the stream; digest is the sha256 of a regular
// file's content, in hex. Over or Read's result must not have seen the listing yet.
func (l *Listing) Add(h *tar.Header, digest string) error {
	e, err := l.entry(h)
	if e == nil || err != nil {
		return err
	}
	if e.Type == tar.TypeReg {
		e.Size, e.Digest = h.Size, digest
	}
	l.Entries = append(l.Entries, *e)
	return nil
}

// Clean gives a name as listings have it: no leading slash, no dot elements.
func Clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func (l *Listing) add(h *tar.Header, content io.Reader) error {
	e, err := l.entry(h)
	if e == nil || err != nil {
		return err
	}
	if e.Type == tar.TypeReg {
		sum := sha256.New()
		if e.Size, err = io.Copy(sum, content); err != nil {
			return err
		}
		e.Digest = hex.EncodeToString(sum.Sum(nil))
	}
	l.Entries = append(l.Entries, *e)
	return nil
}

// entry makes an entry of a header, apart from the content; nil when it only says what is gone.
func (l *Listing) entry(h *tar.Header) (*Entry, error) {
	name := Clean(h.Name)
	dir, base := path.Split(name)
	switch {
	case base == ".wh..wh..opq":
		l.Opaque = append(l.Opaque, strings.TrimSuffix(dir, "/"))
		return nil, nil
	case strings.HasPrefix(base, ".wh..wh."):
		return nil, nil // aufs's own
	case strings.HasPrefix(base, ".wh."):
		l.Gone = append(l.Gone, dir+strings.TrimPrefix(base, ".wh."))
		return nil, nil
	}
	e := &Entry{
		Name: name, Type: h.Typeflag, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid,
		Major: h.Devmajor, Minor: h.Devminor, Xattrs: xattrs(h.PAXRecords),
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		e.Link = h.Linkname
	case tar.TypeLink:
		e.SameAs = Clean(h.Linkname)
	case tar.TypeReg, tar.TypeDir, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	default:
		return nil, fmt.Errorf("an entry of type %q has no place in a layer", h.Typeflag)
	}
	return e, nil
}

func xattrs(records map[string]string) map[string]string {
	var out map[string]string
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, archive.XattrRecord); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = value
		}
	}
	return out
}

// index resolves hard links and makes what lookups need. A name that occurs twice is what it was last.
func (l *Listing) index() {
	l.byName = make(map[string]int, len(l.Entries))
	l.gone, l.opaque = map[string]bool{}, map[string]bool{}
	l.inDir = map[string][]string{}
	for i := range l.Entries {
		e := &l.Entries[i]
		if e.SameAs != "" && e.Type == tar.TypeLink {
			if j, ok := l.byName[e.SameAs]; ok && l.Entries[j].Type != tar.TypeLink {
				name, same := e.Name, e.SameAs
				if of := l.Entries[j].SameAs; of != "" {
					same = of
				}
				*e = l.Entries[j]
				e.Name, e.SameAs = name, same
			}
		}
		if _, twice := l.byName[e.Name]; !twice && e.Name != "" {
			dir := parent(e.Name)
			l.inDir[dir] = append(l.inDir[dir], e.Name)
		}
		l.byName[e.Name] = i
	}
	l.imply()
	for _, name := range l.Gone {
		l.gone[name] = true
	}
	for _, name := range l.Opaque {
		l.opaque[name] = true
	}
}

// imply lists directories that have no entry of their own in theirs.
func (l *Listing) imply() {
	implied := map[string]bool{}
	for i := range l.Entries {
		for dir := parent(l.Entries[i].Name); dir != "" && !implied[dir]; dir = parent(dir) {
			implied[dir] = true
			if l.own(dir) == nil {
				l.inDir[parent(dir)] = append(l.inDir[parent(dir)], dir)
			}
		}
	}
}

// parent is the directory of a name; that of a name at the top is "".
func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)]
}

// own is the layer's own entry of a name.
func (l *Listing) own(name string) *Entry {
	if i, ok := l.byName[name]; ok {
		return &l.Entries[i]
	}
	return nil
}

// hides tells whether nothing of the layers below shows under name.
func (l *Listing) hides(name string) bool {
	if l.gone[name] {
		return true
	}
	for dir := name; dir != ""; {
		dir = parent(dir)
		if l.opaque[dir] || l.gone[dir] {
			return true
		}
		if e := l.own(dir); e != nil && !e.IsDir() {
			return true
		}
	}
	return false
}

// Names gives the layer's own entries, sorted by name.
func (l *Listing) Names() []string {
	names := make([]string, 0, len(l.byName))
	for name := range l.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
