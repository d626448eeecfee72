package create

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/detect"
	"s2i/detect/source"
	"s2i/lifecycle"
	"s2i/lifecycle/image"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// builds counts what a fake sandbox was asked for, and plays a buildpack that makes one launch layer of the app.
type fakeSandbox struct {
	builds  int
	fail    error
	says    string            // what it prints
	culprit string            // the buildpack that fails
	locks   map[string]string // the lock files that it resolves
	// kind and command are those of the process; empty for a web process that is there.
	kind, command string
}

func (f *fakeSandbox) Run(_ context.Context, p sandbox.Process) error {
	f.builds++
	at := map[string]string{}
	for _, m := range p.Mounts {
		at[m.Target] = m.Source
	}
	if f.says != "" {
		fmt.Fprint(p.Stdout, f.says)
	}
	if f.culprit != "" {
		if err := lifecycle.WriteFailure(at[lifecycle.LayersDir], lifecycle.Failure{Buildpack: f.culprit}); err != nil {
			return err
		}
	}
	if f.fail != nil {
		return f.fail
	}
	app, err := os.ReadFile(filepath.Join(at[lifecycle.AppDir], "app.txt"))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(app), "\x7fELF") {
		app = append([]byte("#!/bin/sh\n"), app...)
	}
	layers := at[lifecycle.LayersDir]
	for name, text := range f.locks {
		file := filepath.Join(layers, "test_bp", "lock", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(layers, "test_bp", "app"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(layers, "test_bp", "app", "built"), app, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(layers, "test_bp", "app.toml"), []byte("[types]\nlaunch = true\n"), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(layers, "config"), 0o755); err != nil {
		return err
	}
	return lifecycle.WriteBuildMetadata(filepath.Join(layers, lifecycle.BuildMetadataPath), lifecycle.BuildMetadata{
		Buildpacks: []lifecycle.GroupElement{{ID: "test/bp", Version: "1", API: "0.10"}},
		Processes: []lifecycle.Process{{Type: cmp.Or(f.kind, "web"),
			Command: []string{cmp.Or(f.command, "/layers/test_bp/app/built")}, Direct: true, BuildpackID: "test/bp"}},
	})
}

// fakeStack gives the same two images for everything, and remembers what was asked.
type fakeStack struct {
	img   v1.Image
	asked []lifecycle.Require
	// libraries are those of the run image, which says nothing of them when it is nil; owners, the packages that have
	// more of them.
	libraries []string
	owners    map[string]string
	questions int
	plan      StackPlan
	lock      []byte
	fail      error
}

func (f *fakeStack) Identity() string     { return "fake" }
func (f *fakeStack) Provided(string) bool { return true }
func (f *fakeStack) Compose(_ context.Context, _ lifecycle.Target, requires []lifecycle.Require, _ bool) (*Bases, error) {
	f.asked = requires
	run, err := f.withLibraries(requires)
	if err != nil {
		return nil, err
	}
	return &Bases{Build: f.img, Run: run, RunImage: lifecycle.RunImageMetadata{Reference: "localhost/fake@sha256:" + strings.Repeat("0", 64)},
		Plan: f.plan, Lock: f.lock}, f.fail
}

func (f *fakeStack) Libraries(context.Context, lifecycle.Target, []lifecycle.Require, []string) (map[string]string, error) {
	f.questions++
	return f.owners, nil
}

func (f *fakeStack) Plan(context.Context, lifecycle.Target, []lifecycle.Require, bool) (*StackPlan, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	return &f.plan, nil
}

// world is everything that a build needs, on temporary ground.
type world struct {
	Options
	box   *fakeSandbox
	stack *fakeStack
	src   string
	host  string
	ctx   context.Context // nil for the test's own
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	layer, err := random.Layer(100, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1), layer)
	if err != nil {
		t.Fatal(err)
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
	w := &world{box: &fakeSandbox{}, stack: &fakeStack{img: img}, src: t.TempDir(), host: strings.TrimPrefix(server.URL, "http://")}
	w.Options = Options{
		Store: st, Images: &image.Client{Store: st}, Sandbox: w.box, Stack: w.stack,
		Launcher: func(string) ([]byte, error) { return []byte("launcher"), nil },
		Refs:     []image.Ref{{Kind: image.Registry, Name: w.host + "/app:1"}, {Kind: image.Local, Name: "app:1"}},
		App:      AppOptions{Target: lifecycle.Target{OS: "linux", Arch: "amd64"}, Env: map[string]string{}},
		Builder: Builder{
			Identity: "builder", Binary: os.Args[0],
			Install:    func(dir, _ string) error { return os.MkdirAll(filepath.Join(dir, "test_bp", "1"), 0o755) },
			Order:      lifecycle.Order{{Elements: []lifecycle.GroupElement{{ID: "test/bp"}}}},
			Buildpacks: []Buildpack{fakeBuildpack()},
		},
	}
	return w
}

func fakeBuildpack() Buildpack {
	return Buildpack{
		Buildpack: lifecycle.Buildpack{API: "0.10", Info: lifecycle.BuildpackInfo{ID: "test/bp", Version: "1"}},
		Detect: func(_ context.Context, app, _ string, out io.Writer) (lifecycle.BuildPlan, bool, error) {
			if _, err := os.Stat(filepath.Join(app, "app.txt")); errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintln(out, "no app.txt")
				return lifecycle.BuildPlan{}, false, nil
			}
			return lifecycle.BuildPlan{PlanSections: lifecycle.PlanSections{
				Requires: []lifecycle.Require{{Name: "tool", Metadata: map[string]any{"build": true}}},
			}}, true, nil
		},
	}
}

// build runs a build of a source with this content.
func (w *world) build(t *testing.T, content string) (*Result, error) {
	t.Helper()
	if content != "" {
		if err := os.WriteFile(filepath.Join(w.src, "app.txt"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := source.Open(t.Context(), w.src, source.Options{TempDir: t.TempDir(), Records: w.Store})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	w.Tree = tree
	if w.ctx == nil {
		w.ctx = t.Context()
	}
	return Run(w.ctx, w.Options, []lifecycle.Target{w.App.Target})
}

func (w *world) mustBuild(t *testing.T, content string) *Result {
	t.Helper()
	r, err := w.build(t, content)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRun(t *testing.T) {
	w := newWorld(t)
	r := w.mustBuild(t, "one")
	if err := validate.Image(r.Images[0].Image); err != nil {
		t.Error(err)
	}
	if len(r.Published) != 2 {
		t.Errorf("published at %v, want a registry and the store", r.Published)
	}
	if len(w.stack.asked) != 1 || w.stack.asked[0].Name != "tool" {
		t.Errorf("the stack was asked for %v, want tool", w.stack.asked)
	}
	pushed, err := w.Images.Image(t.Context(), w.Refs[0], w.App.Target)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := pushed.Digest(); err != nil || d != r.Digest {
		t.Errorf("the registry has %s (%v), want %s", d, err, r.Digest)
	}
}

// TestKnown changes one input after the other: each change builds again, and no change does not.
func TestKnown(t *testing.T) {
	w := newWorld(t)
	first := w.mustBuild(t, "one")
	steps := []struct {
		name   string
		change func()
		source string
		builds int
	}{
		{"nothing changed", func() {}, "", 1},
		{"source", func() {}, "two", 2},
		{"source as it was", func() {}, "one", 2},
		{"environment", func() { w.App.Env = map[string]string{"A": "b"} }, "", 3},
		{"builder", func() { w.Builder.Identity = "newer" }, "", 4},
		{"secret's name", func() { w.App.Secrets = map[string]string{"token": os.Args[0]} }, "", 5},
		{"without cache", func() { w.NoCache = true }, "", 6},
		{"known again", func() { w.NoCache = false }, "", 6},
	}
	for _, s := range steps {
		s.change()
		r := w.mustBuild(t, s.source)
		if w.box.builds != s.builds {
			t.Errorf("%s: %d builds, want %d", s.name, w.box.builds, s.builds)
		}
		if s.source == "one" && r.Digest != first.Digest {
			t.Errorf("%s: %s, want %s", s.name, r.Digest, first.Digest)
		}
	}
}

// TestKnownButGone removes the image that a record names: then it is built again.
func TestKnownButGone(t *testing.T) {
	w := newWorld(t)
	w.Refs = w.Refs[1:]
	first := w.mustBuild(t, "one")
	if err := w.Images.Remove("app:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	second := w.mustBuild(t, "")
	if second.Known || second.Digest != first.Digest {
		t.Errorf("known %v, %s, want built again as %s", second.Known, second.Digest, first.Digest)
	}
}

func TestFailures(t *testing.T) {
	cases := []struct {
		name   string
		change func(w *world)
		source string
		code   int
		is     error
		says   string
	}{
		{"nothing detected", func(*world) {}, "", lifecycle.ExitNoneDetected, detect.ErrNoGroup, "it is empty"},
		{"a failing buildpack", func(w *world) {
			w.box.fail = &sandbox.ExitError{Code: lifecycle.ExitBuildpackFailed}
		}, "x", lifecycle.ExitBuildpackFailed, nil, "above says why"},
		{"a failing sandbox", func(w *world) { w.box.fail = errors.New("no runtime") }, "x", lifecycle.ExitBuild, nil, "no runtime"},
		{"a registry that is not there", func(w *world) {
			w.Images = &image.Client{Store: w.Store, Retry: image.Retry{Attempts: 1}}
			w.Refs = []image.Ref{{Kind: image.Registry, Name: "127.0.0.1:1/app:1"}}
		}, "x", lifecycle.ExitAnalyze, nil, "127.0.0.1:1/app:1"},
		{"an unknown process", func(w *world) { w.App.DefaultProcess = "nope" }, "x", lifecycle.ExitExport, nil, "nope"},
		{"a variable that is no name", func(w *world) { w.App.Env = map[string]string{"../x": ""} }, "x", lifecycle.ExitFailed, nil, "../x"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			_, err := w.build(t, c.source)
			if err == nil {
				t.Fatal("no error")
			}
			if code := lifecycle.ExitCode(err); code != c.code {
				t.Errorf("exit code %d, want %d: %v", code, c.code, err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is no %v", err, c.is)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			left, err := filepath.Glob(filepath.Join(w.Store.Dir(), "tmp", "build-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left over: %v %v", left, err)
			}
		})
	}
}
