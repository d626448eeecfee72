package deno

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
	"s2i/buildpacks/kit/kittest"
)

// files are an app, by path.
type files map[string]string

func (f files) open(t *testing.T) *kit.App {
	t.Helper()
	return kittest.Open(t, f)
}

// task is a configuration with this task start.
func task(command string) string { return fmt.Sprintf(`{"tasks": {"start": %q}}`, command) }

func TestStart(t *testing.T) {
	const serve = "Deno.serve(() => new Response());\n"
	for _, c := range []struct {
		name, want string // command after "deno", source
		app        files
		env        kit.Env
	}{
		{"task", "run --cached-only --no-prompt --allow-net main.ts --verbose deno.json:1",
			files{"deno.json": task("deno run --allow-net main.ts --verbose"), "main.ts": serve}, nil},
		{"task with environment", "run --cached-only --no-prompt -A ./src/x.ts deno.json:1",
			files{"deno.json": task("MODE=production deno run -A ./src/x.ts"), "src/x.ts": serve}, nil},
		{"task through another", "run --cached-only --no-prompt -A x.ts deno.json:1",
			files{"deno.json": `{"tasks": {"start": "deno task go", "go": "deno run -A x.ts"}}`, "x.ts": serve}, nil},
		{"watching", "run --cached-only --no-prompt --allow-all main.ts main.ts",
			files{"deno.json": task("deno run --watch -A main.ts"), "main.ts": serve}, nil},
		{"no task", "run --cached-only --no-prompt --allow-all server.js server.js", files{"deno.json": "{}", "server.js": serve}, nil},
		{"lock only", "run --cached-only --no-prompt --frozen --allow-all main.ts main.ts",
			files{"deno.lock": `{"version": "5"}`, "main.ts": serve}, nil},
		{"permission set", "run --cached-only --no-prompt --permission-set main.ts main.ts",
			files{"deno.json": `{"permissions": {"default": {"net": true}}}`, "main.ts": serve}, nil},
		{"exports", "run --cached-only --no-prompt --allow-all http.ts deno.json:1",
			files{"deno.json": `{"exports": "./http.ts"}`, "http.ts": serve}, nil},
		{"fetch handler", "serve --cached-only --no-prompt --allow-all --port=$(PORT) --host=0.0.0.0 main.ts main.ts",
			files{"deno.json": "{}", "main.ts": "export default { fetch() { return new Response() } }\n"}, nil},
		{"serve task", "serve --cached-only --no-prompt -A --port=$(PORT) --host=0.0.0.0 main.ts deno.json:1",
			files{"deno.json": task("deno serve -A main.ts"), "main.ts": serve}, nil},
		{"named", "run --cached-only --no-prompt --allow-all y.ts S2I_DENO_MAIN",
			files{"deno.json": task("deno run -A main.ts"), "main.ts": serve, "y.ts": serve}, kit.Env{envMain: "y.ts"}},
		{"member", "run --cached-only --no-prompt --allow-all api/main.ts api/main.ts",
			files{"deno.json": `{"workspace": ["./api"]}`, "api/deno.json": "{}", "api/main.ts": serve}, kit.Env{envApp: "./api"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := decide(c.app.open(t), c.env)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(append(d.command()[1:], d.start.Source), " ")
			if want := strings.ReplaceAll(c.want, "./src/", "src/"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestNoMatch(t *testing.T) {
	for _, c := range []struct {
		reason string
		app    files
	}{
		{"no deno.json", files{"main.ts": ""}},
		{"there is nothing to start", files{"deno.json": `{"fmt": {}}`}},
		{"package.json has a script start", files{"deno.json": "{}", "main.ts": "", "package.json": `{"scripts": {"start": "x"}}`}},
	} {
		var out bytes.Buffer
		result, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{To: &out}})
		if err != nil || result.Pass || !strings.Contains(out.String(), c.reason) {
			t.Errorf("got %v, %v, said %q, want %q", result.Pass, err, out.String(), c.reason)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		reason string
		app    files
		env    kit.Env
	}{
		{"parsing deno.json:2", files{"deno.json": "{\n x }"}, nil},
		{"parsing deno.lock:1", files{"deno.json": "{}", "deno.lock": "}"}, nil},
		{"S2I_DENO_MAIN is ../x.ts, which is no file", files{"deno.json": "{}"}, kit.Env{envMain: "../x.ts"}},
		{"S2I_APP is x, which is no directory", files{"deno.json": "{}"}, kit.Env{envApp: "x"}},
		{"the task start cannot be a process: vite && x (deno.json:1)", files{"deno.json": task("vite && x")}, nil},
		{"there is no file gone.ts", files{"deno.json": task("deno run gone.ts")}, nil},
	} {
		_, err := Detect(libcnb.DetectContext{ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{},
			Platform: libcnb.Platform{Environment: c.env}})
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("got %v, want %q", err, c.reason)
		}
	}
}

func TestHosts(t *testing.T) {
	imports := "{\n\"imports\": {\n\"@std/path\": \"jsr:@std/path@1\",\n\"x\": \"https://mods.example.com/x.ts\",\n\"h\": \"npm:h\"}}"
	app := files{"deno.json": imports, "main.ts": "import { a } from 'https://third.example.com/a.ts';\n", "deno.lock": `{"remote": {"https://other.example.com/y.ts": "ab"}}`}
	d, err := decide(app.open(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []kit.Host{
		{Name: "jsr.io", Why: "the import jsr:@std/path@1", Source: "deno.json:3"},
		{Name: "mods.example.com", Why: "the import https://mods.example.com/x.ts", Source: "deno.json:4"},
		{Name: "third.example.com", Why: "the import https://third.example.com/a.ts", Source: "main.ts:1"},
		{Name: "other.example.com", Why: "the import https://other.example.com/y.ts", Source: "deno.lock"},
	}
	if diff := cmp.Diff(want, d.record().Hosts); diff != "" {
		t.Error(diff)
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		app  files
		env  kit.Env
		want string
	}{
		{files{".dvmrc": "2.1.4\n"}, nil, "hint 2.1.4 (.dvmrc:1)"},
		{files{".tool-versions": "node 20\ndeno 2.0.0\n"}, nil, "hint 2.0.0 (.tool-versions:2)"},
		{files{"mise.toml": "[tools]\ndeno = \"2\"\n"}, nil, "hint 2 (mise.toml:2)"},
		{files{".dvmrc": "2.1.4\n"}, kit.Env{envVersion: "v2.2"}, "override 2.2 (S2I_DENO_VERSION)"},
		{files{}, nil, ""},
	} {
		got := ""
		for _, v := range versions(c.app.open(t), c.env) {
			got = fmt.Sprint(v.Kind, " ", v)
		}
		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestPackages(t *testing.T) {
	for key, want := range map[string]npmPackage{
		"hono@4.13.19":                         {"hono", "4.13.19"},
		"@hono/node-server@1.2.3_hono@4.13.19": {"@hono/node-server", "1.2.3"},
		"x":                                    {}, "": {}, "@": {}, "../x@1": {}, "x@../1": {}, "@a/b": {},
	} {
		if got, ok := parsePackage(key); ok != (want.name != "") || ok && got != want {
			t.Errorf("%q: got %v, %v", key, got, ok)
		}
	}
}

// TestPlaceNPM takes what the lock names out of a cache that holds more.
func TestPlaceNPM(t *testing.T) {
	cache, to := t.TempDir(), t.TempDir()
	for _, dir := range []string{"mirror.example.com/npm/a/1.0.0", "mirror.example.com/npm/a/2.0.0", "own.example.com/@s/b/1.0.0"} {
		if err := os.MkdirAll(filepath.Join(cache, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cache, dir, "index.js"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	app := files{"deno.lock": `{"npm": {"a@1.0.0": {}, "@s/b@1.0.0_a@1.0.0": {}, "gone@1.0.0": {}}}`}
	b := &builder{d: &decision{app: app.open(t)}, bc: libcnb.BuildContext{Logger: kit.Log{}}}
	if err := b.placeNPM(cache, to); err != nil {
		t.Fatal(err)
	}
	got, err := filepath.Glob(filepath.Join(to, "*/*/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(to, cachedHost, "@s/b/1.0.0"), filepath.Join(to, cachedHost, "a/1.0.0/index.js")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJSONC(t *testing.T) {
	var v map[string]any
	text := "{ // a\n \"x\": \"// no /* comment\\\"\", /* b\n */ \"y\": [1, 2, ], }"
	if err := parseJSONC("x", []byte(text), &v); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"x": `// no /* comment"`, "y": []any{1., 2.}}, v); diff != "" {
		t.Error(diff)
	}
}

func FuzzJSONC(f *testing.F) {
	f.Add([]byte("{ // a\n \"x\": \"\\\"\", /* b */ \"y\": [1,],}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if out := plainJSON(data); len(out) != len(data) || bytes.Count(out, []byte("\n")) != bytes.Count(data, []byte("\n")) {
			t.Errorf("%q became %q", data, out)
		}
	})
}

// FuzzDecide feeds everything that detection reads.
func FuzzDecide(f *testing.F) {
	f.Add(task("deno run -A main.ts"), `{"version": "5", "npm": {"a@1_b@2": {}}}`, "2.1.4\n", "export default { fetch() {} }")
	f.Add(`{"tasks": {"start": {"command": "deno task start"}}, "exports": {".": "./m.ts"}}`, `{"packages": {"jsr": {"@a/b": {}}}}`, "", "")
	f.Fuzz(func(t *testing.T, config, lock, version, main string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"deno.json": config, "deno.lock": lock, ".dvmrc": version, "main.ts": main} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		app, err := kit.OpenApp(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer app.Close()
		d, err := decide(app, nil)
		if err != nil {
			return
		}
		d.lock.packages()
		if r := d.record(); r.Summary == "" {
			t.Error("no summary")
		}
	})
}
