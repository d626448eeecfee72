package create

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

func TestWriteStart(t *testing.T) {
	for _, c := range []struct{ name, before, start, want string }{
		{"no Procfile", "", " node x.js ", "web: node x.js\n"},
		{"with others", "web: old\nworker: w\n", "node x.js", "web: node x.js\nworker: w\n"},
		{"in the middle", "a: 1\nweb  : old\nb: 2", "x", "web: x\na: 1\nb: 2"},
		{"with a mark", "\ufeffweb: old", "x", "web: x\n"},
		{"none", "web: old", "", "web: old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "Procfile")
			if c.before != "" {
				if err := os.WriteFile(file, []byte(c.before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			w := &work{Options: Options{App: AppOptions{Start: c.start}}, dirs: dirs{app: dir}}
			if err := w.writeStart(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if err != nil || string(got) != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
	for _, bad := range []string{" ", "a\nb: c", "a\x00"} {
		w := &work{Options: Options{App: AppOptions{Start: bad}}, dirs: dirs{app: t.TempDir()}}
		if err := w.writeStart(); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A Procfile that is a link to elsewhere is replaced, not written through.
func TestWriteStartIntoLink(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(outside, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "Procfile")); err != nil {
		t.Fatal(err)
	}
	w := &work{Options: Options{App: AppOptions{Start: "x"}}, dirs: dirs{app: dir}}
	if err := w.writeStart(); err == nil {
		t.Error("a link out of the app was followed")
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "mine" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestChosenByUser(t *testing.T) {
	version := func(value, source, kind string, images ...string) map[string]any {
		m := map[string]any{"version": value, "version-source": source}
		if kind != "" {
			m["version-kind"] = kind
		}
		for _, i := range images {
			m[i] = true
		}
		return m
	}
	requires := []lifecycle.Require{
		{Name: "node", Metadata: version("22", "S2I_NODE_VERSION", "override", "build")},
		{Name: "maven", Metadata: map[string]any{"build": true}},
		{Name: "php-xml", Metadata: version("8", "composer.json:3", "", "launch")},
		{Name: "php-xml", Metadata: map[string]any{"build": true}},
	}
	w := &work{Options: Options{App: AppOptions{Env: map[string]string{
		"S2I_NODE_VERSION": "22", "S2I_MAVEN_VERSION": "3.9.9", "S2I_PHP_XML_VERSION": "8.4", "S2I_RUBY_VERSION": "3"}}}}
	want := append(requires,
		lifecycle.Require{Name: "maven", Metadata: version("3.9.9", "S2I_MAVEN_VERSION", "override", "build")},
		lifecycle.Require{Name: "php-xml", Metadata: version("8.4", "S2I_PHP_XML_VERSION", "override", "build", "launch")})
	if diff := cmp.Diff(want, w.chosenByUser(requires)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUserStart looks at how the plan tells of a command that the user chose.
func TestUserStart(t *testing.T) {
	w := explained(t)
	w.App.Start = "gunicorn -w 4 app:app"
	w.open(t)
	p, err := MakePlan(t.Context(), w.Options)
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Starts[0]; s.Score != 100 || strings.Join(s.Evidence, " ") != "--start" {
		t.Errorf("got %+v", s)
	}
}
