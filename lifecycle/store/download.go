package store

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxDownload bounds one download, in bytes.
const maxDownload = 32 << 30

// Fetch writes a file's bytes from offset on to w. Where the other side cannot continue at an offset, it starts anew
// after calling w's Restart (see Restarter), or skips offset bytes.
type Fetch = func(ctx context.Context, w io.Writer, offset int64) error

// Restarter is implemented by the writer that a Fetch gets.
type Restarter interface {
	// Restart drops what was written so far, also by earlier fetches: the next byte is the file's first.
	Restart() error
}

// Download gives the path of a downloaded file by its integrity (as in the npm form, "sha256-…", "sha512-…"; base64;
// the strongest of several counts; also "sha256:hex"), calling fetch to get it when the store does not hold it. What
// fetch writes is verified before it becomes visible; a partial file is kept and handed to the next fetch, which may
// continue it from offset. Of several callers one fetches and the others wait. A wrong content is ErrMismatch.
func (s *Store) Download(ctx context.Context, integrity string, fetch Fetch) (path string, err error) {
	want, err := parseIntegrity(integrity)
	if err != nil {
		return "", err
	}
	path = s.path("downloads", want.String())
	if s.used(path) {
		return path, nil
	}
	unlock, err := s.Lock(ctx, "download-"+want.String()[:40])
	if err != nil {
		return "", err
	}
	defer unlock()
	if s.used(path) {
		return path, nil
	}
	resumed, err := s.download(ctx, path, want, fetch)
	if resumed && errors.Is(err, ErrMismatch) {
		// The first part may be damaged or of another version of the file.
		_, err = s.download(ctx, path, want, fetch)
	}
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w", integrity, err)
	}
	return path, nil
}

// used tells whether a file is there, and notes that it is used.
func (s *Store) used(path string) bool {
	st, err := os.Lstat(path)
	if err != nil {
		return false
	}
	touch(path, st)
	return true
}

// download does one attempt; resumed tells whether it continued an earlier one.
func (s *Store) download(ctx context.Context, path string, want checksum, fetch Fetch) (resumed bool, err error) {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	w := &partFile{f: f, sum: want.new()}
	if w.size, err = io.Copy(w.sum, f); err != nil {
		return false, err
	}
	resumed = w.size > 0
	if err := fetch(ctx, w, w.size); err != nil {
		return false, err // the part stays for the next time
	}
	if got := w.sum.Sum(nil); string(got) != want.sum {
		err := fmt.Errorf("%w: got %s of %d bytes", ErrMismatch, checksum{want.algorithm, string(got)}, w.size)
		return resumed, errors.Join(err, os.Remove(part))
	}
	if err := f.Sync(); err != nil {
		return false, err
	}
	if err := os.Rename(part, path); err != nil {
		return false, err
	}
	// Only now: nobody could continue a part that is read-only.
	if err := f.Chmod(0o444); err != nil {
		return false, err
	}
	return resumed, syncDir(s.path("downloads"))
}

// partFile is a file that is being downloaded.
type partFile struct {
	f    *os.File
	sum  hash.Hash
	size int64
}

// Write adds to the file, up to what a download may have.
func (p *partFile) Write(b []byte) (int, error) {
	if p.size+int64(len(b)) > maxDownload {
		return 0, fmt.Errorf("the download is larger than %d bytes", int64(maxDownload))
	}
	n, err := p.f.Write(b)
	p.sum.Write(b[:n])
	p.size += int64(n)
	return n, err
}

// Restart implements Restarter.
func (p *partFile) Restart() error {
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	p.sum.Reset()
	p.size = 0
	return p.f.Truncate(0)
}

// checksum is what a file's content must have.
type checksum struct{ algorithm, sum string }

// String is a file name.
func (c checksum) String() string { return c.algorithm + "-" + hex.EncodeToString([]byte(c.sum)) }

func (c checksum) new() hash.Hash {
	switch c.algorithm {
	case "sha512":
		return sha512.New()
	case "sha384":
		return sha512.New384()
	}
	return sha256.New()
}

// parseIntegrity reads the W3C Subresource Integrity form, and algorithm:hex.
func parseIntegrity(s string) (checksum, error) {
	var best checksum
	for _, one := range strings.Fields(s) {
		one, _, _ = strings.Cut(one, "?")
		var c checksum
		var raw []byte
		var err error
		if algorithm, value, ok := strings.Cut(one, ":"); ok {
			c.algorithm = algorithm
			raw, err = hex.DecodeString(value)
		} else {
			algorithm, value, _ := strings.Cut(one, "-")
			c.algorithm = algorithm
			raw, err = base64.StdEncoding.DecodeString(value)
		}
		c.sum = string(raw)
		known := c.algorithm == "sha256" || c.algorithm == "sha384" || c.algorithm == "sha512"
		if err == nil && known && len(raw) == c.new().Size() && len(raw) > len(best.sum) {
			best = c
		}
	}
	if best.sum == "" {
		return best, fmt.Errorf("integrity %q has no sha256, sha384 or sha512 checksum that can be checked", s)
	}
	return best, nil
}

// HasDownload gives the path of a file downloaded before; ErrNotFound when the store does not hold it.
func (s *Store) HasDownload(integrity string) (string, error) {
	want, err := parseIntegrity(integrity)
	if err != nil {
		return "", err
	}
	path := s.path("downloads", want.String())
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("finding download %s: %w", integrity, ErrNotFound)
	}
	return path, nil
}

// DropDamaged removes a downloaded file that is no longer what its integrity says, and tells whether it did. Downloads
// are verified when they come in, and read far more often than disks spoil them: whoever cannot make sense of one
// calls this and gets it anew.
func (s *Store) DropDamaged(integrity string) (bool, error) {
	want, err := parseIntegrity(integrity)
	if err != nil {
		return false, err
	}
	path := s.path("downloads", want.String())
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := want.new()
	if _, err := io.Copy(sum, f); err == nil && string(sum.Sum(nil)) == want.sum {
		return false, nil
	}
	return true, os.Remove(path)
}
