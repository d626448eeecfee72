package source

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

func s3URL(u *url.URL, getenv func(string) string) (*url.URL, error) {
	own := cmp.Or(getenv("AWS_ENDPOINT_URL_S3"), getenv("AWS_ENDPOINT_URL"), getenv("S3_ENDPOINT"))
	if own == "" {
		host := u.Host + ".s3." + s3Region(getenv) + ".amazonaws.com"
		if strings.Contains(u.Host, ".") { // the certificate is for one label
			return &url.URL{Scheme: "https", Host: strings.TrimPrefix(host, u.Host+"."), Path: "/" + u.Host + u.Path}, nil
		}
		return &url.URL{Scheme: "https", Host: host, Path: u.Path}, nil
	}
	at, err := endpoint(own)
	if err != nil {
		return nil, fmt.Errorf("reading the S3 endpoint: %w", err)
	}
	if getenv("S3_FORCE_PATH_STYLE") == "false" {
		return &url.URL{Scheme: at.Scheme, Host: u.Host + "." + at.Host, Path: path.Join("/", at.Path, u.Path)}, nil
	}
	return &url.URL{Scheme: at.Scheme, Host: at.Host, Path: path.Join("/", at.Path, u.Host, u.Path)}, nil
}

func s3Region(getenv func(string) string) string {
	return cmp.Or(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), "us-east-1")
}

// signS3 signs a GET request as AWS Signature Version 4 says.
func signS3(r *http.Request, getenv func(string) string, now time.Time) {
	empty := sha256.Sum256(nil)
	content := hex.EncodeToString(empty[:])
	at := now.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", at)
	r.Header.Set("X-Amz-Content-Sha256", content)
	if token := getenv("AWS_SESSION_TOKEN"); token != "" {
		r.Header.Set("X-Amz-Security-Token", token)
	}
	names, headers := []string{"host"}, "host:"+r.URL.Host+"\n"
	for _, name := range []string{"range", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} {
		if value := r.Header.Get(name); value != "" {
			names, headers = append(names, name), headers+name+":"+strings.TrimSpace(value)+"\n"
		}
	}
	signed := strings.Join(names, ";")
	canonical := strings.Join([]string{r.Method, awsPath(r.URL.Path), "", headers, signed, content}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	scope := at[:8] + "/" + s3Region(getenv) + "/s3/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + at + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + getenv("AWS_SECRET_ACCESS_KEY"))
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacSHA256(key, part)
	}
	r.URL.RawPath = awsPath(r.URL.Path)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+getenv("AWS_ACCESS_KEY_ID")+"/"+scope+
		", SignedHeaders="+signed+", Signature="+hex.EncodeToString(hmacSHA256(key, text)))
}

// awsPath escapes everything but what RFC 3986 leaves unreserved.
func awsPath(p string) string {
	var out strings.Builder
	for _, b := range []byte(p) {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', strings.IndexByte("-_.~/", b) >= 0:
			out.WriteByte(b)
		default:
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
