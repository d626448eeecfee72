package procfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
)

func app(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		pass  bool
		said  string
		needs []string
	}{
		{"nothing", nil, false, "no Procfile in the app", nil},
		{"broken", map[string]string{"Procfile": "web"}, false, "Procfile:1: no process", nil},
		{"exec form", map[string]string{"Procfile": "web: ./app"}, true, "process web: ./app (Procfile:1)", nil},
		{"shell", map[string]string{"Procfile": "web: ./app $X\nx: a | b"}, true, "Procfile:1: it needs a shell", []string{"dash"}},
		{"left to node", map[string]string{"Procfile": "web: npm start", "package.json": "{}"}, true, "process web", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			result, err := Detect(libcnb.DetectContext{ApplicationPath: app(t, c.files), Logger: kit.Log{To: &out}})
			if err != nil {
				fmt.Fprint(&out, err) // it recognises the app, and cannot build it
			}
			if result.Pass != c.pass || !strings.Contains(out.String(), c.said) {
				t.Fatalf("got %v, %v and said %q", result, err, out.String())
			}
			var needs []string
			for _, p := range result.Plans {
				for _, r := range p.Requires {
					if r.Name != ID {
						needs = append(needs, r.Name)
					}
				}
			}
			if diff := cmp.Diff(c.needs, needs); diff != "" {
				t.Errorf("needs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuild(t *testing.T) {
	text := "web: A=1 ./app --x\nworker: ./app $X\njob: npm run job\n"
	dir := app(t, map[string]string{"Procfile": text, "package.json": "{}"})
	result, err := Build(libcnb.BuildContext{ApplicationPath: dir, Layers: libcnb.Layers{Path: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	want := []libcnb.Process{
		{Type: "web", Command: []string{"./app", "--x"}, Default: true},
		{Type: "worker", Command: []string{"sh", "-c", "exec ./app $X"}},
	}
	if diff := cmp.Diff(want, result.Processes); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	if len(result.Layers) != 1 || result.Layers[0].LaunchEnvironment["web/A.override"] != "1" {
		t.Errorf("layers %+v", result.Layers)
	}
}
