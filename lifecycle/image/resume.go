package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// resumer reads a blob of a registry and continues after a break with a request for the rest.
type resumer struct {
	ctx      context.Context //nolint:containedctx // Read takes none
	src      *registrySource
	desc     v1.Descriptor
	body     io.ReadCloser
	offset   int64
	attempts int
	whole    bool // the registry does not give parts
}

// connect asks for the blob from offset on. A server that sends the whole blob nevertheless is read up to there.
func (r *resumer) connect(ctx context.Context) error {
	client, err := r.src.c.session(ctx, r.src.repo, transport.PullScope)
	if err != nil {
		return err
	}
	req, err := r.src.request(ctx, http.MethodGet, "blobs/"+r.desc.Digest.String())
	if err != nil {
		return err
	}
	if r.offset > 0 && !r.whole {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.offset, r.desc.Size-1))
	}
	resp, err := do(client, req, http.StatusOK, http.StatusPartialContent) //nolint:bodyclose // it becomes r.body, which Close closes
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusRequestedRangeNotSatisfiable && !r.whole {
		r.whole = true
		return r.connect(ctx)
	}
	if err != nil {
		return err
	}
	r.body = resp.Body
	if r.offset == 0 {
		return nil
	}
	if resp.StatusCode == http.StatusOK {
		_, err = io.CopyN(io.Discard, r.body, r.offset)
		return err
	}
	if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", r.offset)) {
		return fmt.Errorf("asked for the bytes from %d on, got %q", r.offset, got)
	}
	return nil
}

// Read asks for the rest of the blob when the connection breaks.
func (r *resumer) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.offset += int64(n)
		if n > 0 || err == nil {
			return n, nil
		}
		if errors.Is(err, io.EOF) && r.offset >= r.desc.Size {
			return 0, io.EOF
		}
		if passingError(err) {
			err = r.again(err)
		}
		if err != nil {
			return 0, fmt.Errorf("reading blob %s from %s: %w", r.desc.Digest, r.src.repo, err)
		}
	}
}

// again pauses and connects once more, or gives the reason why not.
func (r *resumer) again(cause error) error {
	for {
		r.attempts++
		if errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) {
			cause = fmt.Errorf("the registry ends it after %d of %d bytes: %w", r.offset, r.desc.Size,
				io.ErrUnexpectedEOF)
		}
		if r.attempts >= r.src.c.Retry.attempts() {
			return cause
		}
		_ = r.body.Close()
		why := fmt.Sprintf("%s broke off at byte %d of blob %s", r.src.repo.RegistryStr(), r.offset, short(r.desc.Digest))
		if err := r.src.c.Retry.pause(r.ctx, r.attempts, 0, why); err != nil {
			return err
		}
		err := r.connect(once(r.ctx))
		if err == nil || !passingError(err) {
			return err
		}
		cause = err
	}
}

// Close closes the connection that is read last.
func (r *resumer) Close() error { return r.body.Close() }
