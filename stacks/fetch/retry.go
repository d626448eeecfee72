package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxPause bounds every pause, also one that a server asks for.
const maxPause = time.Minute

// StatusError is an answer that is not the file.
type StatusError struct {
	Code  int           // HTTP status; a file address that does not exist counts as 404
	URL   string        // without credentials
	Text  string        // the beginning of the server's message, if it sent text
	after time.Duration // Retry-After
}

// Error names the address and the status.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("getting %s: the server answered %d %s", e.URL, e.Code, http.StatusText(e.Code))
	if e.Text != "" {
		s += " (" + e.Text + ")"
	}
	if e.Code == http.StatusUnauthorized {
		s += "; check the credentials configured for this host"
	}
	return s
}

// Gone tells whether err means that the server does not have the file. Mirrors answer 403, 404 or 410 for that.
func Gone(err error) bool {
	var e *StatusError
	return errors.As(err, &e) && (e.Code == http.StatusForbidden || e.Code == http.StatusNotFound ||
		e.Code == http.StatusGone)
}

// transportError is a connection that failed or broke off.
type transportError struct {
	url string
	err error
}

// Error gives the URL and what happened to the connection.
func (e *transportError) Error() string { return fmt.Sprintf("getting %s: %v", e.url, e.err) }

// Unwrap gives what happened to the connection.
func (e *transportError) Unwrap() error { return e.err }

// Unreachable tells whether err means that no server answered.
func Unreachable(err error) bool {
	var e *transportError
	return errors.As(err, &e)
}

// temporary tells whether another try can help.
func temporary(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Code >= 500 || status.Code == http.StatusTooManyRequests ||
			status.Code == http.StatusRequestTimeout
	}
	var transport *transportError
	return errors.As(err, &transport)
}

func statusError(res *http.Response, address string) error {
	e := &StatusError{Code: res.StatusCode, URL: Redact(address), after: retryAfter(res.Header.Get("Retry-After"))}
	text, err := io.ReadAll(io.LimitReader(res.Body, 160))
	if err == nil {
		e.Text = printable(text)
	}
	return e
}

// retryAfter reads the header in seconds or as a date; 0 when it says nothing.
func retryAfter(h string) time.Duration {
	if n, err := strconv.Atoi(h); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, maxPause)
	}
	if t, err := http.ParseTime(h); err == nil {
		return min(max(time.Until(t), 0), maxPause)
	}
	return 0
}

// printable keeps a short plain message and drops HTML and binary.
func printable(text []byte) string {
	for i, b := range text {
		if b == '\n' || b == '\r' {
			text = text[:i]
			break
		}
		if b < ' ' || b == '<' || b >= 0x7f {
			return ""
		}
	}
	return string(text)
}

func (c *Client) pause(err error, try int) time.Duration {
	var status *StatusError
	if errors.As(err, &status) && status.after > 0 {
		return status.after
	}
	wait := c.Wait
	if wait <= 0 {
		wait = 400 * time.Millisecond
	}
	return min(wait<<(try-1), maxPause)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Redact takes user, password, query and fragment out of an address, to show it.
func Redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// withoutURL unwraps the errors of net/http and net/url, whose texts hold the whole address.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// counting counts what is written and keeps the writer's own error apart from the connection's.
type counting struct {
	w     io.Writer
	n     int64
	err   error
	count func(int64)
}

// Write counts what is written and keeps the writer's error.
func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.count != nil {
		c.count(int64(n))
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

// limited fails when more is written than expected.
type limited struct {
	w     io.Writer
	left  int64
	limit int64
	url   string
}

// Write fails when p does not fit into what is left.
func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, fmt.Errorf("getting %s: it is larger than %d bytes", Redact(l.url), l.limit)
	}
	l.left -= int64(len(p))
	return l.w.Write(p)
}
