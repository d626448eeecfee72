package server

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program is a FastCGI program that tells what it was asked.
func program(w http.ResponseWriter, r *http.Request) {
	env := fcgi.ProcessEnv(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	switch r.URL.Query().Get("do") {
	case "redirect":
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusSeeOther)
	case "cookies":
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
	case "large":
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	default:
		_, _ = fmt.Fprintf(w, "%s root=%s uri=%s body=%d evil=%s", r.Method, filepath.Base(env["DOCUMENT_ROOT"]),
			r.URL.RequestURI(), len(body), r.Header.Get("Proxy"))
	}
}

// withScripts gives a handler for a site with scripts.
func withScripts(t testing.TB, front string) *Handler {
	t.Helper()
	site := tree(t)
	delete(site.Files, "index.html")
	site.Live, site.FastCGI, site.Hidden = true, &FastCGI{Suffix: ".php", Front: front}, []string{"vendor"}
	for _, name := range []string{"blog/index.php", "tool.php", "vendor/x.php", "vendor/readme.txt", ".hidden.php"} {
		file := filepath.Join(site.Root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = fcgi.Serve(l, http.HandlerFunc(program)) }()
	t.Cleanup(func() { _ = l.Close() })
	h := handlerOf(t, site)
	h.script = &scripts{site: site, root: h.root, socket: socket, log: io.Discard}
	return h
}

func TestFind(t *testing.T) {
	h := withScripts(t, "index.php")
	for _, c := range []struct{ path, script, info string }{
		{"/", "index.php", ""},
		{"/tool.php", "tool.php", ""},
		{"/tool.php/a/b", "tool.php", "/a/b"},
		{"/tool.phpx", "index.php", ""},
		{"/blog/", "blog/index.php", ""},
		{"/no/such/page", "index.php", ""},
		{"/vendor/x.php", "index.php", ""},
		{"/.hidden.php", "index.php", ""},
		{"/../outside.php", "index.php", ""},
		{"/up/outside.php", "index.php", ""},
	} {
		got, ok := h.script.find(c.path)
		if !ok || got.Script != c.script || got.Info != c.info {
			t.Errorf("%s: got %+v, %v", c.path, got, ok)
		}
	}
	if _, ok := withScripts(t, "").script.find("/no/such/page"); ok {
		t.Error("without a front every path finds a script")
	}
}

func TestScripts(t *testing.T) {
	server := httptest.NewServer(withScripts(t, "index.php"))
	defer server.Close()
	large := make([]byte, 3*maxInMemory)
	_, _ = rand.Read(large)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct {
		method, path string
		body         io.Reader
		status       int
		want         string
	}{
		{"GET", "/page?x=1", nil, 200, "GET root=root uri=/page?x=1 body=0 evil="},
		{"POST", "/tool.php/a", strings.NewReader("form"), 200, "POST root=root uri=/tool.php/a body=4 evil="},
		{"PUT", "/x", bytes.NewReader(large), 200, fmt.Sprintf("PUT root=root uri=/x body=%d evil=", len(large))},
		{"PUT", "/x", struct{ io.Reader }{bytes.NewReader(large)}, 200, fmt.Sprintf("body=%d", len(large))}, // chunked
		{"GET", "/?do=redirect", nil, 303, ""},
		{"GET", "/?do=large", nil, 200, "xxx"},
		{"GET", "/app.js", nil, 200, "script"},
		{"GET", "/blog", nil, 301, ""},
		{"GET", "/vendor/readme.txt", nil, 200, "GET root=root uri=/vendor/readme.txt"},
		{"GET", "/.env", nil, 404, "not found"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, c.body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Proxy", "evil")
		got, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(got.Body)
		_ = got.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if got.StatusCode != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: got %d %.100q", c.method, c.path, got.StatusCode, text)
		}
	}
	r, err := http.Get(server.URL + "/?do=cookies")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if len(r.Cookies()) != 2 {
		t.Errorf("cookies: %v", r.Header)
	}
}

func TestNoProgram(t *testing.T) {
	h := withScripts(t, "index.php")
	h.script.socket += "-gone"
	if r := ask(h, http.MethodGet, "/"); r.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d", r.StatusCode)
	}
}

// FuzzAnswer reads records that a broken program could write.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x01\x06\x00\x01\x00\x05\x01\x00hello\x00\x01\x03\x00\x01\x00\x00\x00\x00"))
	f.Add([]byte("\x01\x07\x00\x01\x00\x02\x00\x00ab\x01\x06\x00\x01\xff\xff\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out := bufio.NewReader(&answer{from: bufio.NewReader(bytes.NewReader(data)), log: io.Discard})
		w := httptest.NewRecorder()
		_ = respond(w, httptest.NewRequest(http.MethodGet, "/", nil), out)
		if w.Body.Len() > len(data) {
			t.Error("more came out than went in")
		}
	})
}
