package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestKeychain(t *testing.T) {
	basic := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	auths := func(host, s string) string { return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, basic(s)) }
	tests := map[string]struct {
		env   map[string]string // DIR stands for the directory of the files
		files map[string]string
		want  authn.AuthConfig
	}{
		"nothing": {},
		"lifecycle's header": {
			env:  map[string]string{"CNB_REGISTRY_AUTH": `{"example.com":"Basic ` + basic("u:p") + `"}`},
			want: authn.AuthConfig{Auth: basic("u:p")},
		},
		"lifecycle's token": {
			env:  map[string]string{"CNB_REGISTRY_AUTH": `{"example.com":"Bearer tok"}`},
			want: authn.AuthConfig{RegistryToken: "tok"},
		},
		"lifecycle's header of another host": {
			env: map[string]string{"CNB_REGISTRY_AUTH": `{"example.org":"Bearer tok"}`},
		},
		"docker": {
			env:   map[string]string{"DOCKER_CONFIG": "DIR"},
			files: map[string]string{"config.json": auths("example.com", "u:p")},
			want:  authn.AuthConfig{Username: "u", Password: "p"},
		},
		"docker at home": {
			env:   map[string]string{"HOME": "DIR"},
			files: map[string]string{".docker/config.json": auths("example.com", "u:p")},
			want:  authn.AuthConfig{Username: "u", Password: "p"},
		},
		"podman": {
			env:   map[string]string{"XDG_RUNTIME_DIR": "DIR"},
			files: map[string]string{"containers/auth.json": auths("example.com", "u:p")},
			want:  authn.AuthConfig{Username: "u", Password: "p"},
		},
		"podman by path": {
			env:   map[string]string{"REGISTRY_AUTH_FILE": "DIR/auth.json"},
			files: map[string]string{"auth.json": auths("example.com/team", "u:p")},
			want:  authn.AuthConfig{Username: "u", Password: "p"},
		},
		"the first that has some": {
			env: map[string]string{"REGISTRY_AUTH_FILE": "DIR/auth.json", "DOCKER_CONFIG": "DIR"},
			files: map[string]string{
				"auth.json": auths("example.org", "no:no"), "config.json": auths("example.com", "u:p"),
			},
			want: authn.AuthConfig{Username: "u", Password: "p"},
		},
	}
	repo, err := name.NewRepository("example.com/team/app")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range tt.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := map[string]string{"HOME": "/nonexistent"}
			for k, v := range tt.env {
				env[k] = strings.ReplaceAll(v, "DIR", dir)
			}
			auth, err := keychain{func(k string) string { return env[k] }}.Resolve(repo)
			if err != nil {
				t.Fatal(err)
			}
			got, err := auth.Authorization()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeychainKeepsSecrets(t *testing.T) {
	repo, err := name.NewRepository("example.com/app")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{`{"example.com":"Hunter2 secret"}`, `{"example.com":secret}`} {
		_, err := keychain{func(string) string { return value }}.Resolve(repo)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got error %v", err)
		}
	}
}

// TestCredentialHelper asks a credential helper, which is a program in the PATH.
func TestCredentialHelper(t *testing.T) {
	dir := t.TempDir()
	helper := "#!/bin/sh\nread host\necho '{\"Username\":\"helped\",\"Secret\":\"by '$host'\"}'\n"
	if err := os.WriteFile(dir+"/docker-credential-test", []byte(helper), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/config.json", []byte(`{"credHelpers":{"example.com":"test"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DOCKER_CONFIG", dir)
	repo, err := name.NewRepository("example.com/app")
	if err != nil {
		t.Fatal(err)
	}
	auth, err := DefaultKeychain().Resolve(repo)
	if err != nil {
		t.Fatal(err)
	}
	got, err := auth.Authorization()
	if err != nil || got.Username != "helped" || got.Password != "by example.com" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// tokenServer is a registry that wants a bearer token for the right scopes, which it hands out to the user u.
func tokenServer(t *testing.T) (host string, scopes map[string]bool) {
	t.Helper()
	scopes = map[string]bool{}
	inner := mountable(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			for _, s := range r.URL.Query()["scope"] {
				scopes[s] = true
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "good"})
		case r.Header.Get("Authorization") != "Bearer good":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test"`, server.URL))
			w.WriteHeader(http.StatusUnauthorized)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), scopes
}

type staticKeychain struct{ authn.AuthConfig }

func (k staticKeychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(k.AuthConfig), nil
}

func TestTokens(t *testing.T) {
	host, scopes := tokenServer(t)
	c := testClient()
	c.Keychain = staticKeychain{authn.AuthConfig{Username: "u", Password: "p"}}
	if err := c.CheckWrite(t.Context(), parse(t, host+"/base:1")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), randomImage(t, 2), []Ref{parse(t, host+"/base:1")}); err != nil {
		t.Fatal(err)
	}
	base, err := c.Image(t.Context(), parse(t, host+"/base:1"), target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), appOn(t, base), []Ref{parse(t, host+"/app:1")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"repository:base:push,pull", "repository:base:pull", "repository:app:push,pull"} {
		if !scopes[want] {
			t.Errorf("scope %q was not asked for: %v", want, scopes)
		}
	}
	c = testClient()
	c.Keychain = staticKeychain{authn.AuthConfig{Username: "u", Password: "hunter2"}}
	err = c.CheckWrite(t.Context(), parse(t, host+"/base:1"))
	if !errorsIs(err, ErrDenied) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want ErrDenied", err)
	}
}

// TestCertificates speaks to a registry whose certificate nobody vouches for.
func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "https://")
	c := testClient()
	if _, err := c.Publish(t.Context(), randomImage(t, 1), []Ref{parse(t, host+"/app:1")}); err == nil ||
		!strings.Contains(err.Error(), "list it as an insecure registry") {
		t.Errorf("got %v, want an error about the certificate", err)
	}
	c = testClient()
	c.Insecure = []string{host}
	if _, err := c.Publish(t.Context(), randomImage(t, 1), []Ref{parse(t, host+"/app:1")}); err != nil {
		t.Error(err)
	}
}

// TestRedirects follows a registry to where it keeps its blobs, and lets no signature into an error.
func TestRedirects(t *testing.T) {
	reg := newTestRegistry(t)
	put(t, reg.ref(t, "app:1"), randomImage(t, 1))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials were sent elsewhere")
		}
		if r.URL.Query().Get("signature") != "secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		resp, err := http.Get("http://" + reg.host + r.URL.Path + "?direct=1") //nolint:gosec // a test server
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(elsewhere.Close)
	signature := "secret"
	reg.setIntercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/sha256") || r.URL.Query().Has("direct") {
			return false
		}
		http.Redirect(w, r, elsewhere.URL+r.URL.Path+"?signature="+signature, http.StatusTemporaryRedirect)
		return true
	})
	c := testClient()
	c.Keychain = staticKeychain{authn.AuthConfig{Username: "u", Password: "p"}}
	img, err := c.Image(t.Context(), reg.ref(t, "app:1"), target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	signature = "hunter2"
	if err := readLayers(img); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v", err)
	}
	elsewhere.Close()
	if err := readLayers(img); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got error %v", err)
	}
}

func TestRedirectInside(t *testing.T) {
	request := func(url string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := map[string]struct {
		from, to string
		refused  bool
	}{
		"storage":         {"https://example.com/v2/", "https://cdn.example.org/x", false},
		"metadata server": {"https://example.com/v2/", "https://169.254.169.254/latest", true},
		"localhost":       {"https://example.com/v2/", "https://localhost/x", true},
		"plain http":      {"https://example.com/v2/", "http://example.org/x", true},
		"both inside":     {"http://127.0.0.1:5000/v2/", "http://127.0.0.2/x", false},
	}
	for name, tt := range tests {
		if err := checkRedirect(request(tt.to), []*http.Request{request(tt.from)}); (err != nil) != tt.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancel(t *testing.T) {
	reg := newTestRegistry(t)
	ctx, cancel := context.WithCancel(t.Context())
	reg.setIntercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client goes
		cancel()
		<-r.Context().Done()
		return true
	})
	_, err := testClient().Publish(ctx, randomImage(t, 3), []Ref{reg.ref(t, "app:1")})
	if !errorsIs(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
}
