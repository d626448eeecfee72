package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// newTransport is what all requests to registries go through, below authentication.
func (c *Client) newTransport() http.RoundTripper {
	inner := c.Transport
	if inner == nil {
		strict, lax := newHTTPTransport(), newHTTPTransport()
		lax.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // only for hosts the user lists
		hosts := &hostTransport{strict: strict, lax: lax, insecure: c.insecure, own: map[string]http.RoundTripper{}}
		for host, config := range c.TLS {
			own := newHTTPTransport()
			own.TLSClientConfig = config
			hosts.own[host] = own
		}
		inner = hosts
	}
	inner = &pingTransport{inner: inner, pings: map[string]*ping{}}
	return transport.NewUserAgent(&retryTransport{inner: inner, retry: c.Retry}, "s2i")
}

func newHTTPTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   20 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A registry may take long to store a large blob once it has it all.
		ResponseHeaderTimeout: 10 * time.Minute,
	}
}

// hostTransport skips the verification of certificates for the hosts that the user listed, or does it in their own way.
type hostTransport struct {
	strict, lax http.RoundTripper
	own         map[string]http.RoundTripper // by host
	insecure    func(host string) bool
}

// RoundTrip sends the request in its host's way.
func (t *hostTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if own := t.own[req.URL.Host]; own != nil {
		return own.RoundTrip(req)
	}
	if t.insecure(req.URL.Host) {
		return t.lax.RoundTrip(req)
	}
	return t.strict.RoundTrip(req)
}

// pingTransport answers all but the first "GET /v2/" of a registry from memory: every repository has an
// authentication of its own, but the question how to authenticate has the same answer for all of them.
type pingTransport struct {
	inner http.RoundTripper
	mu    sync.Mutex
	pings map[string]*ping // by scheme and host
}

type ping struct {
	status int
	header http.Header
	proto  string
}

var errOtherScheme = errors.New("the registry speaks plain http")

// RoundTrip answers a ping that was answered before from memory, and sends everything else.
func (t *pingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.URL.Path != "/v2/" || req.Header.Get("Authorization") != "" {
		return t.inner.RoundTrip(req)
	}
	t.mu.Lock()
	known, plain := t.pings[req.URL.Scheme+req.URL.Host], t.pings["http"+req.URL.Host]
	t.mu.Unlock()
	if known != nil {
		return known.response(req), nil
	}
	if plain != nil {
		return nil, errOtherScheme
	}
	resp, err := t.inner.RoundTrip(req)
	if err == nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized) {
		t.mu.Lock()
		t.pings[req.URL.Scheme+req.URL.Host] = &ping{resp.StatusCode, resp.Header.Clone(), resp.Proto}
		t.mu.Unlock()
	}
	return resp, err
}

func (p *ping) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(p.status), StatusCode: p.status, Header: p.header.Clone(), Proto: p.proto,
		Body: io.NopCloser(strings.NewReader("")), Request: req,
	}
}

// host is one registry: its sessions by scope. The first session is made alone, so that its ping serves the others.
type host struct {
	mu       sync.Mutex
	sessions map[string]*http.Client
}

// session gives an HTTP client that is authenticated at repo's registry for repo and, for reading, the other
// repositories. action is transport.PullScope or transport.PushScope.
func (c *Client) session(ctx context.Context, repo name.Repository, action string, others ...name.Repository,
) (*http.Client, error) {
	if c.Offline {
		return nil, fmt.Errorf("asking registry %s: %w", repo.RegistryStr(), ErrOffline)
	}
	scopes := []string{repo.Scope(action)}
	for _, o := range others {
		scopes = append(scopes, o.Scope(transport.PullScope))
	}
	h := c.state().host(repo.RegistryStr())
	key := strings.Join(scopes, " ")
	h.mu.Lock()
	defer h.mu.Unlock()
	if client := h.sessions[key]; client != nil {
		return client, nil
	}
	auth, err := authn.Resolve(ctx, c.state().keychain, repo)
	if err != nil {
		return nil, fmt.Errorf("looking up credentials for %s: %w", repo.RegistryStr(), err)
	}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, c.state().transport, scopes)
	if err != nil {
		hint := ""
		var bad *tls.CertificateVerificationError
		if errors.As(err, &bad) {
			hint = " (to trust it nevertheless, list it as an insecure registry)"
		}
		return nil, fmt.Errorf("connecting to registry %s: %w%s", repo.RegistryStr(), registryError(err), hint)
	}
	client := &http.Client{Transport: rt, CheckRedirect: checkRedirect}
	h.sessions[key] = client
	return client, nil
}

func (s *shared) host(registry string) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[registry]
	if h == nil {
		h = &host{sessions: map[string]*http.Client{}}
		s.hosts[registry] = h
	}
	return h
}

// checkRedirect keeps a registry from sending us to services of the inner network: from a host with a public name
// there is no way to an address that is only known there, and none from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	from, to := via[0].URL, req.URL
	switch {
	case len(via) >= 10:
		return errors.New("stopped after 10 redirects")
	case from.Hostname() == to.Hostname():
		return nil
	case from.Scheme == "https" && to.Scheme == "http":
		return fmt.Errorf("refusing the redirect from https://%s to http://%s", from.Host, to.Host)
	case inner(to.Hostname()) && !inner(from.Hostname()):
		return fmt.Errorf("refusing the redirect from %s to the private address %s", from.Host, to.Host)
	}
	return nil
}

func inner(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() ||
		ip.IsLinkLocalMulticast() || ip.IsUnspecified())
}

// statusError is a registry's answer in one line.
type statusError struct {
	answer *transport.Error
	after  time.Duration // how long the registry asks to wait
}

// askedPause is how long the registry whose answer err is asks to wait; 0 if it does not.
func askedPause(err error) time.Duration {
	var answer *statusError
	if errors.As(err, &answer) {
		return answer.after
	}
	return 0
}

// Error gives the status and what the registry says, shortened, and where credentials are looked for.
func (e *statusError) Error() string {
	s := fmt.Sprintf("%d %s", e.answer.StatusCode, http.StatusText(e.answer.StatusCode))
	for _, d := range e.answer.Errors {
		s += ": " + shorten(strings.TrimSpace(string(d.Code)+" "+d.Message))
	}
	switch e.answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		s += " (are there credentials for it? docker login, REGISTRY_AUTH_FILE and CNB_REGISTRY_AUTH are read)"
	}
	return s
}

// Unwrap gives the registry's answer.
func (e *statusError) Unwrap() error { return e.answer }

// Is makes the two answers that callers decide by recognisable.
func (e *statusError) Is(target error) bool {
	switch e.answer.StatusCode {
	case http.StatusNotFound:
		return target == ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return target == ErrDenied
	}
	return false
}

func shorten(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// registryError makes an error of the HTTP client fit to be shown: one line, and no secrets. Query strings of
// redirects are often signatures that give access.
func registryError(err error) error {
	// Not errors.As: what failed over both https and http is reported for both.
	for e := err; e != nil; e = errors.Unwrap(e) {
		if answer, ok := e.(*transport.Error); ok { //nolint:errorlint // see above
			return &statusError{answer: answer}
		}
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		if u, parseErr := url.Parse(failed.URL); parseErr == nil {
			u.User, u.RawQuery, u.Fragment = nil, "", ""
			return &url.Error{Op: failed.Op, URL: u.String(), Err: registryError(failed.Err)}
		}
	}
	return err
}

// do sends a request and gives the response if its status is one of codes; the caller closes its body. Otherwise the
// error says what the registry answered.
func do(client *http.Client, req *http.Request, codes ...int) (*http.Response, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, registryError(err)
	}
	if err := transport.CheckError(resp, codes...); err != nil {
		drain(resp)
		err = registryError(err)
		var answer *statusError
		if errors.As(err, &answer) {
			answer.after = retryAfter(resp)
		}
		return nil, err
	}
	return resp, nil
}
