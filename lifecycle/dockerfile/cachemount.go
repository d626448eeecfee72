package dockerfile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// cacheMount is a directory that outlives builds.
type cacheMount struct {
	// name is that of the directory in the store. Mounts that differ in id, owner, mode or initial content are different
	// directories.
	name    string
	about   string // for the user
	uid     uint64
	gid     uint64
	mode    uint64
	sharing instructions.ShareMode
}

// newCacheMount describes a mount. Names of several users of one store can have a space of their own.
func newCacheMount(one *mount, space string) cacheMount {
	c := cacheMount{uid: value(one.UID, 0), gid: value(one.GID, 0), mode: value(one.Mode, 0o755), sharing: one.CacheSharing}
	id := cmp.Or(one.CacheID, path.Clean(one.target))
	if space != "" {
		id = space + "/" + id
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d:%d %o\n%s", id, c.uid, c.gid, c.mode, one.digest))
	c.name = "dockerfile-" + hex.EncodeToString(sum[:16])
	c.about = fmt.Sprintf("cache mount %s, %d:%d %o", strconv.Quote(id), c.uid, c.gid, c.mode)
	return c
}

// maxPrivate bounds how many directories one private cache mount has.
const maxPrivate = 100

// lockCaches takes the locks of a run's cache mounts. Every run takes them in the same order, and each once, so that no
// two runs wait for each other. What is shared excludes only those that want it locked; what is private is another
// directory when somebody uses the first.
func (m *mounting) lockCaches(ctx context.Context) error {
	m.caches = map[*mount]cacheMount{}
	locked := map[string]bool{} // name → alone
	for _, one := range m.r.mounts {
		if one.Type != instructions.MountTypeCache {
			continue
		}
		c := newCacheMount(one, m.b.Args["BUILDKIT_CACHE_MOUNT_NS"])
		m.caches[one] = c
		if c.sharing != instructions.MountSharingPrivate {
			// Without a sandbox the directory itself is put in its place, and that is one place at a time.
			locked[c.name] = locked[c.name] || c.sharing == instructions.MountSharingLocked || m.b.inPlace()
		}
	}
	names := make([]string, 0, len(locked))
	for name := range locked {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lock := m.b.Store.LockShared
		if locked[name] {
			lock = m.b.Store.Lock
		}
		unlock, err := lock(ctx, "cache-"+name)
		if err != nil {
			return err
		}
		m.undo = append(m.undo, unlock)
	}
	for one, c := range m.caches {
		if c.sharing != instructions.MountSharingPrivate {
			continue
		}
		if err := m.lockPrivate(&c); err != nil {
			return err
		}
		m.caches[one] = c
	}
	return nil
}

// lockPrivate finds a directory that nobody uses.
func (m *mounting) lockPrivate(c *cacheMount) error {
	first := c.name
	for i := range maxPrivate {
		if i > 0 {
			c.name = first + "." + strconv.Itoa(i)
		}
		unlock, ok, err := m.b.Store.TryLock("cache-" + c.name)
		if err != nil {
			return err
		}
		if ok {
			m.undo = append(m.undo, unlock)
			return nil
		}
	}
	return fmt.Errorf("%s: sharing=private, and %d others use it", c.about, maxPrivate)
}

// cache mounts a cache, whose lock is taken.
func (m *mounting) cache(ctx context.Context, one *mount) error {
	c := m.caches[one]
	dir, err := m.b.Store.CacheDir(c.name)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "mount")
	if _, err := os.Lstat(data); errors.Is(err, fs.ErrNotExist) {
		err = m.makeCache(ctx, one, c, dir)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	m.mounts = append(m.mounts, sandbox.Mount{Source: data, Target: one.target, ReadOnly: one.ReadOnly})
	return nil
}

// makeCache makes a cache's directory, with the content that it is to begin with. It is there when it is complete, and
// of several who make it one is the first.
func (m *mounting) makeCache(ctx context.Context, one *mount, c cacheMount, dir string) error {
	temp, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	data := filepath.Join(temp, "mounted")
	if one.gather == nil {
		err = os.Mkdir(data, 0o755) //nolint:gosec // whoever runs reads it
	} else {
		err = m.b.extract(ctx, one, temp)
	}
	if err != nil {
		return err
	}
	if info, err := os.Lstat(data); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("--mount=type=cache,source=%s: it is no directory", one.Source))
	}
	if err := unix.Chmod(data, uint32(c.mode&0o7777)); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", data, err)
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(data, int(c.uid), int(c.gid)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, store.AboutFile), []byte(c.about), 0o600); err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, data, unix.AT_FDCWD, filepath.Join(dir, "mount"), unix.RENAME_NOREPLACE)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// extract writes what a mount shows to dir, as "mounted".
func (b *builder) extract(ctx context.Context, one *mount, dir string) error {
	items, err := b.mounted(ctx, one)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeItems(ctx, w, items, nil)) }()
	err = archive.Extract(ctx, r, root, archive.ExtractOptions{Owners: os.Geteuid() == 0})
	r.CloseWithError(err)
	return err
}

// mounted are the entries of what a mount shows, below "mounted".
func (b *builder) mounted(ctx context.Context, one *mount) ([]*item, error) {
	sources, err := one.gather(ctx)
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("there is nothing to mount at %s", strings.TrimPrefix(one.Source, "/"))
	}
	return (&placement{target: listing.Over(), dest: "mounted", exact: true}).place(sources)
}
