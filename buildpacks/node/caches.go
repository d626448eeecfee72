package node

import (
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// toolCaches are the directories in which build tools keep what they have worked out from one build to the next. They
// are kept in a layer of their own, as long as the installed packages are the same ones, and never get into the app.
//
// A build must make the same with and without them. So only those are kept whose tools look at the contents of files,
// or at their times, which copyStamped makes a function of the contents; and of Next.js's neither the answers that it got
// from elsewhere nor its keys.
type toolCaches struct {
	layer libcnb.Layer
	key   string
	// dir is the tree that the tools run in; names are relative to it and to the layer.
	dir   string
	names []string
}

// maxCaches bounds what is kept, in bytes: some tools never remove anything.
const maxCaches = 1 << 30

// findCaches gives the caches of a build in dir, of the packages that key stands for.
func (b *builder) findCaches(dir, key string) (*toolCaches, error) {
	layer, err := b.layer("caches")
	if err != nil {
		return nil, err
	}
	c := &toolCaches{layer: layer, key: key, dir: dir}
	for _, m := range b.d.project.all() {
		home := path.Join(b.sub, m.Dir)
		for _, name := range []string{"node_modules/.cache", "node_modules/.astro", ".angular/cache", ".parcel-cache"} {
			c.names = append(c.names, path.Join(home, name))
		}
		if f := b.d.framework; f != nil && f.Next != nil && f.Member == m {
			c.names = append(c.names, path.Join(home, f.Next.Dist, "cache"))
		}
	}
	if f := b.d.framework; f == nil || !f.Seeded {
		// turbo and nx keep what whole builds have made, and do not know of the seed.
		c.names = append(c.names, path.Join(b.sub, ".turbo/cache"), path.Join(b.sub, ".nx"))
	}
	return c, nil
}

// restore puts the caches where the tools look for them.
func (c *toolCaches) restore() error {
	if !kit.MadeHere(c.layer, c.key) {
		return nil
	}
	for _, name := range c.names {
		if err := moveDir(filepath.Join(c.layer.Path, name), filepath.Join(c.dir, name)); err != nil {
			return fmt.Errorf("restoring the cache %s: %w", name, err)
		}
	}
	return nil
}

// keep takes the caches away from where the tools have left them. It gives the layer, and false when there is nothing to
// keep.
func (c *toolCaches) keep(seeded bool) (libcnb.Layer, bool, error) {
	layer, err := kit.Fresh(c.layer, libcnb.LayerTypes{Cache: true}, c.key)
	if err != nil {
		return layer, false, err
	}
	kept := false
	for _, name := range c.names {
		for _, other := range notKept(seeded) {
			if err := os.RemoveAll(filepath.Join(c.dir, name, other)); err != nil {
				return layer, false, fmt.Errorf("keeping the cache %s: %w", name, err)
			}
		}
		to := filepath.Join(layer.Path, name)
		if err := moveDir(filepath.Join(c.dir, name), to); err != nil {
			return layer, false, fmt.Errorf("keeping the cache %s: %w", name, err)
		}
		if _, err := os.Lstat(to); err == nil {
			kept = true
		}
	}
	if size, err := treeSize(layer.Path); err != nil || size > maxCaches {
		return layer, false, errors.Join(err, os.RemoveAll(layer.Path))
	}
	return layer, kept, nil
}

// notKept are the parts of caches that are not kept: Next.js's answers from elsewhere, images and keys; what linters
// remember by the times of files; and, when there is a seed, what turbo and nx keep in the place of other tools.
func notKept(seeded bool) []string {
	names := []string{"fetch-cache", "images", ".previewinfo", ".rscinfo", ".eslintcache"}
	if seeded {
		names = append(names, "turbo", "nx")
	}
	return names
}

// moveDir moves a directory over what is at to; nothing happens when there is none.
func moveDir(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func treeSize(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measuring the caches of build tools: %w", err)
	}
	return size, nil
}

// firstStamp is the earliest time that copyStamped gives, in seconds since 1970; all of them are in the past.
const firstStamp = 10 * 365 * 24 * 3600

// copyStamped copies a file and gives the copy a time that its contents decide: all files of the app carry one fixed
// time, and tools that compare times must see which ones have changed since the build that filled their cache.
func copyStamped(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm())
	if err != nil {
		return err
	}
	sum := crc64.New(crc64.MakeTable(crc64.ECMA))
	if _, err := io.Copy(io.MultiWriter(out, sum), in); err != nil {
		_ = out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	n := sum.Sum64()
	// Milliseconds, the most that all tools look at.
	when := time.Unix(firstStamp+int64(n%(1<<30)), int64(n>>40%1000)*int64(time.Millisecond))
	return os.Chtimes(to, when, when)
}
