package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"s2i/lifecycle/listing"
	"s2i/lifecycle/progress"
)

// Repositories are the git repositories that ADD names, with references as source.ParseRef reads them.
type Repositories interface {
	// Commit tells which commit a reference names; "" when it has to be checked out for that.
	Commit(ctx context.Context, ref string) (string, error)
	// CheckOut writes the files of that commit into a directory, which is there until release.
	CheckOut(ctx context.Context, ref string, keepGitDir bool) (at Checkout, release func(), err error)
}

// Checkout is where the files of a commit are, which one it is, and when it was made.
type Checkout struct {
	Dir, Commit string
	Made        time.Time
}

// repository gives what a git repository holds, as if it were a stage: a layer that is known by its commit, and that is
// made when somebody has to look into it.
func (s *stage) repository(ctx context.Context, c *instructions.AddCommand) (*sourceTree, error) {
	src, keep := c.SourcePaths[0], c.KeepGitDir != nil && *c.KeepGitDir
	if s.b.Git == nil {
		return nil, errors.New("git repositories cannot be fetched here")
	}
	commit, err := s.b.Git.Commit(ctx, src)
	if err != nil {
		return nil, err
	}
	out := &checkedOut{}
	if commit == "" {
		if err := out.fetch(ctx, s.b, src, keep); err != nil {
			return nil, err
		}
		commit = out.commit
	}
	if !strings.HasPrefix(commit, c.Checksum) {
		return nil, fmt.Errorf("--checksum is %s, but the repository gave commit %s", c.Checksum, commit)
	}
	key, err := chained(nil, "git", src, keep, commit)
	if err != nil {
		return nil, err
	}
	n := s.b.once(&node{b: s.b, key: key, where: s.at, make: func(ctx context.Context, n *node) (made, error) {
		if out.tree == nil {
			if err := out.fetch(ctx, s.b, src, keep); err != nil {
				return made{}, fmt.Errorf("ADD %s: %w", src, err)
			}
			if out.commit != commit && !strings.Contains(src, commit) { // a hash may be that of a tag
				return made{}, fmt.Errorf("ADD %s: it went from commit %s to %s meanwhile; build again", src, commit, out.commit)
			}
		}
		return out.layer(ctx, n)
	}})
	return &sourceTree{at: n, open: func(ctx context.Context) (files, error) { return s.b.view(ctx, []*node{n}) }}, nil
}

// checkedOut is a repository whose files are here.
type checkedOut struct {
	tree   *Context
	commit string
}

func (o *checkedOut) fetch(ctx context.Context, b *builder, src string, keepGitDir bool) error {
	ctx, task := progress.Start(ctx, "fetching "+src, 0)
	at, release, err := b.Git.CheckOut(ctx, src, keepGitDir)
	task.End(err)
	if err != nil {
		return err
	}
	b.onClose(release)
	tree, err := OpenContext(at.Dir, nil, nil)
	if err != nil {
		return err
	}
	b.onClose(func() { _ = tree.Close() })
	o.tree, o.commit = tree, at.Commit
	return nil
}

// layer makes a layer of the files.
func (o *checkedOut) layer(ctx context.Context, n *node) (made, error) {
	x := &gatherer{from: o.tree}
	if err := errors.Join(x.pattern(ctx, "/"), x.digests(ctx)); err != nil {
		return made{}, err
	}
	p := placement{target: listing.Over(), toDir: true, owner: &ids{}}
	items, err := p.place(x.out)
	if err != nil {
		return made{}, err
	}
	return n.b.pack(ctx, n, items)
}
