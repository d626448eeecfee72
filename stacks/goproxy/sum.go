package goproxy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"

	"s2i/lifecycle/store"
	"s2i/stacks/fetch"
)

// SumDB is the verifier key of the Go checksum database: the name that it signs with, and its public key. It is the
// anchor of the trust in what is not in a lock.
const SumDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

// ErrChecksum is in the chain of the error when a module is not what its digest says.
var ErrChecksum = errors.New("checksum mismatch")

// Sum gives the h1 digest of a module version's zip from the checksum database. Its signed tree is checked, and that
// it is consistent with the one seen last, which the store remembers.
func (c *Client) Sum(ctx context.Context, st *store.Store, key string, m module.Version) (string, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return "", fmt.Errorf("reading the key of the checksum database: %w", err)
	}
	name := verifier.Name()
	ops := &sumOps{ctx: ctx, c: c, st: st, key: key, name: name}
	lines, err := sumdb.NewClient(ops).Lookup(m.Path, m.Version)
	if ops.security != "" {
		return "", fmt.Errorf("looking up %s@%s in the checksum database: %w: %s",
			m.Path, m.Version, ErrChecksum, ops.security)
	}
	if ops.baseErr != nil {
		err = ops.baseErr // x/mod's client does not keep the chain
	}
	if err != nil {
		return "", fmt.Errorf("looking up %s@%s in the checksum database: %w", m.Path, m.Version, err)
	}
	for _, line := range lines {
		if h1, ok := strings.CutPrefix(line, m.Path+" "+m.Version+" "); ok && strings.HasPrefix(h1, "h1:") {
			return h1, nil
		}
	}
	return "", fmt.Errorf("looking up %s@%s in the checksum database: it has no h1 digest", m.Path, m.Version)
}

// VerifyZip checks the h1 digest of a module's zip file. A name that is there twice is refused: the digest would
// cover only one of the two.
func VerifyZip(file, h1 string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("opening a module's zip: %w", err)
	}
	defer z.Close()
	seen := make(map[string]bool, len(z.File))
	for _, f := range z.File {
		if seen[f.Name] {
			return fmt.Errorf("checking a module's zip: %w: it holds %q twice", ErrChecksum, f.Name)
		}
		seen[f.Name] = true
	}
	got, err := dirhash.HashZip(file, dirhash.Hash1)
	if err != nil {
		return fmt.Errorf("checking a module's zip: %w", err)
	}
	if got != h1 {
		return fmt.Errorf("checking a module's zip: %w: it has %s and should have %s", ErrChecksum, got, h1)
	}
	return nil
}

// sumOps connects x/mod's client of the checksum database with the proxies and the store. One serves one lookup.
type sumOps struct {
	ctx  context.Context //nolint:containedctx // x/mod's interface has no contexts
	c    *Client
	st   *store.Store
	key  string
	name string

	once     sync.Once
	base     string
	baseErr  error
	mu       sync.Mutex
	latest   []byte
	security string
}

// ReadRemote reads from the database through the first proxy that offers it, else from the database itself.
func (o *sumOps) ReadRemote(path string) ([]byte, error) {
	o.once.Do(func() { o.base, o.baseErr = o.findBase() })
	if o.baseErr != nil {
		return nil, o.baseErr
	}
	return o.c.Fetch.Bytes(o.ctx, fetch.Request{URL: o.base + path, Authorize: o.c.Authorize}, maxSmall)
}

func (o *sumOps) findBase() (string, error) {
	for _, p := range o.c.proxies() {
		if p.base == "off" {
			return "", ErrOff
		}
		base := p.base + "/sumdb/" + o.name
		if p.base == o.c.origin() {
			break
		}
		_, err := o.c.Fetch.Bytes(o.ctx, fetch.Request{URL: base + "/supported", Authorize: o.c.Authorize}, maxSmall)
		if err == nil {
			return base, nil
		}
		if o.ctx.Err() != nil || !p.onAny && !fetch.Gone(err) {
			return "", err
		}
	}
	return "https://" + o.name, nil
}

type latestTree struct{ Note []byte }

// ReadConfig gives the key, and the last signed tree that was seen.
func (o *sumOps) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(o.key), nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.latest == nil {
		var l latestTree
		if err := o.st.Record("sumdb", file, &l); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		o.latest = append([]byte{}, l.Note...)
	}
	return o.latest, nil
}

// WriteConfig remembers a newer signed tree.
func (o *sumOps) WriteConfig(file string, old, latest []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if string(old) != string(o.latest) {
		return sumdb.ErrWriteConflict
	}
	o.latest = latest
	return o.st.SetRecord("sumdb", file, latestTree{latest})
}

// ReadCache has nothing: few lookups are ever made.
func (o *sumOps) ReadCache(string) ([]byte, error) { return nil, store.ErrNotFound }

// WriteCache keeps nothing.
func (o *sumOps) WriteCache(string, []byte) {}

// Log drops the client's chatter.
func (o *sumOps) Log(string) {}

// SecurityError keeps the reason for Sum's error.
func (o *sumOps) SecurityError(msg string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.security = msg
}
