package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
)

// openGit fetches one commit of a repository, and only that, and writes its files. Nothing of the repository's
// configuration, hooks or attributes has any effect; in particular, line ends stay as they are in the commit.
func openGit(ctx context.Context, r Ref, o Options) (*Tree, error) {
	t := &Tree{opts: o}
	err := t.clone(ctx, r)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the git repository %s: %w", r, err), t.Close())
	}
	return t, nil
}

func (t *Tree) clone(ctx context.Context, r Ref) error {
	temp, err := t.scratch()
	if err != nil {
		return err
	}
	dir := filepath.Join(temp, "tree")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("making a directory for the source: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	g := &gitSource{opts: t.opts, temp: temp, root: root, top: r.Location, noSubmodules: r.NoSubmodules}
	c, err := g.fetch(ctx, r.Location, cmp.Or(r.Revision, r.Commit))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(c.hash.String(), r.Commit) {
		return fmt.Errorf("it is at commit %s, not at %s as asked for", c.hash, r.Commit)
	}
	w := &checkout{gitSource: g, location: r.Location, commit: c}
	subdir, err := w.run(ctx, r.Subdir, "", 0)
	if err != nil {
		return fmt.Errorf("writing the files of commit %s: %w", c.hash, err)
	}
	if r.KeepGit || t.opts.KeepGit {
		if err := keepGit(c, filepath.Join(dir, ".git"), Redact(r.Location)); err != nil {
			return fmt.Errorf("keeping the repository: %w", err)
		}
	}
	g.warn(ctx)
	version := map[string]any{"commit": c.hash.String()}
	metadata := map[string]any{"url": Redact(r.Location)}
	if r.Revision != "" {
		metadata["refs"] = []any{r.Revision}
	}
	if c.tag != "" {
		version["describe"] = c.tag
	}
	t.Project, t.Made = project("git", version, metadata), w.made
	return t.load(ctx, dir, subdir)
}

// gitSource is what the repository and its submodules share.
type gitSource struct {
	opts  Options
	temp  string
	root  *os.Root // where the files go
	top   string   // the location of the source itself
	count int      // repositories fetched
	// noSubmodules leaves the directories of submodules empty.
	noSubmodules bool
	used         archive.Limits
	lfs          []string // files whose content is elsewhere
	gone         []string // submodules without an address
}

// take counts one more entry of size bytes.
func (g *gitSource) take(size int64) error {
	g.used.Entries++
	l := g.opts.Limits
	switch {
	case g.used.Entries > l.Entries:
		return fmt.Errorf("%w of %d entries", archive.ErrLimit, l.Entries)
	case size > l.FileBytes:
		return fmt.Errorf("%w of %d bytes in one file", archive.ErrLimit, l.FileBytes)
	case size > l.Bytes-g.used.Bytes:
		return fmt.Errorf("%w of %d bytes", archive.ErrLimit, l.Bytes)
	}
	g.used.Bytes += size
	return nil
}

func (g *gitSource) warn(ctx context.Context) {
	if n := len(g.lfs); n > 0 {
		progress.Warn(ctx, "%d files are kept with Git LFS, whose content is not fetched, for example %q", n, g.lfs[0])
	}
	if len(g.gone) > 0 {
		progress.Warn(ctx, "leaving submodules empty that .gitmodules does not mention: %q", g.gone)
	}
}

// commit is a commit whose objects can be read.
type commit struct {
	objects storer.EncodedObjectStorer
	hash    plumbing.Hash
	tag     string // that named it
}

// fetch makes the commit that revision names available: from a repository on this machine in place, else by
// fetching.
func (g *gitSource) fetch(ctx context.Context, location, revision string) (*commit, error) {
	if g.count++; g.count > maxRepositories {
		return nil, fmt.Errorf("it has more than %d submodules", maxRepositories)
	}
	if path, ok := localPath(location); ok {
		return openLocalRepository(path, revision)
	}
	dir := filepath.Join(g.temp, fmt.Sprintf("git-%d", g.count))
	objects := filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRUDefault(), filesystem.Options{
		ExclusiveAccess: true, LargeObjectThreshold: 1 << 20, // larger ones are streamed
	})
	if err := objects.Init(); err != nil {
		return nil, fmt.Errorf("making a repository in %s: %w", dir, err)
	}
	f := &fetcher{gitSource: g, location: location, objects: objects}
	return f.fetch(ctx, revision)
}

// localPath gives the path of a repository on this machine.
func localPath(location string) (string, bool) {
	if m := schemeForm.FindStringSubmatch(location); m == nil {
		return location, !scpForm.MatchString(location)
	}
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "file" {
		return "", false
	}
	return u.Path, true
}

func openLocalRepository(path, revision string) (*commit, error) {
	repository, err := git.PlainOpenWithOptions(path, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	switch {
	case errors.Is(err, git.ErrRepositoryNotExists):
		return nil, errors.New("there is no git repository")
	case err != nil:
		return nil, fmt.Errorf("reading the repository: %w", err)
	}
	if revision == "" {
		revision = "HEAD"
	}
	hash, err := repository.ResolveRevision(plumbing.Revision(revision))
	if err != nil {
		return nil, noRevision(revision)
	}
	c := &commit{objects: repository.Storer, hash: *hash}
	name := strings.TrimPrefix(revision, "refs/tags/")
	if _, err := repository.Tag(name); err == nil {
		c.tag = name
	}
	return c, nil
}

func noRevision(revision string) error {
	if revision == "" || revision == "HEAD" {
		return errors.New("it has no current branch; name a branch, tag or commit after \"#\"")
	}
	return fmt.Errorf("it has no branch, tag or commit %q", revision)
}
