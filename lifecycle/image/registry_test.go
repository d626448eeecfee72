package image

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// testRegistry is an in-memory registry that counts requests and lets a test get in the way of them.
type testRegistry struct {
	host string

	mu       sync.Mutex
	requests []string
	// intercept answers a request itself by returning true.
	intercept func(w http.ResponseWriter, r *http.Request) bool
}

func newTestRegistry(t *testing.T) *testRegistry {
	t.Helper()
	reg := &testRegistry{}
	inner := mountable(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reg.mu.Lock()
		reg.requests = append(reg.requests, r.Method+" "+r.URL.Path)
		intercept := reg.intercept
		reg.mu.Unlock()
		if intercept != nil && intercept(w, r) {
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	reg.host = strings.TrimPrefix(server.URL, "http://")
	return reg
}

// mountable makes the in-memory registry answer mounts: it keeps blobs for all repositories together, so a blob that
// a repository has can be mounted into any other.
func mountable(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mount, from := r.URL.Query().Get("mount"), r.URL.Query().Get("from")
		if r.Method != http.MethodPost || mount == "" || from == "" {
			inner.ServeHTTP(w, r)
			return
		}
		probe := httptest.NewRecorder()
		inner.ServeHTTP(probe, httptest.NewRequest(http.MethodHead, "/v2/"+from+"/blobs/"+mount, nil))
		if probe.Code == http.StatusOK {
			w.WriteHeader(http.StatusCreated)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func (r *testRegistry) ref(t *testing.T, repoTag string) Ref {
	t.Helper()
	ref, err := Parse(r.host + "/" + repoTag)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (r *testRegistry) setIntercept(f func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intercept, r.requests = f, nil
}

var digestPattern = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
var uploadPattern = regexp.MustCompile(`/blobs/uploads/.+`)

// counts gives the number of requests by method and kind of path since the last setIntercept.
func (r *testRegistry) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := map[string]int{}
	for _, q := range r.requests {
		q = digestPattern.ReplaceAllString(q, "DIGEST")
		counts[uploadPattern.ReplaceAllString(q, "/blobs/uploads/ID")]++
	}
	return counts
}

func testClient() *Client {
	return &Client{
		Keychain: authn.NewMultiKeychain(), Retry: Retry{Attempts: 3, Wait: time.Nanosecond, MaxWait: time.Millisecond},
	}
}

func randomImage(t *testing.T, layers int64) v1.Image {
	t.Helper()
	return sizedImage(t, 2000, layers)
}

func sizedImage(t *testing.T, size, layers int64) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for range layers {
		l, err := random.Layer(size, types.OCILayer)
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			t.Fatal(err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// put writes an image with another client, so that the one under test knows nothing of it.
func put(t *testing.T, ref Ref, image any) {
	t.Helper()
	parsed, err := name.ParseReference(ref.Name)
	if err != nil {
		t.Fatal(err)
	}
	switch v := image.(type) {
	case v1.Image:
		err = remote.Write(parsed, v)
	case v1.ImageIndex:
		err = remote.WriteIndex(parsed, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func digestOf(t *testing.T, m manifest) v1.Hash {
	t.Helper()
	h, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestRegistryRoundTrip(t *testing.T) {
	reg, c := newTestRegistry(t), testClient()
	img := randomImage(t, 3)
	refs := []Ref{reg.ref(t, "app:1"), reg.ref(t, "app:2"), reg.ref(t, "other/app:1")}
	got, err := c.Publish(t.Context(), img, refs)
	if err != nil {
		t.Fatal(err)
	}
	digest := digestOf(t, img)
	want := []Published{{refs[0], digest}, {refs[1], digest}, {refs[2], digest}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	wantCounts := map[string]int{
		"GET /v2/": 1, "GET /v2/app/manifests/1": 1, "HEAD /v2/app/blobs/DIGEST": 3, "POST /v2/app/blobs/uploads/": 4,
		"PUT /v2/app/blobs/uploads/ID": 4, "PUT /v2/app/manifests/1": 1, "PUT /v2/app/manifests/2": 1,
		"POST /v2/other/app/blobs/uploads/": 4, "PUT /v2/other/app/blobs/uploads/ID": 1, "PUT /v2/other/app/manifests/1": 1,
	}
	if diff := cmp.Diff(wantCounts, reg.counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	for _, ref := range refs {
		back, err := testClient().Image(t.Context(), ref, target("amd64"))
		if err != nil {
			t.Fatal(err)
		}
		if digestOf(t, back) != digest {
			t.Errorf("%s has another digest", ref)
		}
		if err := validate.Image(back); err != nil {
			t.Errorf("validating %s: %v", ref, err)
		}
	}
}

func TestPublishingAgainCostsLittle(t *testing.T) {
	reg, img := newTestRegistry(t), randomImage(t, 5)
	put(t, reg.ref(t, "app:1"), img)
	reg.setIntercept(nil)
	if _, err := testClient().Publish(t.Context(), img, []Ref{reg.ref(t, "app:1")}); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"GET /v2/": 1, "GET /v2/app/manifests/1": 1, "PUT /v2/app/manifests/1": 1}
	if diff := cmp.Diff(want, reg.counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestBaseLayersAreMounted publishes an image whose lower layers are in another repository of the registry: no byte of
// them is read.
func TestBaseLayersAreMounted(t *testing.T) {
	reg, c := newTestRegistry(t), testClient()
	put(t, reg.ref(t, "base:1"), randomImage(t, 3))
	reg.setIntercept(nil)
	base, err := c.Image(t.Context(), reg.ref(t, "base:1"), target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	app := appOn(t, base)
	if _, err := c.Publish(t.Context(), app, []Ref{reg.ref(t, "app:1")}); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"GET /v2/": 1, "GET /v2/base/manifests/1": 1, "GET /v2/base/blobs/DIGEST": 1, // the config
		"HEAD /v2/app/blobs/DIGEST": 1, "POST /v2/app/blobs/uploads/": 5, "PUT /v2/app/blobs/uploads/ID": 2,
		"PUT /v2/app/manifests/1": 1,
	}
	if diff := cmp.Diff(want, reg.counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	back, err := testClient().Image(t.Context(), reg.ref(t, "app:1"), target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(back); err != nil {
		t.Error(err)
	}
}

func appOn(t *testing.T, base v1.Image) v1.Image {
	t.Helper()
	layer, err := random.Layer(3000, "application/vnd.docker.image.rootfs.diff.tar.gzip")
	if err != nil {
		t.Fatal(err)
	}
	app, err := mutate.AppendLayers(base, layer)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// TestBaseLayersAreStreamed publishes to another registry than the base is in.
func TestBaseLayersAreStreamed(t *testing.T) {
	from, to, c := newTestRegistry(t), newTestRegistry(t), testClient()
	put(t, from.ref(t, "base:1"), randomImage(t, 3))
	base, err := c.Image(t.Context(), from.ref(t, "base:1"), target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	app := appOn(t, base)
	if _, err := c.Publish(t.Context(), app, []Ref{to.ref(t, "app:1")}); err != nil {
		t.Fatal(err)
	}
	back, err := testClient().Image(t.Context(), to.ref(t, "app:1"), target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(back); err != nil {
		t.Error(err)
	}
}

func TestIndexThroughRegistry(t *testing.T) {
	reg, c := newTestRegistry(t), testClient()
	index := twoPlatforms(t)
	if _, err := c.Publish(t.Context(), index, []Ref{reg.ref(t, "app:1")}); err != nil {
		t.Fatal(err)
	}
	got, err := testClient().Get(t.Context(), reg.ref(t, "app:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got.(v1.ImageIndex)); err != nil {
		t.Error(err)
	}
	if got, want := digestOf(t, got.(manifest)), digestOf(t, index); got != want {
		t.Errorf("got digest %s, want %s", got, want)
	}
	arm, err := testClient().Image(t.Context(), reg.ref(t, "app:1"), target("arm64"))
	if err != nil {
		t.Fatal(err)
	}
	if config, err := arm.ConfigFile(); err != nil || config.Architecture != "arm64" {
		t.Errorf("got config %v, %v", config, err)
	}
	_, err = testClient().Image(t.Context(), reg.ref(t, "app:1"), target("s390x"))
	if err == nil || !strings.Contains(err.Error(), "there is: linux/amd64, linux/arm64") {
		t.Errorf("got error %v", err)
	}
}

func twoPlatforms(t *testing.T) v1.ImageIndex {
	t.Helper()
	var adds []mutate.IndexAddendum
	for _, arch := range []string{"amd64", "arm64"} {
		img := randomImage(t, 2)
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		config.Architecture = arch
		if img, err = mutate.ConfigFile(img, config); err != nil {
			t.Fatal(err)
		}
		adds = append(adds, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return mutate.AppendManifests(empty.Index, adds...)
}

// failFirst answers the first n requests that match with a status.
func failFirst(n, status int, match func(*http.Request) bool, header ...string,
) func(http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 || !match(r) {
			return false
		}
		n--
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		return true
	}
}

func TestUploadsAreRetried(t *testing.T) {
	is := func(method, path string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == method && strings.Contains(r.URL.Path, path) }
	}
	tests := map[string]func(http.ResponseWriter, *http.Request) bool{
		"ping 500":         failFirst(1, 500, func(r *http.Request) bool { return r.URL.Path == "/v2/" }),
		"start 503":        failFirst(2, 503, is(http.MethodPost, "/blobs/uploads/")),
		"start 429":        failFirst(1, 429, is(http.MethodPost, "/blobs/uploads/"), "Retry-After", "1"),
		"body 500":         failFirst(2, 500, is(http.MethodPut, "/blobs/uploads/")),
		"session lost 404": failFirst(1, 404, is(http.MethodPatch, "/nothing")),
		"manifest 502":     failFirst(2, 502, is(http.MethodPut, "/manifests/")),
		"head 504":         failFirst(2, 504, is(http.MethodHead, "/blobs/")),
	}
	for name, intercept := range tests {
		t.Run(name, func(t *testing.T) {
			reg, img := newTestRegistry(t), randomImage(t, 2)
			reg.setIntercept(intercept)
			if _, err := testClient().Publish(t.Context(), img, []Ref{reg.ref(t, "app:1")}); err != nil {
				t.Fatal(err)
			}
			back, err := testClient().Image(t.Context(), reg.ref(t, "app:1"), target("amd64"))
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(back); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUploadErrorsAreClear(t *testing.T) {
	tests := map[string]struct {
		status int
		want   []string
	}{
		"always 500": {500, []string{
			"publishing image HOST/app:1", "pushing blob sha256:", "to HOST/app", "500 Internal Server Error",
		}},
		"forbidden": {403, []string{"403 Forbidden", "are there credentials"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			reg := newTestRegistry(t)
			reg.setIntercept(failFirst(-1, tt.status, func(r *http.Request) bool { return r.Method == http.MethodPost }))
			_, err := testClient().Publish(t.Context(), randomImage(t, 1), []Ref{reg.ref(t, "app:1")})
			if err == nil {
				t.Fatal("no error")
			}
			// Three attempts for each of two blobs.
			if n := reg.counts()["POST /v2/app/blobs/uploads/"]; n > 6 {
				t.Errorf("%d attempts", n)
			}
			for _, want := range tt.want {
				if want = strings.ReplaceAll(want, "HOST", reg.host); !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

// damage changes the answers to GETs of layers: those that are longer than a config.
func damage(change func(header http.Header, body []byte) []byte, times int) func(http.Handler) http.Handler {
	var mu sync.Mutex
	return func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			inner.ServeHTTP(rec, r)
			body := rec.Body.Bytes()
			mu.Lock()
			hit := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") && len(body) > 1500 && times != 0
			if hit {
				times--
			}
			mu.Unlock()
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			if hit {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				body = change(w.Header(), body)
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
		})
	}
}

func TestDamagedDownloads(t *testing.T) {
	cut := func(_ http.Header, b []byte) []byte { return b[:len(b)/2] } // with the whole Content-Length: breaks off
	flip := func(_ http.Header, b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
		return b
	}
	short := func(h http.Header, b []byte) []byte {
		h.Set("Content-Length", fmt.Sprint(len(b)/2))
		return b[:len(b)/2]
	}
	long := func(h http.Header, b []byte) []byte {
		h.Set("Content-Length", fmt.Sprint(len(b)+5))
		return append(bytes.Clone(b), "extra"...)
	}
	tests := map[string]struct {
		change func(http.Header, []byte) []byte
		times  int
		want   string
	}{
		"broken off once":   {cut, 1, ""},
		"ends early once":   {short, 1, ""},
		"always broken off": {cut, -1, "ends it after"},
		"wrong content":     {flip, -1, "corrupt content"},
		"too long":          {long, -1, "longer than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
			server := httptest.NewServer(damage(tt.change, tt.times)(inner))
			t.Cleanup(server.Close)
			ref, err := Parse(strings.TrimPrefix(server.URL, "http://") + "/app:1")
			if err != nil {
				t.Fatal(err)
			}
			put(t, ref, sizedImage(t, 200_000, 1))
			img, err := testClient().Image(t.Context(), ref, target("amd64"))
			if err != nil {
				t.Fatal(err)
			}
			err = readLayers(img)
			if tt.want == "" && err != nil {
				t.Fatal(err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "sha256:") && !strings.Contains(err.Error(), "of")) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

func readLayers(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		rc, err := l.Compressed()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, rc)
		rc.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func TestNotFound(t *testing.T) {
	reg := newTestRegistry(t)
	_, err := testClient().Image(t.Context(), reg.ref(t, "nothing:1"), target("amd64"))
	if !errorsIs(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestCheckWrite(t *testing.T) {
	reg := newTestRegistry(t)
	reg.setIntercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	})
	if err := testClient().CheckWrite(t.Context(), reg.ref(t, "app:1")); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"GET /v2/": 1, "POST /v2/app/blobs/uploads/": 1, "DELETE /v2/app/blobs/uploads/ID": 1}
	if diff := cmp.Diff(want, reg.counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	reg.setIntercept(failFirst(-1, 401, func(r *http.Request) bool { return r.Method == http.MethodPost }))
	err := testClient().CheckWrite(t.Context(), reg.ref(t, "app:1"))
	if !errorsIs(err, ErrDenied) {
		t.Errorf("got %v, want ErrDenied", err)
	}
}
