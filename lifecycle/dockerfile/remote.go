package dockerfile

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"s2i/lifecycle/listing"
	"s2i/lifecycle/progress"
)

// maxDownload bounds a file that ADD downloads, in bytes.
const maxDownload = 16 << 30

// remoteKind tells what a source on the network is.
type remoteKind int

const (
	local remoteKind = iota
	archiveURL
	gitRepository
)

// kindOf tells whether a source of ADD is on the network, and how.
func kindOf(src string) remoteKind {
	for _, prefix := range []string{"git://", "ssh://", "git@"} {
		if strings.HasPrefix(src, prefix) {
			return gitRepository
		}
	}
	if !strings.HasPrefix(src, "http://") && !strings.HasPrefix(src, "https://") {
		return local
	}
	address, _, _ := strings.Cut(src, "#")
	if u, err := url.Parse(address); err == nil && strings.HasSuffix(u.Path, ".git") {
		return gitRepository
	}
	return archiveURL
}

// addRemote evaluates an ADD of one source on the network.
func (s *stage) addRemote(ctx context.Context, st *state, c *instructions.AddCommand) error {
	src := c.SourcePaths[0]
	one := copying{text: fmt.Sprint(c), dest: c.DestPath, chown: c.Chown, chmod: c.Chmod, link: c.Link, exclude: c.ExcludePatterns}
	if kindOf(src) == gitRepository {
		tree, err := s.repository(ctx, c)
		if err != nil {
			return fmt.Errorf("ADD %s: %w", src, err)
		}
		one.sources, one.remote = []string{"/"}, tree
		return s.copy(ctx, st, one)
	}
	file, err := s.b.download(ctx, src, c.Checksum)
	if err != nil {
		return fmt.Errorf("ADD %s: %w", src, err)
	}
	one.sources, one.remote = []string{file.entry.Name}, treeOf(file)
	one.unpack = c.Unpack != nil && *c.Unpack
	return s.copy(ctx, st, one)
}

// remoteFile is a tree of the one file that was downloaded.
type remoteFile struct {
	path  string
	entry listing.Entry
}

func (f *remoteFile) lstat(name string) (*listing.Entry, error) {
	switch name {
	case "":
		return &listing.Entry{Type: tar.TypeDir, Mode: 0o755}, nil
	case f.entry.Name:
		e := f.entry
		return &e, nil
	}
	return nil, nil
}

func (f *remoteFile) list(string) ([]listing.Entry, error) { return []listing.Entry{f.entry}, nil }

func (f *remoteFile) resolve(name string) (string, error) { return listing.Clean(name), nil }

func (f *remoteFile) digest(context.Context, *listing.Entry) (string, error) {
	return f.entry.Digest, nil
}

func (f *remoteFile) open(context.Context, *listing.Entry) (io.ReadCloser, error) {
	return os.Open(f.path)
}

// urlRecord is what is known of a URL since it was last downloaded.
type urlRecord struct{ ETag, Modified, Digest string }

const recordURL = "dockerfile-url"

// download gets a file, once: a checksum names it, or the server says that it has not changed.
func (b *builder) download(ctx context.Context, src, checksum string) (*remoteFile, error) {
	if checksum != "" {
		if digest, ok := strings.CutPrefix(checksum, "sha256:"); !ok || len(digest) != 64 {
			return nil, fmt.Errorf("--checksum=%s is not sha256:HEX", checksum)
		}
		if file, err := b.Store.HasDownload(checksum); err == nil {
			return b.remoteFile(src, file, checksum)
		}
	}
	var known urlRecord
	_ = b.Store.Record(recordURL, src, &known) // it only saves work
	if _, err := b.Store.HasDownload(known.Digest); err != nil || b.NoCache {
		known = urlRecord{}
	}
	now, err := b.get(ctx, src, known)
	if err != nil {
		return nil, err
	}
	if checksum != "" && now.Digest != checksum {
		return nil, fmt.Errorf("its checksum is %s, not %s", now.Digest, checksum)
	}
	file, err := b.Store.HasDownload(now.Digest)
	if err != nil {
		return nil, err
	}
	found, err := b.remoteFile(src, file, now.Digest)
	if err != nil {
		return nil, err
	}
	return found, b.Store.SetRecord(recordURL, src, now)
}

// remoteFile describes a download as BuildKit does: named after its address, for its owner only.
func (b *builder) remoteFile(src, file, digest string) (*remoteFile, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(src)
	if err != nil {
		return nil, err
	}
	name := path.Base(u.Path)
	if name == "/" || name == "." {
		name = "__unnamed__" // as BuildKit calls it
	}
	return &remoteFile{path: file, entry: listing.Entry{Name: name, Type: tar.TypeReg, Mode: 0o600, Size: info.Size(),
		Digest: strings.TrimPrefix(digest, "sha256:")}}, nil
}

// get asks for a URL and keeps what it gives in the store.
func (b *builder) get(ctx context.Context, src string, known urlRecord) (now urlRecord, err error) {
	if b.Offline {
		return now, errors.New("it would be downloaded, which --offline forbids")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, src, nil)
	if err != nil {
		return now, err
	}
	if known.ETag != "" {
		request.Header.Set("If-None-Match", known.ETag)
	} else if known.Modified != "" {
		request.Header.Set("If-Modified-Since", known.Modified)
	}
	if err := b.authorize(request); err != nil {
		return now, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return now, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusNotModified:
		return known, nil
	case http.StatusOK:
	default:
		return now, fmt.Errorf("the server answers %s", response.Status)
	}
	_, task := progress.Start(ctx, "downloading "+path.Base(src), response.ContentLength)
	now.ETag, now.Modified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	now.Digest, err = b.keep(ctx, task.Reader(response.Body))
	task.End(err)
	return now, err
}

// authorize adds the secret that is for the host of a download: HTTP_AUTH_HEADER_<host> is a whole header,
// HTTP_AUTH_TOKEN_<host> a token.
func (b *builder) authorize(request *http.Request) error {
	for _, s := range []struct{ id, scheme string }{{"HTTP_AUTH_HEADER_", ""}, {"HTTP_AUTH_TOKEN_", "Bearer "}} {
		data, ok, err := b.Secret(s.id + request.URL.Host)
		if err != nil {
			return err
		}
		if ok {
			request.Header.Set("Authorization", s.scheme+strings.TrimSpace(string(data)))
			return nil
		}
	}
	return nil
}

// keep puts a stream of unknown digest into the store.
func (b *builder) keep(ctx context.Context, r io.Reader) (string, error) {
	dir, release, err := b.Store.TempDir("download")
	if err != nil {
		return "", err
	}
	defer release()
	temp := filepath.Join(dir, "file")
	f, err := os.Create(temp)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, maxDownload+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if n > maxDownload {
		return "", fmt.Errorf("it is larger than %d bytes", int64(maxDownload))
	}
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	_, err = b.Store.Download(ctx, digest, func(_ context.Context, w io.Writer, offset int64) error {
		f, err := os.Open(temp)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		return err
	})
	return digest, err
}
