package image

import (
	"context"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/store"
)

// presence is what this process has seen of which blobs are in which repositories: a manifest was read or written
// there, so the blobs that it names are there.
type presence struct {
	mu    sync.Mutex
	repos map[v1.Hash][]name.Repository
}

func (p *presence) add(repo name.Repository, digests ...v1.Hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.repos == nil {
		p.repos = map[v1.Hash][]name.Repository{}
	}
	for _, d := range digests {
		if !slices.Contains(p.repos[d], repo) {
			p.repos[d] = append(p.repos[d], repo)
		}
	}
}

func (p *presence) has(repo name.Repository, d v1.Hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.repos[d], repo)
}

func (p *presence) of(d v1.Hash) []name.Repository {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.repos[d])
}

// forget drops what was believed of a repository, because it turned out to be wrong.
func (p *presence) forget(repo name.Repository) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for d, repos := range p.repos {
		p.repos[d] = slices.DeleteFunc(repos, func(r name.Repository) bool { return r == repo })
	}
}

// originKind is the store's record of the repositories that a blob was seen in, by its digest. It outlives the
// process, so it is a hint where to fetch or mount the blob from, never proof that it is there.
const originKind = "blob-origin"

const maxOrigins = 8

// origins lists repositories that probably have the blob, those seen by this process first.
func (c *Client) origins(d v1.Hash) []name.Repository {
	repos := c.state().presence.of(d)
	if c.Store == nil {
		return repos
	}
	var recorded []string
	if err := c.Store.Record(originKind, d.String(), &recorded); err != nil {
		return repos
	}
	for _, s := range recorded {
		repo, err := c.repository(s)
		if err == nil && !slices.Contains(repos, repo) {
			repos = append(repos, repo)
		}
	}
	return repos
}

func (c *Client) repository(s string) (name.Repository, error) {
	opts := []name.Option{name.WeakValidation}
	if c.insecure(hostOf(s)) {
		opts = append(opts, name.Insecure)
	}
	return name.NewRepository(s, opts...)
}

// recordOrigins writes down where a blob was seen, if that was not known.
func recordOrigins(st *store.Store, d v1.Hash, repos []name.Repository) error {
	var recorded []string
	_ = st.Record(originKind, d.String(), &recorded) // none yet, or not readable: written anew
	before := len(recorded)
	for _, r := range repos {
		if s := r.String(); !slices.Contains(recorded, s) {
			recorded = append(recorded, s)
		}
	}
	if len(recorded) == before {
		return nil
	}
	if len(recorded) > maxOrigins {
		recorded = recorded[len(recorded)-maxOrigins:]
	}
	return st.SetRecord(originKind, d.String(), recorded)
}

// keyedLocks are locks by name, for work that two goroutines should not do twice.
type keyedLocks struct {
	mu    sync.Mutex
	locks map[string]*keyedLock
}

type keyedLock struct {
	held  chan struct{}
	users int
}

// lock takes the lock key, waiting until it is free or ctx ends.
func (k *keyedLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*keyedLock{}
	}
	l := k.locks[key]
	if l == nil {
		l = &keyedLock{held: make(chan struct{}, 1)}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
	select {
	case l.held <- struct{}{}:
		return func() { <-l.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
