package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/lifecycle/store"
)

// onStore gives a client with credentials and memory of its own on a store.
func onStore(t *testing.T, dir string) *Client {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := testClient()
	c.Store = st
	return c
}

func TestPullAndPush(t *testing.T) {
	from, to, dir := newTestRegistry(t), newTestRegistry(t), t.TempDir()
	index := twoPlatforms(t)
	put(t, from.ref(t, "app:1"), index)
	c := onStore(t, dir)
	d, err := c.Pull(t.Context(), from.ref(t, "app:1"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Digest != digestOf(t, index) {
		t.Errorf("pulled %s, want %s", d.Digest, digestOf(t, index))
	}
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Errorf("the store as an OCI layout: %v", err)
	}

	// Another process pushes it elsewhere: everything comes from the store.
	from.setIntercept(nil)
	published, err := onStore(t, dir).Push(t.Context(), from.host+"/app:1", to.ref(t, "copy:1"))
	if err != nil {
		t.Fatal(err)
	}
	if published[0].Digest != d.Digest || len(from.counts()) != 0 {
		t.Errorf("published %v with requests %v", published, from.counts())
	}
	back, err := testClient().Get(t.Context(), to.ref(t, "copy:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(back.(v1.ImageIndex)); err != nil {
		t.Error(err)
	}

	// And into another repository of the registry that it came from: layers are mounted.
	if _, err := onStore(t, dir).Push(t.Context(), from.host+"/app:1", from.ref(t, "other:1")); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"GET /v2/": 1, "POST /v2/other/blobs/uploads/": 6, "PUT /v2/other/blobs/uploads/ID": 2,
		"PUT /v2/other/manifests/DIGEST": 2, "PUT /v2/other/manifests/1": 1,
	}
	if diff := cmp.Diff(want, from.counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestOffline(t *testing.T) {
	reg, dir := newTestRegistry(t), t.TempDir()
	img := randomImage(t, 2)
	put(t, reg.ref(t, "app:1"), img)
	amd64 := target("amd64")
	if _, err := onStore(t, dir).Pull(t.Context(), reg.ref(t, "app:1"), "mine", &amd64); err != nil {
		t.Fatal(err)
	}
	reg.setIntercept(nil)
	c := onStore(t, dir)
	c.Offline = true
	for _, ref := range []Ref{reg.ref(t, "app:1"), reg.ref(t, "app@"+digestOf(t, img).String()), parse(t, "mine")} {
		back, err := c.Image(t.Context(), ref, target("amd64"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(back); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Image(t.Context(), reg.ref(t, "other:1"), target("amd64")); !errorsIs(err, ErrOffline) {
		t.Errorf("got %v, want ErrOffline", err)
	}
	if got := reg.counts(); len(got) != 0 {
		t.Errorf("requests %v", got)
	}
}

// TestSparse publishes an image on a registry base to the store: the base's layers stay where they are until they are
// asked for, and are then fetched once.
func TestSparse(t *testing.T) {
	reg, dir := newTestRegistry(t), t.TempDir()
	put(t, reg.ref(t, "base:1"), sizedImage(t, 3000, 3))
	c := onStore(t, dir)
	base, err := c.Image(t.Context(), reg.ref(t, "base:1"), target("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	reg.setIntercept(nil)
	if _, err := c.Publish(t.Context(), appOn(t, base), []Ref{parse(t, "app:1"), parse(t, "store:app:2")}); err != nil {
		t.Fatal(err)
	}
	if got := reg.counts(); len(got) != 0 {
		t.Errorf("publishing to the store asks the registry: %v", got)
	}
	for range 2 {
		back, err := onStore(t, dir).Image(t.Context(), parse(t, "app:2"), target("amd64"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(back); err != nil {
			t.Error(err)
		}
	}
	want := map[string]int{"GET /v2/": 1, "GET /v2/base/blobs/DIGEST": 3}
	if diff := cmp.Diff(want, reg.counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestTagAndRemove(t *testing.T) {
	c := onStore(t, t.TempDir())
	img := randomImage(t, 1)
	if _, err := c.Publish(t.Context(), img, []Ref{parse(t, "app:1")}); err != nil {
		t.Fatal(err)
	}
	if err := c.Tag("app:1", "app:2"); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove("app:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Image(t.Context(), parse(t, "app:2"), target("amd64")); err != nil {
		t.Error(err)
	}
	for _, err := range []error{c.Remove("app:1"), c.Tag("app:1", "app:3")} {
		if !errorsIs(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
	if _, err := c.Get(t.Context(), parse(t, "app:1")); !errorsIs(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir, img := t.TempDir(), randomImage(t, 2)
	tag, err := name.NewTag("team/old:3")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(dir+"/saved.tar", tag, img); err != nil {
		t.Fatal(err)
	}
	c := onStore(t, t.TempDir())
	if _, err := c.Publish(t.Context(), img, []Ref{parse(t, "docker-archive:"+dir+"/ours.tar:app:1")}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"ours.tar": "app:1", "saved.tar": "team/old:3"} {
		d, err := c.Load(t.Context(), parse(t, "docker-archive:"+dir+"/"+file), "")
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.Image(t.Context(), parse(t, want), target("amd64"))
		if err != nil {
			t.Fatalf("loading %s: %v", file, err)
		}
		if digestOf(t, back) != d.Digest {
			t.Errorf("%s names another image", want)
		}
		if err := validate.Image(back); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Load(t.Context(), parse(t, "docker-archive:"+dir+"/none.tar"), ""); !errorsIs(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// TestUpload sends a layer ahead of its image.
func TestUpload(t *testing.T) {
	reg, c, img := newTestRegistry(t), testClient(), randomImage(t, 1)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	refs := []Ref{reg.ref(t, "app:1"), parse(t, "oci:"+t.TempDir())}
	if err := c.Upload(t.Context(), layers[0], refs); err != nil {
		t.Fatal(err)
	}
	reg.setIntercept(nil)
	if _, err := c.Publish(t.Context(), img, refs); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"POST /v2/app/blobs/uploads/": 1, "PUT /v2/app/blobs/uploads/ID": 1, "PUT /v2/app/manifests/1": 1,
	}
	if diff := cmp.Diff(want, reg.counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestRegistryForgot has the registry lose a blob that the client has seen there.
func TestRegistryForgot(t *testing.T) {
	reg, c, img := newTestRegistry(t), testClient(), randomImage(t, 2)
	if _, err := c.Publish(t.Context(), img, []Ref{reg.ref(t, "app:1")}); err != nil {
		t.Fatal(err)
	}
	reg.setIntercept(forgetful)
	_, err := c.Publish(t.Context(), img, []Ref{reg.ref(t, "app:2")})
	if err == nil || !strings.Contains(err.Error(), "MANIFEST_BLOB_UNKNOWN") {
		t.Errorf("a registry that always says so: %v", err)
	}
	if reg.counts()["HEAD /v2/app/blobs/DIGEST"] == 0 {
		t.Errorf("the blobs were not checked again: %v", reg.counts())
	}
}
