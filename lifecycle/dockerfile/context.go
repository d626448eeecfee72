package dockerfile

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/listing"
)

// Context is a directory that COPY and ADD read: the build context, or a named one. It can be used by several
// goroutines. Close it after use.
type Context struct {
	// Made is when what it holds was made, where that is known: a commit, a download. SOURCE_DATE_EPOCH=context means it.
	Made time.Time

	root    *os.Root
	dir     string
	ignore  *patternmatcher.PatternMatcher
	digests digests

	// near is the directory of the file that was opened last: most lie beside each other.
	mu   sync.Mutex
	near *os.Root
	name string
}

// Records remembers small things between builds; *store.Store is one.
type Records interface {
	Record(kind, key string, v any) error
	SetRecord(kind, key string, v any) error
}

// OpenContext opens a directory. patterns are what it leaves out, in the syntax of .dockerignore. records remembers
// the digests of unchanged files; it may be nil.
func OpenContext(dir string, patterns []string, records Records) (*Context, error) {
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("reading the ignore patterns: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening build context %s: %w", dir, err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("opening build context %s: %w", dir, err)
	}
	c := &Context{root: root, dir: abs, ignore: matcher}
	c.digests = digests{records: records, dir: abs, running: map[string]*hashing{}}
	return c, nil
}

// Close releases the directory and remembers what was read.
func (c *Context) Close() error {
	c.digests.save()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.near != nil {
		_ = c.near.Close()
	}
	return c.root.Close()
}

// patterns are what the context leaves out.
func (c *Context) patterns() []string {
	var out []string
	for _, p := range c.ignore.Patterns() {
		text := p.String()
		if p.Exclusion() {
			text = "!" + text
		}
		out = append(out, text)
	}
	return out
}

// ignored tells whether a name is left out.
func (c *Context) ignored(name string) (bool, error) {
	if name == "" {
		return false, nil
	}
	return c.ignore.MatchesOrParentMatches(filepath.FromSlash(name))
}

func (c *Context) lstat(name string) (*listing.Entry, error) {
	info, err := c.root.Lstat(filepath.FromSlash(path.Join(".", name)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in the build context: %w", name, err)
	}
	sys, ok := info.Sys().(*unixStat)
	if !ok {
		return nil, fmt.Errorf("reading %s in the build context: the system does not tell what it is", name)
	}
	st := unix.Stat_t{Mode: sys.Mode, Size: sys.Size, Ino: sys.Ino, Dev: sys.Dev, Nlink: sys.Nlink, Mtim: unix.Timespec(sys.Mtim), Ctim: unix.Timespec(sys.Ctim)}
	return c.entry(name, &st, func() (string, error) { return c.root.Readlink(filepath.FromSlash(name)) })
}

// entry describes a file; nil when it is left out.
func (c *Context) entry(name string, st *unix.Stat_t, readlink func() (string, error)) (*listing.Entry, error) {
	if out, err := c.ignored(name); err != nil || out {
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR || !c.ignore.Exclusions() {
			return nil, err
		}
		if below, err := c.read(name, 1); err != nil || len(below) == 0 {
			return nil, err
		}
	}
	e := &listing.Entry{Name: name, Mode: int64(st.Mode & 0o7777)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.Type, e.Xattrs = tar.TypeDir, c.xattrs(name)
	case unix.S_IFREG:
		e.Type, e.Size, e.Digest, e.Xattrs = tar.TypeReg, st.Size, c.digests.known(name, st), c.xattrs(name)
		if st.Nlink > 1 {
			e.SameAs = fmt.Sprintf("inode %d:%d", st.Dev, st.Ino)
		}
	case unix.S_IFLNK:
		link, err := readlink()
		if err != nil {
			return nil, fmt.Errorf("reading %s in the build context: %w", name, err)
		}
		e.Type, e.Mode, e.Link = tar.TypeSymlink, 0o777, link
	case unix.S_IFIFO:
		e.Type = tar.TypeFifo
	case unix.S_IFSOCK:
		return nil, nil // no image can hold one
	default:
		return nil, fmt.Errorf("reading %s in the build context: it is a device; leave it out with .dockerignore", name)
	}
	return e, nil
}

// xattrs gives the extended attributes of a file or directory that images keep.
func (c *Context) xattrs(name string) map[string]string {
	file := filepath.Join(c.dir, filepath.FromSlash(name))
	buf := make([]byte, 1<<10)
	n, err := unix.Llistxattr(file, buf)
	if errors.Is(err, unix.ERANGE) {
		buf = make([]byte, 64<<10) // the most that Linux gives
		n, err = unix.Llistxattr(file, buf)
	}
	if err != nil || n == 0 {
		return nil
	}
	out := map[string]string{}
	for _, attr := range strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if !keptXattr(attr) {
			continue
		}
		value := make([]byte, 64<<10)
		if n, err := unix.Lgetxattr(file, attr, value); err == nil {
			out[attr] = string(value[:n])
		}
	}
	return out
}

func (c *Context) list(dir string) ([]listing.Entry, error) { return c.read(dir, math.MaxInt) }

// read opens a directory once, asks for each file by its name in it, and stops at the limit.
func (c *Context) read(dir string, limit int) ([]listing.Entry, error) {
	f, err := c.root.Open(filepath.FromSlash(path.Join(".", dir)))
	if err != nil {
		return nil, fmt.Errorf("reading %s in the build context: %w", dir, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("reading %s in the build context: %w", dir, err)
	}
	slices.Sort(names)
	entries := make([]listing.Entry, 0, len(names))
	for _, name := range names {
		var st unix.Stat_t
		err := unix.Fstatat(int(f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s in the build context: %w", path.Join(dir, name), err)
		}
		e, err := c.entry(path.Join(dir, name), &st, func() (string, error) { return archive.Readlink(int(f.Fd()), name) })
		if err != nil {
			return nil, err
		}
		if e != nil {
			entries = append(entries, *e)
		}
		if len(entries) == limit {
			break
		}
	}
	return entries, nil
}

// resolve follows links as a process with the context as its root directory would.
func (c *Context) resolve(name string) (string, error) {
	rest, at := strings.Split(listing.Clean(name), "/"), ""
	for links := 0; len(rest) > 0; {
		next := rest[0]
		rest = rest[1:]
		if next == "" || next == "." {
			continue
		}
		if next == ".." {
			at = listing.Clean(path.Dir("/" + at))
			continue
		}
		full := path.Join(at, next)
		e, err := c.lstat(full)
		if err != nil {
			return "", err
		}
		if e == nil || e.Type != tar.TypeSymlink {
			at = full
			continue
		}
		if links++; links > 40 {
			return "", fmt.Errorf("resolving %s in the build context: %w", name, listing.ErrLinks)
		}
		if path.IsAbs(e.Link) {
			at = ""
		}
		rest = append(strings.Split(e.Link, "/"), rest...)
	}
	return at, nil
}

// digest hashes a file unless it is known to be the same as when it was hashed before.
func (c *Context) digest(ctx context.Context, e *listing.Entry) (string, error) {
	if e.Digest != "" {
		return e.Digest, nil
	}
	return c.digests.digest(ctx, e.Name, c.openFile)
}

// open opens a file, which must not have changed since its digest became part of a key.
func (c *Context) open(_ context.Context, e *listing.Entry) (io.ReadCloser, error) {
	f, err := c.openFile(e.Name)
	if err != nil {
		return nil, err
	}
	if !c.digests.unchanged(e.Name, f) {
		_ = f.Close()
		return nil, fmt.Errorf("%s in the build context was changed while the image was built", e.Name)
	}
	return f, nil
}

func (c *Context) openFile(name string) (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, base := path.Split(name)
	if c.near == nil || c.name != dir {
		near, err := c.root.OpenRoot(filepath.FromSlash(path.Join(".", dir)))
		if err != nil {
			return nil, fmt.Errorf("reading %s in the build context: %w", name, err)
		}
		if c.near != nil {
			_ = c.near.Close()
		}
		c.near, c.name = near, dir
	}
	f, err := c.near.OpenFile(base, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s in the build context: %w", name, err)
	}
	return f, nil
}
