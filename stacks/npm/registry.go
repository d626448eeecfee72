package npm

import (
	"context"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"

	"s2i/lifecycle/progress"
	"s2i/stacks/fetch"
)

// Limits of what is read from a registry.
const (
	maxPackument = 256 << 20
	maxTarball   = 2 << 30
)

// Registry is an npm registry.
type Registry struct {
	Config Config
	Fetch  *fetch.Client
}

// New makes a registry of a configuration; its certificate authorities are trusted besides the system's.
func New(c Config, f *fetch.Client) (*Registry, error) {
	if c.CAFile == "" || f.HTTP == nil {
		return &Registry{c, f}, nil
	}
	transport, ok := f.HTTP.Transport.(*http.Transport)
	if !ok {
		return &Registry{c, f}, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authorities that npm is configured with: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	transport = transport.Clone()
	transport.TLSClientConfig.RootCAs = pool
	client := *f
	client.HTTP = &http.Client{Transport: transport}
	return &Registry{c, &client}, nil
}

// Version is one published version of a package.
type Version struct {
	Version   string
	Integrity string // "sha512-…"
	Tarball   string // where the registry says that it is
}

// Versions lists the versions of a package that carry a sha512 integrity.
func (r *Registry) Versions(ctx context.Context, name string) ([]Version, error) {
	base := r.Config.registry(name)
	if base == "" {
		return nil, fmt.Errorf("listing the versions of npm package %s: %w", name, ErrNotConfigured)
	}
	b, err := r.Fetch.Bytes(ctx, fetch.Request{URL: base + "/" + escape(name), Authorize: r.Config.authorize,
		Accept: "application/json"}, maxPackument)
	if err != nil {
		return nil, fmt.Errorf("listing the versions of npm package %s: %w", name, err)
	}
	var doc struct {
		Versions map[string]struct {
			Dist struct{ Integrity, Tarball string }
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("reading what the registry says about npm package %s: %w", name, err)
	}
	var list []Version
	for v, d := range doc.Versions {
		if integrity, ok := strongest(d.Dist.Integrity); ok {
			list = append(list, Version{v, integrity, d.Dist.Tarball})
		}
	}
	return list, nil
}

// strongest picks the sha512 of an integrity string, which may hold several digests.
func strongest(s string) (string, bool) {
	for _, one := range strings.Fields(s) {
		sum, ok := strings.CutPrefix(one, "sha512-")
		if !ok {
			continue
		}
		sum, _, _ = strings.Cut(sum, "?")
		if b, err := base64.StdEncoding.DecodeString(sum); err == nil && len(b) == sha512.Size {
			return "sha512-" + sum, true
		}
	}
	return "", false
}

// Tarball writes a version's tarball to w from offset on. The caller verifies the
// integrity and names the package in errors.
func (r *Registry) Tarball(ctx context.Context, name, version string, w io.Writer, offset int64) error {
	base := r.Config.registry(name)
	if base == "" {
		return ErrNotConfigured
	}
	ctx, task := progress.Start(ctx, name+"@"+version, 0)
	task.Add(offset)
	req := fetch.Request{Authorize: r.Config.authorize, Count: task.Add, Limit: maxTarball}
	req.URL = fmt.Sprintf("%s/%s/-/%s-%s.tgz", base, name, path.Base(name), version)
	err := r.Fetch.To(ctx, req, w, offset)
	if fetch.Gone(err) {
		other, why := r.elsewhere(ctx, name, version, req.URL)
		if req.URL = other; other == "" {
			err = errors.Join(err, why)
		} else {
			err = r.Fetch.To(ctx, req, w, offset)
		}
	}
	task.End(err)
	return err
}

// elsewhere gives the address that the registry's document has for a tarball, for registries with another layout; ""
// when that is the usual one.
func (r *Registry) elsewhere(ctx context.Context, name, version, usual string) (string, error) {
	list, err := r.Versions(ctx, name)
	if err != nil {
		return "", err
	}
	for _, v := range list {
		if v.Version == version && v.Tarball != usual {
			return v.Tarball, nil
		}
	}
	return "", nil
}

// escape is how a scoped name stands in an address.
func escape(name string) string {
	if strings.HasPrefix(name, "@") {
		return strings.Replace(name, "/", "%2f", 1)
	}
	return url.PathEscape(name)
}
