package export

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/restore"
)

// readTrees exports o and tells how many trees were read for it.
func readTrees(t *testing.T, o Options) int {
	t.Helper()
	o = mustDefaults(t, o)
	pieces, err := plan(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	reads := 0
	for _, p := range pieces {
		if p.tree == nil {
			continue
		}
		source := p.source
		p.source = func(ctx context.Context, w io.Writer) error {
			mu.Lock()
			reads++
			mu.Unlock()
			return source(ctx, w)
		}
	}
	if err := makeLayers(t.Context(), o, pieces); err != nil {
		t.Fatal(err)
	}
	return reads
}

// TestCachedLayerIsNotReadAgain takes a launch layer through the cache into another build.
func TestCachedLayerIsNotReadAgain(t *testing.T) {
	o := sample(t)
	cached := strings.Replace(depTOML, "launch = true", "launch = true\ncache = true", 1)
	plant(t, o.LayersDir, []node{{path: "acme_bp/dep.toml", content: cached, mode: 0o644}})
	first := mustExport(t, o)

	cache, err := restore.OpenDir(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	built := restore.Built{LayersDir: o.LayersDir, Group: o.Group, Exported: first.Metadata}
	if err := cache.Save(t.Context(), built); err != nil {
		t.Fatal(err)
	}
	if o.LayersDir, err = cache.Work(); err != nil {
		t.Fatal(err)
	}
	back := restore.Options{LayersDir: o.LayersDir, Group: o.Group, Previous: first.Metadata, Cache: cache}
	if err := restore.Layers(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	plant(t, o.LayersDir, []node{
		{path: "acme_bp/dep.toml", content: cached, mode: 0o644},
		{path: "config/metadata.toml", content: "processes = []\n", mode: 0o644},
	})
	if reads := readTrees(t, o); reads != 0 {
		t.Errorf("%d unchanged trees were read again", reads)
	}
}

// TestReuseFromRegistry takes a layer from a previous image in a registry, which must not send its bytes.
func TestReuseFromRegistry(t *testing.T) {
	var mu sync.Mutex
	fetched := map[string]bool{}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			mu.Lock()
			fetched[filepath.Base(r.URL.Path)] = true
			mu.Unlock()
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	ref, err := image.Parse(strings.TrimPrefix(server.URL, "http://") + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	client := &image.Client{}

	o := sample(t)
	first := mustExport(t, o)
	if _, err := client.Publish(t.Context(), first.Image, []image.Ref{ref}); err != nil {
		t.Fatal(err)
	}
	o.Store = openStore(t)
	if err := os.RemoveAll(filepath.Join(o.LayersDir, "acme_bp", "dep")); err != nil {
		t.Fatal(err)
	}
	if o.Previous, err = client.Image(t.Context(), ref, lifecycle.Target{OS: "linux", Arch: "amd64"}); err != nil {
		t.Fatal(err)
	}
	second := mustExport(t, o)
	if _, err := client.Publish(t.Context(), second.Image, []image.Ref{ref}); err != nil {
		t.Fatal(err)
	}
	if second.Report.Image.Digest != first.Report.Image.Digest {
		t.Errorf("digest %s, want %s", second.Report.Image.Digest, first.Report.Image.Digest)
	}
	layers, err := first.Image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if fetched[digest.String()] {
			t.Errorf("the bytes of layer %s were fetched", digest)
		}
	}
	check(t, second.Image)
}
