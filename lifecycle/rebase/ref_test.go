package rebase

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// counting is an in-memory registry that counts requests and mounts blobs.
type counting struct {
	host string
	mu   sync.Mutex
	seen map[string]int
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	reg := &counting{seen: map[string]int{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	digests, uploads := regexp.MustCompile(`sha256:[0-9a-f]{64}`), regexp.MustCompile(`uploads/.+`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := uploads.ReplaceAllString(digests.ReplaceAllString(r.URL.Path, "DIGEST"), "uploads/ID")
		reg.mu.Lock()
		reg.seen[r.Method+" "+path]++
		reg.mu.Unlock()
		if r.Method == http.MethodPost && r.URL.Query().Get("mount") != "" {
			w.WriteHeader(http.StatusCreated) // blobs are kept for all repositories together
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	reg.host = strings.TrimPrefix(server.URL, "http://")
	return reg
}

func (c *counting) put(t *testing.T, repoTag string, found any) {
	t.Helper()
	ref, err := name.ParseReference(c.host + "/" + repoTag)
	if err != nil {
		t.Fatal(err)
	}
	switch v := found.(type) {
	case v1.Image:
		err = remote.Write(ref, v)
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = map[string]int{}
}

func (c *counting) ref(t *testing.T, repoTag string) image.Ref {
	t.Helper()
	ref, err := image.Parse(c.host + "/" + repoTag)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func client() *image.Client {
	return &image.Client{Keychain: authn.NewMultiKeychain(), Retry: image.Retry{Attempts: 1}}
}

// inRegistry records the registry's names in the app.
func inRegistry(reg *counting, old v1.Image, t *testing.T) func(*v1.ConfigFile, *lifecycle.LayersMetadata) {
	return func(_ *v1.ConfigFile, m *lifecycle.LayersMetadata) {
		m.RunImage.Image, m.RunImage.Mirrors = reg.host+"/base/run:new", nil
		m.RunImage.Reference = reg.host + "/base/run@" + digest(t, old)
	}
}

// TestRequests holds how little a rebase in a registry asks for: 11 requests, and not one for the bytes of a layer.
func TestRequests(t *testing.T) {
	reg := newCounting(t)
	old, run := newBase(t, 3, nil), newBase(t, 3, nil)
	reg.put(t, "apps/app:1", build(t, old, inRegistry(reg, old, t)))
	reg.put(t, "base/run:new", run)
	got, err := Ref(t.Context(), client(), Request{
		App: reg.ref(t, "apps/app:1"), Run: reg.host + "/base/run:new", To: []image.Ref{reg.ref(t, "apps/app:2")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"GET /v2/": 1, "GET /v2/apps/app/manifests/1": 1, "GET /v2/base/run/manifests/new": 1,
		"GET /v2/apps/app/blobs/DIGEST": 1, "GET /v2/base/run/blobs/DIGEST": 1, // configs
		"POST /v2/apps/app/blobs/uploads/": 4, "PUT /v2/apps/app/blobs/uploads/ID": 1, "PUT /v2/apps/app/manifests/2": 1,
	}
	if diff := cmp.Diff(want, reg.seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	back, err := client().Image(t.Context(), reg.ref(t, "apps/app:2"), lifecycle.Target{OS: "linux", Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(back); err != nil {
		t.Error(err)
	}
	if digest(t, back) != got.Published[0].Digest.String() {
		t.Error("another digest was published than was reported")
	}
}

// TestComposedBase rebases onto a base that is in no registry.
func TestComposedBase(t *testing.T) {
	reg := newCounting(t)
	old, run := newBase(t, 2, nil), newBase(t, 1, nil)
	reg.put(t, "apps/app:1", build(t, old, inRegistry(reg, old, t)))
	bases := func(context.Context, v1.Image, lifecycle.Target) (v1.Image, Options, error) {
		return run, Options{}, nil
	}
	if _, err := Ref(t.Context(), client(), Request{App: reg.ref(t, "apps/app:1"), Bases: bases}); err != nil {
		t.Fatal(err)
	}
	back, err := client().Image(t.Context(), reg.ref(t, "apps/app:1"), lifecycle.Target{OS: "linux", Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(back); err != nil {
		t.Error(err)
	}
	if diffIDs(t, back)[0] != diffIDs(t, run)[0] {
		t.Error("the base is not the new one")
	}
}

func TestRecordedBase(t *testing.T) {
	reg := newCounting(t)
	old, run := newBase(t, 2, nil), newBase(t, 1, nil)
	reg.put(t, "apps/app:1", build(t, old, inRegistry(reg, old, t)))
	reg.put(t, "base/run:new", run)
	got, err := Ref(t.Context(), client(), Request{App: reg.ref(t, "apps/app:1"), DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if got.Published != nil || got.Reports[0].Added != 1 || got.Reports[0].Removed != 2 {
		t.Errorf("got %+v, %+v", got, got.Reports[0])
	}
}

// TestAnnotatedImage rebases what another tool built and annotated, as crane rebase would.
func TestAnnotatedImage(t *testing.T) {
	reg := newCounting(t)
	old, run := newBase(t, 2, nil), newBase(t, 1, func(c *v1.ConfigFile) { c.Config.User = "2000" })
	reg.put(t, "base/run:1", old)
	app := mutate.Annotations(layers(t, old, 1, "app"), map[string]string{
		AnnotationBaseName: reg.host + "/base/run:1", AnnotationBaseDigest: digest(t, old),
	}).(v1.Image)
	reg.put(t, "app:1", app)
	reg.put(t, "base/run:1", run)
	if _, err := Ref(t.Context(), client(), Request{App: reg.ref(t, "app:1")}); err != nil {
		t.Fatal(err)
	}
	back, err := client().Image(t.Context(), reg.ref(t, "app:1"), lifecycle.Target{OS: "linux", Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	want := append(diffIDs(t, run), diffIDs(t, app)[2:]...)
	if diff := cmp.Diff(want, diffIDs(t, back)); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	m, err := back.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if m.Annotations[AnnotationBaseDigest] != digest(t, run) || config(t, back).Config.User != "2000" {
		t.Errorf("annotations %v, config %+v", m.Annotations, config(t, back).Config)
	}
}

func index(t *testing.T, images map[string]v1.Image) v1.ImageIndex {
	t.Helper()
	var idx v1.ImageIndex = empty.Index
	for _, arch := range []string{"amd64", "arm64", "unknown"} {
		if images[arch] == nil {
			continue
		}
		p := &v1.Platform{OS: "linux", Architecture: arch}
		if arch == "unknown" {
			p.OS = arch
		}
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: images[arch], Descriptor: v1.Descriptor{Platform: p}})
	}
	return idx
}

func TestIndex(t *testing.T) {
	reg := newCounting(t)
	arm := func(c *v1.ConfigFile) { c.Architecture = "arm64" }
	old := map[string]v1.Image{"amd64": newBase(t, 2, nil), "arm64": newBase(t, 3, arm)}
	run := map[string]v1.Image{"amd64": newBase(t, 1, nil), "arm64": newBase(t, 2, arm)}
	apps := map[string]v1.Image{"unknown": newBase(t, 1, nil)} // an attestation
	for arch, base := range old {
		apps[arch] = build(t, base, inRegistry(reg, base, t))
	}
	reg.put(t, "app:1", index(t, apps))
	reg.put(t, "base/run:new", index(t, run))
	got, err := Ref(t.Context(), client(), Request{App: reg.ref(t, "app:1")})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Reports) != 2 {
		t.Errorf("%d reports", len(got.Reports))
	}
	back, err := client().Get(t.Context(), reg.ref(t, "app:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(back.(v1.ImageIndex)); err != nil {
		t.Error(err)
	}
	m, err := back.(v1.ImageIndex).IndexManifest()
	if err != nil || len(m.Manifests) != 2 {
		t.Fatalf("index %+v, %v", m, err)
	}
	before := digest(t, back.(v1.ImageIndex))

	// One platform that does not fit: nothing is changed.
	run["arm64"] = newBase(t, 1, func(c *v1.ConfigFile) {
		c.Architecture = "arm64"
		c.Config.Labels[lifecycle.LabelDistroVersion] = "14"
	})
	reg.put(t, "base/run:new", index(t, run))
	got, err = Ref(t.Context(), client(), Request{App: reg.ref(t, "app:1")})
	var refused *RefusedError
	if !errors.As(err, &refused) || got.Published != nil {
		t.Errorf("got %+v, %v, want a refusal", got, err)
	}
	after, err := client().Get(t.Context(), reg.ref(t, "app:1"))
	if err != nil || digest(t, after.(v1.ImageIndex)) != before {
		t.Errorf("the index changed, or cannot be read: %v", err)
	}
}
