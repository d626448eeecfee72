package stacks

import (
	"archive/tar"
	"bytes"
	"crypto/sha1" //nolint:gosec // the format's own checksum
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf16"

	"s2i/lifecycle/archive"
	"s2i/stacks/deb"
)

// caPackage is the Debian package that has the certificate authorities.
const caPackage = "ca-certificates"

// certsDir is where that package has them.
const certsDir = "usr/share/ca-certificates/"

// keystore is where Debian's Java looks for certificate authorities; the script of ca-certificates-java would make it.
const keystore = "etc/ssl/certs/java/cacerts"

// The keystore's format is JKS, which every Java reads. Its password is the one that everybody uses: there is nothing
// secret in it.
const (
	jksMagic       = 0xfeedfeed
	jksVersion     = 2
	jksTrustedCert = 2
	jksPassword    = "changeit"
	jksSalt        = "Mighty Aphrodite"
)

// needsKeystore tells whether there is a Java among packages.
func needsKeystore(debs []Deb) bool {
	for _, d := range debs {
		if isJava(d.Name) {
			return true
		}
	}
	return false
}

// isJava tells whether a Debian package is the base of a Java runtime.
func isJava(name string) bool {
	return strings.HasPrefix(name, "openjdk-") && strings.HasSuffix(name, "-jre-headless")
}

// javaHome links /usr/lib/jvm/default to the home of a Java, and its commands to /usr/bin. The commands of the
// development kit come with another package than those of the runtime, so the links are made for what both have.
func (m *merger) javaHome(pkg string) error {
	const jvm = "usr/lib/jvm/"
	line := strings.TrimSuffix(strings.TrimPrefix(pkg, "openjdk-"), "-jre-headless")
	var home string
	for name := range m.t.seen {
		if dir := strings.TrimPrefix(name, jvm); dir != name && !strings.Contains(dir, "/") &&
			strings.HasPrefix(dir, "java-"+line+"-openjdk-") && m.t.seen[name].kind == tar.TypeDir {
			home = dir
		}
	}
	if home == "" {
		return nil
	}
	if err := m.t.symlink(jvm+"default", home, pkg); err != nil {
		return err
	}
	for _, name := range sortedKeys(m.t.seen) {
		command, ok := strings.CutPrefix(name, jvm+home+"/bin/")
		if !ok || m.t.has("usr/bin/"+command) {
			continue
		}
		if err := m.t.symlink("usr/bin/"+command, "../lib/jvm/default/bin/"+command, pkg); err != nil {
			return err
		}
	}
	return nil
}

// javaKeystore writes the certificates of the ca-certificates package as a Java keystore.
func (m *merger) javaKeystore(file string) error {
	p, f, err := openDeb(file)
	if err != nil {
		return err
	}
	defer f.Close()
	certs, err := readCerts(p)
	if err != nil {
		return fmt.Errorf("reading the certificates of %s: %w", p.Name, err)
	}
	jks, err := makeKeystore(certs)
	if err != nil {
		return fmt.Errorf("making Java's keystore of %s: %w", p.Name, err)
	}
	return m.t.write(keystore, jks, caPackage)
}

// readCerts gives the certificate files of a package by name.
func readCerts(p *deb.Package) (map[string][]byte, error) {
	data, err := p.Files()
	if err != nil {
		return nil, err
	}
	defer data.Close()
	certs := map[string][]byte{}
	for tr := tar.NewReader(data); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return certs, nil
		}
		if err != nil {
			return nil, err
		}
		name, err := deb.CleanName(h.Name)
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(name, certsDir) || !strings.HasSuffix(h.Name, ".crt") || h.Size > maxCert {
			continue
		}
		if certs[name[len(certsDir):]], err = io.ReadAll(tr); err != nil {
			return nil, err
		}
	}
}

// makeKeystore encodes certificates as a JKS file, in the order of their names and with one fixed date.
func makeKeystore(certs map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.BigEndian, v) } // a buffer takes everything
	text := func(s string) { put(uint16(len(s))); b.WriteString(s) } //nolint:gosec // file names are short
	put(uint32(jksMagic))
	put(uint32(jksVersion))
	put(uint32(len(certs))) //nolint:gosec // some hundred
	for _, name := range sortedKeys(certs) {
		block, _ := pem.Decode(certs[name])
		if block == nil {
			return nil, fmt.Errorf("%s is no certificate in PEM form", name)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		put(uint32(jksTrustedCert))
		text("debian:" + strings.ToLower(strings.TrimSuffix(asciiOnly(path.Base(name)), ".crt")) + ".pem")
		put(archive.Epoch.UnixMilli())
		text("X.509")
		put(uint32(len(block.Bytes))) //nolint:gosec // at most maxCert
		b.Write(block.Bytes)
	}
	sum := sha1.New() //nolint:gosec // the format's own checksum
	_ = binary.Write(sum, binary.BigEndian, utf16.Encode([]rune(jksPassword)))
	sum.Write([]byte(jksSalt))
	sum.Write(b.Bytes())
	return sum.Sum(b.Bytes()), nil
}

// asciiOnly replaces what the keystore's own way of writing text would need two bytes for.
func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '_'
		}
		return r
	}, s)
}
