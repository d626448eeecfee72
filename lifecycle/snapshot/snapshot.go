// Package snapshot makes root filesystems of image layers, and layers of what changed in them.
//
// Prepare unpacks layers (each once per machine, see store.Tree) and stacks them for overlayfs; Rootfs.Diff makes an OCI
// layer (OCI image specification, layer.md) of its upper directory. Where nothing can be mounted, a root filesystem is one
// plain directory, and Index finds what changes in it.
//
// Either way a layer is the difference of two file trees, and does not tell how it was found: it has what differs in
// type, mode, owner, size, content, link or extended attributes, the directories on the way there, and a whiteout for
// everything that is gone. It is sorted, all times are archive.Epoch, and hard links are kept.
package snapshot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// Rootfs is where a root filesystem comes from. It has the fields of sandbox.Rootfs, so one converts to the other.
type Rootfs struct {
	// Lower are overlayfs lower directories, top first.
	Lower []string
	// Upper takes all changes, in overlayfs's form; empty when the root filesystem is read-only.
	Upper string
	// Work is an empty directory beside Upper, or beside Dir.
	Work string
	// Dir is a plain directory that is all of the root filesystem, instead of the others.
	Dir string
}

// unpackLimit is how many layers are unpacked at once.
const unpackLimit = 4

// Prepare unpacks layers, given bottom first, and gives the root filesystem that they make; with writable it gets an
// upper directory. release lets everything go that it holds: the upper directory is removed, the layers may be pruned.
func Prepare(
	ctx context.Context, st *store.Store, layers []v1.Layer, writable bool,
) (r *Rootfs, release func(), err error) {
	unpin, err := st.Pin()
	if err != nil {
		return nil, nil, err
	}
	release = unpin
	defer func() {
		if err != nil {
			release()
			r, release = nil, nil
		}
	}()
	dirs, err := unpack(ctx, st, layers)
	if err != nil {
		return nil, release, fmt.Errorf("preparing a root filesystem: %w", err)
	}
	r = &Rootfs{Lower: stack(dirs)}
	if !writable && len(r.Lower) > 0 {
		return r, release, nil
	}
	dir, remove, err := st.TempDir("rootfs")
	if err != nil {
		return nil, release, fmt.Errorf("preparing a root filesystem: %w", err)
	}
	release = func() { remove(); unpin() }
	return r, release, r.addDirs(dir, writable)
}

// Over gives a writable root filesystem over directories in overlayfs's form, top first. Its own directories are made
// in dir, which is empty and the caller's to remove.
func Over(lower []string, dir string) (*Rootfs, error) {
	r := &Rootfs{Lower: lower}
	return r, r.addDirs(dir, true)
}

// addDirs makes the directories that a root filesystem needs besides its layers.
func (r *Rootfs) addDirs(dir string, writable bool) error {
	names := []*string{}
	if len(r.Lower) == 0 { // overlayfs wants at least one
		r.Lower = []string{filepath.Join(dir, "empty")}
		names = append(names, &r.Lower[0])
	}
	if writable {
		r.Upper, r.Work = filepath.Join(dir, "upper"), filepath.Join(dir, "work")
		names = append(names, &r.Upper, &r.Work)
	}
	for _, n := range names {
		if err := os.Mkdir(*n, 0o755); err != nil { //nolint:gosec // the container's root directory
			return fmt.Errorf("preparing a root filesystem: %w", err)
		}
	}
	if r.Upper == "" {
		return nil
	}
	// The root directory's permissions are those of the top directory.
	if st, err := os.Stat(r.Lower[0]); err == nil {
		if err := os.Chmod(r.Upper, st.Mode().Perm()|0o700); err != nil {
			return fmt.Errorf("preparing a root filesystem: %w", err)
		}
	}
	return nil
}

// unpack gives the directories of layers, in their order.
func unpack(ctx context.Context, st *store.Store, layers []v1.Layer) ([]string, error) {
	ctx, task := progress.Start(ctx, fmt.Sprintf("unpacking %d layers", len(layers)), 0)
	dirs := make([]string, len(layers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(unpackLimit)
	for i, l := range layers {
		group.Go(func() (err error) {
			dirs[i], err = st.Tree(ctx, l)
			return err
		})
	}
	err := group.Wait()
	task.End(err)
	return dirs, err
}

// stack orders directories for overlayfs: top first, and each only once, which it insists on. Of several equal layers
// the topmost stays: it has everything that those below it would add.
func stack(bottomFirst []string) []string {
	var out []string
	for _, dir := range slices.Backward(bottomFirst) {
		if !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}
