package source

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// Commit tells which commit a reference to a git repository names, by asking the server for its branches and tags, or
// nobody when the reference has the whole hash. It is empty when only the repository itself can tell: for the
// beginning of a hash.
func Commit(ctx context.Context, ref string, o Options) (string, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return "", err
	}
	if r.Kind != Git {
		return "", fmt.Errorf("looking for the commit of %s: it is no git repository", r)
	}
	hash, err := r.commit(ctx, o.withDefaults())
	if err == nil && hash != "" && !strings.HasPrefix(hash, r.Commit) {
		err = fmt.Errorf("it is at commit %s, not at %s as asked for", hash, r.Commit)
	}
	if err != nil {
		return "", fmt.Errorf("opening the git repository %s: %w", r, err)
	}
	return hash, nil
}

// Pinned tells whether the reference has the whole hash of a commit.
func (r Ref) Pinned() bool { return fullHash.MatchString(cmp.Or(r.Revision, r.Commit)) }

func (r Ref) commit(ctx context.Context, o Options) (string, error) {
	revision := cmp.Or(r.Revision, r.Commit)
	if r.Pinned() {
		return revision, nil
	}
	if path, ok := localPath(r.Location); ok {
		c, err := openLocalRepository(path, revision)
		if err != nil {
			return "", err
		}
		return c.hash.String(), nil
	}
	f := &fetcher{gitSource: &gitSource{opts: o, top: r.Location}, location: r.Location}
	session, refs, err := f.connect(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	hash, _, known := resolve(refs, revision)
	switch {
	case known:
		return hash.String(), nil
	case shortHash.MatchString(revision):
		return "", nil
	}
	return "", noRevision(revision)
}
