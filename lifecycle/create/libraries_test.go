package create

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"s2i/lifecycle"
	"s2i/lifecycle/native/elftest"
)

// withLibraries gives the run image with the libraries of the stack and of what is required because of a library.
func (f *fakeStack) withLibraries(requires []lifecycle.Require) (v1.Image, error) {
	if f.libraries == nil {
		return f.img, nil
	}
	has := map[string][]string{}
	for _, soname := range f.libraries {
		has[soname] = []string{}
	}
	for _, r := range requires {
		if sonames, ok := r.Metadata[metaLibrary].(string); ok {
			for _, soname := range strings.Split(sonames, ", ") {
				has[soname] = []string{}
			}
		}
	}
	label, err := json.Marshal(lifecycle.Compatibility{Libraries: has})
	if err != nil {
		return nil, err
	}
	return mutate.Config(f.img, v1.Config{Labels: map[string]string{lifecycle.LabelCompatibility: string(label)}})
}

func needsOf(t *testing.T, img v1.Image) lifecycle.Needs {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var needs lifecycle.Needs
	if err := json.Unmarshal([]byte(config.Config.Labels[lifecycle.LabelNeeds]), &needs); err != nil {
		t.Fatal(err)
	}
	return needs
}

func program(sonames ...string) string {
	return string(elftest.Build(elftest.File{Needed: sonames, Interpreter: "/lib64/ld-linux-x86-64.so.2"}))
}

func TestLibrariesAreAdded(t *testing.T) {
	w := newWorld(t)
	w.stack.libraries = []string{"libc.so.6"}
	w.stack.owners = map[string]string{"libpq.so.5": "libpq5", "libpq-more.so.5": "libpq5"}
	first := w.mustBuild(t, program("libc.so.6", "libpq.so.5", "libpq-more.so.5"))
	want := map[string][]string{"libpq5": {"libpq-more.so.5", "libpq.so.5"}}
	if d := cmp.Diff(want, needsOf(t, first.Images[0].Image).Packages); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
	require := lifecycle.Require{Name: "libpq5", Metadata: map[string]any{"launch": true, metaLibrary: "libpq-more.so.5, libpq.so.5"}}
	asked := w.stack.asked
	if d := cmp.Diff([]lifecycle.Require{require}, asked[len(asked)-1:]); d != "" {
		t.Errorf("required (-want +got):\n%s", d)
	}

	// The same result without what the last build left, and another app without the library has no trace of it.
	w.NoCache = true
	if again := w.mustBuild(t, ""); again.Digest != first.Digest {
		t.Errorf("got %s without cache, %s before", again.Digest, first.Digest)
	}
	w.NoCache = false
	w.stack.questions = 0
	other := w.mustBuild(t, program("libc.so.6"))
	if needs := needsOf(t, other.Images[0].Image); needs.Packages != nil || w.stack.questions != 0 {
		t.Errorf("needs %v, %d questions", needs, w.stack.questions)
	}
	var kept map[string][]string
	if err := w.Store.Record(recordAdded, w.cacheKey(), &kept); err != nil || len(kept) != 0 {
		t.Errorf("what was added before is still remembered: %v, %v", kept, err)
	}
}

func TestLibrariesThatNobodyHas(t *testing.T) {
	w := newWorld(t)
	w.stack.libraries = []string{"libc.so.6"}
	plant := func(name string, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.src, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	plant("plugin.so", program("libnone.so.1"))
	w.mustBuild(t, "#!/bin/sh\n") // only a warning

	plant("addon.node", program("libnone.so.1"))
	_, err := w.build(t, "")
	var lacking *LibraryError
	if !errors.As(err, &lacking) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"libnone.so.1", "/workspace/addon.node", EnvOptionalLibraries} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not name %s: %v", part, err)
		}
	}
	if lifecycle.ExitCode(err) == 0 {
		t.Error("the exit code is 0")
	}

	w.App.Env[EnvOptionalLibraries] = "libother.so, libnone.so.1"
	w.mustBuild(t, "")
	delete(w.App.Env, EnvOptionalLibraries)
	w.stack.libraries = nil // a run image that does not say what it has
	w.mustBuild(t, "")
}

func TestLikeKey(t *testing.T) {
	require := func(name, version, source string) lifecycle.Require {
		return lifecycle.Require{Name: name, Metadata: map[string]any{"version": version, "version-source": source}}
	}
	a := likeKey("amd64", []lifecycle.Require{require("jdk", "21", "pom.xml:3"), require("maven", "", "")})
	if b := likeKey("amd64", []lifecycle.Require{require("maven", "", ""), require("jdk", "21", "pom.xml:9")}); a != b {
		t.Errorf("%q and %q are not alike", a, b)
	}
	if b := likeKey("amd64", []lifecycle.Require{require("jdk", "25", "pom.xml:3"), require("maven", "", "")}); a == b {
		t.Errorf("%q for another version, too", b)
	}
}
