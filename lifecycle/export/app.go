package export

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/native"
)

// appPieces gives one layer for each slice and one for the rest of the app.
func appPieces(o Options) ([]*piece, error) {
	if ok, err := lifecycle.IsRealDir(path.Dir(o.AppDir), path.Base(o.AppDir)); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("there is no app directory %s to export", o.AppDir), err)
	}
	slices := o.Metadata.Slices
	for _, slice := range slices {
		for _, glob := range slice.Paths {
			if _, err := path.Match(glob, ""); err != nil {
				return nil, fmt.Errorf("reading the slice path %q: %w", glob, err)
			}
		}
	}
	spec, err := json.Marshal(slices)
	if err != nil {
		return nil, fmt.Errorf("encoding the slices: %w", err)
	}
	a := &app{dir: o.AppDir, place: o.Places.App, uid: o.Places.UID, gid: o.Places.GID, slices: slices}
	t := &tree{dir: o.AppDir}
	pieces := make([]*piece, len(slices)+1)
	for i := range pieces {
		p := &piece{role: roleApp, tree: t, id: "app", history: historyApp}
		if len(slices) > 0 {
			p.history = fmt.Sprintf(historySlice, i+1)
			p.id = fmt.Sprintf("app, slice %d", i+1)
		}
		p.variant = fmt.Sprintf("app %s %d:%d %d %s", a.place, a.uid, a.gid, i, spec)
		p.source = func(ctx context.Context, w io.Writer) error { return a.write(ctx, w, i) }
		p.scan = func(ctx context.Context, s *native.Scanner) error { return a.scan(ctx, s, i) }
		pieces[i] = p
	}
	return pieces, nil
}

// app is the app's directory, divided into layers when the first of them is made.
type app struct {
	dir, place string
	uid, gid   int
	slices     []lifecycle.Slice

	once  sync.Once
	parts [][]string
	err   error
}

// part lists the paths in the i-th layer, sorted.
func (a *app) part(ctx context.Context, i int) ([]string, error) {
	a.once.Do(func() {
		var paths []string
		a.err = archive.Walk(ctx, a.dir, func(f *archive.File) error {
			paths = append(paths, f.Rel)
			return nil
		})
		a.parts = divide(paths, a.place, a.slices)
	})
	if a.err != nil {
		return nil, a.err
	}
	return a.parts[i], nil
}

// write writes the i-th layer. Entries are in the order of their whole paths, not in the order of a walk: so they are
// in the reference's app layers. A layer without files is an empty tar stream.
func (a *app) write(ctx context.Context, w io.Writer, i int) error {
	paths, err := a.part(ctx, i)
	if err != nil {
		return err
	}
	tw := archive.NewWriter(w)
	if len(paths) > 0 {
		for _, parent := range archive.Parents(a.place, a.uid, a.gid) {
			if err := tw.Add(&parent, nil); err != nil {
				return err
			}
		}
	}
	for _, rel := range paths {
		err := archive.Walk(ctx, join(a.dir, rel), func(f *archive.File) error {
			if err := a.add(tw, f, join(a.place, rel)); err != nil {
				return err
			}
			return fs.SkipDir
		})
		if err != nil {
			return err
		}
	}
	return tw.Close()
}

func (a *app) add(tw *archive.Writer, f *archive.File, name string) error {
	h, err := f.Header(name)
	if err != nil || h == nil {
		return err
	}
	h.Uid, h.Gid = a.uid, a.gid
	if h.Typeflag != tar.TypeReg || h.Size == 0 {
		return tw.Add(h, nil)
	}
	content, err := f.Open()
	if err != nil {
		return fmt.Errorf("opening %q: %w", name, err)
	}
	defer content.Close()
	return tw.Add(h, content)
}

// scan looks at the files of the i-th layer.
func (a *app) scan(ctx context.Context, s *native.Scanner, i int) error {
	paths, err := a.part(ctx, i)
	if err != nil {
		return err
	}
	for _, rel := range paths {
		err := archive.Walk(ctx, join(a.dir, rel), func(f *archive.File) error {
			if err := s.File(path.Join(a.place, rel), f); err != nil {
				return err
			}
			return fs.SkipDir
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// join is root/rel, or root when rel is "".
func join(root, rel string) string {
	if rel == "" {
		return root
	}
	return root + "/" + rel
}
