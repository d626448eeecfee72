package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
)

// newClient makes the client for everything that is fetched: it honours the proxy variables, and does not wait for
// ever for a server that does not answer.
func newClient() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = d.Clone()
	}
	transport.ResponseHeaderTimeout = 2 * time.Minute
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}
}

// errRedirect is in the chain of the error when a server redirects as it must not.
var errRedirect = errors.New("the server redirects")

// checkRedirect follows a few redirects, but never from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("%w more than 10 times", errRedirect)
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w from https to http, where anybody could change what comes", errRedirect)
	}
	return nil
}

// statusError is an answer other than success.
type statusError struct {
	code   int
	status string
}

// Error gives the server's status line.
func (e *statusError) Error() string { return "the server answers " + e.status }

// again tells whether the answer may be another one soon.
func (e *statusError) again() bool {
	return e.code == http.StatusTooManyRequests || e.code == http.StatusRequestTimeout || e.code >= 500
}

// download fetches an archive into the file path. What interrupts it is tried again, from where it stopped if the
// server can do that. It tells when the server says that the archive was made; zero when it does not.
func download(ctx context.Context, r Ref, o Options, path string) (made time.Time, err error) {
	u, err := url.Parse(r.Location)
	if err != nil {
		return made, errors.New("it is no valid URL")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return made, fmt.Errorf("keeping the archive: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d := &downloader{opts: o, file: f, sign: signer(u, o)}
	if u, err = objectURL(u, o.Getenv); err != nil {
		return made, err
	}
	d.url = u
	if u.User != nil {
		password, _ := u.User.Password()
		d.login = &login{user: u.User.Username(), password: password}
		u.User = nil
	}
	const tries = 4
	for try := 1; ; try++ {
		err := d.fetch(ctx)
		if err == nil {
			return d.made, nil
		}
		var status *statusError
		if errors.As(err, &status) && d.login == nil && d.sign == nil && status.code >= 401 && status.code <= 404 {
			if d.login = netrcLogin(o.Getenv, u.Hostname()); d.login != nil {
				try--
				continue
			}
		}
		final := errors.Is(err, archive.ErrLimit) || errors.Is(err, errRedirect) || status != nil && !status.again()
		if try == tries || ctx.Err() != nil || final {
			return made, err
		}
		select {
		case <-time.After(200 * time.Millisecond << (2 * (try - 1))):
		case <-ctx.Done():
			return made, context.Cause(ctx)
		}
	}
}

type downloader struct {
	opts  Options
	url   *url.URL
	login *login
	sign  func(context.Context, *http.Request) error // nil when nothing does
	file  *os.File
	have  int64  // bytes in the file
	etag  string // of what they are from
	made  time.Time
}

// fetch makes one attempt.
func (d *downloader) fetch(ctx context.Context) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url.String(), http.NoBody)
	if err != nil {
		return errors.New("it is no valid URL")
	}
	req.Header.Set("Accept-Encoding", "identity") // a .tar.gz as it is, not unpacked on the way
	if d.login != nil {
		req.SetBasicAuth(d.login.user, d.login.password)
	}
	if d.have > 0 && d.etag != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		req.Header.Set("If-Range", d.etag)
	}
	if d.sign != nil {
		if err := d.sign(ctx, req); err != nil {
			return err
		}
	}
	res, err := d.opts.Client.Do(req)
	if err != nil {
		return urlCause(err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusPartialContent && d.have > 0 &&
		strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.have)):
	case res.StatusCode == http.StatusOK:
		if err := d.restart(res.Header.Get("ETag")); err != nil {
			return err
		}
	default:
		return &statusError{res.StatusCode, res.Status}
	}
	d.made, _ = http.ParseTime(res.Header.Get("Last-Modified")) // one that does not say is no error
	return d.save(ctx, res)
}

func (d *downloader) restart(etag string) error {
	d.have, d.etag = 0, etag
	if strings.HasPrefix(etag, "W/") {
		d.etag = "" // a weak one does not promise equal bytes
	}
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	_, err := d.file.Seek(0, io.SeekStart)
	return err
}

func (d *downloader) save(ctx context.Context, res *http.Response) (err error) {
	limit := d.opts.Limits.Bytes
	_, task := progress.Start(ctx, "Downloading "+Redact(d.url.String()), max(res.ContentLength, 0))
	defer func() { task.End(err) }()
	n, err := io.Copy(d.file, task.Reader(io.LimitReader(res.Body, limit-d.have+1)))
	d.have += n
	if err == nil && d.have > limit {
		err = fmt.Errorf("%w of %d bytes", archive.ErrLimit, limit)
	}
	if err != nil {
		return urlCause(err)
	}
	return nil
}

// urlCause drops the URL, which may hold secrets, from a client's error.
func urlCause(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// openURL opens what is behind a URL that does not tell by its look whether it is a repository or an archive.
func openURL(ctx context.Context, r Ref, o Options) (*Tree, error) {
	isGit, err := probeGit(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("opening the source %s: %w", r, err)
	}
	if isGit {
		r.Kind = Git
		return openGit(ctx, r, o)
	}
	if r.Revision != "" {
		return nil, fmt.Errorf("opening the source %s: there is no git repository, and an archive has no branch or commit %q",
			r, r.Revision)
	}
	r.Kind = Archive
	return openArchive(ctx, r, o)
}

// probeGit asks for what every git server has. A server that wants a login is taken for one, because archives behind
// a login mostly have a name that tells.
func probeGit(ctx context.Context, r Ref, o Options) (bool, error) {
	u, err := url.Parse(r.Location)
	if err != nil {
		return false, errors.New("it is no valid URL")
	}
	u = u.JoinPath("info/refs")
	u.RawQuery = "service=git-upload-pack"
	user := u.User
	u.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return false, errors.New("it is no valid URL")
	}
	if user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	req.Header.Set("User-Agent", "git/2.0 (s2i)") // some servers answer only git
	res, err := o.Client.Do(req)
	if err != nil {
		return false, urlCause(err)
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusOK &&
		strings.HasPrefix(res.Header.Get("Content-Type"), "application/x-git-upload-pack-advertisement"), nil
}
