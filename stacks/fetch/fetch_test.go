package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"s2i/stacks/fetch"
)

var quick = &fetch.Client{Wait: time.Millisecond, Tries: 3}

func TestTo(t *testing.T) {
	body := []byte(strings.Repeat("0123456789", 1000))
	whole := func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
	for _, c := range []struct {
		name   string
		answer func(n int32, w http.ResponseWriter, r *http.Request)
		offset int64
		err    string
		tries  int32
	}{
		{name: "at once", answer: func(_ int32, w http.ResponseWriter, r *http.Request) { whole(w, r) }, tries: 1},
		{name: "from an offset", offset: 5000, answer: func(_ int32, w http.ResponseWriter, r *http.Request) { whole(w, r) }, tries: 1},
		{name: "from the end", offset: 10000, answer: func(_ int32, w http.ResponseWriter, r *http.Request) { whole(w, r) }, tries: 1},
		{name: "ranges are ignored", offset: 7, tries: 1, answer: func(_ int32, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }},
		{name: "busy at first", tries: 3, answer: func(n int32, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				w.WriteHeader(http.StatusInternalServerError)
			case 2:
				w.WriteHeader(http.StatusTooManyRequests)
			default:
				whole(w, r)
			}
		}},
		{name: "breaks off and goes on", tries: 4, answer: func(n int32, w http.ResponseWriter, r *http.Request) {
			if n < 4 { // as often as there are tries: what moves on does not count
				breakOff(w, r, body, 1000)
			}
			whole(w, r)
		}},
		{name: "never gets on", tries: 3, err: "502 Bad Gateway", answer: func(_ int32, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }},
		{name: "not there", tries: 1, err: "404 Not Found (nothing here)", answer: func(_ int32, w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "nothing here", http.StatusNotFound)
		}},
		{name: "wrong range", offset: 10, tries: 1, err: "continuing", answer: func(_ int32, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9999/10000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.answer(n.Add(1), w, r) }))
			defer srv.Close()
			var out bytes.Buffer
			var counted int64
			err := quick.To(t.Context(), fetch.Request{URL: srv.URL + "/x", Count: func(k int64) { counted += k }}, &out, c.offset)
			if n.Load() != c.tries {
				t.Errorf("%d requests, want %d", n.Load(), c.tries)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || !bytes.Equal(out.Bytes(), body[c.offset:]) || counted != int64(out.Len()) {
				t.Errorf("got %d bytes (%d counted) and error %v", out.Len(), counted, err)
			}
		})
	}
}

// breakOff sends n more bytes than what the request has already and closes the connection.
func breakOff(w http.ResponseWriter, r *http.Request, body []byte, n int) {
	var start int
	if h := r.Header.Get("Range"); h != "" {
		_, _ = fmt.Sscanf(h, "bytes=%d-", &start)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(body)-1, len(body)))
		w.Header().Set("Content-Length", fmt.Sprint(len(body)-start))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	}
	_, _ = w.Write(body[start : start+n])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestSecretsStaySecret(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	address := strings.Replace(srv.URL, "http://", "http://user:hunter2@", 1) + "/x?token=hunter2"
	_, err := quick.Bytes(t.Context(), fetch.Request{URL: address}, 100)
	srv.Close()
	_, err2 := quick.Bytes(t.Context(), fetch.Request{URL: address}, 100)
	_, err3 := quick.Bytes(t.Context(), fetch.Request{URL: "http://user:hunter2@ho st/"}, 100)
	_, err4 := quick.Bytes(t.Context(), fetch.Request{URL: "ftp://user:hunter2@host/"}, 100)
	for _, e := range []error{err, err2, err3, err4} {
		if e == nil || strings.Contains(e.Error(), "hunter2") {
			t.Errorf("the error is %v", e)
		}
	}
	if !fetch.Gone(err) || fetch.Gone(err2) || !fetch.Unreachable(err2) {
		t.Error("the errors are not told apart")
	}
}

func TestCancel(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := quick.Bytes(ctx, fetch.Request{URL: srv.URL}, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestLimit(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 101)) }))
	defer srv.Close()
	if _, err := quick.Bytes(t.Context(), fetch.Request{URL: srv.URL}, 100); err == nil {
		t.Error("more than the limit was read")
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a b")
	if err := os.WriteFile(file, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := quick.To(t.Context(), fetch.Request{URL: "file://" + strings.ReplaceAll(file, " ", "%20")}, &out, 2); err != nil || out.String() != "llo" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	for _, missing := range []string{file + "x", filepath.Dir(file)} {
		if _, err := quick.Bytes(t.Context(), fetch.Request{URL: "file://" + strings.ReplaceAll(missing, " ", "%20")}, 10); !fetch.Gone(err) {
			t.Errorf("%s: got %v", missing, err)
		}
	}
}

func TestNetrc(t *testing.T) {
	file := filepath.Join(t.TempDir(), "netrc")
	text := "machine a.example.com login me password secret\nmacdef x\n machine evil.example.com login x password y\n\n" +
		"machine b.example.com/path\n login you\n password other\ndefault login d password e\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := fetch.LoadNetrc(func(k string) string { return map[string]string{"NETRC": file}[k] })
	for address, want := range map[string]string{
		"https://a.example.com/x": "me:secret", "https://a.example.com:8443/": "me:secret", "http://a.example.com/x": "",
		"https://b.example.com/path/x": "you:other", "https://b.example.com/else": "", "https://evil.example.com/": "",
		"https://u:p@a.example.com/": "",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		n.Authorize(req)
		user, pass, ok := req.BasicAuth()
		if got := user + ":" + pass; ok && got != want || !ok && want != "" {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}
