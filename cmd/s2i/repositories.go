package main

import (
	"context"

	"s2i/detect/source"
	"s2i/lifecycle/dockerfile"
)

// repositories fetches what ADD names. Whoever wrote the Dockerfile chose its address, so that of the credentials here
// it gets only the secrets that were given to the build.
type repositories struct{ x *contexts }

// Commit asks the repository's server, but not for a whole hash.
func (r repositories) Commit(ctx context.Context, ref string) (string, error) {
	if parsed, err := source.ParseRef(ref); err != nil || !parsed.Pinned() {
		if err := checkOffline(r.x.c, ref); err != nil {
			return "", err
		}
	}
	return source.Commit(ctx, ref, source.Options{Getenv: r.x.environment(false), NoHelpers: true})
}

// CheckOut fetches the commit.
func (r repositories) CheckOut(ctx context.Context, ref string, keep bool) (at dockerfile.Checkout, release func(), err error) {
	if err := checkOffline(r.x.c, ref); err != nil {
		return at, nil, err
	}
	own := &contexts{c: r.x.c, t: r.x.t, o: r.x.o}
	tree, err := own.fetch(ctx, ref, source.Options{Limits: r.x.t.store.Limits, KeepGit: keep, Getenv: r.x.environment(false), NoHelpers: true})
	if err != nil {
		return at, nil, err
	}
	at = dockerfile.Checkout{Dir: tree.Dir, Made: tree.Made}
	if tree.Project.Source != nil {
		at.Commit, _ = tree.Project.Source.Version["commit"].(string)
	}
	return at, own.close, nil
}
