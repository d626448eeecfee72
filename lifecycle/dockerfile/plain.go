package dockerfile

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/snapshot"
	"s2i/lifecycle/store"
)

// plainRoot is a root filesystem in one directory, for builds where nothing can be mounted. It shows what a chain of
// layers holds, and goes on from RUN to RUN.
type plainRoot struct {
	dir, work string
	chain     []*node
}

// inPlace tells whether commands are run without a sandbox.
func (b *builder) inPlace() bool {
	_, ok := b.Sandbox.(sandbox.Direct)
	return ok
}

// executePlain runs a command in a plain directory and makes a layer of what it changed.
func (b *builder) executePlain(ctx context.Context, n *node, r *running) (v1.Layer, error) {
	root, err := b.takeRoot(ctx, n.below)
	if err != nil {
		return nil, err
	}
	dirs := &snapshot.Rootfs{Dir: root.dir, Work: root.work}
	before, err := snapshot.NewIndex(ctx, root.dir)
	if err != nil {
		return nil, err
	}
	p, release, err := r.process(ctx, dirs)
	if err != nil {
		return nil, err
	}
	defer release()
	aside := targets(root.dir, p.Mounts)
	if err := b.start(ctx, r, p); err != nil {
		return nil, err
	}
	for _, rel := range aside {
		before.Refresh(rel)
	}
	l, err := before.Diff(ctx, b.Store, snapshot.PlainOptions{Same: b.sameAs(n.below),
		LayerOptions: store.LayerOptions{Need: store.Blob, Compression: b.Compression}})
	if err != nil {
		return nil, err
	}
	root.chain = append(slices.Clone(n.below), n)
	b.giveRoot(root)
	return l, n.remember(l)
}

// targets finds the files that wait elsewhere while something is in their place.
func targets(dir string, mounts []sandbox.Mount) []string {
	list := []string{"dev", "proc", "sys"}
	for _, m := range mounts {
		real, err := filepath.EvalSymlinks(filepath.Join(dir, m.Target))
		if rel, inside := strings.CutPrefix(real, dir+"/"); err == nil && inside {
			list = append(list, rel)
		}
	}
	return list
}

// takeRoot gives a root filesystem with what a chain holds: one that a part of the chain has been run in, if there is
// any, and else a new one.
func (b *builder) takeRoot(ctx context.Context, chain []*node) (*plainRoot, error) {
	root, err := b.idleRoot(chain)
	if err != nil {
		return nil, err
	}
	ctx, task := progress.Start(ctx, fmt.Sprintf("unpacking %d layers", len(chain)-len(root.chain)), 0)
	for _, n := range chain[len(root.chain):] {
		if err = apply(ctx, n, root.dir); err != nil {
			break
		}
	}
	task.End(err)
	return root, err
}

// idleRoot gives the root filesystem that has most of a chain, and nothing else.
func (b *builder) idleRoot(chain []*node) (*plainRoot, error) {
	b.mu.Lock()
	best := -1
	for i, r := range b.roots {
		if len(r.chain) <= len(chain) && slices.Equal(r.chain, chain[:len(r.chain)]) &&
			(best < 0 || len(r.chain) > len(b.roots[best].chain)) {
			best = i
		}
	}
	if best >= 0 {
		r := b.roots[best]
		b.roots = slices.Delete(b.roots, best, best+1)
		b.mu.Unlock()
		return r, nil
	}
	b.mu.Unlock()
	dir, err := b.placeOfRoot()
	if err != nil {
		return nil, err
	}
	r := &plainRoot{dir: filepath.Join(dir, "root"), work: filepath.Join(dir, "work")}
	if r.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	r.dir = filepath.Join(r.dir, "root")
	return r, errors.Join(os.Mkdir(r.dir, 0o755), os.Chmod(r.dir, 0o755), os.Mkdir(r.work, 0o700))
}

// placeOfRoot makes a directory that lives as long as the build.
func (b *builder) placeOfRoot() (string, error) {
	if d, ok := b.Sandbox.(sandbox.Direct); ok && d.InPlace != nil {
		dir, err := os.MkdirTemp(d.InPlace.Dir(), "dockerfile-")
		b.onClose(func() { _ = os.RemoveAll(dir) })
		return dir, errors.Join(err, os.Chmod(dir, 0o755)) //nolint:gosec // processes of other users are run in it
	}
	dir, remove, err := b.Store.TempDir("dockerfile")
	if err == nil {
		b.onClose(remove)
	}
	return dir, err
}

func (b *builder) giveRoot(r *plainRoot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roots = append(b.roots, r)
}

// apply unpacks a layer on top of what is there.
func apply(ctx context.Context, n *node, dir string) error {
	l, err := n.force(ctx)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	r, err := l.Uncompressed()
	if err != nil {
		return fmt.Errorf("unpacking a layer: %w", err)
	}
	o := archive.ExtractOptions{Limits: n.b.Store.Limits, Whiteouts: archive.WhiteoutsApply, Owners: true, Times: true}
	if err := errors.Join(archive.Extract(ctx, r, root, o), r.Close()); err != nil {
		return fmt.Errorf("unpacking a layer: %w", err)
	}
	return nil
}

// sameAs compares files that were touched with what a chain has under their names.
func (b *builder) sameAs(chain []*node) func(context.Context, *tar.Header, func() (io.ReadCloser, error)) (bool, error) {
	var view *rootfs
	return func(ctx context.Context, h *tar.Header, open func() (io.ReadCloser, error)) (bool, error) {
		if view == nil {
			var err error
			if view, err = b.view(ctx, chain); err != nil {
				return false, err
			}
		}
		e, err := view.lstat(h.Name)
		if err != nil || e == nil || !sameEntry(e, h) {
			return false, err
		}
		if h.Typeflag != tar.TypeReg {
			return true, nil
		}
		content, err := open()
		if err != nil {
			return false, err
		}
		defer content.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, content); err != nil {
			return false, err
		}
		return hex.EncodeToString(sum.Sum(nil)) == e.Digest, nil
	}
}

func sameEntry(e *listing.Entry, h *tar.Header) bool {
	xattrs := map[string]string{}
	for name, value := range h.PAXRecords {
		xattrs[strings.TrimPrefix(name, archive.XattrRecord)] = value
	}
	return e.Type == h.Typeflag && e.Mode == h.Mode && e.UID == h.Uid && e.GID == h.Gid && e.Size == h.Size &&
		e.Link == h.Linkname && maps.Equal(e.Xattrs, xattrs)
}
