package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/progress"
)

// Replace publishes an image in the place of another, as a cache is written again and again. From a layout in a directory,
// blobs are then removed that nothing there refers to, but for those of the index as it was before: a build that has begun
// with them can finish.
func (c *Client) Replace(ctx context.Context, img v1.Image, ref Ref) error {
	var before map[string]bool
	var unknown error
	if ref.Kind == OCILayout {
		before, unknown = layoutBlobs(ref.Path)
	}
	if _, err := c.Publish(ctx, img, []Ref{ref}); err != nil || ref.Kind != OCILayout {
		return err
	}
	if unknown == nil {
		unknown = tidy(ref.Path, before)
	}
	if unknown != nil { // the cache is there all the same
		progress.Warn(ctx, "%s keeps what nothing refers to: %v", ref.Path, unknown)
	}
	return nil
}

// layoutBlobs are the digests that a layout's index refers to, over however many steps. A layout that is not there has
// none.
func layoutBlobs(dir string) (map[string]bool, error) {
	var index v1.IndexManifest
	err := readJSON(dirFiles(dir), "index.json", &index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	blobs := map[string]bool{}
	if err == nil {
		err = addBlobs(dir, index.Manifests, blobs)
	}
	return blobs, err
}

func addBlobs(dir string, list []v1.Descriptor, blobs map[string]bool) error {
	for _, d := range list {
		if blobs[d.Digest.String()] {
			continue
		}
		blobs[d.Digest.String()] = true
		if !d.MediaType.IsImage() && !d.MediaType.IsIndex() {
			if d.MediaType.IsLayer() || d.MediaType.IsConfig() {
				continue
			}
			return fmt.Errorf("what %s of the type %s refers to is not known", d.Digest, d.MediaType)
		}
		var m struct {
			Config            *v1.Descriptor
			Layers, Manifests []v1.Descriptor
		}
		if err := readJSON(dirFiles(dir), blobPath(d.Digest), &m); err != nil {
			return err
		}
		if m.Config != nil {
			blobs[m.Config.Digest.String()] = true
		}
		for _, l := range m.Layers {
			blobs[l.Digest.String()] = true
		}
		if err := addBlobs(dir, m.Manifests, blobs); err != nil {
			return err
		}
	}
	return nil
}

// tidy removes the blobs of a layout that neither its index nor keep has. While others write there, it removes nothing.
func tidy(dir string, keep map[string]bool) error {
	unlock, err := lockDir(filepath.Join(dir, "blobs"), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	used, err := layoutBlobs(dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), "blobs/sha256")
	if err != nil {
		return err
	}
	for _, e := range entries {
		digest, err := v1.NewHash("sha256:" + e.Name())
		if err != nil || !e.Type().IsRegular() || used[digest.String()] || keep[digest.String()] {
			continue
		}
		if err := root.Remove(blobPath(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
