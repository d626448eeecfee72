package node

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"s2i/buildpacks/kit/kittest"

	"github.com/google/go-cmp/cmp"
)

// tree lists what is below a directory: files, and symlinks with their targets.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		found[rel] = "file"
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(name)
			found[rel] = "->" + target
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// place makes the layer of what the app needs from an installation.
func placed(t *testing.T, app, installation files, main string) (map[string]string, *closure) {
	t.Helper()
	p := app.project(t)
	from, to := t.TempDir(), t.TempDir()
	kittest.Write(t, from, app)
	kittest.Write(t, from, installation)
	m, err := p.find(main)
	if err != nil {
		t.Fatal(err)
	}
	members := p.dependencies(m, false)
	c, err := findClosure(from, members)
	if err != nil {
		t.Fatal(err)
	}
	// Linked or moved, the result is the same.
	if _, err := c.place(placement{From: from, To: to, AppDir: "/workspace"}, members); err != nil {
		t.Fatal(err)
	}
	again := t.TempDir()
	if _, err := c.place(placement{From: from, To: again, AppDir: "/workspace", Move: true}, members); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, to), tree(t, again)); diff != "" {
		t.Errorf("(-linked +moved):\n%s", diff)
	}
	return tree(t, to), c
}

func TestClosureOfNpm(t *testing.T) {
	app := files{"package.json": `{"dependencies": {"a": "1", "gone": "1"}, "optionalDependencies": {"mac": "1", "musl": "1"},
		"devDependencies": {"dev": "1"}}`}
	got, c := placed(t, app, files{
		"node_modules/.package-lock.json":              "{}",
		"node_modules/.cache/x":                        "",
		"node_modules/.bin/a":                          "->../a/cli.js",
		"node_modules/a/package.json":                  `{"name": "a", "bin": {"a": "./cli.js"}, "dependencies": {"b": "2", "@s/c": "1"}}`,
		"node_modules/a/cli.js":                        "",
		"node_modules/a/in":                            "->cli.js",
		"node_modules/a/out":                           "->../../../../etc/passwd",
		"node_modules/a/node_modules/b/package.json":   `{"peerDependencies": {"peer": "1", "dev": "1"}, "peerDependenciesMeta": {"dev": {"optional": true}}}`,
		"node_modules/a/test/node_modules/fixture.js":  "",
		"node_modules/b/package.json":                  `{}`,
		"node_modules/peer/package.json":               `{"dependencies": {"a": "1"}}`,
		"node_modules/peer/build/Release/x.node":       "",
		"node_modules/peer/build/Release/obj.target/x": "",
		"node_modules/peer/build/config.gypi":          "",
		"node_modules/peer/build/x.target.mk":          "",
		"node_modules/peer/build-tmp-napi-v3/x":        "",
		"node_modules/@s/c/package.json":               `{broken`,
		"node_modules/dev/package.json":                `{}`,
		"node_modules/musl/package.json":               `{"libc": ["musl"]}`,
	}, ".")
	want := map[string]string{
		"node_modules/.bin/a":                         "->../a/cli.js",
		"node_modules/a/package.json":                 "file",
		"node_modules/a/cli.js":                       "file",
		"node_modules/a/in":                           "->cli.js",
		"node_modules/a/node_modules/b/package.json":  "file",
		"node_modules/a/test/node_modules/fixture.js": "file",
		"node_modules/peer/package.json":              "file",
		"node_modules/peer/build/Release/x.node":      "file",
		"node_modules/@s/c/package.json":              "file",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"gone (needed by .)"}, c.missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

func TestClosureOfPnpm(t *testing.T) {
	app := files{
		"package.json": "{}", "pnpm-workspace.yaml": "packages: [\"packages/*\"]\n",
		"packages/api/package.json": `{"name": "api", "dependencies": {"lib": "workspace:*", "a": "1"}, "devDependencies": {"dev": "1"}}`,
		"packages/lib/package.json": `{"name": "lib", "dependencies": {"b": "1"}}`,
		"packages/web/package.json": `{"name": "web", "dependencies": {"w": "1"}}`,
	}
	store := "node_modules/.pnpm/"
	got, c := placed(t, app, files{
		"packages/api/node_modules/a":                  "->../../../node_modules/.pnpm/a@1/node_modules/a",
		"packages/api/node_modules/lib":                "->../../lib",
		"packages/api/node_modules/dev":                "->../../../node_modules/.pnpm/dev@1/node_modules/dev",
		"packages/lib/node_modules/b":                  "->../../../node_modules/.pnpm/b@1/node_modules/b",
		"packages/web/node_modules/w":                  "->../../../node_modules/.pnpm/w@1/node_modules/w",
		store + "a@1/node_modules/a/package.json":      `{"dependencies": {"b": "1", "lib": "*"}}`,
		store + "a@1/node_modules/b":                   "->../../b@1/node_modules/b",
		store + "b@1/node_modules/b/package.json":      `{}`,
		store + "dev@1/node_modules/dev/package.json":  `{}`,
		store + "w@1/node_modules/w/package.json":      `{}`,
		store + "node_modules/b":                       "->../b@1/node_modules/b",
		store + "node_modules/dev":                     "->../dev@1/node_modules/dev",
		store + "node_modules/lib":                     "->../../../packages/lib",
		store + "node_modules/evil":                    "->../../../../../../etc",
		"node_modules/.modules.yaml":                   "",
		"packages/api/node_modules/.bin/never-a-thing": "",
	}, "api")
	want := map[string]string{
		"packages/api/node_modules/a":             "->../../../node_modules/.pnpm/a@1/node_modules/a",
		"packages/api/node_modules/lib":           "->/workspace/packages/lib",
		"packages/lib/node_modules/b":             "->../../../node_modules/.pnpm/b@1/node_modules/b",
		store + "a@1/node_modules/a/package.json": "file",
		store + "a@1/node_modules/b":              "->../../b@1/node_modules/b",
		store + "b@1/node_modules/b/package.json": "file",
		store + "node_modules/b":                  "->../b@1/node_modules/b",
		store + "node_modules/lib":                "->/workspace/packages/lib",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{".", "packages/api", "packages/lib"}, c.homes()); diff != "" {
		t.Errorf("homes (-want +got):\n%s", diff)
	}
}

// TestClosureStaysInside installs links and names that lead out of the installation.
func TestClosureStaysInside(t *testing.T) {
	outside := t.TempDir()
	kittest.Write(t, outside, files{"package.json": `{}`, "secret": "x"})
	app := files{"package.json": `{"dependencies": {"up": "1", "abs": "1", "../../x": "1", "": "1", "loop": "1", "/etc": "1"}}`}
	got, _ := placed(t, app, files{
		"node_modules/up": "->../../../../../../../../etc", "node_modules/abs": "->" + outside, "node_modules/loop": "->loop",
	}, ".")
	if len(got) > 0 {
		t.Errorf("got %v, want nothing", got)
	}
}
