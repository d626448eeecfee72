package source

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// oneFileTar makes an archive of one file.
func oneFileTar(t testing.TB, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o640, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// openRaw opens a source as a build context and gives the content of one of its files.
func openRaw(t testing.TB, ref, file string, o Options) string {
	t.Helper()
	o.Raw, o.TempDir = true, t.TempDir()
	tree, err := Open(t.Context(), ref, o)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	data, err := os.ReadFile(filepath.Join(tree.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func environment(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

// The example of Amazon's documentation of Signature Version 4.
func TestSignS3(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://examplebucket.s3.amazonaws.com/test.txt", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=0-9")
	signS3(r, environment(map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}), time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC))
	const want = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
	if got := r.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+want) {
		t.Errorf("got %s, want the signature %s", got, want)
	}
}

func TestS3(t *testing.T) {
	archive := oneFileTar(t, "app/a.txt", "from s3")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed := strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/") &&
			strings.Contains(r.Header.Get("Authorization"), "/eu-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token")
		switch {
		case r.URL.Path == "/bucket/dir/a b.tar" && r.RequestURI == "/bucket/dir/a%20b.tar" && signed,
			r.URL.Path == "/bucket/public.tar" && r.Header.Get("Authorization") == "":
			_, _ = w.Write(archive)
		default:
			http.Error(w, "denied", http.StatusForbidden)
		}
	}))
	defer server.Close()
	with := environment(map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-1", "AWS_ACCESS_KEY_ID": "key",
		"AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"})
	if got := openRaw(t, "s3://bucket/dir/a b.tar", "app/a.txt", Options{Getenv: with}); got != "from s3" {
		t.Errorf("got %q", got)
	}
	without := environment(map[string]string{"S3_ENDPOINT": server.URL, "S3_FORCE_PATH_STYLE": "true"})
	if got := openRaw(t, "s3://bucket/public.tar#:app", "a.txt", Options{Getenv: without}); got != "from s3" {
		t.Errorf("got %q", got)
	}
	if _, err := Open(t.Context(), "s3://bucket/x.tar", Options{Getenv: without, TempDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v, want the answer 403", err)
	}
}

func TestGoogle(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	archive := oneFileTar(t, "a.txt", "from gs")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token" && validJWT(r.FormValue("assertion"), &key.PublicKey):
			_, _ = w.Write([]byte(`{"access_token":"letmein","expires_in":3600}`))
		case r.URL.Path == "/bucket/dir/a.tar" && r.Header.Get("Authorization") == "Bearer letmein":
			_, _ = w.Write(archive)
		default:
			http.Error(w, "denied", http.StatusForbidden)
		}
	}))
	defer server.Close()
	account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "me@example.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": server.URL + "/token"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range []map[string]string{{"GOOGLE_APPLICATION_CREDENTIALS": file}, {"GOOGLE_OAUTH_ACCESS_TOKEN": "letmein"}} {
		env["STORAGE_EMULATOR_HOST"] = strings.TrimPrefix(server.URL, "http://")
		if got := openRaw(t, "gs://bucket/dir/a.tar", "a.txt", Options{Getenv: environment(env)}); got != "from gs" {
			t.Errorf("got %q", got)
		}
	}
	if err := os.WriteFile(file, []byte(`{"type":"authorized_user"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), "gs://bucket/dir/a.tar", Options{TempDir: t.TempDir(), Getenv: environment(map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": file, "STORAGE_EMULATOR_HOST": server.URL})})
	if err == nil || !strings.Contains(err.Error(), "no service account's key") {
		t.Errorf("got %v", err)
	}
}

func validJWT(token string, key *rsa.PublicKey) bool {
	text, signature, ok := cutLast(token, ".")
	if !ok {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	sum := sha256.Sum256([]byte(text))
	return err == nil && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw) == nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// redirected sends every request to one server, whatever its host.
type redirected struct{ to string }

func (r redirected) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Host, req.URL.Scheme, req.URL.Host = req.URL.Host, "http", r.to
	return http.DefaultTransport.RoundTrip(req)
}

func TestAzure(t *testing.T) {
	archive, secret := oneFileTar(t, "a.txt", "from azure"), []byte("the account's key")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" + r.Header.Get("X-Ms-Date") + "\nx-ms-version:" + r.Header.Get("X-Ms-Version") +
			"\n/me/box/a.tar"
		want := "SharedKey me:" + base64.StdEncoding.EncodeToString(hmacSHA256(secret, text))
		if r.Host != "me.blob.core.windows.net" || r.Header.Get("Authorization") != want {
			http.Error(w, "denied", http.StatusForbidden)
			return
		}
		_, _ = w.Write(archive)
	}))
	defer server.Close()
	o := Options{Client: &http.Client{Transport: redirected{strings.TrimPrefix(server.URL, "http://")}},
		Getenv: environment(map[string]string{"AZURE_STORAGE_ACCESS_KEY": base64.StdEncoding.EncodeToString(secret)})}
	if got := openRaw(t, "https://me.blob.core.windows.net/box/a.tar", "a.txt", o); got != "from azure" {
		t.Errorf("got %q", got)
	}
}

func TestBucketReferences(t *testing.T) {
	for ref, want := range map[string]string{
		"s3://bucket/dir/a.tgz":   "https://bucket.s3.us-east-1.amazonaws.com/dir/a.tgz",
		"s3://my.bucket/a.tgz":    "https://s3.us-east-1.amazonaws.com/my.bucket/a.tgz",
		"gs://bucket/a.tgz#:part": "https://storage.googleapis.com/bucket/a.tgz",
	} {
		r, err := ParseRef(ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		u, err := objectURL(mustURL(t, r.Location), environment(nil))
		if err != nil || u.String() != want {
			t.Errorf("%s: got %v, %v, want %s", ref, u, err, want)
		}
	}
	for _, ref := range []string{"s3://bucket", "s3://bucket/", "gs:///a.tgz", "s3://me:secret@bucket/a.tgz"} {
		if r, err := ParseRef(ref); err == nil {
			t.Errorf("%s: got %v, want an error", ref, r)
		}
	}
}
