package dockerfile

import (
	"archive/tar"
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
	"strings"
	"sync"
	"time"

	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/listing"
)

// Context is a directory that COPY and ADD read: the build context, or a named one. It can be used by several
// goroutines. Close it after use.
type Context struct {
	root    *os.Root
	dir     string
	ignore  *patternmatcher.PatternMatcher
	records Records

	mu     sync.Mutex
	known  map[string]fileRecord // by name
	loaded bool
	dirty  bool
}

// Records remembers small things between builds; *store.Store is one.
type Records interface {
	Record(kind, key string, v any) error
	SetRecord(kind, key string, v any) error
}

// fileRecord is what was known of a file when its content was read.
type fileRecord struct {
	Ino    uint64 `json:"i"`
	Size   int64  `json:"s"`
	Mtime  int64  `json:"m"` // ns
	Ctime  int64  `json:"c"` // ns
	Digest string `json:"d"`
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
	return &Context{root: root, dir: abs, ignore: matcher, records: records, known: map[string]fileRecord{}}, nil
}

// Close releases the directory and remembers what was read.
func (c *Context) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dirty && c.records != nil {
		_ = c.records.SetRecord(recordContext, c.dir, c.known) // it only saves work
	}
	return c.root.Close()
}

const recordContext = "dockerfile-context"

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
	var st unix.Stat_t
	if err := c.stat(name, &st); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading %s in the build context: %w", name, err)
	}
	e := &listing.Entry{Name: name, Mode: int64(st.Mode & 0o7777)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.Type = tar.TypeDir
	case unix.S_IFREG:
		e.Type, e.Size = tar.TypeReg, st.Size
	case unix.S_IFLNK:
		link, err := c.root.Readlink(filepath.FromSlash(name))
		if err != nil {
			return nil, fmt.Errorf("reading %s in the build context: %w", name, err)
		}
		e.Type, e.Link, e.Mode = tar.TypeSymlink, link, 0o777
	case unix.S_IFIFO:
		e.Type = tar.TypeFifo
	case unix.S_IFSOCK:
		return nil, nil // no image can hold one
	default:
		return nil, fmt.Errorf("reading %s in the build context: it is a device; leave it out with .dockerignore", name)
	}
	if out, err := c.ignored(name); err != nil || out {
		if err != nil || !e.IsDir() || !c.ignore.Exclusions() {
			return nil, err
		}
		if below, err := c.anyBelow(name); err != nil || !below {
			return nil, err
		}
	}
	return e, nil
}

// stat is lstat within the root.
func (c *Context) stat(name string, st *unix.Stat_t) error {
	info, err := c.root.Lstat(filepath.FromSlash(path.Join(".", name)))
	if err != nil {
		return err
	}
	sys, ok := info.Sys().(*unixStat)
	if !ok {
		return errors.New("the system does not tell what it is")
	}
	st.Mode, st.Size, st.Ino = sys.Mode, sys.Size, sys.Ino
	st.Mtim, st.Ctim = unix.Timespec{Sec: sys.Mtim.Sec, Nsec: sys.Mtim.Nsec}, unix.Timespec{Sec: sys.Ctim.Sec, Nsec: sys.Ctim.Nsec}
	return nil
}

// anyBelow tells whether something below an ignored directory is taken back.
func (c *Context) anyBelow(dir string) (bool, error) {
	names, err := c.readDir(dir)
	if err != nil {
		return false, err
	}
	for _, n := range names {
		if e, err := c.lstat(path.Join(dir, n)); err != nil || e != nil {
			return e != nil, err
		}
	}
	return false, nil
}

func (c *Context) readDir(dir string) ([]string, error) {
	f, err := c.root.Open(filepath.FromSlash(path.Join(".", dir)))
	if err != nil {
		return nil, fmt.Errorf("reading %s in the build context: %w", dir, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (c *Context) names(dir string) ([]string, error) {
	all, err := c.readDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range all {
		e, err := c.lstat(path.Join(dir, n))
		if err != nil {
			return nil, err
		}
		if e != nil {
			names = append(names, n)
		}
	}
	return names, nil
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

// digest hashes a file unless it is known to be the same as when it was hashed before: same inode, size and times, and
// not so young that a change could have gone unnoticed.
func (c *Context) digest(ctx context.Context, e *listing.Entry) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := c.stat(e.Name, &st); err != nil {
		return "", fmt.Errorf("reading %s in the build context: %w", e.Name, err)
	}
	now := fileRecord{Ino: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano()}
	c.mu.Lock()
	c.load()
	known := c.known[e.Name]
	c.mu.Unlock()
	if now.Digest = known.Digest; known == now && known.Digest != "" {
		return known.Digest, nil
	}
	began := time.Now()
	f, err := c.open(ctx, e)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("reading %s in the build context: %w", e.Name, err)
	}
	now.Digest = hex.EncodeToString(sum.Sum(nil))
	if began.UnixNano()-now.Ctime > int64(racy) {
		c.mu.Lock()
		c.known[e.Name], c.dirty = now, true
		c.mu.Unlock()
	}
	return now.Digest, nil
}

// racy is the age below which a file's times do not tell whether it changed again.
const racy = 20 * time.Millisecond

// load reads what earlier builds knew, once.
func (c *Context) load() {
	if c.loaded || c.records == nil {
		return
	}
	c.loaded = true
	var known map[string]fileRecord
	if c.records.Record(recordContext, c.dir, &known) == nil && known != nil {
		c.known = known
	}
}

func (c *Context) open(_ context.Context, e *listing.Entry) (io.ReadCloser, error) {
	f, err := c.root.OpenFile(filepath.FromSlash(e.Name), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s in the build context: %w", e.Name, err)
	}
	return f, nil
}
