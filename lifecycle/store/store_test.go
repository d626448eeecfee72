package store_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

func open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// files is a layer with the given files and contents, in the order given.
func files(pairs ...string) store.Source {
	return func(_ context.Context, w io.Writer) error {
		tw := archive.NewWriter(w)
		for i := 0; i < len(pairs); i += 2 {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: pairs[i], Mode: 0o644, Size: int64(len(pairs[i+1]))}
			if err := tw.Add(h, strings.NewReader(pairs[i+1])); err != nil {
				return err
			}
		}
		return tw.Close()
	}
}

// noise is text that compresses like text and is the same every time.
func noise(n int) string {
	var b strings.Builder
	x := uint32(1)
	for b.Len() < n {
		x = x*1664525 + 1013904223
		fmt.Fprintf(&b, "%x line of text %d\n", x>>20, x>>28)
	}
	return b.String()[:n]
}

func layer(t testing.TB, s *store.Store, src store.Source, o store.LayerOptions) v1.Layer {
	t.Helper()
	l, err := s.Layer(t.Context(), src, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func digest(t testing.TB, l v1.Layer) string {
	t.Helper()
	d, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// leftovers lists what is in tmp.
func leftovers(t testing.TB, s *store.Store) []string {
	t.Helper()
	names, err := filepath.Glob(s.Dir() + "/tmp/*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestLayerForms(t *testing.T) {
	src := files("a", noise(3<<20), "usr/.wh.gone", "", "z", "end")
	for _, c := range []store.Compression{store.Gzip, store.Zstd, store.None} {
		for _, need := range []store.Form{0, store.Blob, store.Tree, store.Blob | store.Tree} {
			t.Run(fmt.Sprintf("%s-%d", c, need), func(t *testing.T) {
				s := open(t)
				l := layer(t, s, src, store.LayerOptions{Need: need, Compression: c})
				if got := len(mustGlob(t, s.Dir()+"/blobs/sha256/*")); got != int(need&store.Blob) {
					t.Errorf("%d blobs were made", got)
				}
				if got := len(mustGlob(t, s.Dir()+"/trees/*")); got != int(need&store.Tree)/2 {
					t.Errorf("%d trees were made", got)
				}
				checkLayer(t, l)
				dir, err := s.Tree(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(dir + "/z"); err != nil || string(b) != "end" {
					t.Errorf("in the tree: %q, %v", b, err)
				}
				if left := leftovers(t, s); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
			})
		}
	}
}

// checkLayer compares what a layer says with what it gives.
func checkLayer(t testing.TB, l v1.Layer) {
	t.Helper()
	d, err1 := l.Digest()
	id, err2 := l.DiffID()
	size, err3 := l.Size()
	compressed, err4 := l.Compressed()
	uncompressed, err5 := l.Uncompressed()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Error(err)
		return
	}
	defer compressed.Close()
	defer uncompressed.Close()
	if got, n, err := v1.SHA256(compressed); err != nil || got != d || n != size {
		t.Errorf("compressed: %s of %d bytes instead of %s of %d, %v", got, n, d, size, err)
	}
	if got, _, err := v1.SHA256(uncompressed); err != nil || got != id {
		t.Errorf("uncompressed: %s instead of %s, %v", got, id, err)
	}
}

func mustGlob(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// The digests are part of what users see: builds with the same input must have them on every machine and with every
// version. If one changes because the compressing library did, change the constant compressor too.
func TestLayerBytesDoNotDependOnProcessors(t *testing.T) {
	text := noise(9<<20 + 12345)
	want := map[store.Compression]string{}
	for _, procs := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(procs)
		for _, c := range []store.Compression{store.Gzip, store.Zstd} {
			got := digest(t, layer(t, open(t), files("text", text), store.LayerOptions{Need: store.Blob, Compression: c}))
			if want[c] == "" {
				want[c] = got
			}
			if got != want[c] {
				t.Errorf("%s with %d processors: %s instead of %s", c, procs, got, want[c])
			}
		}
		runtime.GOMAXPROCS(before)
	}
	golden := map[store.Compression]string{
		store.Gzip: "sha256:ea1b96ee96ca59b90e586f872688d6ba5b140d762b87e439b5cf311a259729ce",
		store.Zstd: "sha256:c87342f0e9d1b36c47d401704fe708306a1c7baa3cbff2a73ec637d4997cce2f",
	}
	if diff := cmp.Diff(golden, want); diff != "" {
		t.Errorf("digests differ (-want +got):\n%s", diff)
	}
}

func TestLayerKey(t *testing.T) {
	s := open(t)
	runs := 0
	src := func(ctx context.Context, w io.Writer) error {
		runs++
		return files("f", "content")(ctx, w)
	}
	first := layer(t, s, src, store.LayerOptions{Key: "k/1", Need: store.Blob})
	second := layer(t, s, src, store.LayerOptions{Key: "k/1", Need: store.Blob})
	tree := layer(t, s, src, store.LayerOptions{Key: "k/1", Need: store.Blob | store.Tree})
	if runs != 1 {
		t.Errorf("the source ran %d times, want once (the tree comes from the blob)", runs)
	}
	if digest(t, first) != digest(t, second) || digest(t, first) != digest(t, tree) {
		t.Error("digests differ")
	}
	layer(t, s, src, store.LayerOptions{Key: "k/2"})
	if runs != 2 {
		t.Errorf("the source ran %d times with two keys", runs)
	}
	id, _ := first.DiffID()
	again, err := s.LayerByDiffID(id, store.Gzip)
	if err != nil || digest(t, again) != digest(t, first) {
		t.Errorf("by diffID: %v", err)
	}
	if _, err := s.LayerByDiffID(id, store.Zstd); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("by diffID with another compression: %v", err)
	}
}

func TestLayerMadeAgainMustBeTheSame(t *testing.T) {
	s := open(t)
	text := "one"
	src := func(ctx context.Context, w io.Writer) error { return files("f", text)(ctx, w) }
	ctx, cancel := context.WithCancel(t.Context())
	l, err := s.Layer(ctx, src, store.LayerOptions{Need: store.Blob})
	cancel() // what is made later does not end with the call of Layer
	if err != nil {
		t.Fatal(err)
	}
	d, _ := l.Digest()
	if err := os.Remove(s.Dir() + "/blobs/sha256/" + d.Hex); err != nil {
		t.Fatal(err)
	}
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := os.Remove(s.Dir() + "/blobs/sha256/" + d.Hex); err != nil {
		t.Fatal(err)
	}
	text = "two"
	if _, err := l.Compressed(); !errors.Is(err, store.ErrMismatch) {
		t.Errorf("Compressed of a changed source: %v", err)
	}
	u, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, u); !errors.Is(err, store.ErrMismatch) {
		t.Errorf("Uncompressed of a changed source: %v", err)
	}
}

func TestLayerErrors(t *testing.T) {
	broken := errors.New("broken source")
	tests := map[string]struct {
		src  store.Source
		want string
	}{
		"source": {func(_ context.Context, w io.Writer) error {
			_, _ = io.WriteString(w, noise(2<<20))
			return broken
		}, "broken source"},
		"not a tar": {func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, noise(8<<20))
			return err
		}, "tar"},
		"outside": {files("../../x", "1"), "leads out"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			_, err := s.Layer(t.Context(), tt.src, store.LayerOptions{Key: "k", Need: store.Blob | store.Tree})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
			s.Close()
			for _, place := range []string{"/tmp/*", "/blobs/sha256/*", "/trees/*", "/records/*/*"} {
				if found := mustGlob(t, s.Dir()+place); len(found) > 0 {
					t.Errorf("half-made things are visible: %q", found)
				}
			}
		})
	}
}

func TestCancel(t *testing.T) {
	s := open(t)
	why := errors.New("stopped on purpose")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := s.Layer(ctx, func(ctx context.Context, w io.Writer) error {
		cancel(why)
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	}, store.LayerOptions{Need: store.Blob | store.Tree})
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	unlock, err := s.Lock(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := s.Lock(ctx, "x"); !errors.Is(err, why) {
		t.Errorf("waiting for a lock: %v", err)
	}
}

func TestConcurrentLayers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var runs atomic.Int32
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := store.Open(dir) // as another process would
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			key := fmt.Sprint("key", i%3)
			l, err := s.Layer(t.Context(), func(ctx context.Context, w io.Writer) error {
				runs.Add(1)
				return files(key, noise(300_000+i%3))(ctx, w)
			}, store.LayerOptions{Key: key, Need: store.Form(1 + i%2)})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Tree(t.Context(), l); err != nil {
				t.Error(err)
			}
			checkLayer(t, l)
		}()
	}
	wg.Wait()
	if n := runs.Load(); n > 12 || n < 3 {
		t.Errorf("sources ran %d times", n)
	}
	if found := mustGlob(t, dir+"/tmp/*"); len(found) > 0 {
		t.Errorf("left behind: %q", found)
	}
}

func TestPutBlob(t *testing.T) {
	s := open(t)
	sum := sha256.Sum256([]byte("hello"))
	want := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	for name, tt := range map[string]struct {
		content string
		hash    v1.Hash
		size    int64
		err     error
	}{
		"wrong":      {"hellO", want, 5, store.ErrMismatch},
		"short":      {"hell", want, 5, store.ErrMismatch},
		"long":       {"hello there", want, 5, store.ErrMismatch},
		"wrong size": {"hello", want, 4, store.ErrMismatch},
	} {
		if err := s.PutBlob(t.Context(), strings.NewReader(tt.content), tt.hash, tt.size); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", name, err)
		}
		if s.HasBlob(want) {
			t.Fatalf("%s: the blob became visible", name)
		}
	}
	for _, bad := range []v1.Hash{{Algorithm: "sha256", Hex: "../../x"}, {Algorithm: "sha512", Hex: want.Hex}, {}} {
		if err := s.PutBlob(t.Context(), strings.NewReader("x"), bad, -1); err == nil {
			t.Errorf("hash %v was accepted", bad)
		}
	}
	for range 2 {
		if err := s.PutBlob(t.Context(), strings.NewReader("hello"), want, -1); err != nil {
			t.Fatal(err)
		}
	}
	r, n, err := s.OpenBlob(want)
	if err != nil || n != 5 {
		t.Fatal(n, err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, []byte("hello")) {
		t.Errorf("%q, %v", b, err)
	}
	if _, _, err := s.OpenBlob(v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an absent blob: %v", err)
	}
}

func TestRecord(t *testing.T) {
	s := open(t)
	for _, key := range []string{"simple", "with/slash", "..", strings.Repeat("long", 100), "\x00"} {
		var got map[string]int
		if err := s.Record("kind", key, &got); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q before: %v", key, err)
		}
		if err := s.SetRecord("kind", key, map[string]int{"a": 1}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
		if err := s.Record("kind", key, &got); err != nil || got["a"] != 1 {
			t.Errorf("%q after: %v, %v", key, got, err)
		}
	}
	for _, damaged := range mustGlob(t, s.Dir()+"/records/kind/*") {
		if err := os.WriteFile(damaged, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Record("kind", "simple", new(any)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a damaged record: %v", err)
	}
	if err := s.SetRecord("../kind", "k", 1); err == nil {
		t.Error("a kind that leads out was accepted")
	}
}
