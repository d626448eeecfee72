package native

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Place is a directory of this machine that is, or will be, at a path in an image.
type Place struct {
	Path string // absolute slash path in the image
	// Dir is where it is now; empty when its contents are not here.
	Dir string
	// Programs are the names in its bin directory, when Dir is empty and yet that much is known.
	Programs []string
	Known    bool
}

// view is an image's file system, as far as it is known, put together of what lies on this machine and of the listing
// of its base.
type view struct {
	places []Place
	base   func() Listing // gives nil when it is not known
}

// state is what is known of a path.
type state int

const (
	unknown state = iota // it may be anything
	absent
	present
)

// node is what a path leads to, links followed.
type node struct {
	state state
	dir   bool
	exec  bool   // it may be executed
	path  string // its own path
	// file is where it is on this machine; without it entry is of the base's listing.
	place Place
	entry Entry
}

const maxLinks = 40

// resolve follows a path from the root, as the kernel of a container would.
func (v *view) resolve(name string) node {
	todo := strings.Split(strings.Trim(name, "/"), "/")
	at := "/"
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		n, link := v.look(next)
		switch {
		case n.state != present:
			return n
		case link != "":
			if links++; links > maxLinks {
				return node{state: absent, path: next}
			}
			if path.IsAbs(link) {
				at = "/"
			}
			todo = append(strings.Split(link, "/"), todo...)
			continue
		case !n.dir && len(todo) > 0:
			return node{state: absent, path: next}
		case len(todo) == 0:
			return n
		}
		at = next
	}
	n, _ := v.look(at)
	return n
}

// transient are the directories that a container has of its own.
var transient = []string{"/dev", "/proc", "/sys", "/run", "/tmp", "/cnb", "/var/run", "/platform"}

// look tells what is at a path whose directory has been resolved, and the target of a link.
func (v *view) look(name string) (n node, link string) {
	n = node{state: present, path: name, dir: true}
	if name == "/" {
		return n, ""
	}
	for _, t := range transient {
		if name == t || strings.HasPrefix(name, t+"/") {
			return node{path: name}, ""
		}
	}
	for _, p := range v.places {
		if strings.HasPrefix(p.Path, name+"/") {
			return n, "" // a directory above a place
		}
		if name == p.Path || strings.HasPrefix(name, p.Path+"/") {
			return v.lookIn(p, name)
		}
	}
	base := v.base()
	if base == nil {
		return node{path: name}, ""
	}
	e, ok := base[name[1:]]
	if !ok {
		return node{state: absent, path: name}, ""
	}
	n.dir, n.exec, n.entry = e.Dir, !e.Dir, e
	return n, e.Link
}

// lookIn looks into a directory of this machine. No link is followed there: those are the image's.
func (v *view) lookIn(p Place, name string) (n node, link string) {
	n = node{path: name, place: p}
	if p.Dir == "" {
		n.state, n.dir = p.recall(name)
		return n, ""
	}
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return n, ""
	}
	defer root.Close()
	rel := inPlace(p, name)
	info, err := root.Lstat(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.state = absent
		return n, ""
	case err != nil:
		return n, ""
	}
	n.state = present
	n.dir, n.exec = info.IsDir(), info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = root.Readlink(rel); err != nil {
			n.state = unknown
		}
	}
	return n, link
}

// recall tells what is known of a path in a place whose contents are not here.
func (p Place) recall(name string) (s state, dir bool) {
	program, ok := strings.CutPrefix(name, p.Path+"/bin/")
	switch {
	case name == p.Path, p.Known && name == p.Path+"/bin" && len(p.Programs) > 0:
		return present, true
	case p.Known && ok && !strings.Contains(program, "/") && !slices.Contains(p.Programs, program):
		return absent, false
	}
	return unknown, false
}

// inPlace is a path of the image relative to a place.
func inPlace(p Place, name string) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(name, p.Path), "/")
	if rel == "" {
		return "."
	}
	return rel
}

// open opens a file that is on this machine.
func (n node) open() (*os.File, error) {
	root, err := os.OpenRoot(n.place.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(inPlace(n.place, n.path))
}
