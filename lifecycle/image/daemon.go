package image

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// daemonSink publishes to a docker daemon, in the form of an archive.
type daemonSink struct {
	c     *Client
	names []string
}

// daemon is a connection to a docker daemon's HTTP API.
type daemon struct {
	client *http.Client
	base   string // scheme and host of requests
	where  string // for messages
}

const defaultDockerHost = "unix:///var/run/docker.sock"

// connectDaemon reads DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.
func (c *Client) connectDaemon() (*daemon, error) {
	where := cmp.Or(c.DockerHost, os.Getenv("DOCKER_HOST"), defaultDockerHost)
	u, err := url.Parse(where)
	if err != nil {
		return nil, fmt.Errorf("parsing DOCKER_HOST %q: %w", where, err)
	}
	switch u.Scheme {
	case "unix":
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}
		return &daemon{&http.Client{Transport: &http.Transport{DialContext: dial}}, "http://docker", where}, nil
	case "tcp", "http", "https":
		config, err := daemonTLS()
		if err != nil {
			return nil, fmt.Errorf("preparing TLS for the docker daemon: %w", err)
		}
		scheme := "http"
		if config != nil || u.Scheme == "https" {
			scheme = "https"
		}
		t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config}
		return &daemon{&http.Client{Transport: t}, scheme + "://" + u.Host, where}, nil
	}
	return nil, fmt.Errorf("connecting to the docker daemon: DOCKER_HOST is %s, but only unix:// and tcp:// are "+
		"possible; write docker-archive:FILE and run docker load -i FILE", where)
}

// daemonTLS gives the TLS configuration that the environment asks for; nil for none.
func daemonTLS() (*tls.Config, error) {
	verify, dir := os.Getenv("DOCKER_TLS_VERIFY"), os.Getenv("DOCKER_CERT_PATH")
	if verify == "" && os.Getenv("DOCKER_TLS") == "" {
		return nil, nil
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(home, ".docker")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if verify == "" {
		config.InsecureSkipVerify = true //nolint:gosec // this is what DOCKER_TLS without _VERIFY means
		return config, nil
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", filepath.Join(dir, "ca.pem"))
	}
	return config, nil
}

func (d *daemon) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-tar")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the docker daemon at %s (is it running?): %w", d.where, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var answer struct {
		Message string `json:"message"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer) // the status says enough
	err = fmt.Errorf("the docker daemon answers %s: %s", resp.Status, shorten(answer.Message))
	if resp.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return nil, err
}

func (s *daemonSink) check(ctx context.Context) error {
	d, err := s.c.connectDaemon()
	if err != nil {
		return err
	}
	resp, err := d.do(ctx, http.MethodGet, "/_ping", nil)
	if err != nil {
		return err
	}
	drain(resp)
	return nil
}

func (s *daemonSink) publish(ctx context.Context, m manifest) (v1.Hash, error) {
	p, err := collect(m)
	if err != nil {
		return v1.Hash{}, err
	}
	return p.top().Digest, s.load(ctx, p)
}

func (s *daemonSink) load(ctx context.Context, p *parts) error {
	d, err := s.c.connectDaemon()
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeArchive(ctx, w, p, s.names)
		w.CloseWithError(err)
		written <- err
	}()
	resp, err := d.do(ctx, http.MethodPost, "/images/load?quiet=1", r)
	r.CloseWithError(errors.New("the docker daemon has stopped reading"))
	if werr := <-written; err != nil || werr != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return firstError(err, werr)
	}
	defer resp.Body.Close()
	return loadResult(resp.Body)
}

// firstError prefers what the daemon said over what that did to the writer.
func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// loadResult reads the stream of messages of a load for an error among them.
func loadResult(r io.Reader) error {
	decoder := json.NewDecoder(io.LimitReader(r, 16<<20))
	for {
		var message struct {
			Error string `json:"error"`
		}
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the docker daemon's answer: %w", err)
		case message.Error != "":
			return fmt.Errorf("the docker daemon cannot load it: %s", shorten(strings.TrimSpace(message.Error)))
		}
	}
}

// openDaemon has the daemon save an image into a file that has no name, and reads that.
func (c *Client) openDaemon(ctx context.Context, ref Ref) (source, v1.Descriptor, error) {
	d, err := c.connectDaemon()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	resp, err := d.do(ctx, http.MethodGet, "/images/"+url.PathEscape(ref.Name)+"/get", nil)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	defer resp.Body.Close()
	f, err := c.temp()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		_ = f.Close()
		return nil, v1.Descriptor{}, fmt.Errorf("saving the image of the docker daemon: %w", err)
	}
	t, err := openTar(ctx, ref.String(), f, c.temp)
	if err != nil {
		_ = f.Close()
		return nil, v1.Descriptor{}, err
	}
	return c.openTarFiles(ctx, t, ref.Name)
}
