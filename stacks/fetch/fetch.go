// Package fetch gets files from the servers that packages come from: http, https and file addresses.
//
// It resumes where a body broke off, waits and tries again when a server is overloaded or a connection fails, honours
// Retry-After, the proxy variables and SSL_CERT_FILE (as Go's default transport does), and never shows credentials: an
// address in an error or on the screen has its user, password and query taken out.
//
// Nothing here decides whether bytes are the right ones. Callers verify what they get by digest or signature.
package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"s2i/lifecycle/archive"
)

// Client gets files. The zero value is ready to use, and a Client may be used from any number of goroutines.
type Client struct {
	// HTTP does the requests; nil means a client with Go's default transport.
	HTTP *http.Client
	// Tries is how often a request is made before its error is returned; 0 means 5.
	Tries int
	// Wait is the pause before the second try, doubled for each later one; 0 means 400ms.
	Wait time.Duration
}

// Request is what to get.
type Request struct {
	// URL is an http, https or file address.
	URL string
	// Authorize adds credentials to a request; nil means none. It is called for URL's own host only: Go's client drops
	// the header when a redirect leads to another host.
	Authorize func(*http.Request)
	// Accept is the Accept header; empty sends none.
	Accept string
	// Tries overrides the client's when it is not 0.
	Tries int
	// Count is told how many bytes have come in; nil is fine.
	Count func(n int64)
	// Limit is how many bytes the whole file may have; 0 means any number.
	Limit int64
}

// Bytes gets a small file of at most limit bytes.
func (c *Client) Bytes(ctx context.Context, r Request, limit int64) ([]byte, error) {
	var b bytes.Buffer
	r.Limit = limit
	if err := c.To(ctx, r, &b, 0); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// To writes the file to w, leaving out its first offset bytes, which the caller has already. When the connection breaks
// it goes on where it was. An error of w is returned as it is.
func (c *Client) To(ctx context.Context, r Request, w io.Writer, offset int64) error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return fmt.Errorf("reading an address: %w", withoutURL(err))
	}
	if r.Limit > 0 {
		w = &limited{w: w, left: r.Limit - offset, limit: r.Limit, url: r.URL}
	}
	if u.Scheme == "file" {
		return fromFile(ctx, u, w, offset, r.Count)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("getting %s: only http, https and file addresses work", Redact(r.URL))
	}
	tries := c.tries(r)
	out := &counting{w: w, count: r.Count}
	for try := 1; ; try++ {
		before := out.n
		err := c.once(ctx, r, out, offset+out.n)
		if err == nil || out.err != nil || ctx.Err() != nil {
			return firstError(out.err, context.Cause(ctx), err)
		}
		if !temporary(err) || try >= tries {
			return err
		}
		if out.n > before {
			try = 1 // it moved on: only tries without progress count
		}
		if err := sleep(ctx, c.pause(err, try)); err != nil {
			return err
		}
	}
}

// once makes one request for what follows offset.
func (c *Client) once(ctx context.Context, r Request, w io.Writer, offset int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", Redact(r.URL), withoutURL(err))
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	if r.Accept != "" {
		req.Header.Set("Accept", r.Accept)
	}
	// Without this Go would ask for gzip and unpack it, and an offset would mean something else.
	req.Header.Set("Accept-Encoding", "identity")
	if r.Authorize != nil {
		r.Authorize(req)
	}
	res, err := c.client().Do(req)
	if err != nil {
		return &transportError{url: Redact(r.URL), err: withoutURL(err)}
	}
	defer res.Body.Close()
	return body(res, r.URL, w, offset)
}

// body copies the answer's body from offset on.
func body(res *http.Response, address string, w io.Writer, offset int64) error {
	var skip int64
	switch {
	case res.StatusCode == http.StatusOK:
		skip = offset // the server ignored the range
	case res.StatusCode == http.StatusPartialContent && offset > 0:
		if got, ok := rangeStart(res.Header.Get("Content-Range")); !ok || got != offset {
			return fmt.Errorf("continuing %s at byte %d: the server answered with range %q",
				Redact(address), offset, res.Header.Get("Content-Range"))
		}
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		return nil // we had it all; the caller's verification decides
	default:
		return statusError(res, address)
	}
	if _, err := io.CopyN(io.Discard, res.Body, skip); err != nil {
		return &transportError{url: Redact(address), err: err}
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return &transportError{url: Redact(address), err: err}
	}
	return nil
}

func rangeStart(header string) (int64, bool) {
	var start, end int64
	if n, err := fmt.Sscanf(header, "bytes %d-%d/", &start, &end); n < 1 || (err != nil && n < 2) {
		return 0, false
	}
	return start, true
}

// fromFile copies a local file.
func fromFile(ctx context.Context, u *url.URL, w io.Writer, offset int64, count func(int64)) error {
	name := filepath.FromSlash(u.Path)
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return &StatusError{Code: http.StatusNotFound, URL: Redact(u.String())}
	}
	if err != nil {
		return fmt.Errorf("opening a file of a mirror: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return &StatusError{Code: http.StatusNotFound, URL: Redact(u.String())}
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return fmt.Errorf("reading %s from byte %d: %w", name, offset, err)
	}
	if _, err := io.Copy(&counting{w: w, count: count}, archive.Until(ctx, f)); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

func (c *Client) tries(r Request) int {
	switch {
	case r.Tries > 0:
		return r.Tries
	case c.Tries > 0:
		return c.Tries
	default:
		return 5
	}
}

// New returns a client for many parallel downloads: it keeps connections and gives up on a server that accepts a
// request and stays silent for a minute.
func New() *Client {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return &Client{}
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = time.Minute
	return &Client{HTTP: &http.Client{Transport: t}}
}
