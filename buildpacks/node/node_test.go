package node

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// files are an app, by path. A text that begins with "->" is the target of a symlink.
type files map[string]string

func (f files) open(t *testing.T) *kit.App {
	t.Helper()
	return kittest.Open(t, f)
}

func (f files) project(t *testing.T) *project {
	t.Helper()
	p, err := readProject(f.open(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestManager(t *testing.T) {
	const plain = "{}"
	with := func(fields string) string { return "{\n" + fields + "\n}" }
	berry := "# yarn\n\n__metadata:\n  version: 8\n  cacheKey: 10\n"
	for _, c := range []struct {
		name string
		app  files
		want string // name, version, source, lock; or the error
	}{
		{"nothing", files{"package.json": plain}, "npm"},
		{"npm", files{"package.json": plain, "package-lock.json": "{}"}, "npm package-lock.json"},
		{"npm, shrinkwrapped", files{"package.json": plain, "package-lock.json": "{}", "npm-shrinkwrap.json": "{}"},
			"npm npm-shrinkwrap.json"},
		{"npm, by engines", files{"package.json": with(`"engines": {"npm": ">=10"}`), "package-lock.json": "{}"},
			"npm >=10 package.json:2 package-lock.json"},
		{"pnpm 9", files{"package.json": plain, "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"},
			"pnpm >=9 <12 pnpm-lock.yaml:1 pnpm-lock.yaml"},
		{"pnpm 8", files{"package.json": plain, "pnpm-lock.yaml": "lockfileVersion: '6.1'\n"},
			"pnpm 8 pnpm-lock.yaml:1 pnpm-lock.yaml"},
		{"pnpm 8, by the lock", files{"package.json": with(`"engines": {"pnpm": ">=8"}`),
			"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, "pnpm 8 pnpm-lock.yaml:1 pnpm-lock.yaml"},
		{"pnpm 7", files{"package.json": plain, "pnpm-lock.yaml": "lockfileVersion: 5.4\n"},
			"pnpm 7 pnpm-lock.yaml:1 pnpm-lock.yaml"},
		{"pnpm 6", files{"package.json": plain, "pnpm-lock.yaml": "lockfileVersion: 5.3\n"},
			"pnpm 6 pnpm-lock.yaml:1 pnpm-lock.yaml"},
		{"pnpm, exact", files{"package.json": with(`"packageManager": "pnpm@9.1.0+sha512.abc"`),
			"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, "pnpm 9.1.0 package.json:2 pnpm-lock.yaml"},
		{"yarn 1", files{"package.json": plain, "yarn.lock": "# yarn lockfile v1\n"}, "yarn 1.22.22 yarn.lock yarn.lock"},
		{"yarn 4", files{"package.json": plain, "yarn.lock": berry}, "yarn 4 yarn.lock yarn.lock berry"},
		{"yarn 3", files{"package.json": plain, "yarn.lock": strings.Replace(berry, "8", "6", 1)},
			"yarn 3 yarn.lock yarn.lock berry"},
		{"yarn, exact", files{"package.json": with(`"packageManager": "yarn@4.5.0"`), "yarn.lock": berry},
			"yarn 4.5.0 package.json:2 yarn.lock berry"},
		{"yarn, brought along", files{"package.json": plain, "yarn.lock": berry,
			".yarnrc.yml":                   "nodeLinker: pnp\n\nyarnPath: .yarn/releases/yarn-4.1.0.cjs # x\n",
			".yarn/releases/yarn-4.1.0.cjs": ""}, "yarn 4.1.0 .yarnrc.yml yarn.lock berry .yarn/releases/yarn-4.1.0.cjs"},
		{"yarn, not brought along", files{"package.json": plain, "yarn.lock": berry, ".yarnrc.yml": "yarnPath: a.cjs\n"},
			".yarnrc.yml has yarnPath a.cjs, which is not in the app: commit it"},
		{"two locks", files{"package.json": plain, "yarn.lock": "", "package-lock.json": "{}"},
			"there are package-lock.json and yarn.lock: set packageManager in package.json, or delete all but one"},
		{"two locks, decided", files{"package.json": with(`"packageManager": "npm@10.1.0"`), "yarn.lock": "",
			"package-lock.json": "{}"}, "npm 10.1.0 package.json:2 package-lock.json"},
		{"wrong lock", files{"package.json": with(`"packageManager": "pnpm@9.1.0"`), "package-lock.json": "{}"},
			`package.json:2 says packageManager "pnpm@9.1.0", but there is package-lock.json: ` +
				"run `pnpm install` and commit its lock file, or change packageManager"},
		{"devEngines", files{"package.json": with(`"devEngines": {"packageManager": {"name": "pnpm", "version": "10.x"}}`)},
			"pnpm 10.x package.json:2"},
		{"bun", files{"package.json": plain, "bun.lock": ""},
			"bun bun.lock"},
		{"bad field", files{"package.json": with(`"packageManager": "npm@latest"`)},
			`package.json:2: packageManager is "npm@latest": write name@version with npm, pnpm, yarn or bun`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := chooseManager(c.app.project(t))
			var got string
			if err != nil {
				got = err.Error()
			} else {
				got = strings.Join(strings.Fields(strings.Join(
					[]string{m.Name, m.Version.Value, m.Version.Source, m.Lock, map[bool]string{true: "berry"}[m.Berry], m.YarnPath}, " ")), " ")
			}
			if err == nil && m.Version.Value == "" {
				got = strings.Join(strings.Fields(m.Name+" "+m.Lock), " ")
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNodeVersions(t *testing.T) {
	app := files{
		"package.json": `{
  "engines": {"node": ">=20.9 || 22"},
  "volta": {"node": "v22.11.0"},
  "devEngines": {"runtime": [{"name": "deno", "version": "2"}, {"name": "node", "version": "^22"}]}
}`,
		".nvmrc": "# ours\nlts/Jod\n", ".node-version": "v22.11.0\n", ".tool-versions": "ruby 3\nnodejs 22.11.0\n",
	}
	p := app.project(t)
	want := []kit.Constraint{
		{Value: "22.11.0", Source: "package.json:3", Kind: kit.Hint}, {Value: ">=20.9 || 22", Source: "package.json:2"},
		{Value: "^22", Source: "package.json:4", Kind: kit.Hint}, {Value: "22", Source: ".nvmrc:2", Kind: kit.Hint},
	}
	if diff := cmp.Diff(want, nodeVersions(p, p.root, nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = []kit.Constraint{{Value: "24", Source: envVersion, Kind: kit.Override}}
	if diff := cmp.Diff(want, nodeVersions(p, p.root, kit.Env{envVersion: "24"})); diff != "" {
		t.Errorf("the user's choice (-want +got):\n%s", diff)
	}
	for _, any := range []string{"", "*", "lts/*", "node", "latest", "stable"} {
		p := files{"package.json": "{}", ".nvmrc": any + "\n"}.project(t)
		if got := nodeVersions(p, p.root, nil); len(got) > 0 {
			t.Errorf("%q means %v, want any version", any, got)
		}
	}
}

func TestNative(t *testing.T) {
	for _, c := range []struct {
		name, want string
		app        files
		env        kit.Env
	}{
		{"none", "", files{"package-lock.json": `{"packages": {"node_modules/express": {}}}`}, nil},
		{"npm", "package-lock.json has bcrypt, which is compiled",
			files{"package-lock.json": `{"packages": {"node_modules/a/node_modules/bcrypt": {}}}`}, nil},
		{"npm 6", "package-lock.json has sqlite3, which is compiled",
			files{"package-lock.json": `{"dependencies": {"a": {"dependencies": {"sqlite3": {}}}}}`}, nil},
		{"pnpm 9", "pnpm-lock.yaml has better-sqlite3, which is compiled",
			files{"pnpm-lock.yaml": "lockfileVersion: '9.0'\npackages:\n\n  better-sqlite3@11.0.0:\n    resolution: {}\n"}, nil},
		{"pnpm 8", "pnpm-lock.yaml has @mapbox/node-pre-gyp, which is compiled",
			files{"pnpm-lock.yaml": "lockfileVersion: '6.0'\npackages:\n\n  /@mapbox/node-pre-gyp@1.0.0:\n    resolution: {}\n"}, nil},
		{"pnpm 7", "pnpm-lock.yaml has node-sass, which is compiled",
			files{"pnpm-lock.yaml": "lockfileVersion: 5.4\npackages:\n\n  /node-sass/7.0.0:\n    resolution: {}\n"}, nil},
		{"yarn 1", "yarn.lock has prebuild-install, which is compiled",
			files{"yarn.lock": "a@^1:\n  version \"1\"\n\nprebuild-install@^7.1.0, prebuild-install@^7.1.1:\n  version \"7\"\n"}, nil},
		{"yarn 4", "yarn.lock has argon2, which is compiled",
			files{"yarn.lock": "__metadata:\n  version: 8\n\n\"argon2@npm:^0.30.0\":\n  version: 0.30.0\n"}, nil},
		{"only for another system", "", files{"yarn.lock": "fsevents@^1.0:\n  v\n\nnan@^2.0:\n  v\n"}, nil},
		{"own", "binding.gyp is there", files{"binding.gyp": "{}"}, nil},
		{"without a lock", "package.json has kerberos, which is compiled",
			files{"package.json": `{"dependencies": {"kerberos": "1"}}`}, nil},
		{"switched on", "S2I_NODE_NATIVE is 1", files{}, kit.Env{envNative: "1"}},
		{"switched off", "", files{"binding.gyp": "{}"}, kit.Env{envNative: "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.app["package.json"] == "" {
				c.app["package.json"] = "{}"
			}
			p := c.app.project(t)
			m, err := chooseManager(p)
			if err != nil {
				t.Fatal(err)
			}
			n, err := findNative(p, m, c.env)
			if err != nil || n.Why != c.want {
				t.Errorf("got %q, %v; want %q", n.Why, err, c.want)
			}
		})
	}
}

func TestNativeLibraries(t *testing.T) {
	p := files{"package.json": "{}", "package-lock.json": `{"packages": {"node_modules/libpq": {}, "node_modules/pg-native": {}}}`}.
		project(t)
	n, err := findNative(p, &manager{Name: "npm", Lock: "package-lock.json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"libpq-dev", "libpq5"}, append(n.Build, n.Launch...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		app          files
	}{
		{"nothing", "no package.json in the app", files{"x": ""}},
		{"no manifest", "but there is server.js: run `npm init`", files{"server.js": ""}},
		{"broken manifest", "parsing package.json", files{"package.json": "{"}},
		{"nothing to start", `package.json has no script "start"; there is no main file, server.js, index.js or app.js`,
			files{"package.json": "{}"}},
		{"development server", `package.json:1: "vite" starts vite (a development server)`,
			files{"package.json": `{"scripts": {"start": "vite"}}`}},
		{"bad Procfile", "Procfile:1: no process", files{"package.json": "{}", "server.js": "", "Procfile": "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			result, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{To: &out}})
			if err != nil || result.Pass {
				t.Fatalf("got %v, %v", result, err)
			}
			if !strings.Contains(out.String(), c.reason) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("said %q, want %q", out.String(), c.reason)
			}
		})
	}
}

func TestWorkspaces(t *testing.T) {
	app := files{
		"package.json":                      `{"workspaces": {"packages": ["packages/*", "./apps/**", "!**/skip"]}}`,
		"packages/a/package.json":           `{"name": "@x/a", "dependencies": {"b": "*"}, "devDependencies": {"c": "*"}}`,
		"packages/b/package.json":           `{"name": "b", "dependencies": {"@x/a": "*"}}`,
		"packages/skip/package.json":        `{}`,
		"packages/a/deep/package.json":      `{}`,
		"apps/one/two/package.json":         `{"name": "c"}`,
		"apps/node_modules/x/package.json":  `{}`,
		"elsewhere/package.json":            `{}`,
		"packages/none/package.txt":         ``,
		"packages/.hidden/sub/package.json": `{}`,
	}
	p := app.project(t)
	if got := names(p.members); got != "apps/one/two (c), packages/a (@x/a), packages/b (b)" {
		t.Errorf("members: %s", got)
	}
	a, err := p.find("@x/a")
	if err != nil {
		t.Fatal(err)
	}
	order := func(list []*member) string {
		var dirs []string
		for _, m := range list {
			dirs = append(dirs, m.Dir)
		}
		return strings.Join(dirs, " ")
	}
	if got := order(p.dependencies(a, false)); got != "packages/b packages/a" {
		t.Errorf("packages that a needs: %s", got)
	}
	if got := order(p.dependencies(a, true)); got != "packages/b apps/one/two packages/a" {
		t.Errorf("packages that a needs to be built: %s", got)
	}
	if _, err := p.find("none"); err == nil || !strings.Contains(err.Error(), "apps/one/two (c), packages/a (@x/a), packages/b (b)") {
		t.Errorf("finding a package that is not there: %v", err)
	}
	pnpm := files{"package.json": "{}", "pnpm-workspace.yaml": "# x\npackages:\n  # y\n  - 'a'\n- \"b\" # z\n\nonlyBuiltDependencies:\n  - c\n",
		"a/package.json": "{}", "b/package.json": "{}", "c/package.json": "{}"}.project(t)
	if got := names(pnpm.members); got != "a, b" {
		t.Errorf("members of pnpm's workspace: %s", got)
	}
}

func TestNpmForOldNode(t *testing.T) {
	for node, want := range map[string]string{"16.18.1": "9", "^14.1": "8", "12.x": "6", "v18": "10", "20.1.0": "", "24": "",
		">=16": "", "16 || 24": "", "8": ""} {
		if got := npmFor([]kit.Constraint{{Value: ">=4"}, {Value: node}}).Value; got != want {
			t.Errorf("npm for Node %s: %q, want %q", node, got, want)
		}
	}
}

// TestNx checks what nx leaves to guesses: the dependencies of all packages stand in the root, which is no app, and
// projects need be no packages.
func TestNx(t *testing.T) {
	root := `{"workspaces": ["apps/*"], "dependencies": {"next": "16"}}`
	p := files{"package.json": root, "nx.json": "{}", "apps/web/package.json": `{"dependencies": {"next": "16"}}`}.project(t)
	c, err := p.chooseMain(nil)
	if err != nil || c.member.Dir != "apps/web" || c.framework == nil {
		t.Errorf("got %+v, %v", c, err)
	}
	p = files{"package.json": `{"scripts": {"start": "nx serve", "build": "nx build"}, "dependencies": {"next": "12"}}`,
		"nx.json": "{}", "apps/a/project.json": "{}", "apps/b/project.json": "{}"}.project(t)
	if _, err = p.chooseMain(nil); err == nil || !strings.Contains(err.Error(), "names none of nx's projects (a, b)") {
		t.Errorf("got %v", err)
	}
}

// TestUnknownApp checks that a package of the workspaces that is not there is refused, and not passed over.
func TestUnknownApp(t *testing.T) {
	app := files{"package.json": `{"workspaces": ["a"]}`, "a/package.json": `{"name": "@x/a", "scripts": {"start": "node a.js"}}`,
		"a/a.js": ""}
	_, err := Detect(libcnb.DetectContext{ApplicationPath: app.open(t).Dir, Logger: kit.Log{To: io.Discard},
		Platform: libcnb.Platform{Environment: map[string]string{envApp: "b"}}})
	want := "S2I_APP is b, which is no package of the app: there are ., a (@x/a)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// lenient checks that odd manifests, of which registries are full, read as far as they make sense.
func TestOddManifest(t *testing.T) {
	m, err := parseManifest([]byte("\ufeff" + `{"name": 1, "engines": ["node >= 4"], "scripts": {"a": "b", "c": 3},
		"bin": "./cli.js", "dependencies": [], "workspaces": true, "libc": "musl", "peerDependencies": {"p": "1", "q": "1"},
		"peerDependenciesMeta": {"q": {"optional": true}, "p": 4}, "devEngines": 7, "bundledDependencies": true}`))
	if err != nil {
		t.Fatal(err)
	}
	names, must := m.runtime()
	if diff := cmp.Diff([]string{"p"}, names); diff != "" || len(must) > 0 {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	if m.Scripts["a"] != "b" || !otherLibc(m) || len(m.Workspaces) > 0 {
		t.Errorf("got %+v", m)
	}
}

func TestLineOf(t *testing.T) {
	data := []byte("{\n  \"x\": {\"engines\": 1},\n  \"engines\": {\n    \"npm\": \"1\",\n    \"node\": \"2\"\n  }\n}")
	for want, field := range map[int][]string{3: {"engines"}, 5: {"engines", "node"}, 1: {"none"}} {
		if got := lineOf(data, field...); got != want {
			t.Errorf("%v is on line %d, want %d", field, got, want)
		}
	}
}

func TestDrift(t *testing.T) {
	const manifest = `{"dependencies": {"a": "^1", "b": ">= 2 <3"}, "devDependencies": {"c": "3"}, "workspaces": ["w"]}`
	for _, c := range []struct {
		name, lock, text string
		want             []string
	}{
		{"npm", "package-lock.json", `{"packages": {"": {"dependencies": {"a": "^1", "b": "^2"}, "devDependencies": {"c": "3"}},
			"w": {"dependencies": {"d": "4"}}}}`, []string{"package.json has b >= 2 <3"}},
		{"npm 6", "package-lock.json", `{"dependencies": {}}`, nil},
		{"yarn 1", "yarn.lock", "a@^1, a@^2:\n  version \"1\"\n\n\"b@>= 2 <3\":\n  version \"2\"\n\nc@4:\n  version \"4\"\n",
			[]string{"package.json has c 3", "w/package.json has d 4"}},
		{"bun", "bun.lock", `{"workspaces": {"": {"dependencies": {"a": "^1", "b": ">= 2 <3",}, "devDependencies": {"c": "2",},},
			"w": {"dependencies": {"d": "4",},},},}`, []string{"package.json has c 3"}},
		{"yarn 4", "yarn.lock", "__metadata:\n  version: 8\n", nil},
		{"broken", "package-lock.json", "{", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := files{"package.json": manifest, "w/package.json": `{"dependencies": {"d": "4"}}`, c.lock: c.text}.project(t)
			m, err := chooseManager(p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, drift(p, m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutAddresses(t *testing.T) {
	lock := "a@^1:\n  version \"1\"\n  resolved \"https://x.example/a.tgz#1\"\n  integrity sha512-x\n\n" +
		"\"b@https://y.example/b.tgz\":\n  version \"1\"\n  resolved \"https://y.example/b.tgz\"\n"
	want := strings.Replace(lock, "  resolved \"https://x.example/a.tgz#1\"\n", "", 1)
	if diff := cmp.Diff(want, string(withoutAddresses([]byte(lock)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"name": "a", "scripts": {"start": "node a"}, "bin": {"a": "../b"}, "workspaces": ["a/**"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		m.runtime()
		for name, file := range m.commands() {
			if strings.Contains(name, "/") || !filepath.IsLocal(file) && file != "" {
				t.Fatalf("%q has the command %q at %q", data, name, file)
			}
		}
		lineOf(data, "scripts", "start")
		if _, err := withoutScripts(data); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
	})
}

func FuzzLocks(f *testing.F) {
	f.Add([]byte(`{"packages": {"node_modules/a": {}}, "dependencies": {"b": {"dependencies": {"c": {}}}}}`))
	f.Add([]byte("lockfileVersion: '9.0'\npackages:\n\n  '@a/b@1.0.0':\n    x: y\n"))
	f.Add([]byte("__metadata:\n  version: 8\n\n\"a@npm:^1, b@npm:2\":\n  version: 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = npmNames(data)
		npmHas(data)(".", "a", "1")
		yarnHas(data)(".", "a", "1")
		bunHas(data)(".", "a", "1")
		bunNames(data)
		for name := range yamlNames(data) {
			if name == "" {
				t.Fatalf("%q has a package without a name", data)
			}
		}
		yamlList(data, "packages")
		pnpmMajors(yamlValue(data, "lockfileVersion"))
		yarnMetadata.FindSubmatch(data)
		withoutAddresses(data)
	})
}

func FuzzStart(f *testing.F) {
	for _, s := range []string{"node x", "npm run a -- b", "yarn workspace w a", "npx -y x", "cross-env A=1 node -r y z",
		"pnpm --filter", "npm", "env", "npm run b"} {
		f.Add(s, "node x")
	}
	app := &kit.App{}
	f.Fuzz(func(t *testing.T, text, other string) {
		root := &member{Dir: ".", data: []byte("{}"), manifest: &manifest{
			Scripts: textMap{"start": text, "a": other, "b": "npm start"}}}
		p := &project{app: app, root: root, members: []*member{{Dir: "w", data: []byte("{}"), manifest: root.manifest}}}
		if p.app.Dir == "" {
			opened, err := kit.OpenApp(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			p.app = opened
		}
		s, err := p.script(root, "start", maxScripts)
		var rejected *rejection
		if err != nil && !errors.As(err, &rejected) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && !s.Shell && len(s.Args) == 0 {
			t.Fatalf("%q starts nothing: %+v", text, s)
		}
	})
}
