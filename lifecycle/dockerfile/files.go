package dockerfile

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/listing"
	"s2i/lifecycle/store"
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
	store  *store.Store
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
	dir, err := r.store.Tree(ctx, r.layers[found.Layer])
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(filepath.FromSlash(e.Name))
}
