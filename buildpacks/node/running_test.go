package node

import (
	"slices"
	"testing"

	"s2i/buildpacks/kit"
)

// TestRunning: a root package that starts a file of a workspace package needs what that one needs.
func TestRunning(t *testing.T) {
	for _, c := range []struct {
		start string
		want  []string
	}{
		{"node packages/api/index.js", []string{".", "packages/shared", "packages/api"}},
		{"NODE_ENV=production node ./packages/api/index.js --x", []string{".", "packages/shared", "packages/api"}},
		{"node server.js packages", []string{"."}},
	} {
		app := files{
			"package.json": `{"name": "root", "scripts": {"start": "` + c.start + `"}, "workspaces": ["packages/*"]}`, "server.js": "",
			"packages/api/package.json":    `{"name": "api", "dependencies": {"shared": "*", "express": "4"}}`,
			"packages/api/index.js":        "",
			"packages/shared/package.json": `{"name": "shared"}`,
			"packages/web/package.json":    `{"name": "web", "dependencies": {"shared": "*"}}`,
			"package-lock.json":            `{"lockfileVersion": 3, "packages": {}}`,
		}
		d, err := decide(app.open(t), kit.Env{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range d.running() {
			got = append(got, m.Dir)
		}
		if !slices.Equal(got, c.want) || !slices.Equal(d.runningKey(), c.want[1:]) {
			t.Errorf("%s: %v and %v, want %v", c.start, got, d.runningKey(), c.want)
		}
	}
}
