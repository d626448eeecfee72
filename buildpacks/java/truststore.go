package java

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format's own checksum
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf16"

	"s2i/buildpacks/kit"
)

// maxCertificates bounds a file of certificate authorities.
const maxCertificates = 10_000

// truststore gives the option that makes Java trust whom the build image trusts: other programs read the file of
// certificates that the platform may have put there, which Java does not. "" when there is no such file.
func truststore(env kit.Env) (string, error) {
	data, err := os.ReadFile(env.Or("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
	if err != nil {
		return "", nil //nolint:nilerr // then there is nothing to trust besides what Java does anyway
	}
	file := filepath.Join(os.TempDir(), "s2i-truststore")
	if err := os.WriteFile(file, keystore(data), 0o644); err != nil {
		return "", fmt.Errorf("writing the certificates that Java trusts: %w", err)
	}
	return "-Djavax.net.ssl.trustStore=" + file, nil
}

// keystore makes a keystore in Java's own format (JKS) of certificates in PEM.
func keystore(certificates []byte) []byte {
	const magic, version, trusted = 0xfeedfeed, 2, 2
	var entries bytes.Buffer
	count := 0
	for rest := certificates; count < maxCertificates; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		count++
		number(&entries, trusted)
		text(&entries, fmt.Sprintf("ca%05d", count))
		number(&entries, 0) // the time of creation, eight bytes
		number(&entries, 0)
		text(&entries, "X.509")
		number(&entries, len(block.Bytes))
		entries.Write(block.Bytes)
	}
	var out bytes.Buffer
	for _, n := range []int{magic, version, count} {
		number(&out, n)
	}
	out.Write(entries.Bytes())
	sum := sha1.New() //nolint:gosec // the format's own checksum
	for _, c := range utf16.Encode([]rune("changeit")) {
		sum.Write([]byte{byte(c >> 8), byte(c)})
	}
	sum.Write([]byte("Mighty Aphrodite")) // part of the format
	sum.Write(out.Bytes())
	return sum.Sum(out.Bytes())
}

func number(b *bytes.Buffer, n int) {
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(n))) //nolint:gosec // lengths of files
}

func text(b *bytes.Buffer, s string) {
	b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) //nolint:gosec // our own words
	b.WriteString(s)
}
