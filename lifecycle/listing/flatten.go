package listing

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Flatten writes what the layers show together as one tar stream. open opens the tar stream of a layer, which must be
// the one that its Listing was read from.
func (v *View) Flatten(ctx context.Context, w io.Writer, open func(layer int) (io.ReadCloser, error)) error {
	out := tar.NewWriter(w)
	for i := range v.layers {
		r, err := open(i)
		if err != nil {
			return err
		}
		err = (&flattening{View: v, layer: i, out: out}).run(ctx, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("flattening layer %d: %w", i+1, err)
		}
	}
	return out.Close()
}

// flattening is the part of one layer.
type flattening struct {
	*View
	layer int
	out   *tar.Writer
	// heirs are, for a file that something above hides, the first of its other names that shows: it gets the content.
	heirs map[string]string
}

func (f *flattening) run(ctx context.Context, r io.Reader) error {
	l := f.layers[f.layer]
	f.heirs = map[string]string{}
	for i := range l.Entries {
		e := &l.Entries[i]
		if e.SameAs != "" && f.heirs[e.SameAs] == "" && f.shows(e.Name, i) && !f.shows(e.SameAs, l.byName[e.SameAs]) {
			f.heirs[e.SameAs] = e.Name
		}
	}
	in, n := tar.NewReader(r), 0
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(path.Base(Clean(h.Name)), ".wh.") {
			continue
		}
		if n >= len(l.Entries) || l.Entries[n].Name != Clean(h.Name) {
			return errors.New("it is not what it was when it was listed")
		}
		if err := f.entry(h, in, n); err != nil {
			return fmt.Errorf("writing %q: %w", h.Name, err)
		}
		n++
	}
}

// shows tells whether the nth entry of the layer is what a name shows.
func (f *flattening) shows(name string, n int) bool {
	found := f.Lstat(name)
	return found != nil && found.Layer == f.layer && f.layers[f.layer].byName[name] == n
}

func (f *flattening) entry(h *tar.Header, content io.Reader, n int) error {
	name := Clean(h.Name)
	heir := f.heirs[name]
	switch {
	case name == "":
		return nil
	case h.Typeflag == tar.TypeReg && heir != "":
		name = heir
	case !f.shows(name, n):
		return nil
	case h.Typeflag == tar.TypeLink:
		target := Clean(h.Linkname)
		if other := f.heirs[target]; other == name {
			return nil // written in the place of the file itself
		} else if other != "" {
			target = other
		}
		h.Linkname = target
	}
	if h.Name = name; h.Typeflag == tar.TypeDir {
		h.Name += "/"
	}
	h.Format = tar.FormatPAX
	if err := f.out.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := io.Copy(f.out, content)
	return err
}
