package dockerfile

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/listing"
)

// files is a file tree that instructions read: a build context, or what a stage or an image holds. Names are clean
// slash paths from its root.
type files interface {
	// lstat gives an entry without following a link at its end; nil when there is none. A file's digest may be missing:
	// see digest.
	lstat(name string) (*listing.Entry, error)
	// list gives the entries of a directory, sorted by name, as lstat does.
	list(dir string) ([]listing.Entry, error)
	// resolve follows symbolic links, also one at the end; they cannot leave the tree.
	resolve(name string) (string, error)
	// digest is the sha256 of a file's content.
	digest(ctx context.Context, e *listing.Entry) (string, error)
	// open opens a file's content.
	open(ctx context.Context, e *listing.Entry) (io.ReadCloser, error)
}

// rootfs is what a stage or an image holds, as files.
type rootfs struct {
	b      *builder
	chain  []*node    // the layers' nodes, if they have any
	layers []v1.Layer // bottom first
	*listing.View
}

func (r *rootfs) lstat(name string) (*listing.Entry, error) {
	if f := r.Lstat(name); f != nil {
		return &f.Entry, nil
	}
	return nil, nil
}

func (r *rootfs) list(dir string) ([]listing.Entry, error) {
	var entries []listing.Entry
	for _, name := range r.ReadDir(dir) {
		if f := r.Lstat(path.Join(dir, name)); f != nil {
			entries = append(entries, f.Entry)
		}
	}
	return entries, nil
}

func (r *rootfs) resolve(name string) (string, error) { return r.Resolve(name, true) }

func (r *rootfs) digest(_ context.Context, e *listing.Entry) (string, error) { return e.Digest, nil }

// open reads a file in the unpacked layer that holds it.
func (r *rootfs) open(ctx context.Context, e *listing.Entry) (io.ReadCloser, error) {
	found := r.Lstat(e.Name)
	if found == nil || found.Type != tar.TypeReg {
		return nil, fmt.Errorf("opening /%s: it is no file", e.Name)
	}
	if r.chain != nil {
		dir, err := r.chain[found.Layer].dir(ctx)
		if err != nil {
			return nil, err
		}
		f, err := openBelow(dir, e.Name)
		if !errors.Is(err, fs.ErrPermission) { // what a command has just written can be closed to us
			return f, err
		}
	}
	dir, err := r.b.Store.Tree(ctx, r.layers[found.Layer])
	if err != nil {
		return nil, err
	}
	return openBelow(dir, e.Name)
}

func openBelow(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(filepath.FromSlash(name))
}
