package kit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
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
			app := kittest.Open(t, c.files)
			var got []string
			for _, w := range kit.Frontend(app) {
				if w.Name != kit.FrontendName || !w.Optional {
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
