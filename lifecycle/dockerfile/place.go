package dockerfile

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
)

// item is one entry of the layer that a COPY or ADD makes.
type item struct {
	listing.Entry // as it will be in the image
	from          files
	src           *listing.Entry // the file in from whose content it has
	data          []byte
}

// placement says where sources go and how they look there.
type placement struct {
	// target is what the image holds so far.
	target *listing.View
	// dest is the destination, absolute; toDir tells that it is a directory, whatever is there.
	dest  string
	toDir bool
	// owner of what is copied; nil means what the sources say.
	owner *ids
	// chmod changes modes; nil leaves them. dirMode is that of directories that are made on the way; 0 means 0755.
	chmod   func(mode int64, isDir bool) int64
	dirMode int64
	// exact makes a directory that is copied to dest like its source.
	exact bool
	items map[string]*item
}

// place decides where every entry goes. It needs the image's listing, but none of its files.
func (p *placement) place(sources []gathered) ([]*item, error) {
	p.items = map[string]*item{}
	dest, err := p.resolveDest()
	if err != nil {
		return nil, err
	}
	for i := range sources {
		if err := p.source(&sources[i], dest); err != nil {
			return nil, err
		}
	}
	items := p.sorted()
	hardLinks(items)
	return items, nil
}

// sorted gives what was placed by name, with the directories above as the image has them. Whoever unpacks a layer into
// a directory of its own, to mount it over others, would make them like any directory, and that would hide theirs.
func (p *placement) sorted() []*item {
	for _, name := range slices.Collect(maps.Keys(p.items)) {
		for dir := parentOf(name); dir != "" && p.items[dir] == nil; dir = parentOf(dir) {
			if f := p.target.Lstat(dir); f != nil && f.IsDir() {
				p.items[dir] = &item{Entry: f.Entry}
			}
		}
	}
	var items []*item
	for _, name := range slices.Sorted(maps.Keys(p.items)) {
		items = append(items, p.items[name])
	}
	return items
}

// hardLinks makes links of files that are one file in their source.
func hardLinks(items []*item) {
	type file struct {
		from   files
		name   string
		digest string
	}
	first := map[file]string{}
	for _, it := range items {
		if it.Type != tar.TypeReg || it.from == nil {
			continue
		}
		same := file{it.from, cmp.Or(it.src.SameAs, it.src.Name), it.Digest}
		if name, ok := first[same]; ok {
			it.SameAs = name
		} else {
			first[same] = it.Name
		}
	}
}

// resolveDest follows links in the image on the way to the destination, and at its end.
func (p *placement) resolveDest() (string, error) {
	dest, err := p.target.Resolve(p.dest, true)
	if err != nil {
		return "", err
	}
	if e := p.target.Lstat(dest); e != nil && e.IsDir() {
		p.toDir = true
	}
	return dest, nil
}

func (p *placement) source(g *gathered, dest string) error {
	if g.parents != "" {
		if err := p.keptParents(g, dest); err != nil {
			return err
		}
		dest = path.Join(dest, g.parents)
	}
	if g.archive {
		return p.archive(g, dest)
	}
	if g.root().IsDir() {
		return p.tree(g, dest)
	}
	if p.toDir {
		dest = path.Join(dest, g.base)
	}
	if dest == "" {
		return fmt.Errorf("%q would replace the root directory", g.base)
	}
	if e := p.at(dest); e != nil && e.IsDir() {
		return fmt.Errorf("cannot copy the file %q over the directory /%s", "/"+g.root().Name, dest)
	}
	if err := p.makeDirs(parentOf(dest)); err != nil {
		return err
	}
	p.put(g, g.root(), dest)
	return nil
}

// keptParents makes the directories that --parents keeps, as they are in the source.
func (p *placement) keptParents(g *gathered, dest string) error {
	if err := p.makeDirs(dest); err != nil {
		return err
	}
	for i := range g.above {
		p.put(g, &g.above[i], path.Join(dest, g.above[i].Name))
	}
	return nil
}

// tree puts the content of a directory into dest. That itself is not like the source: it keeps its mode and owner, or
// is made as any directory on the way. Directories below become like those of the source, as with BuildKit.
func (p *placement) tree(g *gathered, dest string) error {
	top := g.root().Name
	made := dest
	if g.parents != "" || p.exact {
		made = parentOf(dest)
	}
	if err := p.makeDirs(made); err != nil {
		return err
	}
	for i := range g.entries {
		e := &g.entries[i]
		rel := strings.TrimPrefix(strings.TrimPrefix(e.Name, top), "/")
		name := path.Join(dest, rel)
		there := p.at(name)
		switch {
		case there != nil && there.IsDir() && !e.IsDir():
			return fmt.Errorf("cannot copy the file %q over the directory /%s", "/"+e.Name, name)
		case there != nil && !there.IsDir() && e.IsDir():
			return fmt.Errorf("cannot copy the directory %q over the file /%s", "/"+e.Name, name)
		case rel == "" && there != nil:
			continue
		}
		p.put(g, e, name)
	}
	return nil
}

// at is what is at a clean name: what this instruction put there, or what the image has.
func (p *placement) at(name string) *listing.Entry {
	if it, ok := p.items[name]; ok {
		return &it.Entry
	}
	if f := p.target.Lstat(name); f != nil {
		return &f.Entry
	}
	return nil
}

func (p *placement) put(g *gathered, src *listing.Entry, name string) {
	e := *src
	e.Name, e.SameAs = name, ""
	if p.owner != nil {
		e.UID, e.GID = p.owner.uid, p.owner.gid
	}
	if p.chmod != nil && e.Type != tar.TypeSymlink && !g.archive {
		e.Mode = p.chmod(e.Mode, e.IsDir())
	}
	p.items[name] = &item{Entry: e, from: g.from, src: src, data: g.data}
}

// makeDirs makes what is missing of a directory's path.
func (p *placement) makeDirs(dir string) error {
	made := ""
	for _, el := range strings.Split(dir, "/") {
		if el == "" {
			continue
		}
		made = path.Join(made, el)
		e := p.at(made)
		switch {
		case e == nil:
			p.items[made] = &item{Entry: p.newDir(made)}
		case !e.IsDir() && e.Type != tar.TypeSymlink:
			return fmt.Errorf("/%s is a file, and not a directory to copy into", made)
		}
	}
	return nil
}

func (p *placement) newDir(name string) listing.Entry {
	e := listing.Entry{Name: name, Type: tar.TypeDir, Mode: cmp.Or(p.dirMode, 0o755)}
	if p.owner != nil {
		e.UID, e.GID = p.owner.uid, p.owner.gid
	}
	return e
}

func parentOf(name string) string { return listing.Clean(path.Dir("/" + name)) }

// writeItems writes a layer of items: the one reading of the sources, apart from that for the key of those that
// changed. each, if any, learns of every entry with the digest that is known of it.
func writeItems(ctx context.Context, w io.Writer, items []*item, each func(h *tar.Header, digest string)) error {
	out := archive.NewWriter(w)
	for _, it := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		h := it.header()
		if err := writeItem(ctx, out, it, h); err != nil {
			return fmt.Errorf("writing /%s: %w", it.Name, err)
		}
		if each != nil {
			each(h, it.Digest)
		}
	}
	return out.Close()
}

// keptXattr tells whether images keep an extended attribute.
func keptXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.") && !archive.InternalXattr(name)
}

func (it *item) header() *tar.Header {
	if it.SameAs != "" {
		return &tar.Header{Typeflag: tar.TypeLink, Name: it.Name, Linkname: it.SameAs, Uid: it.UID, Gid: it.GID, Mode: it.Mode}
	}
	h := &tar.Header{Typeflag: it.Type, Name: it.Name, Mode: it.Mode, Uid: it.UID, Gid: it.GID, Linkname: it.Link,
		Devmajor: it.Major, Devminor: it.Minor}
	for name, value := range it.Xattrs {
		if !keptXattr(name) {
			continue
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[archive.XattrRecord+name] = value
	}
	if it.Type == tar.TypeReg {
		h.Size = it.Size
	}
	return h
}

func writeItem(ctx context.Context, out *archive.Writer, it *item, h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return out.Add(h, nil)
	}
	if it.from == nil {
		return out.Add(h, bytes.NewReader(it.data))
	}
	content, err := it.from.open(ctx, it.src)
	if err != nil {
		return err
	}
	defer content.Close()
	return out.Add(h, content)
}
