package dockerfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/patternmatcher/ignorefile"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// bench is a place to build in: a store, a context, and a sandbox that only writes down what it was asked to run.
type bench struct {
	t       *testing.T
	store   *store.Store
	images  *image.Client
	context string
	made    time.Time      // of the context
	options Options        // beside those of the bench
	sink    *progress.Sink // may be nil

	mu      sync.Mutex
	ran     []string
	inspect func(p sandbox.Process) // may be nil; mu is held
}

func newBench(t *testing.T, files map[string]string) *bench {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return &bench{t: t, store: st, images: &image.Client{Store: st}, context: tree(t, files)}
}

// Run implements sandbox.Sandbox: "write FILE TEXT…" writes files, "random FILE" writes what no two runs have in
// common, everything else does nothing.
func (w *bench) Run(_ context.Context, p sandbox.Process) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ran = append(w.ran, strings.Join(p.Args, " "))
	if w.inspect != nil {
		w.inspect(p)
	}
	if len(p.Args) < 2 {
		return nil
	}
	file := filepath.Join(p.Rootfs.Upper, p.Args[1])
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	switch p.Args[0] {
	case "write":
		return os.WriteFile(file, []byte(strings.Join(p.Args[2:], " ")), 0o644)
	case "random":
		return os.WriteFile(file, fmt.Append(nil, time.Now().UnixNano()), 0o644)
	}
	return nil
}

// build builds and gives the digest and the commands that were run, sorted.
func (w *bench) build(text string) (digest string, ran []string) {
	w.t.Helper()
	r, ran, err := w.try(text)
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := r.Image.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	return d.String(), ran
}

func (w *bench) try(text string) (r *Result, ran []string, err error) {
	w.t.Helper()
	file, err := Parse("Dockerfile", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	var patterns []string
	if f, err := os.Open(filepath.Join(w.context, ".dockerignore")); err == nil {
		defer f.Close()
		if patterns, err = ignorefile.ReadAll(f); err != nil {
			w.t.Fatal(err)
		}
	}
	o := w.options
	if o.Context, err = OpenContext(w.context, patterns, w.store); err != nil {
		w.t.Fatal(err)
	}
	defer o.Context.Close()
	o.Context.Made = w.made
	o.File, o.Store, o.Images, o.Sandbox = file, w.store, w.images, w
	o.Platform = lifecycle.Target{OS: "linux", Arch: "amd64"}
	w.mu.Lock()
	w.ran = nil
	w.mu.Unlock()
	ctx := w.t.Context()
	if w.sink != nil {
		ctx = progress.With(ctx, w.sink)
	}
	r, err = Build(ctx, o)
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.ran)
	return r, w.ran, err
}

func (w *bench) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.context, name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

const stagesText = `FROM scratch AS tools
RUN ["write", "/t", "tool"]
FROM scratch AS build
COPY src /src
RUN ["write", "/out/bin", "program"]
RUN ["write", "/log", "x"]
FROM scratch
COPY --from=tools /t /t
COPY --from=build /out /app
RUN ["write", "/done", "x"]
`

// TestCacheSeesWhatMatters changes one thing after a first build, and counts what runs again.
func TestCacheSeesWhatMatters(t *testing.T) {
	files := map[string]string{"src/a": "1", "other": "1", "src/skip": "1", ".dockerignore": "src/skip\n"}
	for _, c := range []struct {
		name   string
		text   string // of the Dockerfile; stagesText when empty
		change func(w *bench)
		then   func(text string) string
		want   []string
	}{
		{name: "nothing"},
		{name: "time of a file", change: func(w *bench) {
			if err := os.Chtimes(filepath.Join(w.context, "src/a"), time.Now(), time.Now().Add(-time.Hour)); err != nil {
				w.t.Fatal(err)
			}
		}},
		{name: "a file that is not copied", change: func(w *bench) { w.write("other", "2") }},
		{name: "a file that is ignored", change: func(w *bench) { w.write("src/skip", "2") }},
		{name: "a file of a stage whose output stays the same", change: func(w *bench) { w.write("src/a", "2") },
			want: []string{"write /log x", "write /out/bin program"}},
		{name: "mode of a file", change: func(w *bench) {
			if err := os.Chmod(filepath.Join(w.context, "src/a"), 0o755); err != nil {
				w.t.Fatal(err)
			}
		}, want: []string{"write /log x", "write /out/bin program"}},
		{name: "a command whose file is copied", then: func(s string) string { return strings.Replace(s, `"tool"`, `"new"`, 1) },
			want: []string{"write /done x", "write /t new"}},
		{name: "a command whose file is not copied", then: func(s string) string { return strings.Replace(s, `/log", "x`, `/log", "y`, 1) },
			want: []string{"write /log y"}}, // only then is it known that the output is the same
		{name: "name of a stage", then: func(s string) string { return strings.ReplaceAll(s, "tools", "things") }},
		{name: "order of the stages", then: func(s string) string {
			before, rest, _ := strings.Cut(s, "FROM scratch AS build")
			build, last, _ := strings.Cut(rest, "FROM scratch\n")
			return "FROM scratch AS build" + build + before + "FROM scratch\n" + last
		}},
		{name: "proxy", change: func(w *bench) { w.options.Args = map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1"} }},
		{name: "limits", change: func(w *bench) { w.options.Limits.Memory = 1 << 30 }},
		{name: "address of a host", change: func(w *bench) { w.options.Hosts = map[string]string{"db": "127.0.0.2"} }},
		{name: "label of the image", change: func(w *bench) { w.options.Labels = map[string]string{"a": "b"} }},
		{
			name: "argument before and after it is declared", text: "FROM scratch\nRUN [\"write\", \"/a\"]\nARG V=1\nRUN [\"write\", \"/b\"]\n",
			change: func(w *bench) { w.options.Args = map[string]string{"V": "2"} }, want: []string{"write /b"},
		},
		{
			name: "argument that is declared elsewhere", text: "ARG V=1\nFROM scratch AS x\nARG V\nRUN [\"write\", \"/a\"]\n" +
				"FROM scratch\nCOPY --from=x /a /\nRUN [\"write\", \"/b\"]\n",
			change: func(w *bench) { w.options.Args = map[string]string{"V": "2"} }, want: []string{"write /a"},
		},
		{
			name: "id and secrets of mounts", text: "FROM scratch\nRUN --mount=type=cache,id=one,target=/c --mount=type=secret,id=s [\"write\", \"/a\"]\n",
			change: func(w *bench) { w.options.Secrets = map[string]string{"s": filepath.Join(w.context, "other")} },
			then:   func(s string) string { return strings.Replace(s, "id=one", "id=two", 1) },
		},
		{
			name: "variable of a secret", text: "FROM scratch\nRUN --mount=type=secret,id=s,env=A [\"write\", \"/a\"]\n",
			then: func(s string) string { return strings.Replace(s, "env=A", "env=B", 1) }, want: []string{"write /a"},
		},
		{
			name: "file of a mount", text: "FROM scratch\nRUN --mount=target=/m,source=src [\"write\", \"/a\"]\nRUN --mount=target=/m,source=other [\"write\", \"/b\"]\n",
			change: func(w *bench) { w.write("other", "2") }, want: []string{"write /b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newBench(t, files)
			text := c.text
			if text == "" {
				text = stagesText
			}
			before, _ := w.build(text)
			if c.change != nil {
				c.change(w)
			}
			if c.then != nil {
				text = c.then(text)
			}
			after, ran := w.build(text)
			if diff := cmp.Diff(c.want, ran); diff != "" {
				t.Errorf("what ran (-want +got):\n%s", diff)
			}
			if len(c.want) == 0 && w.options.Labels == nil && c.then == nil && before != after {
				t.Errorf("the image changed: %s, then %s", before, after)
			}
		})
	}
}

// TestCacheGoesOnAfterAMiss finds a layer that does not lie on what changed, although it comes after it.
func TestCacheGoesOnAfterAMiss(t *testing.T) {
	w := newBench(t, map[string]string{"src/a": "1"})
	text := "FROM scratch\nRUN [\"write\", \"/a\", \"1\"]\nCOPY --link src /src\n"
	w.build(text)
	r, ran, err := w.try(strings.Replace(text, `"1"`, `"2"`, 1))
	if err != nil || r.Ran != 1 || len(ran) != 1 {
		t.Errorf("ran %d instructions (%v), %v, want only the command", r.Ran, ran, err)
	}
}

// TestCacheHitsAreNotUnpacked builds again when nothing is left but the layers of the result and the records.
func TestCacheHitsAreNotUnpacked(t *testing.T) {
	w := newBench(t, map[string]string{"src/a": "1"})
	first, err := w.image(stagesText)
	if err != nil {
		t.Fatal(err)
	}
	w.keepOnly(first)
	if _, ran := w.build(stagesText); len(ran) > 0 {
		t.Errorf("ran %v", ran)
	}
	if trees, _ := filepath.Glob(filepath.Join(w.store.Dir(), "trees", "*")); len(trees) > 0 {
		t.Errorf("unpacked %v", trees)
	}
}

func (w *bench) image(text string) (v1.Image, error) {
	r, _, err := w.try(text)
	if err != nil {
		return nil, err
	}
	return r.Image, nil
}

// keepOnly removes all layers but those of an image, and everything that is unpacked.
func (w *bench) keepOnly(img v1.Image) {
	w.t.Helper()
	layers, err := img.Layers()
	if err != nil {
		w.t.Fatal(err)
	}
	keep := map[string]bool{}
	for _, l := range layers {
		d, err := l.Digest()
		if err != nil {
			w.t.Fatal(err)
		}
		keep[d.Hex] = true
	}
	for _, pattern := range []string{"blobs/sha256/*", "trees/*"} {
		found, _ := filepath.Glob(filepath.Join(w.store.Dir(), pattern))
		for _, path := range found {
			if !keep[filepath.Base(path)] {
				if err := os.RemoveAll(path); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
}

// TestNoCache runs everything anew, and what comes out is what later builds find.
func TestNoCache(t *testing.T) {
	w := newBench(t, nil)
	text := "FROM scratch AS a\nRUN [\"random\", \"/a\"]\nFROM scratch\nCOPY --from=a /a /b\nRUN [\"write\", \"/c\"]\n"
	first, _ := w.build(text)
	w.options.NoCache = true
	second, ran := w.build(text)
	if diff := cmp.Diff([]string{"random /a", "write /c"}, ran); diff != "" || first == second {
		t.Errorf("%s and %s; what ran (-want +got):\n%s", first, second, diff)
	}
	w.options.NoCache = false
	if third, ran := w.build(text); third != second || len(ran) > 0 {
		t.Errorf("after --no-cache: got %s, which ran %v, want %s", third, ran, second)
	}
}

// TestNoCacheOfAStage runs one stage anew, and what depends on what came out.
func TestNoCacheOfAStage(t *testing.T) {
	w := newBench(t, nil)
	text := `FROM scratch AS a
RUN ["random", "/a"]
RUN ["write", "/same"]
FROM a AS b
RUN ["write", "/b"]
FROM scratch
COPY --from=b /b /b
RUN ["write", "/c"]
COPY --from=a /a /a
RUN ["write", "/d"]
`
	w.build(text)
	w.options.NoCacheStages = []string{"A"}
	_, ran := w.build(text)
	if diff := cmp.Diff([]string{"random /a", "write /b", "write /d", "write /same"}, ran); diff != "" {
		t.Errorf("what ran (-want +got):\n%s", diff)
	}
}

// TestSameInstructionRunsOnce has two stages that begin alike, which are built at the same time.
func TestSameInstructionRunsOnce(t *testing.T) {
	w := newBench(t, nil)
	text := `FROM scratch AS a
RUN ["random", "/a"]
FROM scratch AS b
RUN ["random", "/a"]
FROM scratch
COPY --from=a /a /1
COPY --from=b /a /2
`
	if _, ran := w.build(text); len(ran) != 1 {
		t.Errorf("ran %v, want one command", ran)
	}
}

// TestTwoBuildsRunACommandOnce builds the same at the same time.
func TestTwoBuildsRunACommandOnce(t *testing.T) {
	w := newBench(t, nil)
	text := "FROM scratch\nRUN [\"random\", \"/a\"]\nRUN [\"random\", \"/b\"]\n"
	digests := make(chan string, 4)
	var group sync.WaitGroup
	for range cap(digests) {
		group.Go(func() {
			file, err := Parse("Dockerfile", []byte(text))
			if err != nil {
				t.Error(err)
				return
			}
			r, err := Build(t.Context(), Options{File: file, Store: w.store, Images: w.images, Sandbox: w,
				Platform: lifecycle.Target{OS: "linux", Arch: "amd64"}})
			if err != nil {
				t.Error(err)
				return
			}
			d, err := r.Image.Digest()
			if err != nil {
				t.Error(err)
			}
			digests <- d.String()
		})
	}
	group.Wait()
	close(digests)
	seen := map[string]bool{}
	for d := range digests {
		seen[d] = true
	}
	if len(seen) != 1 || len(w.ran) != 2 {
		t.Errorf("got %d different images, and ran %v", len(seen), w.ran)
	}
}

// TestTriggerNeedsAStage has a base image whose ONBUILD copies from a stage that nothing else asks for.
func TestTriggerNeedsAStage(t *testing.T) {
	w := newBench(t, nil)
	base, err := w.image("FROM scratch\nONBUILD COPY --from=extra /x /y\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.images.Publish(t.Context(), base, []image.Ref{{Kind: image.Local, Name: "base:1"}}); err != nil {
		t.Fatal(err)
	}
	text := `FROM scratch AS extra
RUN ["write", "/x"]
FROM scratch AS unused
RUN ["write", "/z"]
FROM base:1 AS one
FROM base:1
COPY --from=one /y /z
`
	if _, ran := w.build(text); !slices.Equal(ran, []string{"write /x"}) {
		t.Errorf("ran %v", ran)
	}
}
