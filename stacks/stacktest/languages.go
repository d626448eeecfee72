package stacktest

import (
	"archive/zip"
	"bytes"
	"crypto/sha1" //nolint:gosec // what repositories have for old releases
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"
)

// PyPI is a Python package index.
type PyPI struct {
	*Server
	pages map[string]string
}

// NewPyPI starts an empty index, whose simple API is below /simple.
func NewPyPI(t testing.TB) *PyPI { return &PyPI{NewServer(t), map[string]string{}} }

// Publish adds a wheel of a project with the given files.
func (p *PyPI) Publish(t testing.TB, project, wheel string, files ...File) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.Body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	p.Put("/packages/"+wheel, b.Bytes())
	p.pages[project] += fmt.Sprintf("<a href=\"../../packages/%s#sha256=%x\">%s</a>\n", wheel, sha256.Sum256(b.Bytes()), wheel)
	p.Put("/simple/"+project+"/", []byte("<!DOCTYPE html><html><body>"+p.pages[project]))
}

// Maven is a Maven repository.
type Maven struct {
	*Server
	versions map[string][]string
}

// NewMaven starts an empty repository.
func NewMaven(t testing.TB) *Maven { return &Maven{NewServer(t), map[string][]string{}} }

// Publish adds the archive NAME-VERSION-bin.tar.gz of an artifact. Old ones have a SHA-1 only.
func (m *Maven) Publish(t testing.TB, group, name, version string, old bool, files ...File) {
	t.Helper()
	b := Compress(t, Tar(t, files), ".gz")
	dir := "/" + strings.ReplaceAll(group, ".", "/") + "/" + name
	file := dir + "/" + version + "/" + name + "-" + version + "-bin.tar.gz"
	m.Put(file, b)
	m.Put(file+".sha1", fmt.Appendf(nil, "%x", sha1.Sum(b))) //nolint:gosec // as above
	if !old {
		m.Put(file+".sha512", fmt.Appendf(nil, "%x", sha512.Sum512(b)))
	}
	m.versions[dir] = append(m.versions[dir], version)
	text := "<metadata><versioning><versions><version>" + strings.Join(m.versions[dir], "</version><version>") +
		"</version></versions></versioning></metadata>"
	m.Put(dir+"/maven-metadata.xml", []byte(text))
}
