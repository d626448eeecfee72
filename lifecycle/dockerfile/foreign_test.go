package dockerfile

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// counted is a registry that writes down which blobs were fetched.
type counted struct {
	host  string
	mu    sync.Mutex
	blobs []string
}

func newRegistry(t *testing.T) *counted {
	t.Helper()
	c := &counted{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") {
			c.mu.Lock()
			c.blobs = append(c.blobs, r.URL.Path[strings.LastIndex(r.URL.Path, ":")+1:])
			c.mu.Unlock()
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.host = strings.TrimPrefix(server.URL, "http://")
	return c
}

// fetched gives the blobs that were fetched since it was last asked, without an image's configuration.
func (c *counted) fetched(cache v1.Image) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.blobs
	c.blobs = nil
	if cache != nil {
		config, _ := cache.ConfigName()
		got = slices.DeleteFunc(got, func(b string) bool { return b == config.Hex })
	}
	return got
}

func (c *counted) ref(name string) image.Ref {
	return image.Ref{Kind: image.Registry, Name: c.host + "/" + name}
}

// export builds with a cache to a place, and gives the image and the cache.
func (w *bench) export(text string, to CacheTo, ref image.Ref) (img, cache v1.Image) {
	w.t.Helper()
	w.options.CacheTo = []CacheTo{to}
	r, _, err := w.try(text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.options.CacheTo = nil
	if _, err := w.images.Publish(w.t.Context(), r.Caches[0], []image.Ref{ref}); err != nil {
		w.t.Fatal(err)
	}
	return r.Image, r.Caches[0]
}

func digestOf(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// TestCacheElsewhere builds on one machine, and then on another that has nothing but the cache of the first.
func TestCacheElsewhere(t *testing.T) {
	files := map[string]string{"src/a": "1"}
	for _, c := range []struct {
		name   string
		max    bool
		change func(text string) string
		want   []string // what runs on the second machine
		pulls  int      // layers
	}{
		{name: "min, nothing changed"},
		{name: "max, nothing changed", max: true},
		{
			name: "max, last command changed", max: true, pulls: 2, // the two below it
			change: func(s string) string { return strings.Replace(s, `"/done", "x"`, `"/done", "y"`, 1) },
			want:   []string{"write /done y"},
		},
		{
			name: "max, command of a stage changed", max: true, pulls: 2, // those below it; what is copied is the same
			change: func(s string) string { return strings.Replace(s, `"/log", "x"`, `"/log", "y"`, 1) },
			want:   []string{"write /log y"},
		},
		{
			name: "min, command of a stage changed", pulls: 0,
			change: func(s string) string { return strings.Replace(s, `"/log", "x"`, `"/log", "y"`, 1) },
			want:   []string{"write /log y", "write /out/bin program"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reg := newRegistry(t)
			one, two := newBench(t, files), newBench(t, files)
			_, cache := one.export(stagesText, CacheTo{Max: c.max}, reg.ref("cache:1"))
			text := stagesText
			if c.change != nil {
				text = c.change(text)
			}
			reference, _ := newBench(t, files).build(text)
			reg.fetched(nil)
			two.options.CacheFrom = []image.Ref{reg.ref("cache:1")}
			r, ran, err := two.try(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := digestOf(t, r.Image); got != reference {
				t.Errorf("got the image %s, want %s", got, reference)
			}
			if diff := cmp.Diff(c.want, ran); diff != "" {
				t.Errorf("what ran (-want +got):\n%s", diff)
			}
			if got := reg.fetched(cache); len(got) != c.pulls {
				t.Errorf("fetched the layers %v, want %d", got, c.pulls)
			}
			if _, err := two.images.Publish(t.Context(), r.Image, []image.Ref{reg.ref("cache:app")}); err != nil {
				t.Error(err)
			}
			if got := reg.fetched(nil); len(got) != 0 {
				t.Errorf("publishing in the same repository fetched %v", got)
			}
		})
	}
}

// TestCacheInImage has the cache in the image itself, which is the same image wherever it is built.
func TestCacheInImage(t *testing.T) {
	files := map[string]string{"src/a": "1"}
	reg := newRegistry(t)
	one, two := newBench(t, files), newBench(t, files)
	one.options.InlineCache, two.options.InlineCache = true, true
	first, err := one.image(stagesText)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.images.Publish(t.Context(), first, []image.Ref{reg.ref("app:1")}); err != nil {
		t.Fatal(err)
	}
	two.options.CacheFrom = []image.Ref{reg.ref("none:1"), reg.ref("app:1")}
	second, ran := two.build(stagesText)
	if len(ran) > 0 || second != digestOf(t, first) {
		t.Errorf("got %s, which ran %v, want %s", second, ran, digestOf(t, first))
	}
	two.options.Whole = true
	r, _, err := two.try("FROM " + reg.ref("app:1").Name + "\nRUN [\"write\", \"/x\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	config, err := r.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var records cacheRecords
	if err := json.Unmarshal([]byte(config.Config.Labels[LabelCache]), &records); err != nil || len(records.Layers) != 1 {
		t.Errorf("an image on it has its records: %+v, %v", records, err)
	}
}

// TestCacheInDirectory has the cache in a directory, compressed otherwise than the image.
func TestCacheInDirectory(t *testing.T) {
	files := map[string]string{"src/a": "1"}
	one, two := newBench(t, files), newBench(t, files)
	dir := image.Ref{Kind: image.OCILayout, Path: filepath.Join(t.TempDir(), "cache"), Name: "latest"}
	first, cache := one.export(stagesText, CacheTo{Compression: store.Zstd}, dir)
	layers, err := cache.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		if m, err := l.MediaType(); err != nil || m != types.OCILayerZStd {
			t.Errorf("a layer of the cache is %s, %v", m, err)
		}
	}
	two.options.CacheFrom, two.options.Whole = []image.Ref{dir}, true
	if second, ran := two.build(stagesText); len(ran) > 0 || second != digestOf(t, first) {
		t.Errorf("got %s, which ran %v, want %s", second, ran, digestOf(t, first))
	}
	two.options.CacheFrom = nil
	if _, ran := two.build(stagesText); len(ran) > 0 {
		t.Errorf("what was fetched from a cache was forgotten: ran %v", ran)
	}
}

// TestCacheTooOld has a cache of an age that is not wanted.
func TestCacheTooOld(t *testing.T) {
	w := newBench(t, map[string]string{"src/a": "1"})
	w.build(stagesText)
	w.options.CacheTTL = time.Hour
	if _, ran := w.build(stagesText); len(ran) > 0 {
		t.Errorf("a young cache: ran %v", ran)
	}
	time.Sleep(time.Millisecond)
	w.options.CacheTTL = time.Millisecond
	if _, ran := w.build(stagesText); len(ran) != 4 {
		t.Errorf("an old cache: ran %v", ran)
	}
}

// TestCacheOfNoUse has caches that are damaged or made up. The image is what it is without them, and the user is told.
func TestCacheOfNoUse(t *testing.T) {
	files := map[string]string{"src/a": "1"}
	text := stagesText + "RUN [\"write\", \"/last\"]\n"
	other := mutateLabel(func(r *cacheRecords, diffIDs []v1.Hash) {
		for key, l := range r.Layers {
			l.DiffID = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
			r.Layers[key] = l
		}
	})
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, cache v1.Image) v1.Image // nil: there is none
		warns  string
	}{
		{"there is none", nil, "there is no cache"},
		{"an ordinary image", func(t *testing.T, img v1.Image) v1.Image { return withLabel(t, img, "") }, "without a cache"},
		{"no JSON", func(t *testing.T, img v1.Image) v1.Image { return withLabel(t, img, "{") }, "reading its records"},
		{"another form", mutateLabel(func(r *cacheRecords, _ []v1.Hash) { r.Version = 9 }), "form 9"},
		{"layers that it does not have", other, ""},
		{"digests that are none", mutateLabel(func(r *cacheRecords, _ []v1.Hash) {
			for key := range r.Contents {
				r.Contents[key] = "../../x"
			}
			for key := range r.Layers {
				r.Layers[key] = cacheLayer{DiffID: v1.Hash{Algorithm: "md5", Hex: "x"}}
			}
		}), ""},
		{"layers of another content", func(t *testing.T, img v1.Image) v1.Image {
			var layers []v1.Layer
			old, err := img.Layers()
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			for range old {
				layers = append(layers, static.NewLayer([]byte("no layer at all"), types.OCIUncompressedLayer))
			}
			lying, err := mutate.AppendLayers(ociImage(), layers...)
			if err != nil {
				t.Fatal(err)
			}
			lying, err = mutate.ConfigFile(lying, config)
			if err != nil {
				t.Fatal(err)
			}
			return lying
		}, "is not used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want, _ := newBench(t, files).build(text)
			reg := newRegistry(t)
			one, two := newBench(t, files), newBench(t, files)
			if c.damage != nil {
				_, cache := one.export(stagesText, CacheTo{Max: true}, reg.ref("good:1"))
				if _, err := one.images.Publish(t.Context(), c.damage(t, cache), []image.Ref{reg.ref("cache:1")}); err != nil {
					t.Fatal(err)
				}
			}
			two.options.CacheFrom = []image.Ref{reg.ref("cache:1")}
			two.options.Whole = true
			var out bytes.Buffer
			sink, err := progress.New(progress.Plain, &out)
			if err != nil {
				t.Fatal(err)
			}
			two.sink = sink
			if got, _ := two.build(text); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if !strings.Contains(out.String(), c.warns) {
				t.Errorf("no warning with %q:\n%s", c.warns, out.String())
			}
		})
	}
}

func withLabel(t *testing.T, img v1.Image, text string) v1.Image {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.Labels = map[string]string{LabelCache: text}
	out, err := mutate.ConfigFile(img, config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mutateLabel(change func(r *cacheRecords, diffIDs []v1.Hash)) func(*testing.T, v1.Image) v1.Image {
	return func(t *testing.T, img v1.Image) v1.Image {
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		var records cacheRecords
		if err := json.Unmarshal([]byte(config.Config.Labels[LabelCache]), &records); err != nil {
			t.Fatal(err)
		}
		change(&records, config.RootFS.DiffIDs)
		text, err := json.Marshal(records)
		if err != nil {
			t.Fatal(err)
		}
		return withLabel(t, img, string(text))
	}
}

// TestDamagedBlobOfACache has a cache directory in which bytes of the layers were changed.
func TestDamagedBlobOfACache(t *testing.T) {
	files := map[string]string{"src/a": "1"}
	one, two := newBench(t, files), newBench(t, files)
	dir := image.Ref{Kind: image.OCILayout, Path: filepath.Join(t.TempDir(), "cache"), Name: "latest"}
	first, cache := one.export(stagesText, CacheTo{}, dir)
	layers, err := cache.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		d, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir.Path, "blobs", "sha256", d.Hex)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	two.options.CacheFrom, two.options.Whole = []image.Ref{dir}, true
	if second, ran := two.build(stagesText); len(ran) == 0 || second != digestOf(t, first) {
		t.Errorf("got %s, which ran %v, want %s", second, ran, digestOf(t, first))
	}
}
