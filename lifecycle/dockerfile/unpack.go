package dockerfile

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
)

// archive puts what an archive holds into dest, as a process that unpacks it there with dest as its root directory:
// links on the way are followed and stay inside, and what is of another type is replaced.
func (p *placement) archive(g *gathered, dest string) error {
	if err := p.makeDirs(dest); err != nil {
		return err
	}
	for i := range g.entries {
		e := &g.entries[i]
		if e.Name == "" {
			continue // dest is as it is
		}
		if e.Implied { // and stays what it is, if it is there
			continue
		}
		dir, err := p.within(dest, parentOf(e.Name))
		if err != nil {
			return fmt.Errorf("unpacking %q: %w", e.Name, err)
		}
		if err := p.makeDirs(dir); err != nil {
			return err
		}
		p.put(g, e, path.Join(dir, path.Base(e.Name)))
	}
	return nil
}

// within resolves a name below root, following links as if root were the root directory.
func (p *placement) within(root, name string) (string, error) {
	return resolveIn(name, func(at string) (string, bool) {
		e := p.at(path.Join(root, at))
		if e == nil || e.Type != tar.TypeSymlink {
			return "", false
		}
		return e.Link, true
	}, root)
}

// resolveIn resolves a name with the links that readlink knows, and puts it below root.
func resolveIn(name string, readlink func(string) (string, bool), root string) (string, error) {
	rest, at := strings.Split(listing.Clean(name), "/"), ""
	for links := 0; len(rest) > 0; {
		next := rest[0]
		rest = rest[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			at = parentOf(at)
			continue
		}
		full := path.Join(at, next)
		target, ok := readlink(full)
		if !ok {
			at = full
			continue
		}
		if links++; links > 40 {
			return "", fmt.Errorf("resolving %s: %w", name, listing.ErrLinks)
		}
		if path.IsAbs(target) {
			at = ""
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return path.Join(root, at), nil
}

// rewriteArchive copies a tar archive in the form that layers have: names lead through none of the archive's own links
// and stay inside, and what stands for no file is left out.
func rewriteArchive(ctx context.Context, r io.Reader, w io.Writer) error {
	in, out := tar.NewReader(r), archive.NewWriter(w)
	names := archiveNames{}
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return fmt.Errorf("reading the archive: %w", err)
		}
		if n >= maxGathered {
			return fmt.Errorf("there are more than %d files in the archive", maxGathered)
		}
		if keep, err := names.rewrite(h); err != nil || !keep {
			if err != nil {
				return fmt.Errorf("reading %q in the archive: %w", h.Name, err)
			}
			continue
		}
		if err := out.Add(h, in); err != nil {
			return err
		}
	}
}

// archiveNames are the symbolic links among an archive's entries so far, with their targets.
type archiveNames map[string]string

// rewrite changes the names in a header; false leaves the entry out.
func (a archiveNames) rewrite(h *tar.Header) (bool, error) {
	if h.Typeflag == tar.TypeXGlobalHeader || path.Clean("./"+h.Name) == "." {
		return false, nil
	}
	if strings.HasPrefix(path.Base(h.Name), ".wh.") {
		return false, errors.New("names that begin with .wh. have a meaning of their own in images")
	}
	name, err := a.resolve(h.Name)
	if err != nil {
		return false, err
	}
	h.Name = name
	delete(a, name)
	switch h.Typeflag {
	case tar.TypeSymlink:
		a[name] = h.Linkname
	case tar.TypeLink:
		if h.Linkname, err = a.resolve(h.Linkname); err != nil {
			return false, err
		}
		if target, ok := a[h.Linkname]; ok { // a link to a link is the same link
			a[name] = target
		}
	case tar.TypeGNUSparse, tar.TypeCont:
		h.Typeflag = tar.TypeReg
	}
	return name != "", nil
}

// resolve follows the links on the way to a name, but not one at its end.
func (a archiveNames) resolve(name string) (string, error) {
	if rel := path.Clean(strings.TrimLeft(name, "/")); rel == ".." || strings.HasPrefix(rel, "../") {
		return "", errors.New("it leads out of the archive's root")
	}
	clean := listing.Clean(name)
	dir, err := resolveIn(parentOf(clean), func(at string) (string, bool) { target, ok := a[at]; return target, ok }, "")
	return path.Join(dir, path.Base(clean)), err
}
