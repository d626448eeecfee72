package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secret is in every file that must not be served.
const secret = "SECRET"

// tree writes a site and, around it, files that are none of it.
func tree(t testing.TB) *Site {
	t.Helper()
	top := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	site := &Site{Root: filepath.Join(top, "root"), Variants: filepath.Join(top, "variants"), Files: map[string]File{}}
	for name, text := range map[string]string{
		"index.html": "front page", "about.html": "about page", "blog/index.html": "blog", "404.html": "no such page",
		"app.js": "script", "assets/main.3f9a1c7e.js": "hashed", ".well-known/security.txt": "contact", "a b.txt": "blank",
	} {
		write("root/"+name, text)
		site.Files[name] = File{Size: int64(len(text)), Type: MediaType(name), Tag: "tag-" + name,
			Immutable: strings.HasPrefix(name, "assets/")}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "script")
	_ = z.Close()
	write("variants/app.js.gz", packed.String())
	f := site.Files["app.js"]
	f.Encodings = map[string]int64{"gzip": int64(packed.Len())}
	site.Files["app.js"] = f
	write("outside.txt", secret)
	write("root/.env", secret)
	write("root/.git/config", secret)
	write("root/index.php", secret)
	write("root-other/x.txt", secret)
	for link, to := range map[string]string{"link.txt": "../outside.txt", "up": "..", "other": "../root-other"} {
		if err := os.Symlink(to, filepath.Join(site.Root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return site
}

func handlerOf(t testing.TB, site *Site) *Handler {
	t.Helper()
	h, err := New(site)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends a request for a path as it stands in the request line.
func ask(h http.Handler, method, target string, header ...string) reply {
	r := httptest.NewRequest(method, "http://site.example", nil)
	r.URL = &url.URL{Scheme: "http", Host: "site.example", Path: target}
	if u, err := url.ParseRequestURI(target); err == nil && strings.HasPrefix(target, "/") {
		r.URL = u
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{StatusCode: w.Code, Header: w.Header(), Text: w.Body.String()}
}

// reply is an answer.
type reply struct {
	StatusCode int
	Header     http.Header
	Text       string
}

func TestPaths(t *testing.T) {
	site := tree(t)
	site.Redirects = []Redirect{
		{From: "/old/:id", To: "/new/:id", Status: 302}, {From: "/away/*", To: "https://example.com/:splat", Status: 301},
		{From: "/open/*", To: "/:splat", Status: 301}, {From: "/rewritten", To: "/about", Status: 200},
	}
	h := handlerOf(t, site)
	for _, c := range []struct {
		path   string
		status int
		want   string // the body, or the address that is redirected to
	}{
		{"/", 200, "front page"},
		{"/index.html", 200, "front page"},
		{"/about", 200, "about page"},
		{"/about/", 200, "about page"},
		{"/blog", 301, "/blog/"},
		{"/blog?page=2", 301, "/blog/?page=2"},
		{"/blog/", 200, "blog"},
		{"/a%20b.txt", 200, "blank"},
		{"//blog//", 301, "/blog/"},
		{"/blog/../app.js", 301, "/app.js"},
		{"//example.com/..", 301, "/"},
		{"/.well-known/security.txt", 200, "contact"},
		{"/.env", 404, "not found\n"},
		{"/.git/config", 404, "not found\n"},
		{"/link.txt", 404, "not found\n"},
		{"/up/outside.txt", 404, "not found\n"},
		{"/nothing", 404, "no such page"},
		{"/nothing.js", 404, "not found\n"},
		{"/old/7", 302, "/new/7"},
		{"/away/a/b", 301, "https://example.com/a/b"},
		{"/open//example.com", 301, "/open/example.com"},
		{"/rewritten", 200, "about page"},
		{"/healthz", 200, "ok\n"},
		{"/a%00b", 404, "not found\n"},
		{`/..\outside.txt`, 404, "not found\n"},
	} {
		r := ask(h, http.MethodGet, c.path)
		got := r.Text
		if r.StatusCode/100 == 3 {
			got = r.Header.Get("Location")
		}
		if r.StatusCode != c.status || got != c.want {
			t.Errorf("%s: got %d %q, want %d %q", c.path, r.StatusCode, got, c.status, c.want)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", c.path)
		}
	}
}

func TestFallback(t *testing.T) {
	site := tree(t)
	site.IndexFallback = true
	h := handlerOf(t, site)
	for _, c := range []struct {
		path, accept, want string
		status             int
	}{
		{"/users/7", "", "front page", 200},
		{"/users/jo.doe", "text/html,*/*;q=0.8", "front page", 200},
		{"/users/jo.doe", "*/*", "not found\n", 404},
		{"/assets/gone.js", "text/html,*/*", "not found\n", 404},
		{"/.env", "text/html", "not found\n", 404},
	} {
		r := ask(h, http.MethodGet, c.path, "Accept", c.accept)
		if got := r.Text; got != c.want || r.StatusCode != c.status {
			t.Errorf("%s: got %d %q", c.path, r.StatusCode, got)
		}
	}
}

func TestSemantics(t *testing.T) {
	h := handlerOf(t, tree(t))
	r := ask(h, http.MethodGet, "/app.js", "Accept-Encoding", "br;q=0, gzip")
	if r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("ETag") != `"tag-app.js-gzip"` ||
		r.Header.Get("Vary") != "Accept-Encoding" || r.Text == "script" {
		t.Errorf("gzip: %v", r.Header)
	}
	r = ask(h, http.MethodGet, "/app.js", "Accept-Encoding", "gzip;q=0")
	if r.Header.Get("Content-Encoding") != "" || r.Header.Get("Vary") == "" || r.Text != "script" {
		t.Errorf("no gzip: %v", r.Header)
	}
	r = ask(h, http.MethodGet, "/app.js", "If-None-Match", `"tag-app.js"`)
	if r.StatusCode != http.StatusNotModified || r.Text != "" {
		t.Errorf("conditional: %d", r.StatusCode)
	}
	r = ask(h, http.MethodGet, "/app.js", "Range", "bytes=1-2", "Accept-Encoding", "gzip")
	if r.StatusCode != http.StatusPartialContent || r.Text != "cr" {
		t.Errorf("range: %d", r.StatusCode)
	}
	r = ask(h, http.MethodGet, "/app.js", "Range", "bytes=1-2", "If-Range", `"other"`)
	if r.StatusCode != http.StatusOK || r.Text != "script" {
		t.Errorf("range of another version: %d", r.StatusCode)
	}
	r = ask(h, http.MethodHead, "/app.js")
	if r.StatusCode != http.StatusOK || r.Text != "" || r.Header.Get("Content-Length") != "6" {
		t.Errorf("HEAD: %d %v", r.StatusCode, r.Header)
	}
	if r = ask(h, http.MethodPost, "/app.js"); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", r.StatusCode)
	}
	if r = ask(h, http.MethodGet, "/assets/main.3f9a1c7e.js"); !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("immutable: %v", r.Header)
	}
	if r = ask(h, http.MethodGet, "/"); r.Header.Get("Cache-Control") != "no-cache" || r.Header.Get("Content-Type") != typeHTML {
		t.Errorf("page: %v", r.Header)
	}
}

func TestHeaders(t *testing.T) {
	site := tree(t)
	site.ForceHTTPS = true
	site.Headers = []Header{{"/*", "X-Frame-Options", ""}, {"/app.js", "Cache-Control", "no-store"}, {"/blog/*", "X-A", "b"}}
	h := handlerOf(t, site)
	if r := ask(h, http.MethodGet, "/"); r.Header.Get("X-Frame-Options") != "" {
		t.Errorf("removed header: %v", r.Header)
	}
	if r := ask(h, http.MethodGet, "/app.js"); r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-A") != "" {
		t.Errorf("header of a file: %v", r.Header)
	}
	if r := ask(h, http.MethodGet, "/blog/"); r.Header.Get("X-A") != "b" {
		t.Errorf("header of a directory: %v", r.Header)
	}
	r := ask(h, http.MethodGet, "/blog/?x=1", "X-Forwarded-Proto", "http")
	if r.StatusCode != http.StatusPermanentRedirect || r.Header.Get("Location") != "https://site.example/blog/?x=1" {
		t.Errorf("forced https: %d %v", r.StatusCode, r.Header)
	}
	if r := ask(h, http.MethodGet, "/healthz", "X-Forwarded-Proto", "http"); r.StatusCode != http.StatusOK {
		t.Errorf("health: %d", r.StatusCode)
	}
}

// TestLive has files that are not listed.
func TestLive(t *testing.T) {
	site := tree(t)
	site.Live, site.FastCGI = true, &FastCGI{Suffix: ".php"}
	if err := os.WriteFile(filepath.Join(site.Root, "upload.png"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := handlerOf(t, site)
	r := ask(h, http.MethodGet, "/upload.png")
	if r.Text != "new" || r.Header.Get("Content-Type") != "image/png" || r.Header.Get("ETag") == "" {
		t.Errorf("a file that is not listed: %d %v", r.StatusCode, r.Header)
	}
	for _, p := range []string{"/index.php", "/.env", "/link.txt", "/up/outside.txt", "/other/x.txt"} {
		if r := ask(h, http.MethodGet, p); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
}

// FuzzServe asks for any path: what is answered is never a file outside the site, nor one of its hidden files, and a
// redirect to a path never leads to another host.
func FuzzServe(f *testing.F) {
	for _, p := range []string{"/", "/../outside.txt", "/%2e%2e/outside.txt", "/up/../../outside.txt", "/.env", "//.git/config",
		"/link.txt", "/other/x.txt", "/index.php", "/./.env", "/a/..;/.env", "//example.com/%2f..", "/index.php/", "*"} {
		f.Add(p, "gzip, br", "bytes=0-")
	}
	listed := tree(f)
	listed.IndexFallback = true
	live := tree(f)
	live.Live, live.FastCGI = true, &FastCGI{Suffix: ".php"}
	handlers := []*Handler{handlerOf(f, listed), handlerOf(f, live)}
	f.Fuzz(func(t *testing.T, target, encoding, ranges string) {
		for _, h := range handlers {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				r := ask(h, method, target, "Accept-Encoding", encoding, "Range", ranges)
				if strings.Contains(r.Text, secret) {
					t.Errorf("%q: served a file that is none of the site", target)
				}
				if to := r.Header.Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) {
					t.Errorf("%q: redirected to %q", target, to)
				}
			}
		}
	})
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path, target, want string
	}{
		{"/a", "/a", "/b", "/b"},
		{"/a", "/a/", "/b", "/b"},
		{"/a", "/ab", "/b", "-"},
		{"/a/*", "/a", "/b", "/b"},
		{"/a/*", "/a/b/c", "/x/:splat", "/x/b/c"},
		{"/a*", "/abc", "/:splat", "/bc"},
		{"/:x/:y", "/1/2", "/:y/:x", "/2/1"},
		{"/:x/:y", "/1", "/", "-"},
		{"/*", "/", "/b", "/b"},
	} {
		got := "-"
		if found, ok := match(c.pattern, c.path); ok {
			got = expand(c.target, found)
		}
		if got != c.want {
			t.Errorf("%s for %s: got %s, want %s", c.pattern, c.path, got, c.want)
		}
	}
}
