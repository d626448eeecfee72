package stacks

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"s2i/lifecycle/archive"
)

// tree writes a layer entry by entry and keeps what must hold of every layer: a path is there once, its directories
// come before it, and nothing lies below a link, above all not below the merged /bin, /sbin and /lib.
type tree struct {
	w    *archive.Writer
	seen map[string]entry
}

// entry is what tree remembers of a path.
type entry struct {
	kind byte   // tar type flag
	link string // target
	from string // who brought it
}

// specialDirs have these modes wherever they appear. All others are 0755.
var specialDirs = map[string]int64{
	"tmp": 0o1777, "var/tmp": 0o1777, "run/lock": 0o1777, "root": 0o700, "var/mail": 0o2775, "var/local": 0o2775,
}

// merged are the directories that Debian merged into /usr.
var merged = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}

func newTree(w io.Writer) *tree { return &tree{w: archive.NewWriter(w), seen: map[string]entry{}} }

// usrMerged moves a path below a merged directory under usr.
func usrMerged(name string) string {
	for _, m := range merged {
		if strings.HasPrefix(name, m+"/") {
			return "usr/" + name
		}
	}
	return name
}

// dir adds a directory unless it is there. Owners are kept; modes are those of specialDirs.
func (t *tree) dir(h *tar.Header, from string) error {
	if old, ok := t.seen[h.Name]; ok {
		if old.kind != tar.TypeDir {
			return t.clash(h.Name, from, old)
		}
		return nil
	}
	if err := t.parents(h.Name, from); err != nil {
		return err
	}
	mode, ok := specialDirs[h.Name]
	if !ok {
		mode = 0o755
	}
	n := *h
	n.Typeflag, n.Mode, n.Size = tar.TypeDir, mode, 0
	t.seen[h.Name] = entry{kind: tar.TypeDir, from: from}
	return t.w.Add(&n, nil)
}

// mkdir adds a directory that belongs to root.
func (t *tree) mkdir(name, from string) error { return t.dir(&tar.Header{Name: name}, from) }

// parents adds the directories that lead to a path.
func (t *tree) parents(name, from string) error {
	parent := path.Dir(name)
	if parent == "." {
		return nil
	}
	if old, ok := t.seen[parent]; ok {
		if old.kind != tar.TypeDir {
			return fmt.Errorf("composing a layer: %s of %s lies below %s of %s, which is no directory",
				name, from, parent, old.from)
		}
		return nil
	}
	return t.mkdir(parent, from)
}

// file adds a regular file, a symbolic or a hard link. Set-id bits are taken away: nothing in our images may gain
// rights.
func (t *tree) file(h *tar.Header, content io.Reader, from string) error {
	if old, ok := t.seen[h.Name]; ok {
		if old.kind == tar.TypeSymlink && h.Typeflag == tar.TypeSymlink && old.link == h.Linkname {
			return nil
		}
		return t.clash(h.Name, from, old)
	}
	if err := t.parents(h.Name, from); err != nil {
		return err
	}
	n := *h
	n.Mode &= 0o777
	switch h.Typeflag {
	case tar.TypeSymlink:
		n.Mode = 0o777
		n.Size = 0
	case tar.TypeLink:
		if t.seen[h.Linkname].kind != tar.TypeReg && t.seen[h.Linkname].kind != tar.TypeLink {
			return fmt.Errorf("composing a layer: %s of %s is a hard link to %s, which is not there", h.Name, from, h.Linkname)
		}
		n.Size = 0
	case tar.TypeReg:
	default:
		return fmt.Errorf("composing a layer: %s of %s is no file, directory or link (type %q)", h.Name, from, h.Typeflag)
	}
	t.seen[h.Name] = entry{kind: h.Typeflag, link: h.Linkname, from: from}
	return t.w.Add(&n, content)
}

// write adds a regular file of root's with the given content.
func (t *tree) write(name string, content []byte, from string) error {
	h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
	return t.file(h, bytes.NewReader(content), from)
}

// symlink adds a symbolic link of root's.
func (t *tree) symlink(name, target, from string) error {
	return t.file(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}, nil, from)
}

// has tells whether a path was added.
func (t *tree) has(name string) bool {
	_, ok := t.seen[name]
	return ok
}

func (t *tree) clash(name, from string, old entry) error {
	return fmt.Errorf("composing a layer: %s comes from both %s and %s", name, old.from, from)
}

func (t *tree) close() error { return t.w.Close() }
