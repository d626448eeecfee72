package stacktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Server serves files by path. Tests may change them at any time.
type Server struct {
	*httptest.Server

	mu    sync.Mutex
	files map[string][]byte
	hits  map[string]int
	// Before, when set, sees every request first and says whether it has answered.
	Before func(w http.ResponseWriter, r *http.Request) bool
}

// NewServer starts a server, which ends with the test.
func NewServer(t testing.TB) *Server {
	s := &Server{files: map[string][]byte{}, hits: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers with a file, or 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	before := s.Before
	b, ok := s.files[r.URL.Path]
	s.hits[r.URL.Path]++
	s.mu.Unlock()
	switch {
	case before != nil && before(w, r):
	case ok:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	default:
		http.NotFound(w, r)
	}
}

// Put sets a file.
func (s *Server) Put(path string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = b
}

// Delete takes a file away.
func (s *Server) Delete(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, path)
}

// Get gives a file; nil when there is none.
func (s *Server) Get(path string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[path]
}

// Hits tells how often a path was asked for.
func (s *Server) Hits(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits[path]
}

// Intercept sets Before.
func (s *Server) Intercept(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Before = f
}

// Mirror is a Debian mirror: archive "debian" is at URL/debian, and so on.
type Mirror struct {
	*Server
	Keys openpgp.EntityList // the public key that it signs with

	signer *openpgp.Entity
	lists  map[string]map[string]string // by "archive/suite", the text of Packages by architecture
}

// NewMirror starts an empty mirror with a key of its own.
func NewMirror(t testing.TB) *Mirror {
	t.Helper()
	e, err := openpgp.NewEntity("Test Archive", "", "archive@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	return &Mirror{Server: NewServer(t), Keys: openpgp.EntityList{e}, signer: e, lists: map[string]map[string]string{}}
}

// PoolPath is where a mirror has a package, below its base.
func (d Deb) PoolPath() string {
	arch := d.Arch
	if arch == "" {
		arch = "all"
	}
	return fmt.Sprintf("pool/main/%s/%s_%s_%s.deb", d.Name, d.Name, strings.ReplaceAll(d.Version, ":", "%3a"), arch)
}

// Publish makes packages the contents of a suite, for amd64 and arm64, and signs its index. Packages that were
// published before stay in the pool: take them away with Delete.
func (m *Mirror) Publish(t testing.TB, archive, suite string, debs ...Deb) {
	t.Helper()
	var sums []string
	dists := "/" + archive + "/dists/" + suite + "/"
	for _, arch := range []string{"amd64", "arm64"} {
		var list, contents strings.Builder
		for _, d := range debs {
			if d.Arch != "" && d.Arch != "all" && d.Arch != arch {
				continue
			}
			b := d.Build(t)
			m.Put("/"+archive+"/"+d.PoolPath(), b)
			control := strings.TrimSuffix(d.Control(), "Description: made for a test\n of several lines\n")
			fmt.Fprintf(&list, "%sFilename: %s\nSize: %d\nSHA256: %s\nDescription: made for a test\n\n",
				control, d.PoolPath(), len(b), Sum(b))
			for _, f := range d.Files {
				if !strings.HasSuffix(f.Name, "/") {
					fmt.Fprintf(&contents, "%-59s libs/%s\n", strings.TrimPrefix(f.Name, "./"), d.Name)
				}
			}
		}
		owners := Compress(t, []byte(contents.String()), ".gz")
		m.Put(dists+"main/Contents-"+arch+".gz", owners)
		m.Put(dists+"main/by-hash/SHA256/"+Sum(owners), owners)
		sums = append(sums, fmt.Sprintf(" %s %d main/Contents-%s.gz", Sum(owners), len(owners), arch))
		name := "main/binary-" + arch + "/Packages.xz"
		packed := Compress(t, []byte(list.String()), ".xz")
		m.Put(dists+name, packed)
		m.Put(dists+"main/binary-"+arch+"/by-hash/SHA256/"+Sum(packed), packed)
		sums = append(sums, fmt.Sprintf(" %s %d %s", Sum(packed), len(packed), name))
	}
	m.Put(dists+"InRelease", m.Sign(t, release(suite, time.Now(), sums)))
}

func release(suite string, date time.Time, sums []string) string {
	const layout = "Mon, 02 Jan 2006 15:04:05 UTC"
	return fmt.Sprintf("Origin: Test\nSuite: stable\nCodename: %s\nDate: %s\nValid-Until: %s\nAcquire-By-Hash: yes\n"+
		"Architectures: amd64 arm64\nComponents: main\nSHA256:\n%s\n",
		suite, date.UTC().Format(layout), date.Add(7*24*time.Hour).UTC().Format(layout), strings.Join(sums, "\n"))
}

// Sign makes an InRelease file of a text.
func (m *Mirror) Sign(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, m.signer.PrivateKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Sum is a hexadecimal SHA-256.
func Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
