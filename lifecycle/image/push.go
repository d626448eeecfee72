package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// registrySink publishes to one registry. Its repositories follow one another, so that each can mount what the one
// before it got.
type registrySink struct {
	c    *Client
	refs []name.Reference
}

func (c *Client) newRegistrySink(group []Ref) (*registrySink, error) {
	s := &registrySink{c: c}
	for _, r := range group {
		ref, err := c.reference(r)
		if err != nil {
			return nil, err
		}
		s.refs = append(s.refs, ref)
	}
	return s, nil
}

// check begins an upload and cancels it: only that tells whether the credentials are good for writing.
func (s *registrySink) check(ctx context.Context) error {
	for _, repo := range s.repos() {
		client, err := s.c.session(ctx, repo, transport.PushScope)
		if err != nil {
			return err
		}
		p := &pusher{c: s.c, repo: repo, client: client}
		location, _, err := p.start(ctx, url.Values{})
		if err != nil {
			return fmt.Errorf("beginning an upload to %s: %w", repo, err)
		}
		req, err := http.NewRequestWithContext(once(ctx), http.MethodDelete, location, nil)
		if err != nil {
			return err
		}
		// A registry that cannot cancel an upload forgets it after a while.
		if resp, err := client.Do(req); err == nil {
			drain(resp)
		}
	}
	return nil
}

func (s *registrySink) repos() []name.Repository {
	var repos []name.Repository
	seen := map[name.Repository]bool{}
	for _, ref := range s.refs {
		if repo := ref.Context(); !seen[repo] {
			seen[repo] = true
			repos = append(repos, repo)
		}
	}
	return repos
}

func (s *registrySink) publish(ctx context.Context, m manifest) (v1.Hash, error) {
	p, err := collect(m)
	if err != nil {
		return v1.Hash{}, err
	}
	for _, repo := range s.repos() {
		var identifiers []string
		for _, ref := range s.refs {
			if ref.Context() == repo {
				identifiers = append(identifiers, identifierFor(ref, p.top()))
			}
		}
		if err := s.c.push(ctx, repo, p, identifiers); err != nil {
			return v1.Hash{}, err
		}
	}
	return p.top().Digest, nil
}

// identifierFor is the tag to publish under. A reference by digest names the repository; the image goes there by its
// own digest.
func identifierFor(ref name.Reference, d v1.Descriptor) string {
	if tag, ok := ref.(name.Tag); ok {
		return tag.TagStr()
	}
	return d.Digest.String()
}

// push writes all parts to a repository: blobs, then the children of an index, then the manifest under every
// identifier. When the registry misses a blob that this process had seen there, everything is checked and sent again.
func (c *Client) push(ctx context.Context, repo name.Repository, p *parts, identifiers []string) error {
	err := c.pushOnce(ctx, repo, p, identifiers)
	var answer *transport.Error
	if err == nil || !errors.As(err, &answer) || answer.Request == nil || answer.Request.Method != http.MethodPut {
		return err
	}
	for _, d := range answer.Errors {
		if d.Code == transport.ManifestBlobUnknownErrorCode || d.Code == transport.BlobUnknownErrorCode {
			c.state().presence.forget(repo)
			return c.pushOnce(ctx, repo, p, identifiers)
		}
	}
	return err
}

func (c *Client) pushOnce(ctx context.Context, repo name.Repository, p *parts, identifiers []string) error {
	w, err := c.newPusher(ctx, repo, p.blobs)
	if err != nil {
		return err
	}
	if err := w.lookAtTag(ctx, p, identifiers); err != nil {
		return err
	}
	g, blobCtx := errgroup.WithContext(ctx)
	g.SetLimit(c.jobs())
	for _, b := range p.blobs {
		g.Go(func() error { return w.upload(blobCtx, b) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	children, top := p.manifests[:len(p.manifests)-1], p.top()
	for _, d := range children {
		if c.state().presence.has(repo, d.Digest) {
			continue
		}
		if err := w.putManifest(ctx, d, p.raw[d.Digest], d.Digest.String()); err != nil {
			return err
		}
	}
	for _, identifier := range identifiers {
		if err := w.putManifest(ctx, top, p.raw[top.Digest], identifier); err != nil {
			return err
		}
	}
	return nil
}

// pusher writes to one repository.
type pusher struct {
	c      *Client
	repo   name.Repository
	client *http.Client
	mounts map[v1.Hash]name.Repository // where a blob can be mounted from
}

// newPusher finds out which blobs can be mounted, because permission to read there must be asked for at once.
func (c *Client) newPusher(ctx context.Context, repo name.Repository, blobs []blobPart) (*pusher, error) {
	p := &pusher{c: c, repo: repo, mounts: map[v1.Hash]name.Repository{}}
	var sources []name.Repository
	seen := map[name.Repository]bool{}
	for _, b := range blobs {
		if b.layer == nil || c.state().presence.has(repo, b.desc.Digest) {
			continue
		}
		for _, from := range c.origins(b.desc.Digest) {
			if from.Registry == repo.Registry && from != repo {
				p.mounts[b.desc.Digest] = from
				if !seen[from] {
					seen[from] = true
					sources = append(sources, from)
				}
				break
			}
		}
	}
	var err error
	p.client, err = c.session(ctx, repo, transport.PushScope, sources...)
	return p, err
}

// lookAtTag reads what the tag names now, when that may save questions: what the image there consists of need not be
// asked for blob by blob.
func (p *pusher) lookAtTag(ctx context.Context, all *parts, identifiers []string) error {
	unknown := 0
	for _, b := range all.blobs {
		if _, mountable := p.mounts[b.desc.Digest]; !mountable && b.layer != nil &&
			!p.c.state().presence.has(p.repo, b.desc.Digest) {
			unknown++
		}
	}
	if unknown < 2 {
		return nil
	}
	_, _, err := (&registrySource{p.c, p.repo}).get(ctx, identifiers[0])
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDenied) {
		return nil
	}
	return err
}

// upload makes sure that the repository has a blob: it is known to be there, or found there, or mounted, or sent.
func (p *pusher) upload(ctx context.Context, b blobPart) (err error) {
	unlock, err := p.c.state().locks.lock(ctx, "push "+p.repo.String()+" "+b.desc.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	if p.c.state().presence.has(p.repo, b.desc.Digest) {
		return nil
	}
	for attempt := 1; ; attempt++ {
		if err = p.tryUpload(once(ctx), b); err == nil {
			p.c.state().presence.add(p.repo, b.desc.Digest)
			if p.c.Store != nil && b.layer != nil {
				// Only a hint for the next process, which can do without.
				_ = recordOrigins(p.c.Store, b.desc.Digest, []name.Repository{p.repo})
			}
			return nil
		}
		if attempt >= p.c.Retry.attempts() || !uploadMayPass(err) || ctx.Err() != nil {
			return fmt.Errorf("pushing blob %s to %s: %w", b.desc.Digest, p.repo, err)
		}
		why := fmt.Sprintf("pushing %s to %s: %v", short(b.desc.Digest), p.repo, err)
		if err := p.c.Retry.pause(ctx, attempt, askedPause(err), why); err != nil {
			return err
		}
	}
}

// sendError is a body that broke off on its way to a registry that had just answered.
type sendError struct{ error }

// Unwrap gives what broke off.
func (e *sendError) Unwrap() error { return e.error }

// uploadMayPass tells whether an upload is worth starting over. An upload session that the registry has lost, and a
// token that has run out while the body was sent, are.
func uploadMayPass(err error) bool {
	var answer *transport.Error
	var sending *sendError
	switch {
	case errors.As(err, &answer):
	case errors.As(err, &sending):
		return !errors.Is(err, errCorrupt) // what is read wrong here is read wrong again
	default:
		return passingError(err)
	}
	for _, d := range answer.Errors {
		if d.Code == transport.BlobUploadUnknownErrorCode || d.Code == transport.BlobUploadInvalidErrorCode {
			return true
		}
	}
	return passingStatus(answer.StatusCode) ||
		answer.StatusCode == http.StatusUnauthorized && answer.Request != nil && answer.Request.Method == http.MethodPut
}

func (p *pusher) tryUpload(ctx context.Context, b blobPart) error {
	query := url.Values{}
	if from, ok := p.mounts[b.desc.Digest]; ok {
		query.Set("mount", b.desc.Digest.String())
		query.Set("from", from.RepositoryStr())
	} else if b.layer != nil {
		found, err := p.exists(ctx, b.desc.Digest)
		if found || err != nil {
			return err
		}
	}
	location, mounted, err := p.start(ctx, query)
	if err != nil && query.Has("mount") && ctx.Err() == nil {
		// Some registries refuse to mount with an error instead of beginning an upload.
		location, mounted, err = p.start(ctx, url.Values{})
	}
	if err != nil || mounted {
		return err
	}
	return p.send(ctx, b, location)
}

func (p *pusher) exists(ctx context.Context, h v1.Hash) (bool, error) {
	req, err := (&registrySource{p.c, p.repo}).request(ctx, http.MethodHead, "blobs/"+h.String())
	if err != nil {
		return false, err
	}
	resp, err := do(p.client, req, http.StatusOK)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	drain(resp)
	return true, nil
}

// start begins an upload and gives the address to send to, or tells that the blob has been mounted.
func (p *pusher) start(ctx context.Context, query url.Values) (location string, mounted bool, err error) {
	req, err := (&registrySource{p.c, p.repo}).request(ctx, http.MethodPost, "blobs/uploads/")
	if err != nil {
		return "", false, err
	}
	req.URL.RawQuery = query.Encode()
	resp, err := do(p.client, req, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return "", false, err
	}
	drain(resp)
	if resp.StatusCode == http.StatusCreated {
		return "", true, nil
	}
	to, err := resp.Request.URL.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return "", false, errors.New("the registry begins an upload without saying where to")
	}
	if from := resp.Request.URL; to.Hostname() != from.Hostname() && inner(to.Hostname()) && !inner(from.Hostname()) {
		return "", false, fmt.Errorf("refusing to upload to the private address %s that %s names", to.Host, from.Host)
	}
	return to.String(), false, nil
}

// send sends a whole blob in one request.
func (p *pusher) send(ctx context.Context, b blobPart, location string) (err error) {
	to, err := url.Parse(location)
	if err != nil {
		return err
	}
	query := to.Query()
	query.Set("digest", b.desc.Digest.String())
	to.RawQuery = query.Encode()
	ctx, task := progress.Start(ctx, "push "+short(b.desc.Digest)+" to "+p.repo.String(), b.desc.Size)
	defer func() { task.End(err) }()
	body, err := p.c.content(ctx, b)
	if err != nil {
		return err
	}
	counted := &countedBody{Reader: task.Reader(body), Closer: body}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, to.String(), counted)
	if err != nil {
		_ = body.Close()
		return err
	}
	req.ContentLength = b.desc.Size
	if b.desc.Size == 0 {
		req.Body = http.NoBody
	}
	req.GetBody = func() (io.ReadCloser, error) { return p.c.content(ctx, b) }
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := do(p.client, req, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return &sendError{err}
	}
	drain(resp)
	return nil
}

type countedBody struct {
	io.Reader
	io.Closer
}

// content opens a blob to be sent: from the store when it is there, streamed from another registry when one has it,
// else from the layer itself.
func (c *Client) content(ctx context.Context, b blobPart) (io.ReadCloser, error) {
	if b.layer == nil {
		return io.NopCloser(bytes.NewReader(b.data)), nil
	}
	if c.Store != nil {
		if rc, _, err := c.Store.OpenBlob(b.desc.Digest); !errors.Is(err, store.ErrNotFound) {
			return rc, err
		}
	}
	for _, repo := range c.origins(b.desc.Digest) {
		if rc, err := (&registrySource{c, repo}).stream(ctx, b.desc); err == nil {
			return rc, nil
		}
	}
	rc, err := b.layer.Compressed()
	if err != nil {
		return nil, fmt.Errorf("reading layer %s: %w", b.desc.Digest, err)
	}
	return verify(rc, b.desc, "the layer"), nil
}

func (p *pusher) putManifest(ctx context.Context, d v1.Descriptor, raw []byte, identifier string) error {
	req, err := (&registrySource{p.c, p.repo}).request(ctx, http.MethodPut, "manifests/"+identifier)
	if err != nil {
		return err
	}
	req.Body = io.NopCloser(bytes.NewReader(raw))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	req.ContentLength = int64(len(raw))
	req.Header.Set("Content-Type", string(d.MediaType))
	resp, err := do(p.client, req, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return fmt.Errorf("pushing manifest %s to %s: %w", identifier, p.repo, err)
	}
	drain(resp)
	p.c.state().presence.learn(p.repo, d, raw)
	return nil
}
