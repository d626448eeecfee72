package image

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

// A registry whose certificate nobody knows is reached with its own authority, and with no other.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "https://")
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	get := func(config map[string]*tls.Config) error {
		c := &Client{TLS: config, Retry: Retry{Attempts: 1}}
		client := &http.Client{Transport: c.newTransport()}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	if err := get(map[string]*tls.Config{host: {RootCAs: pool, MinVersion: tls.VersionTLS12}}); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	if err := get(nil); err == nil {
		t.Error("without its authority: no error")
	}
}

func TestMirrors(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	plain := &Client{}
	if _, err := plain.Publish(t.Context(), img, []Ref{{Kind: Registry, Name: host + "/cache/team/app:1"}}); err != nil {
		t.Fatal(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		mirrors []string
		only    bool
		found   bool
	}{
		{"the mirror", []string{host + "/cache"}, true, true},
		{"the second", []string{host + "/nothing", host + "/cache"}, true, true},
		{"none", []string{host + "/nothing"}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := &Client{Mirrors: map[string][]string{"registry.example.com": c.mirrors}, MirrorsOnly: c.only, Retry: Retry{Attempts: 1}}
			for _, name := range []string{"registry.example.com/team/app:1", "registry.example.com/team/app@" + want.String()} {
				got, err := client.Get(t.Context(), Ref{Kind: Registry, Name: name})
				if !c.found {
					if err == nil || !strings.Contains(err.Error(), "from the mirror") {
						t.Errorf("%s: got %v", name, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if digest, err := got.(v1.Image).Digest(); err != nil || digest != want {
					t.Errorf("%s: got %s, %v, want %s", name, digest, err, want)
				}
			}
		})
	}
}
