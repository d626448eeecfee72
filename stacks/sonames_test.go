package stacks

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
	"s2i/stacks/stacktest"
)

// withLibraries adds packages that have libraries, and others that only look as if they had.
func withLibraries(w *world) {
	const dir = "./usr/lib/x86_64-linux-gnu/"
	lib := func(name string) []stacktest.File {
		return []stacktest.File{{Name: dir + name, Link: name + ".1"}, {Name: dir + name + ".1", Body: name}}
	}
	w.debs = append(w.debs,
		stacktest.Deb{Name: "libsqlite3-0", Version: "3.46-7", Arch: "amd64", Fields: "Depends: libc6 (>= 2.38), libz1",
			Files: lib("libsqlite3.so.0")},
		stacktest.Deb{Name: "libz1", Version: "1-1", Arch: "amd64", Files: lib("libz.so.1")},
		stacktest.Deb{Name: "libsqlite3-dev", Version: "3.46-7", Arch: "amd64", Fields: "Depends: libsqlite3-0 (= 3.46-7)",
			Files: []stacktest.File{{Name: dir + "libsqlite3.so", Link: "libsqlite3.so.0"}}},
		stacktest.Deb{Name: "alternative-sqlite", Version: "1", Arch: "amd64", Fields: "Priority: standard",
			Files: lib("libsqlite3.so.0")},
		stacktest.Deb{Name: "libjpeg62", Version: "6b", Arch: "amd64", Fields: "Priority: optional", Files: lib("libjpeg.so.62")},
		stacktest.Deb{Name: "libjpeg62-turbo", Version: "2", Arch: "amd64", Fields: "Priority: optional", Files: lib("libjpeg.so.62")},
		stacktest.Deb{Name: "private", Version: "1", Arch: "amd64",
			Files: []stacktest.File{{Name: dir + "private/libhidden.so.1", Body: "x"}}},
	)
}

func TestLibraries(t *testing.T) {
	w := newWorld(t)
	withLibraries(w)
	w.publish(t)
	w.relock(t)
	s := w.load(t)
	sonames := []string{"libsqlite3.so.0", "libjpeg.so.62", "libhidden.so.1", "libnone.so.1", "../libz.so.1", "x"}
	dev := req("libsqlite3-dev", "", "b")
	want := map[string]string{"libsqlite3.so.0": "libsqlite3-0", "libjpeg.so.62": "libjpeg62"}
	for _, requires := range [][]lifecycle.Require{{dev}, nil} {
		got, err := s.Libraries(t.Context(), request(requires...), sonames)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}

	// What the suite's index says is asked once, and --locked asks the build image only.
	hits := w.mirror.Hits("/debian/dists/trixie/InRelease")
	if _, err := s.Libraries(t.Context(), request(), sonames[:2]); err != nil {
		t.Fatal(err)
	}
	if now := w.mirror.Hits("/debian/dists/trixie/InRelease"); now != hits {
		t.Errorf("the index was read %d more times", now-hits)
	}
	s.Locked = true
	got, err := s.Libraries(t.Context(), request(), sonames[:2])
	if err != nil || len(got) != 0 {
		t.Errorf("locked: got %v, %v", got, err)
	}
}

// A library that the app was built against comes from the packages of the build image, without any index.
func TestLibraryOfTheBuildImage(t *testing.T) {
	w := newWorld(t)
	withLibraries(w)
	w.publish(t)
	w.relock(t)
	s := w.load(t)
	dev := req("libsqlite3-dev", "", "b")
	res, err := s.Resolve(t.Context(), request(dev))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Compose(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	hits := w.mirror.Hits("/debian/dists/trixie/InRelease")
	lib := lifecycle.Require{Name: "libsqlite3-0", Metadata: map[string]any{"launch": true, MetaLibrary: "libsqlite3.so.0"}}
	if res, err = s.Resolve(t.Context(), request(lib, dev)); err != nil {
		t.Fatal(err)
	}
	_, run, err := s.Compose(t.Context(), res)
	if err != nil {
		t.Fatal(err)
	}
	if now := w.mirror.Hits("/debian/dists/trixie/InRelease"); now != hits {
		t.Errorf("the index was read %d more times", now-hits)
	}
	if res.RunSet != "base" {
		t.Errorf("the run set is %s, not the one with a C library", res.RunSet)
	}
	var names []string
	for _, d := range res.Run[len(res.Run)-1].Debs {
		names = append(names, d.Name+" "+d.Version)
	}
	if d := cmp.Diff([]string{"libsqlite3-0 3.46-7", "libz1 1-1"}, names); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
	layers := uncompressed(t, run)
	if names := namesIn(t, layers[len(layers)-1]); !strings.Contains(names, "usr/lib/x86_64-linux-gnu/libsqlite3.so.0.1 ") {
		t.Errorf("the layer has %s", names)
	}
	config, err := run.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if label := config.Config.Labels[lifecycle.LabelPackages]; !strings.Contains(label, `{"name":"libsqlite3-0","version":"3.46-7"}`) {
		t.Errorf("the packages' label is %s", label)
	}

	// It stands where it would stand if it had been asked for, as a rebase does.
	node := req("node", "22", "r")
	if res, err = s.Resolve(t.Context(), request(lib, node, dev)); err != nil {
		t.Fatal(err)
	}
	again, err := s.Resolve(t.Context(), request(req("libsqlite3-0", "", "r"), node))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(parts(again.Run), parts(res.Run)); d != "" {
		t.Errorf("parts (-asked for +found):\n%s", d)
	}

	// Asked for by the user it is an ordinary package.
	if res, err = s.Resolve(t.Context(), request(lib, req("libsqlite3-0", "", "r"))); err != nil {
		t.Fatal(err)
	}
	if !res.Run[len(res.Run)-1].Live {
		t.Error("the user's package did not come from the index")
	}
}

func namesIn(t *testing.T, layer []byte) string {
	t.Helper()
	var names []string
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name+" ")
	}
}

func TestPolicyName(t *testing.T) {
	for soname, want := range map[string]string{
		"libpq.so.5": "libpq5", "libsqlite3.so.0": "libsqlite3-0", "libdb-5.3.so": "libdb5.3", "libGL.so.1": "libgl1",
		"libfoo_bar.so.2.1": "libfoo-bar2.1", "libx.so": "", ".so.1": "1",
	} {
		if got := policyName(soname); got != want {
			t.Errorf("policyName(%q) = %q, want %q", soname, got, want)
		}
	}
}
