package stacktest

import (
	"archive/zip"
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"sort"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
)

// NPM is an npm registry.
type NPM struct {
	*Server
	versions map[string]map[string]any
}

// NewNPM starts an empty registry.
func NewNPM(t testing.TB) *NPM { return &NPM{NewServer(t), map[string]map[string]any{}} }

// Publish adds a version of a package with the given files, whose names begin with "package/".
func (n *NPM) Publish(t testing.TB, name, version string, files ...File) {
	t.Helper()
	b := Compress(t, Tar(t, files), ".gz")
	sum := sha512.Sum512(b)
	tarball := fmt.Sprintf("/%s/-/%s-%s.tgz", name, path.Base(name), version)
	n.Put(tarball, b)
	if n.versions[name] == nil {
		n.versions[name] = map[string]any{}
	}
	n.versions[name][version] = map[string]any{"version": version, "dist": map[string]any{
		"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]), "tarball": n.URL + tarball}}
	doc, err := json.Marshal(map[string]any{"name": name, "versions": n.versions[name]})
	if err != nil {
		t.Fatal(err)
	}
	n.Put("/"+name, doc)
}

// GoProxy is a Go module proxy that also serves a checksum database.
type GoProxy struct {
	*Server
	Key string // verifier key of the database

	list map[string][]string
}

// NewGoProxy starts an empty proxy.
func NewGoProxy(t testing.TB) *GoProxy {
	t.Helper()
	const name = "sum.example.com"
	signer, verifier, err := note.GenerateKey(nil, name)
	if err != nil {
		t.Fatal(err)
	}
	p := &GoProxy{Server: NewServer(t), Key: verifier, list: map[string][]string{}}
	db := sumdb.NewServer(sumdb.NewTestServer(signer, p.sums))
	p.Put("/sumdb/"+name+"/supported", nil)
	p.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		rest, ok := strings.CutPrefix(r.URL.Path, "/sumdb/"+name)
		if !ok || rest == "/supported" {
			return false
		}
		r.URL.Path = rest
		db.ServeHTTP(w, r)
		return true
	})
	return p
}

// sums gives the lines of the database for a module version.
func (p *GoProxy) sums(mod, version string) ([]byte, error) {
	b := p.Get("/honest/" + mod + "@" + version)
	if b == nil {
		return nil, fmt.Errorf("no such module")
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	h1, err := dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return z.Open(name) })
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", mod, version, h1, mod, version, h1), err
}

// Publish adds a module version with the given files, by path in the module.
func (p *GoProxy) Publish(t testing.TB, mod, version string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		w, err := z.Create(mod + "@" + version + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	at := "/" + mod + "/@v/" + version
	p.Put(at+".zip", b.Bytes())
	p.Put(at+".info", fmt.Appendf(nil, `{"Version":%q}`, version))
	p.Put("/honest/"+mod+"@"+version, b.Bytes())
	p.list[mod] = append(p.list[mod], version)
	p.Put("/"+mod+"/@v/list", []byte(strings.Join(p.list[mod], "\n")+"\n"))
}
