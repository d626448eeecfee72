package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// registrySource reads from one repository of a registry. What the store holds is taken from there.
type registrySource struct {
	c    *Client
	repo name.Repository
}

func (c *Client) openRegistry(ctx context.Context, r Ref) (source, v1.Descriptor, error) {
	ref, err := c.reference(r)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	if !c.Offline {
		src, d, err := c.openMirror(ctx, ref)
		if err == nil || !errors.Is(err, errNoMirror) {
			return src, d, err
		}
	}
	return c.openReference(ctx, ref)
}

func (c *Client) openReference(ctx context.Context, ref name.Reference) (source, v1.Descriptor, error) {
	src := &registrySource{c, ref.Context()}
	if digest, ok := ref.(name.Digest); ok {
		d, err := c.storedManifest(digest)
		if err == nil {
			return src, d, nil
		}
	}
	if c.Offline {
		d, err := c.lastSeen(ref)
		return src, d, err
	}
	raw, d, err := src.get(ctx, ref.Identifier())
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	return &readAhead{source: src, desc: d, raw: raw}, d, nil
}

// readAhead is a source whose first manifest is known already.
type readAhead struct {
	source
	desc v1.Descriptor
	raw  []byte
}

func (r *readAhead) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if d.Digest == r.desc.Digest {
		return r.raw, nil
	}
	return r.source.manifest(ctx, d)
}

// storedManifest looks for the manifest of a digest in the store.
func (c *Client) storedManifest(digest name.Digest) (v1.Descriptor, error) {
	h, err := v1.NewHash(digest.DigestStr())
	if err != nil {
		return v1.Descriptor{}, err
	}
	raw, err := c.storedBytes(v1.Descriptor{Digest: h}, maxManifest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{Digest: h, Size: int64(len(raw)), MediaType: sniff(raw, "")}, nil
}

func (c *Client) storedBytes(d v1.Descriptor, limit int64) ([]byte, error) {
	if c.Store == nil {
		return nil, store.ErrNotFound
	}
	rc, size, err := c.Store.OpenBlob(d.Digest)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	if size > limit {
		return nil, fmt.Errorf("blob %s has %d bytes, more than %d", d.Digest, size, limit)
	}
	return io.ReadAll(io.LimitReader(rc, limit))
}

// refKind is the store's record of what a registry's tag named when it was pulled, for builds offline.
const refKind = "registry-ref"

func (c *Client) lastSeen(ref name.Reference) (v1.Descriptor, error) {
	var d v1.Descriptor
	if c.Store != nil {
		if err := c.Store.Record(refKind, ref.Name(), &d); err == nil {
			return d, nil
		}
	}
	return d, fmt.Errorf("%w: it has not been pulled before", ErrOffline)
}

// get fetches a manifest by tag or digest and notes what it says about the repository.
func (s *registrySource) get(ctx context.Context, identifier string) ([]byte, v1.Descriptor, error) {
	client, err := s.c.session(ctx, s.repo, transport.PullScope)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	req, err := s.request(ctx, http.MethodGet, "manifests/"+identifier)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	req.Header.Set("Accept", acceptManifests)
	resp, err := do(client, req, http.StatusOK)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	switch {
	case err != nil:
		return nil, v1.Descriptor{}, fmt.Errorf("reading manifest %s from %s: %w", identifier, s.repo, err)
	case len(raw) > maxManifest:
		return nil, v1.Descriptor{}, fmt.Errorf("manifest %s in %s has more than %d bytes", identifier, s.repo, maxManifest)
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	d := v1.Descriptor{MediaType: sniff(raw, types.MediaType(mediaType))}
	d.Digest, d.Size = describe(raw)
	if strings.HasPrefix(identifier, "sha256:") && identifier != d.Digest.String() {
		return nil, d, fmt.Errorf("%w: manifest %s from %s has the digest %s", errCorrupt, identifier, s.repo, d.Digest)
	}
	s.c.state().presence.learn(s.repo, d, raw)
	return raw, d, nil
}

const acceptManifests = string(types.OCIManifestSchema1 + ", " + types.OCIImageIndex + ", " +
	types.DockerManifestSchema2 + ", " + types.DockerManifestList)

// learn notes that a repository has a manifest, and with it everything that the manifest names.
func (p *presence) learn(repo name.Repository, d v1.Descriptor, raw []byte) {
	digests := []v1.Hash{d.Digest}
	if d.MediaType.IsImage() {
		if m, err := v1.ParseManifest(strings.NewReader(string(raw))); err == nil {
			digests = append(digests, m.Config.Digest)
			for _, l := range m.Layers {
				digests = append(digests, l.Digest)
			}
		}
	}
	p.add(repo, digests...)
}

func (s *registrySource) request(ctx context.Context, method, path string) (*http.Request, error) {
	u := fmt.Sprintf("%s://%s/v2/%s/%s", s.repo.Scheme(), s.repo.RegistryStr(), s.repo.RepositoryStr(), path)
	return http.NewRequestWithContext(ctx, method, u, nil)
}

func (s *registrySource) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if raw, err := s.c.storedBytes(d, maxManifest); err == nil {
		return raw, checkBytes(raw, d, "the store")
	}
	raw, _, err := s.get(ctx, d.Digest.String())
	return raw, err
}

// blob gives a blob from the store, into which it is fetched first. Configs are small and read into memory by their
// image, so they are not stored for their own sake.
func (s *registrySource) blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if s.c.Store == nil || d.MediaType.IsConfig() {
		if s.c.Store != nil {
			if rc, _, err := s.c.Store.OpenBlob(d.Digest); err == nil {
				return rc, nil
			}
		}
		return s.stream(ctx, d)
	}
	return s.c.fetch(ctx, d, []name.Repository{s.repo})
}

// fetch brings a blob into the store, from the first repository that has it, and opens it there.
func (c *Client) fetch(ctx context.Context, d v1.Descriptor, repos []name.Repository) (io.ReadCloser, error) {
	unlock, err := c.state().locks.lock(ctx, "fetch "+d.Digest.String())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if rc, _, err := c.Store.OpenBlob(d.Digest); !errors.Is(err, store.ErrNotFound) {
		return rc, err
	}
	var failed []error
	for _, repo := range repos {
		if err = c.fetchFrom(ctx, d, repo); err == nil {
			rc, _, err := c.Store.OpenBlob(d.Digest)
			return rc, err
		}
		failed = append(failed, fmt.Errorf("fetching blob %s from %s: %w", d.Digest, repo, err))
	}
	if len(failed) == 0 {
		return nil, fmt.Errorf("fetching blob %s: it is not in the store, and no repository is known to have it", d.Digest)
	}
	return nil, errors.Join(failed...)
}

func (c *Client) fetchFrom(ctx context.Context, d v1.Descriptor, repo name.Repository) (err error) {
	ctx, task := progress.Start(ctx, "fetch "+short(d.Digest)+" from "+repo.String(), d.Size)
	defer func() { task.End(err) }()
	rc, err := (&registrySource{c, repo}).stream(ctx, d)
	if err != nil {
		return err
	}
	defer rc.Close()
	return c.Store.PutBlob(ctx, task.Reader(rc), d.Digest, d.Size)
}

func short(h v1.Hash) string { return h.Hex[:min(12, len(h.Hex))] }

// stream reads a blob from the registry without storing it. A connection that breaks is taken up again where it broke.
func (s *registrySource) stream(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	r := &resumer{ctx: ctx, src: s, desc: d}
	if err := r.connect(ctx); err != nil {
		return nil, fmt.Errorf("reading blob %s from %s: %w", d.Digest, s.repo, err)
	}
	return verify(r, d, s.repo.String()), nil
}
