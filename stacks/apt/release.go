package apt

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"s2i/stacks/deb"
)

//go:embed keys/*.gpg
var keyFiles embed.FS

// maxRelease bounds an InRelease file; real ones have some 150 kB.
const maxRelease = 16 << 20

// Keyring is a set of OpenPGP public keys.
type Keyring = openpgp.EntityList

// Keys gives the embedded public keys of the Debian archive.
func Keys() (Keyring, error) {
	entries, err := keyFiles.ReadDir("keys")
	if err != nil {
		return nil, fmt.Errorf("listing the embedded archive keys: %w", err)
	}
	var all Keyring
	for _, e := range entries {
		b, err := keyFiles.ReadFile("keys/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading an embedded archive key: %w", err)
		}
		list, err := openpgp.ReadKeyRing(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("reading the embedded archive key %s: %w", e.Name(), err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// Release is a verified InRelease file.
type Release struct {
	Suite, Codename string
	Date            time.Time
	ValidUntil      time.Time // zero when the file does not say
	ByHash          bool      // lists can be had under their digest
	Digest          string    // sha256 of the whole file, hexadecimal
	Files           map[string]Sum
}

// Sum is the size in bytes and the SHA-256, hexadecimal, of a file that a Release vouches for.
type Sum struct {
	Size   int64
	SHA256 string
}

// VerifyRelease checks the signature of an InRelease file against keys and reads what is signed. Text outside the
// signed part is ignored. Whether the file is too old is the caller's question: see Release.Expired.
func VerifyRelease(inRelease []byte, keys Keyring) (*Release, error) {
	block, _ := clearsign.Decode(inRelease)
	if block == nil || block.ArmoredSignature == nil {
		return nil, fmt.Errorf("reading InRelease: %w: it has no OpenPGP signature", ErrSignature)
	}
	if _, err := block.VerifySignature(keys, &packet.Config{}); err != nil {
		return nil, fmt.Errorf("verifying InRelease: %w: %w", ErrSignature, err)
	}
	return parseRelease(block.Plaintext, inRelease)
}

func parseRelease(text, whole []byte) (*Release, error) {
	para, _, err := deb.NextParagraph(string(text), nil)
	if err != nil {
		return nil, fmt.Errorf("reading InRelease: %w", err)
	}
	sum := sha256.Sum256(whole)
	r := &Release{
		Suite: para.Get("Suite"), Codename: para.Get("Codename"),
		ByHash: para.Get("Acquire-By-Hash") == "yes",
		Digest: hex.EncodeToString(sum[:]),
		Files:  map[string]Sum{},
	}
	if r.Date, err = parseDate(para.Get("Date")); err != nil {
		return nil, fmt.Errorf("reading InRelease: its Date: %w", err)
	}
	if v := para.Get("Valid-Until"); v != "" {
		if r.ValidUntil, err = parseDate(v); err != nil {
			return nil, fmt.Errorf("reading InRelease: its Valid-Until: %w", err)
		}
	}
	for line := range strings.Lines(para.Get("SHA256")) {
		f := strings.Fields(line)
		if len(f) != 3 || !isSHA256(f[0]) {
			continue
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("reading InRelease: %s has size %q", f[2], f[1])
		}
		r.Files[f[2]] = Sum{size, f[0]}
	}
	return r, nil
}

// Expired gives an error when the file is no longer valid at the time now.
func (r *Release) Expired(now time.Time) error {
	if r.ValidUntil.IsZero() || now.Before(r.ValidUntil) {
		return nil
	}
	return fmt.Errorf("checking the index of %s: %w on %s; the mirror is out of date, or this machine's clock is wrong",
		r.Codename, ErrExpired, r.ValidUntil.Format(time.DateOnly))
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 MST", "Mon, _2 Jan 2006 15:04:05 MST", time.RFC1123Z} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date", s)
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}
