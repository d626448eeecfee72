package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	gitclient "github.com/go-git/go-git/v5/plumbing/transport/git"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
)

const (
	maxRepositories = 1000
	maxRefs         = 256 << 20 // bytes of a server's list of references
)

var (
	fullHash  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	shortHash = regexp.MustCompile(`^[0-9a-f]{4,39}$`)
)

// fetcher gets a commit from a server.
type fetcher struct {
	*gitSource
	location string
	objects  *filesystem.Storage

	transport transport.Transport
	endpoint  *transport.Endpoint
	auth      transport.AuthMethod
}

func (f *fetcher) fetch(ctx context.Context, revision string) (c *commit, err error) {
	ctx, task := progress.Start(ctx, "Fetching "+Redact(f.location), 0)
	defer func() { task.End(err) }()
	session, refs, err := f.connect(ctx)
	if err != nil {
		return nil, err
	}
	hash, tag, known := resolve(refs, revision)
	if known || fullHash.MatchString(revision) {
		if !known {
			hash = plumbing.NewHash(revision)
		}
		err := f.pack(ctx, session, refs.Capabilities, []plumbing.Hash{hash}, 1, task)
		if err == nil {
			return &commit{f.objects, hash, tag}, nil
		}
		if known || ctx.Err() != nil || errors.Is(err, archive.ErrLimit) {
			return nil, f.clean(err)
		}
		// Some servers give only commits that a branch or tag names: fetch everything then.
		if session, refs, err = f.connect(ctx); err != nil {
			return nil, err
		}
	} else {
		defer session.Close()
		if !shortHash.MatchString(revision) {
			return nil, noRevision(revision)
		}
	}
	if err := f.pack(ctx, session, refs.Capabilities, everything(refs), 0, task); err != nil {
		return nil, f.clean(err)
	}
	hash, err = findCommit(f.objects, revision)
	if err != nil {
		return nil, err
	}
	return &commit{f.objects, hash, ""}, nil
}

// connect opens a session and reads the server's references. Over http it tries one login after the other.
func (f *fetcher) connect(ctx context.Context) (transport.UploadPackSession, *packp.AdvRefs, error) {
	if f.transport != nil {
		return f.session(ctx)
	}
	var err error
	if f.endpoint, err = transport.NewEndpoint(f.location); err != nil {
		return nil, nil, errors.New("it is no valid URL")
	}
	switch f.endpoint.Protocol {
	case "ssh":
		f.transport = gitssh.NewClient(nil)
		if f.auth, err = sshAuth(f.endpoint, f.opts.Getenv); err != nil {
			return nil, nil, err
		}
		return f.session(ctx)
	case "git":
		f.transport = gitclient.DefaultClient
		return f.session(ctx)
	case "http", "https":
	default:
		return nil, nil, fmt.Errorf("git over %q is not supported; use https or ssh", f.endpoint.Protocol)
	}
	return f.connectHTTP(ctx)
}

func (f *fetcher) connectHTTP(ctx context.Context) (transport.UploadPackSession, *packp.AdvRefs, error) {
	u, err := url.Parse(f.location)
	if err != nil {
		return nil, nil, errors.New("it is no valid URL")
	}
	client := *f.opts.Client
	client.Transport = &limitTransport{client.Transport, f.opts.Limits.Bytes}
	f.transport = githttp.NewClientWithOptions(&client, nil)
	f.endpoint.User, f.endpoint.Password = "", ""
	var last error
	next := logins(ctx, u, f.opts, sameOrigin(f.location, f.top))
	for l, ok := next(); ok; l, ok = next() {
		f.auth = nil
		if l != nil {
			f.auth = l.auth()
		}
		session, refs, err := f.session(ctx)
		if err == nil {
			return session, refs, nil
		}
		last = err
		if !wantsLogin(err) {
			break
		}
	}
	if wantsLogin(last) {
		return nil, nil, fmt.Errorf("%w (set S2I_GIT_USERNAME and S2I_GIT_PASSWORD, or use ~/.netrc or a git "+
			"credential helper)", last)
	}
	return nil, nil, last
}

// wantsLogin tells whether another login may help. Servers hide repositories by saying that they are not there.
func wantsLogin(err error) bool {
	return errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed) ||
		errors.Is(err, transport.ErrRepositoryNotFound)
}

func sameOrigin(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

// session opens a session. Connecting over ssh knows no context, so it is left alone when ctx ends.
func (f *fetcher) session(ctx context.Context) (transport.UploadPackSession, *packp.AdvRefs, error) {
	type result struct {
		session transport.UploadPackSession
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := f.transport.NewUploadPackSession(f.endpoint, f.auth)
		opened <- result{s, err}
	}()
	var r result
	select {
	case r = <-opened:
	case <-ctx.Done():
		go func() {
			if late := <-opened; late.err == nil {
				_ = late.session.Close()
			}
		}()
		return nil, nil, context.Cause(ctx)
	}
	if r.err != nil {
		return nil, nil, f.clean(r.err)
	}
	refs, err := r.session.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = r.session.Close() // it is broken already
		return nil, nil, f.clean(err)
	}
	return r.session, refs, nil
}

// clean makes an error of the transport one for the user: without the URL, which may hold a password, and with the
// way out.
func (f *fetcher) clean(err error) error {
	err = urlCause(err)
	if explained := sshExplain(err, f.endpoint); explained != nil {
		return explained
	}
	u, parseErr := url.Parse(f.location)
	if parseErr == nil && u.User != nil {
		if password, ok := u.User.Password(); ok && password != "" && strings.Contains(err.Error(), password) {
			return errors.New(strings.ReplaceAll(err.Error(), password, "…"))
		}
	}
	return err
}

// resolve looks a revision up in the server's references, as git does: the name itself, tags, branches. The commit of
// an annotated tag counts, not the tag.
func resolve(refs *packp.AdvRefs, revision string) (hash plumbing.Hash, tag string, ok bool) {
	if revision == "" || revision == "HEAD" {
		if refs.Head == nil {
			return plumbing.ZeroHash, "", false
		}
		return *refs.Head, "", true
	}
	for _, prefix := range []string{"", "refs/", "refs/tags/", "refs/heads/"} {
		name := prefix + revision
		hash, ok = refs.References[name]
		if peeled, annotated := refs.Peeled[name]; annotated {
			hash, ok = peeled, true
		}
		if ok {
			if short, isTag := strings.CutPrefix(name, "refs/tags/"); isTag {
				tag = short
			}
			return hash, tag, true
		}
	}
	return plumbing.ZeroHash, "", false
}

// everything is what to ask for to get all branches and tags.
func everything(refs *packp.AdvRefs) []plumbing.Hash {
	seen := map[plumbing.Hash]bool{}
	var out []plumbing.Hash
	for name, hash := range refs.References {
		if !seen[hash] && (strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/")) {
			seen[hash] = true
			out = append(out, hash)
		}
	}
	plumbing.HashesSort(out)
	return out
}

func findCommit(objects storer.EncodedObjectStorer, prefix string) (plumbing.Hash, error) {
	iter, err := objects.IterEncodedObjects(plumbing.CommitObject)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var found []plumbing.Hash
	err = iter.ForEach(func(o plumbing.EncodedObject) error {
		if strings.HasPrefix(o.Hash().String(), prefix) {
			found = append(found, o.Hash())
		}
		return nil
	})
	switch {
	case err != nil:
		return plumbing.ZeroHash, err
	case len(found) == 0:
		return plumbing.ZeroHash, noRevision(prefix)
	case len(found) > 1:
		return plumbing.ZeroHash, fmt.Errorf("the commit %q is ambiguous; give more digits", prefix)
	}
	return found[0], nil
}

// pack fetches the objects of some commits, with depth commits of history (0: all of it).
func (f *fetcher) pack(ctx context.Context, s transport.UploadPackSession, can *capability.List, wants []plumbing.Hash,
	depth int, task *progress.Task,
) error {
	defer s.Close()
	req := packp.NewUploadPackRequestFromCapabilities(can)
	req.Wants = wants
	if depth > 0 && can.Supports(capability.Shallow) {
		req.Depth = packp.DepthCommits(depth)
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return err
		}
	}
	if can.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return err
		}
	}
	res, err := s.UploadPack(ctx, req)
	if err != nil {
		return fmt.Errorf("asking for the commit: %w", err)
	}
	defer res.Close()
	in := io.Reader(res)
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		in = sideband.NewDemuxer(sideband.Sideband64k, res)
	case req.Capabilities.Supports(capability.Sideband):
		in = sideband.NewDemuxer(sideband.Sideband, res)
	}
	limited := &limitReader{archive.Until(ctx, task.Reader(in)), f.opts.Limits.Bytes}
	if err := packfile.UpdateObjectStorage(f.objects, limited); err != nil {
		return fmt.Errorf("reading the commit's objects: %w", err)
	}
	return f.objects.SetShallow(res.Shallows)
}

// limitReader fails after left bytes.
type limitReader struct {
	r    io.Reader
	left int64
}

// Read fails with archive.ErrLimit once more than left bytes came.
func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("the server's answer: %w", archive.ErrLimit)
	}
	return n, err
}

// limitTransport bounds what servers answer.
type limitTransport struct {
	base http.RoundTripper
	max  int64
}

// RoundTrip gives the answer with a body that fails beyond the limit.
func (t *limitTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	res, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	limit := t.max
	if strings.HasSuffix(req.URL.Path, "/info/refs") {
		limit = maxRefs
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{&limitReader{res.Body, limit}, res.Body}
	return res, nil
}
