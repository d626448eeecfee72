// Package image gets images from where they live and puts them where they shall live: registries, the local store,
// OCI layout directories, docker and OCI archives, and a docker daemon.
//
// A Ref says where an image lives; a Client reads (Get, Image) and writes (Publish) it. Images are lazy v1.Images: a
// manifest and a config cost a request each, a layer costs nothing until its bytes are asked for. Layer bytes that are
// asked for come to rest in the store, verified, so that none is fetched twice; layers that only travel from one
// registry to another are mounted where the registry can, and streamed otherwise, without being stored.
//
// The client speaks the OCI distribution specification with few requests: one ping per registry, no existence check
// for a blob that a manifest of the same repository has already shown to be there, a mount instead of an existence
// check when the blob is known in another repository of the same registry, and uploads of one POST and one PUT.
//
// Images in the store may be sparse: Publish leaves out the layers of a registry base that nothing needed here. The
// store then records which repositories hold them, and they are fetched when they are asked for.
package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
)

// ErrNotFound is in the chain of the error when there is no such image.
var ErrNotFound = errors.New("no such image")

// ErrDenied is in the chain of the error when a registry asks for credentials or refuses those it got. Many registries
// say this, too, when a repository does not exist.
var ErrDenied = errors.New("access denied")

// ErrPlatform is in the chain of the error when there is an image, and none for the platform.
var ErrPlatform = errors.New("no image for the platform")

// ErrOffline is in the chain of the error when Offline forbids a request that would be necessary.
var ErrOffline = errors.New("not possible offline")

// Client reads and writes images. Make it with its fields set and do not change them afterwards; its methods may be
// called from any number of goroutines. One client for everything that a process does saves requests.
type Client struct {
	// Store keeps local images and the blobs that were fetched. Nil: there are no local images, nothing is kept.
	Store *store.Store
	// Keychain gives the credentials of registries; nil means DefaultKeychain().
	Keychain authn.Keychain
	// Insecure lists registries (host or host:port) that may be spoken to over http, or over https with a certificate
	// that nobody vouches for; "*" is all of them. Loopback addresses need not be listed.
	Insecure []string
	// Mirrors are places (host or host/path) that are asked before a registry, by the registry's name as in package name;
	// with MirrorsOnly a registry that has some is never asked itself.
	Mirrors     map[string][]string
	MirrorsOnly bool
	// TLS holds what is particular about the certificates of registries (host or host:port).
	TLS map[string]*tls.Config
	// Offline forbids requests to registries: only what the store holds can be had.
	Offline bool
	// Jobs is how many blobs travel at the same time; 0 means 6.
	Jobs int
	// Retry says how often and when requests are repeated; its zero value is a sensible default.
	Retry Retry
	// Transport carries the requests to registries; nil means one that honours HTTPS_PROXY and its relatives.
	Transport http.RoundTripper
	// DockerHost is the address of the docker daemon in the form of $DOCKER_HOST, which is used when it is empty.
	DockerHost string

	once   sync.Once
	shared *shared
}

// shared is what a client learns while it works.
type shared struct {
	transport http.RoundTripper
	keychain  authn.Keychain
	hosts     map[string]*host // by registry; guarded by mu
	mu        sync.Mutex
	presence  presence
	locks     keyedLocks
}

func (c *Client) state() *shared {
	c.once.Do(func() {
		keychain := c.Keychain
		if keychain == nil {
			keychain = DefaultKeychain()
		}
		c.shared = &shared{transport: c.newTransport(), keychain: keychain, hosts: map[string]*host{}}
	})
	return c.shared
}

func (c *Client) jobs() int {
	if c.Jobs > 0 {
		return c.Jobs
	}
	return 6
}

// Get reads what ref names, a v1.Image or a v1.ImageIndex. ErrNotFound is in the error's chain when there is nothing.
// The context holds for as long as the image is used: its blobs are read with it.
func (c *Client) Get(ctx context.Context, ref Ref) (any, error) {
	src, d, err := c.open(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", ref, err)
	}
	d.Annotations = nil // how the place names it
	found, err := load(ctx, src, d)
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", ref, err)
	}
	return found, nil
}

// Image reads the image for target that ref names. From an index it picks the image of that platform; empty fields of
// the target mean Linux on the processor that this runs on. The context holds for as long as the image is used.
func (c *Client) Image(ctx context.Context, ref Ref, target lifecycle.Target) (v1.Image, error) {
	src, d, err := c.open(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", ref, err)
	}
	d.Annotations = nil // how the place names it
	img, err := imageFor(ctx, src, d, withDefaults(target))
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", ref, err)
	}
	return img, nil
}

// open finds what ref names: where it can be read from, and its descriptor there.
func (c *Client) open(ctx context.Context, ref Ref) (source, v1.Descriptor, error) {
	switch ref.Kind {
	case Registry:
		return c.openRegistry(ctx, ref)
	case Local:
		return c.openLocal(ref)
	case OCILayout:
		return openLayoutDir(ref)
	case DockerArchive, OCIArchive:
		return c.openArchive(ctx, ref)
	case Daemon:
		return c.openDaemon(ctx, ref)
	default:
		return nil, v1.Descriptor{}, fmt.Errorf("unknown kind of reference %d", ref.Kind)
	}
}

func withDefaults(t lifecycle.Target) lifecycle.Target {
	if t.OS == "" {
		t.OS = "linux"
	}
	if t.Arch == "" {
		t.Arch = runtime.GOARCH
	}
	return t
}
