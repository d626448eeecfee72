//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"s2i/stacks"
)

// A proxy stands before a server and spoils its answers.
type proxy struct {
	url   string
	mu    sync.Mutex
	fault fault
	seen  map[string]int // requests by method and path
}

// fault spoils an answer: it may answer itself, and says so, or change the body of what the server answered. n counts
// the requests for the same thing from 1 on.
type fault struct {
	answer func(w http.ResponseWriter, r *http.Request, n int) bool
	body   func(r *http.Request, n int, body []byte) []byte
}

func (p *proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.seen = f, map[string]int{}
}

// newProxy starts a proxy whose answers come from get.
func newProxy(t *testing.T, get func(r *http.Request) (*http.Response, error)) *proxy {
	t.Helper()
	p := &proxy{seen: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		thing, _, _ := strings.Cut(r.Method+r.URL.Path, "/uploads/") // every upload has a name of its own
		p.mu.Lock()
		p.seen[thing]++
		n, f := p.seen[thing], p.fault
		p.mu.Unlock()
		if f.answer != nil && f.answer(w, r, n) {
			return
		}
		resp, err := get(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		relay(w, r, resp, f.body, n)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// relay passes an answer on, with its body changed when there is something to change. The promised length stays.
func relay(w http.ResponseWriter, r *http.Request, resp *http.Response, change func(*http.Request, int, []byte) []byte, n int) {
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	if change == nil || resp.StatusCode >= 300 || r.Method != http.MethodGet {
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(resp.StatusCode)
	changed := change(r, n, body)
	_, _ = w.Write(changed)
	if len(changed) < len(body) {
		panic(http.ErrAbortHandler) // cut short
	}
}

// flip changes one byte.
func flip(body []byte) []byte {
	if len(body) == 0 {
		return body
	}
	changed := bytes.Clone(body)
	changed[len(changed)/2] ^= 1
	return changed
}

// registryProxy stands before the registry.
func registryProxy(t *testing.T) *proxy {
	t.Helper()
	return newProxy(t, func(r *http.Request) (*http.Response, error) {
		req := r.Clone(r.Context())
		req.RequestURI, req.URL.Scheme, req.URL.Host = "", "http", shared.registry
		// The registry makes its addresses from the name that it was called by, which stays the proxy's.
		return http.DefaultTransport.RoundTrip(req)
	})
}

// mirror stands before the mirrors that this machine is configured for: /debian, /debian-security, /npm, /goproxy. What
// it got it keeps for all tests.
func mirror(t *testing.T) *proxy {
	t.Helper()
	bases := upstream(t)
	var p *proxy
	p = newProxy(t, func(r *http.Request) (*http.Response, error) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
		base, ok := bases[name]
		if !ok {
			return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, nil
		}
		body, status, err := kept(r.Context(), base+"/"+rest, r.Header.Get("Accept"))
		if err != nil {
			return nil, err
		}
		if name == "npm" && bytes.HasPrefix(body, []byte("{")) { // where the tarballs are
			body = bytes.ReplaceAll(body, []byte(base), []byte(p.url+"/npm"))
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
	})
	return p
}

// env makes the mirror the only place that a build gets packages from.
func (p *proxy) env() []string {
	return []string{"S2I_MIRRORS=" + p.url, "GOPROXY=" + p.url + "/goproxy", "npm_config_registry=" + p.url + "/npm"}
}

// upstream asks the machine's configuration for the addresses behind the mirror.
func upstream(t *testing.T) map[string]string {
	t.Helper()
	lock, err := stacks.ReadLock(filepath.Join(shared.root, "stacks", "trixie", stacks.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	s, err := stacks.LoadSources(t.Context(), lock, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	bases := map[string]string{"npm": strings.TrimSuffix(s.NPM.Registry, "/")}
	for _, archive := range []string{"debian", "debian-security"} {
		if len(s.Deb[archive]) == 0 {
			t.Fatalf("this machine has no mirror of %s", archive)
		}
		bases[archive] = strings.TrimSuffix(s.Deb[archive][0].Base, "/")
	}
	first, _, _ := strings.Cut(strings.ReplaceAll(s.GoProxy, "|", ","), ",")
	bases["goproxy"] = strings.TrimSuffix(first, "/")
	return bases
}

// kept gets an address once for all tests.
func kept(ctx context.Context, address, accept string) ([]byte, int, error) {
	got, _ := answers.LoadOrStore(address+" "+accept, sync.OnceValue(func() keptAnswer {
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, address, nil)
		if err != nil {
			return keptAnswer{err: err}
		}
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return keptAnswer{err: err}
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return keptAnswer{body, resp.StatusCode, err}
	}))
	a := got.(func() keptAnswer)()
	return a.body, a.status, a.err
}

type keptAnswer struct {
	body   []byte
	status int
	err    error
}

var answers sync.Map //nolint:gochecknoglobals // what the mirrors answered, for all tests
