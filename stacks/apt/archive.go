package apt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
	"s2i/stacks/deb"
	"s2i/stacks/fetch"
)

// maxList bounds an unpacked package list; trixie's has 57 MB.
const maxList = 512 << 20

// Suite is one suite of an archive, as in a sources.list line.
type Suite struct {
	Name       string   `toml:"name" json:"name"`             // "trixie-security"
	Archive    string   `toml:"archive" json:"archive"`       // "debian-security"
	Components []string `toml:"components" json:"components"` // "main"
}

// Mirrors gives the base addresses that have an archive, best first.
type Mirrors func(archive string) []Mirror

// Mirror is a base address of an archive: "<base>/dists/…" and "<base>/pool/…" are below it.
type Mirror struct {
	Base string
	// Dated says that this is an archive of the past, whose indexes have all expired.
	Dated bool
	// Last says that this is the last resort, asked once and without insisting.
	Last bool
}

// Archive reads suites and packages.
type Archive struct {
	Fetch   *fetch.Client
	Store   *store.Store
	Mirrors Mirrors
	Keys    Keyring
	// Authorize adds credentials to requests; nil means none.
	Authorize func(*http.Request)
	Offline   bool             // only what the store has
	Now       func() time.Time // the clock for Valid-Until; nil means time.Now
}

// List says which list of a suite an index was read from.
type List struct {
	Suite  string `json:"suite"`
	Path   string `json:"path"` // below dists/<suite>
	SHA256 string `json:"sha256"`
}

// Snapshot is what a set of suites contained at one time.
type Snapshot struct {
	Index    *Index
	Releases map[string]*Release // by suite
	Lists    []List
}

// Open reads the indexes of suites for one Debian architecture.
func (a *Archive) Open(ctx context.Context, suites []Suite, arch string) (*Snapshot, error) {
	type part struct {
		release *Release
		texts   []string
		lists   []List
	}
	parts := make([]part, len(suites))
	g, gctx := errgroup.WithContext(ctx)
	for i, s := range suites {
		g.Go(func() error {
			release, err := a.release(gctx, s)
			if err != nil {
				return err
			}
			parts[i].release = release
			for _, comp := range s.Components {
				text, list, err := a.list(gctx, s, release, comp+"/binary-"+arch+"/Packages.xz")
				if err != nil {
					return err
				}
				parts[i].texts = append(parts[i].texts, text)
				parts[i].lists = append(parts[i].lists, list)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	snap := &Snapshot{Index: NewIndex(arch), Releases: map[string]*Release{}}
	for i, s := range suites {
		snap.Releases[s.Name] = parts[i].release
		snap.Lists = append(snap.Lists, parts[i].lists...)
		for _, text := range parts[i].texts {
			if err := snap.Index.Add(text, s.Archive); err != nil {
				return nil, fmt.Errorf("reading suite %s: %w", s.Name, err)
			}
		}
	}
	return snap, nil
}

// release gets and verifies the InRelease file of a suite. What was verified is kept for offline use.
func (a *Archive) release(ctx context.Context, s Suite) (*Release, error) {
	type kept struct{ InRelease []byte }
	key := s.Archive + "/" + s.Name
	if a.Offline {
		var k kept
		if err := a.Store.Record("inrelease", key, &k); err != nil {
			return nil, fmt.Errorf("reading the index of %s offline: %w; run once without --offline", s.Name, err)
		}
		return VerifyRelease(k.InRelease, a.Keys)
	}
	var errs []error
	for _, m := range a.Mirrors(s.Archive) {
		address := m.Base + "/dists/" + s.Name + "/InRelease"
		b, err := a.Fetch.Bytes(ctx, fetch.Request{URL: address, Tries: m.tries(), Authorize: a.Authorize}, maxRelease)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			errs = append(errs, lacks(err, s, m))
			continue
		}
		r, err := a.verified(b, s, m)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", fetch.Redact(m.Base), err))
			continue
		}
		if err := a.Store.SetRecord("inrelease", key, kept{b}); err != nil {
			return nil, err
		}
		return r, nil
	}
	return nil, fmt.Errorf("getting the index of %s: %w", s.Name, noMirror(s.Archive, errs))
}

func (a *Archive) verified(inRelease []byte, s Suite, m Mirror) (*Release, error) {
	r, err := VerifyRelease(inRelease, a.Keys)
	if err != nil {
		return nil, err
	}
	if r.Codename != s.Name && r.Suite != s.Name {
		return nil, fmt.Errorf("reading the index of %s: it is signed, but for suite %s (%s)", s.Name, r.Codename, r.Suite)
	}
	if m.Dated {
		return r, nil
	}
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	return r, r.Expired(now())
}

// list gets a package list that a release vouches for, and unpacks it.
func (a *Archive) list(ctx context.Context, s Suite, r *Release, name string) (string, List, error) {
	sum, ok := r.Files[name]
	if !ok {
		return "", List{}, fmt.Errorf("reading suite %s: its index has no %s: %w", s.Name, name, ErrNoPackage)
	}
	file, err := a.Get(ctx, indexFile(s, r, name, sum, "package list of "+s.Name))
	if err != nil {
		return "", List{}, err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", List{}, fmt.Errorf("reading a package list: %w", err)
	}
	x, err := deb.Decompress(bytes.NewReader(b), path.Ext(name))
	if err != nil {
		return "", List{}, fmt.Errorf("unpacking the package list of %s: %w", s.Name, err)
	}
	defer x.Close()
	var text strings.Builder
	if n, err := io.Copy(&text, io.LimitReader(x, maxList+1)); err != nil || n > maxList {
		return "", List{}, fmt.Errorf("unpacking the package list of %s: %w", s.Name,
			cmpErr(err, errors.New("it is too large")))
	}
	return text.String(), List{Suite: s.Name, Path: name, SHA256: sum.SHA256}, nil
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// File is a file of an archive that is known by its digest.
type File struct {
	Archive string
	Paths   []string // where it may be below a mirror's base, tried in order
	SHA256  string   // hexadecimal
	Size    int64    // bytes
	Title   string   // for the user
}

// GoneError says that no mirror has a file any more, and that every one that could be asked said so.
type GoneError struct {
	File File
	Err  error
}

// Error says what is gone and what the mirrors answered.
func (e *GoneError) Error() string {
	return fmt.Sprintf("getting %s: no mirror has it any more: %v", e.File.Title, e.Err)
}

// Unwrap gives what the mirrors answered.
func (e *GoneError) Unwrap() error { return e.Err }

// Get gives the path of a file in the store, downloading and verifying it when the store does not have it.
func (a *Archive) Get(ctx context.Context, f File) (string, error) {
	integrity, err := Integrity(f.SHA256)
	if err != nil {
		return "", err
	}
	file, err := a.Store.Download(ctx, integrity, func(ctx context.Context, w io.Writer, offset int64) error {
		if a.Offline {
			return fmt.Errorf("%w, and --offline forbids to download it", store.ErrNotFound)
		}
		ctx, task := progress.Start(ctx, f.Title, f.Size)
		task.Add(offset)
		err := a.download(ctx, f, &exactly{w: w, left: f.Size - offset}, offset, task)
		task.End(err)
		return err
	})
	var gone *GoneError
	if errors.As(err, &gone) {
		return "", gone
	}
	if err != nil {
		return "", fmt.Errorf("getting %s: %w", f.Title, err)
	}
	return file, nil
}

// download tries the mirrors in turn. A mirror that fails after some bytes leaves the next one to go on from there:
// the digest is checked at the end.
func (a *Archive) download(ctx context.Context, f File, w *exactly, offset int64, task *progress.Task) error {
	var errs []error
	gone := false
	mirrors := a.Mirrors(f.Archive)
	for _, m := range mirrors {
		for _, p := range f.Paths {
			start := w.n
			err := a.Fetch.To(ctx, fetch.Request{URL: m.Base + "/" + escape(p), Count: task.Add, Tries: m.tries(),
				Authorize: a.Authorize}, w, offset+start)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil || w.err != nil {
				return err
			}
			errs = append(errs, err)
			gone = gone || fetch.Gone(err)
			if !fetch.Gone(err) {
				break // this mirror is in trouble
			}
		}
	}
	err := noMirror(f.Archive, errs)
	// One mirror that does not have it and none that does: an unreachable archive of last resort does not count.
	if gone && allGoneButLast(errs, mirrors) {
		return &GoneError{File: f, Err: err}
	}
	return err
}

func allGoneButLast(errs []error, mirrors []Mirror) bool {
	for _, err := range errs {
		if !fetch.Gone(err) && (!fetch.Unreachable(err) || !slices.ContainsFunc(mirrors, func(m Mirror) bool {
			return m.Last && strings.Contains(err.Error(), fetch.Redact(m.Base))
		})) {
			return false
		}
	}
	return true
}

// escape writes a path as a part of an address.
func escape(p string) string { return (&url.URL{Path: p}).EscapedPath() }

func (m Mirror) tries() int {
	if m.Last {
		return 2
	}
	return 0
}

// lacks says plainly that a mirror does not carry a suite.
func lacks(err error, s Suite, m Mirror) error {
	if fetch.Gone(err) {
		return fmt.Errorf("the mirror %s does not carry %s: %w", fetch.Redact(m.Base), s.Name, err)
	}
	return err
}

func noMirror(archive string, errs []error) error {
	if len(errs) == 0 {
		return fmt.Errorf("no mirror of the archive %s is known; set one in S2I_MIRRORS or in the [mirrors] table of "+
			"s2i's config.toml", archive)
	}
	return errors.Join(errs...)
}

// Integrity gives a hexadecimal SHA-256 in the form that the store uses.
func Integrity(sha256Hex string) (string, error) {
	b, err := hex.DecodeString(sha256Hex)
	if err != nil || len(b) != sha256.Size {
		return "", fmt.Errorf("reading a digest: %q is no SHA-256", sha256Hex)
	}
	return "sha256-" + base64.StdEncoding.EncodeToString(b), nil
}

// exactly refuses bytes beyond what a file has, so that a wrong answer cannot fill the disk.
type exactly struct {
	w    io.Writer
	left int64
	n    int64
	err  error
}

// Write fails when p does not fit into what is left.
func (e *exactly) Write(p []byte) (int, error) {
	if int64(len(p)) > e.left-e.n {
		e.err = errors.New("the server sends more than the file has")
		return 0, e.err
	}
	n, err := e.w.Write(p)
	e.n += int64(n)
	if err != nil {
		e.err = err
	}
	return n, err
}
