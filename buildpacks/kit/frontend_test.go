package kit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFrontend(t *testing.T) {
	const build, none = `{"scripts": {"build": "vite build"}}`, `{"scripts": {"test": "x", "build": 1}}`
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"none", nil, nil},
		{"tooling only", map[string]string{"package.json": none}, nil},
		{"broken", map[string]string{"package.json": `{"scripts": [`}, nil},
		{"root", map[string]string{"package.json": build, "client/package.json": build}, []string{"."}},
		{"directories", map[string]string{"package.json": none, "client/package.json": build,
			"src/main/frontend/package.json": build, "other/package.json": build}, []string{"client", "src/main/frontend"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			app, err := OpenApp(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer app.Close()
			var got []string
			for _, w := range Frontend(app) {
				if w.Name != FrontendName || !w.Optional {
					t.Errorf("got %+v", w)
				}
				got = append(got, w.Metadata["dir"].(string))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("directories (-want +got):\n%s", diff)
			}
		})
	}
}
