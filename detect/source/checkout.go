package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"s2i/lifecycle/archive"
)

const (
	maxDepth   = 1000 // directories inside each other in a commit
	maxTagHops = 10   // tags of tags
	lfsPointer = "version https://git-lfs.github.com/spec/"
	lfsMaxSize = 1024
)

// checkout writes the files of one commit. Links are made last, so that nothing is written through one.
type checkout struct {
	*gitSource
	location string
	commit   *commit
	made     time.Time // the commit's time

	links      []gitEntry
	submodules []gitEntry
}

// gitEntry is an entry of a commit that waits for the others.
type gitEntry struct {
	to   string // in the root
	from string // in the commit
	hash plumbing.Hash
}

// run writes the directory subdir of the commit into the directory to of the root, and tells where in the root that
// subdir then is: when it is in a submodule, everything has to be written.
func (c *checkout) run(ctx context.Context, subdir, to string, level int) (string, error) {
	top, err := c.tree()
	if err != nil {
		return "", err
	}
	from, tree := "", top
	if subdir != "" {
		if inner, err := top.Tree(subdir); err == nil {
			from, tree, subdir = subdir, inner, ""
		}
	}
	if err := c.dir(ctx, tree, from, to); err != nil {
		return "", err
	}
	if c.noSubmodules {
		c.submodules = nil
	}
	for _, s := range c.submodules {
		if err := c.submodule(ctx, top, s, level); err != nil {
			return "", fmt.Errorf("fetching the submodule %q: %w", s.from, err)
		}
	}
	for _, l := range c.links {
		if err := c.link(l); err != nil {
			return "", fmt.Errorf("writing the link %q: %w", l.from, err)
		}
	}
	return subdir, nil
}

// tree gives the top directory of the commit, which may be named by a tag.
func (c *checkout) tree() (*object.Tree, error) {
	for range maxTagHops {
		o, err := object.GetObject(c.commit.objects, c.commit.hash)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", c.commit.hash, err)
		}
		switch o := o.(type) {
		case *object.Commit:
			c.made = o.Committer.When
			return o.Tree()
		case *object.Tag:
			c.commit.hash = o.Target
		default:
			return nil, fmt.Errorf("%s is a %s, no commit", c.commit.hash, o.Type())
		}
	}
	return nil, errors.New("it is a tag of too many tags")
}

func (c *checkout) dir(ctx context.Context, tree *object.Tree, from, to string) error {
	if strings.Count(to, "/") > maxDepth {
		return fmt.Errorf("%q is more than %d directories deep", to, maxDepth)
	}
	for _, e := range tree.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.entry(ctx, e, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (c *checkout) entry(ctx context.Context, e object.TreeEntry, from, to string) error {
	from, to = join(from, e.Name), join(to, e.Name)
	if e.Name == "" || e.Name == "." || e.Name == ".." || strings.EqualFold(e.Name, ".git") ||
		strings.ContainsAny(e.Name, "/\x00") || len(to) > maxPath {
		return fmt.Errorf("the commit holds the impossible name %.300q", from)
	}
	entry := gitEntry{to, from, e.Hash}
	switch e.Mode {
	case filemode.Dir, filemode.Submodule:
		if err := c.take(0); err != nil {
			return err
		}
		if err := c.root.Mkdir(to, 0o755); err != nil {
			return fmt.Errorf("making the directory %q: %w", to, pathCause(err))
		}
		if err := c.root.Chmod(to, 0o755); err != nil { // whatever the umask is
			return err
		}
		if e.Mode == filemode.Submodule {
			c.submodules = append(c.submodules, entry)
			return nil
		}
		inner, err := object.GetTree(c.commit.objects, e.Hash)
		if err != nil {
			return fmt.Errorf("reading the directory %q: %w", from, err)
		}
		return c.dir(ctx, inner, from, to)
	case filemode.Symlink:
		c.links = append(c.links, entry)
		return c.take(0)
	case filemode.Regular, filemode.Deprecated:
		return c.file(ctx, entry, 0o644)
	case filemode.Executable:
		return c.file(ctx, entry, 0o755)
	}
	return fmt.Errorf("%q has the unknown mode %v", from, e.Mode)
}

func (c *checkout) file(ctx context.Context, e gitEntry, mode fs.FileMode) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %q: %w", e.from, pathCause(err))
		}
	}()
	blob, err := object.GetBlob(c.commit.objects, e.hash)
	if err != nil {
		return err
	}
	if err := c.take(blob.Size); err != nil {
		return err
	}
	in, err := blob.Reader()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := c.root.OpenFile(e.to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Chmod(mode); err != nil { // whatever the umask is
		return err
	}
	content := archive.Until(ctx, in)
	if blob.Size < lfsMaxSize {
		data, err := io.ReadAll(io.LimitReader(content, lfsMaxSize))
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(data), lfsPointer) {
			c.lfs = append(c.lfs, e.from)
		}
		_, err = out.Write(data)
		return err
	}
	n, err := io.Copy(out, io.LimitReader(content, blob.Size+1))
	if err == nil && n != blob.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (c *checkout) link(e gitEntry) error {
	target, err := readBlob(c.commit, e.hash, maxTarget)
	if err != nil {
		return err
	}
	if len(target) == 0 || strings.Contains(string(target), "\x00") {
		return errors.New("it has no proper target")
	}
	if err := c.root.Symlink(string(target), e.to); err != nil {
		return pathCause(err)
	}
	return nil
}

// readBlob reads a small file of a commit.
func readBlob(c *commit, hash plumbing.Hash, limit int64) ([]byte, error) {
	blob, err := object.GetBlob(c.objects, hash)
	if err != nil {
		return nil, err
	}
	if blob.Size > limit {
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	in, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, limit))
}

// readTreeFile reads a small file of a commit by its path; nil when there is none.
func readTreeFile(c *commit, tree *object.Tree, name string) ([]byte, error) {
	e, err := tree.FindEntry(path.Clean(name))
	if err != nil {
		return nil, nil //nolint:nilerr // it is not there
	}
	return readBlob(c, e.Hash, maxRulesFile)
}
