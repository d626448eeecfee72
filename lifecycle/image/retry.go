package image

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"s2i/lifecycle/progress"
)

// Retry says how often and when requests are repeated that failed for a reason that may pass: answers 408, 429 and
// 5xx, broken connections, bodies cut short.
type Retry struct {
	// Attempts is how often something is tried in all; 0 means 5, 1 means never again.
	Attempts int
	// Wait is the pause before the second attempt; every further one doubles it. 0 means 250 ms.
	Wait time.Duration
	// MaxWait bounds one pause, also one that the registry asks for with Retry-After. 0 means one minute.
	MaxWait time.Duration
}

func (r Retry) attempts() int {
	if r.Attempts > 0 {
		return r.Attempts
	}
	return 5
}

// pause waits before the attempt after attempt (1 is the first). asked is what the registry asked for, or 0. It tells
// the user when the pause is long enough to be wondered about.
func (r Retry) pause(ctx context.Context, attempt int, asked time.Duration, why string) error {
	wait, limit := r.Wait, r.MaxWait
	if wait <= 0 {
		wait = 250 * time.Millisecond
	}
	if limit <= 0 {
		limit = time.Minute
	}
	wait <<= min(attempt-1, 16)
	wait += time.Duration(rand.Int64N(int64(wait)/4 + 1))
	wait = min(max(wait, asked), limit)
	if wait >= time.Second {
		progress.Note(ctx, "%s; trying again in %s", why, wait.Round(100*time.Millisecond))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// retryTransport repeats requests whose body can be sent again.
type retryTransport struct {
	inner http.RoundTripper
	retry Retry
}

type onceKey struct{}

// once marks requests that the transport must not repeat, because their caller starts further up.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// RoundTrip sends the request again, after pauses, while the failure may pass and its body can be sent again.
func (t *retryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	again := req.Context().Value(onceKey{}) == nil && (req.Body == nil || req.GetBody != nil)
	for attempt := 1; ; attempt++ {
		resp, err := t.inner.RoundTrip(req)
		if !again || attempt >= t.retry.attempts() || !passing(resp, err) {
			return resp, err
		}
		why, asked := req.URL.Host+" does not answer", time.Duration(0)
		if resp != nil {
			why, asked = req.URL.Host+" answers "+resp.Status, retryAfter(resp)
			drain(resp)
		}
		if err := t.retry.pause(req.Context(), attempt, asked, why); err != nil {
			return nil, err
		}
		if req.GetBody != nil {
			req = req.Clone(req.Context())
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// passing tells whether the same request may succeed a little later.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		return passingError(err)
	}
	return passingStatus(resp.StatusCode)
}

func passingStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// passingError leaves out what does not go away by itself: refused connections, unknown hosts, bad certificates.
func passingError(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var timeout net.Error
	var answer *transport.Error
	switch {
	case errors.As(err, &answer):
		return passingStatus(answer.StatusCode)
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(resp *http.Response) time.Duration {
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// drain reads what is left of a small body, so that the connection can be used again.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}
