package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// with gives a package.json with these dependencies and scripts.
func with(deps string, scripts ...string) string {
	var fields []string
	for name := range strings.FieldsSeq(deps) {
		name, version, _ := strings.Cut(name, "=")
		fields = append(fields, fmt.Sprintf("%q: %q", name, orElse(version, "*")))
	}
	var lines []string
	for i := 0; i+1 < len(scripts); i += 2 {
		lines = append(lines, fmt.Sprintf("%q: %q", scripts[i], scripts[i+1]))
	}
	return fmt.Sprintf(`{"dependencies": {%s}, "scripts": {%s}}`, strings.Join(fields, ", "), strings.Join(lines, ", "))
}

// way tells how an app is started: the command, or "site ROOT" with "fallback", or the error.
func way(c *choice, err error) string {
	switch {
	case err != nil:
		return "error: " + err.Error()
	case c.start != nil:
		return describe(c.start)
	case c.site() == nil:
		return "nothing"
	case c.site().Fallback:
		return "site " + c.framework.siteRoot() + " fallback"
	}
	return "site " + c.framework.siteRoot()
}

func TestFrameworks(t *testing.T) {
	next := with("next=16.1.0", "build", "next build", "start", "next start -p $PORT")
	angular := func(options string) string {
		return `{"projects": {"lib": {"projectType": "library", "architect": {"build": {}}}, "web": {"projectType": "application",
			"architect": {"build": {"builder": "@angular/build:application", "options": {` + options + `}}}}}}`
	}
	for _, c := range []struct {
		name string
		app  files
		want string
	}{
		{"next", files{"package.json": next}, "HOSTNAME=0.0.0.0 node server.js (server.js)"},
		{"next, exported", files{"package.json": next, "next.config.js": "module.exports = {\n// output: 'standalone'\noutput: \"export\" }"},
			"site out"},
		{"next, its own server", files{"package.json": with("next", "start", "node server.js"), "server.js": ""},
			"node server.js (server.js)"},
		{"next, standalone by itself", files{"package.json": with("next", "start", "node .next/standalone/server.js"),
			"next.config.ts": "export default { output: 'standalone' }"}, "HOSTNAME=0.0.0.0 node server.js (server.js)"},
		{"nuxt", files{"package.json": with("nuxt", "build", "nuxt build", "dev", "nuxt dev")},
			"HOST=0.0.0.0 node .output/server/index.mjs (.output/server/index.mjs)"},
		{"nuxt, generated", files{"package.json": with("nuxt", "build", "nuxt generate")}, "site .output/public"},
		{"react router", files{"package.json": with("@react-router/dev @react-router/serve", "start",
			"react-router-serve ./build/server/index.js")}, "HOST=0.0.0.0 react-router-serve ./build/server/index.js"},
		{"react router, in the browser", files{"package.json": with("@react-router/dev"),
			"react-router.config.ts": "export default { ssr: false } satisfies Config"}, "site build/client fallback"},
		{"react router without a server", files{"package.json": with("@react-router/dev")}, "error: package.json:1: nothing serves"},
		{"remix", files{"package.json": with("@remix-run/dev @remix-run/serve", "start", "remix-serve ./build/server/index.js"),
			"vite.config.ts": ""}, "HOST=0.0.0.0 remix-serve ./build/server/index.js"},
		{"sveltekit", files{"package.json": with("@sveltejs/kit"), "svelte.config.js": "import a from '@sveltejs/adapter-node';\n" +
			"export default { kit: { adapter: a({ out: 'out' }) } }"}, "HOST=0.0.0.0 node out (out)"},
		{"sveltekit, static", files{"package.json": with("@sveltejs/kit"), "svelte.config.js": "import a from '@sveltejs/adapter-static';\n" +
			"export default { kit: { adapter: a({ fallback: 'index.html', pages: 'www' }) } }"}, "site www fallback"},
		{"sveltekit, adapter-auto", files{"package.json": with("@sveltejs/kit @sveltejs/adapter-auto"),
			"svelte.config.js": "import a from '@sveltejs/adapter-auto';"}, "HOST=0.0.0.0 node build (build)"},
		{"sveltekit, elsewhere", files{"package.json": with("@sveltejs/kit"), "svelte.config.js": "import a from '@sveltejs/adapter-vercel'"},
			"error: package.json:1: SvelteKit is built for another platform"},
		{"astro", files{"package.json": with("astro", "dev", "astro dev"), "astro.config.mjs": "export default {}"}, "site dist"},
		{"astro, a server", files{"package.json": with("astro @astrojs/node"), "astro.config.mjs": "import node from '@astrojs/node';\n" +
			"export default { output: 'server', adapter: node({ mode: 'standalone' }), outDir: './out' }"},
			"HOST=0.0.0.0 node out/server/entry.mjs (out/server/entry.mjs)"},
		{"astro, no adapter", files{"package.json": with("astro"), "astro.config.mjs": "export default {\n output: 'server' }"},
			"error: astro.config.mjs:2: the output is server, and there is no adapter"},
		{"tanstack", files{"package.json": with("@tanstack/react-start vite"), "vite.config.ts": "import { nitro } from 'nitro/vite'"},
			"HOST=0.0.0.0 node .output/server/index.mjs (.output/server/index.mjs)"},
		{"tanstack, a handler", files{"package.json": with("@tanstack/react-start vite"), "vite.config.ts": ""},
			"HOST=0.0.0.0 node dist/s2i-server.mjs (dist/s2i-server.mjs)"},
		{"tanstack, its own server", files{"package.json": with("@tanstack/react-start vite", "start", "node server.js"),
			"server.js": ""}, "node server.js (server.js)"},
		{"angular", files{"package.json": with("@angular/core", "start", "ng serve"), "angular.json": angular("")},
			"site dist/web/browser fallback"},
		{"angular, its own place", files{"package.json": with("@angular/core"),
			"angular.json": angular(`"outputPath": {"base": "www", "browser": ""}`)}, "site www fallback"},
		{"angular, a server", files{"package.json": with("@angular/core"),
			"angular.json": angular(`"outputPath": "dist/x", "ssr": {"entry": "src/server.ts"}`)},
			"HOST=0.0.0.0 node dist/x/server/server.mjs (dist/x/server/server.mjs)"},
		{"angular, broken", files{"package.json": with("@angular/core"), "angular.json": "{"}, "error: reading angular.json"},
		{"nest", files{"package.json": with("@nestjs/core", "start", "nest start", "start:prod", "node dist/main")},
			"node dist/main (dist/main)"},
		{"nest, its own way", files{"package.json": with("@nestjs/core", "start", "nest start", "start:prod", "node dist/apps/a/main")},
			"node dist/apps/a/main (dist/apps/a/main)"},
		{"expo", files{"package.json": with("expo react-native-web", "start", "expo start"), "app.json": "{}"}, "site dist fallback"},
		{"expo, a file for every page", files{"package.json": with("expo react-native-web"),
			"app.json": `{"expo": {"web": {"output": "static"}}}`}, "site dist"},
		{"expo with a server", files{"package.json": with("expo react-native-web"),
			"app.json": "{\"expo\": {\n\"web\": {\"output\": \"server\"}}}"}, "error: app.json:2: the output is server"},
		{"expo for phones", files{"package.json": with("expo")}, "error: package.json:1: the app is made for phones"},
		{"cra", files{"package.json": with("react-scripts", "start", "react-scripts start")}, "site build fallback"},
		{"vite", files{"package.json": with("vite", "start", "vite"), "index.html": ""}, "site dist fallback"},
		{"vite, its own place", files{"package.json": with("vite"), "vite.config.ts": "build: { /* outDir: 'x' */ outDir: `../out` }, root: 'src'",
			"src/index.html": ""}, "site out fallback"},
		{"vite, outside", files{"package.json": with("vite"), "vite.config.ts": "build: { outDir: '../../etc' }", "index.html": ""},
			"site dist fallback"},
		{"vite for tests", files{"package.json": with("vite express"), "index.js": ""}, "node index.js (index.js)"},
		{"vite behind express", files{"package.json": with("vite express", "start", "node server.js"), "index.html": "", "server.js": ""},
			"node server.js (server.js)"},
		{"docusaurus", files{"package.json": with("@docusaurus/core", "start", "docusaurus start")}, "site build"},
		{"vitepress", files{"package.json": with("vitepress", "build", "vitepress build docs")}, "site docs/.vitepress/dist"},
		{"bun", files{"package.json": with("x", "start", "bun run src/a.ts --x"), "bun.lock": ""}, "bun src/a.ts --x (src/a.ts)"},
		{"bun, developing", files{"package.json": with("x", "start", "bun --hot a.ts"), "bun.lock": ""}, "error: nothing to start"},
		{"bun, by name", files{"package.json": "{}", "bun.lock": "", "index.ts": ""}, "bun index.ts (index.ts)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.app.project(t)
			got := way(p.choose(p.root))
			if strings.HasPrefix(c.want, "error") && strings.HasPrefix(got, c.want) {
				return
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestRefusal checks that an app that can be built in several ways is no guess.
func TestRefusal(t *testing.T) {
	app := files{"package.json": `{"workspaces": ["*"]}`, "a/package.json": with("next", "build", "next build"),
		"b/package.json": with("x", "start", "node b.js")}
	var out bytes.Buffer
	_, err := Detect(libcnb.DetectContext{ApplicationPath: app.open(t).Dir, Logger: kit.Log{To: &out}})
	if err == nil || !strings.Contains(err.Error(), "a: Next.js *, node server.js; b: node b.js): choose one with --app or S2I_APP") {
		t.Errorf("got %v", err)
	}
}

// TestRecord checks that a decision tells what it was made from.
func TestRecord(t *testing.T) {
	app := files{"package.json": "{\"scripts\": {\n\"build\": \"next build\",\n\"start\": \"next start\"},\n\"dependencies\": {\n" +
		"\"next\": \"16.1.0\", \"prisma\": \"^6\"}}", "package-lock.json": "{}",
		"app/layout.tsx": "// fonts\nimport { Geist } from 'next/font/google'\n"}
	d, err := decide(app.open(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := d.record(nil)
	hosts := []kit.Host{
		{Name: "fonts.googleapis.com", Why: "next/font/google downloads fonts", Source: "app/layout.tsx:2"},
		{Name: "binaries.prisma.sh", Why: "Prisma before version 7 downloads its engines", Source: "package.json:5"},
	}
	if diff := cmp.Diff(hosts, r.Hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	starts := []kit.Start{
		{Type: "web", Command: "node server.js", Score: 90, Evidence: []string{"package.json:5"}, Chosen: true},
		{Type: "web", Command: "next start", Score: 95, Evidence: []string{"package.json:3"},
			Rejected: "it starts what Next.js 16.1.0 has built: see there"},
	}
	if diff := cmp.Diff(starts, r.Starts); diff != "" {
		t.Errorf("starts (-want +got):\n%s", diff)
	}
	if !strings.Contains(r.Summary, "Next.js 16.1.0, npm because package-lock.json is there; web starts node server.js") {
		t.Errorf("summary: %s", r.Summary)
	}
}

func TestScriptValues(t *testing.T) {
	s := &script{tokens: tokens("/* a: 'no' */ const re = /['\"]/;\nx = { a: b, // a: 'no'\n 'a': `y\\`es`, c: `${d}`, n: 3, 'c': false }")}
	for name, want := range map[string]string{"a": "y`es 3", "c": "false 3", "n": "3 3", "d": ""} {
		v, line, ok := s.value(name)
		if got := strings.TrimSpace(fmt.Sprint(v, " ", line)); ok && got != want || !ok && want != "" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func FuzzScript(f *testing.F) {
	f.Add("export default { a: 'b', /* c */ d: `e${f}` } // g")
	f.Add("`\\")
	f.Fuzz(func(t *testing.T, src string) {
		s := &script{tokens: tokens(src)}
		for _, tok := range s.tokens {
			if tok.line < 1 || tok.line > strings.Count(src, "\n")+1 {
				t.Fatalf("%q has a token on line %d", src, tok.line)
			}
		}
		s.value("a")
		s.has("a")
		s.mentions("b")
	})
}

func FuzzAngular(f *testing.F) {
	f.Add([]byte(`{"projects": {"a": {"architect": {"build": {"options": {"outputPath": {"base": "x", "browser": ""}}}}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		name, target, err := angularProject(data, "x")
		if err != nil {
			return
		}
		for _, dir := range []string{target.output(name), target.browser()} {
			if !filepath.IsLocal(dir) {
				t.Fatalf("%q leads to %q", data, dir)
			}
		}
		target.server()
	})
}

// TestWorkTree checks that scripts get all sources, and that what they make, change and remove reaches the app.
func TestWorkTree(t *testing.T) {
	layer, app := t.TempDir(), t.TempDir()
	kittest.Write(t, layer, files{"node_modules/a/index.js": "installed", "p/node_modules/b/x": "", "old.js": "", "p/old.js": ""})
	kittest.Write(t, app, files{"src/a.js": "a", "gone.js": "", "p/p.js": "", "link": "->src/a.js", "same.js": ""})
	w := &workTree{dir: layer, app: app, homes: []string{".", "p"}}
	if err := w.fill(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"node_modules/a/index.js": "file", "p/node_modules/b/x": "file", "src/a.js": "file",
		"gone.js": "file", "p/p.js": "file", "link": "->src/a.js", "same.js": "file"}
	if diff := cmp.Diff(want, tree(t, layer)); diff != "" {
		t.Fatalf("filled (-want +got):\n%s", diff)
	}
	time.Sleep(20 * time.Millisecond)
	if err := os.Remove(filepath.Join(layer, "gone.js")); err != nil {
		t.Fatal(err)
	}
	kittest.Write(t, layer, files{"dist/made.js": "made", ".next/cache/x": "", "abs": "->" + layer + "/dist/made.js", "p/node_modules/.cache/y": ""})
	if err := os.WriteFile(filepath.Join(layer, "src/a.js"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := w.bringBack(); err != nil {
		t.Fatal(err)
	}
	want = map[string]string{"src/a.js": "file", "p/p.js": "file", "link": "->src/a.js", "same.js": "file",
		"dist/made.js": "file", "abs": "->dist/made.js"}
	if diff := cmp.Diff(want, tree(t, app)); diff != "" {
		t.Errorf("the app (-want +got):\n%s", diff)
	}
	if data, err := os.ReadFile(filepath.Join(app, "src/a.js")); err != nil || string(data) != "changed" {
		t.Errorf("src/a.js is %q, %v", data, err)
	}
	if err := w.bringPieces([]piece{{"dist", "out"}, {"none", "none"}, {"src/a.js", "a.js"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"out/made.js": "file", "a.js": "file"}, tree(t, app)); diff != "" {
		t.Errorf("the app of pieces (-want +got):\n%s", diff)
	}
}

func TestPrune(t *testing.T) {
	dir := kittest.Dir(t, files{
		"node_modules/@img/sharp-linuxmusl-x64/package.json": `{"os": ["linux"], "libc": ["musl"]}`,
		"node_modules/@img/sharp-linux-x64/package.json":     `{"os": ["linux"], "libc": ["glibc"]}`,
		"node_modules/fake-darwin/package.json":              `{"os": ["darwin"]}`,
		"node_modules/detect-musl/package.json":              `{"os": ["!win32"]}`,
	})
	b := &builder{bc: libcnb.BuildContext{Logger: kit.Log{}}, d: &decision{project: files{"package.json": "{}"}.project(t)}}
	if err := b.prune(dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"node_modules/@img/sharp-linux-x64/package.json": "file", "node_modules/detect-musl/package.json": "file"}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPatches(t *testing.T) {
	dir := kittest.Dir(t, files{
		"node_modules/@sveltejs/kit/src/core/config/options.js":                      "name: string(Date.now().toString()),",
		"node_modules/.pnpm/@nuxt+schema@4.0.0/node_modules/@nuxt/schema/dist/i.mjs": `x ? "test" : randomUUID()`,
	})
	b := &builder{bc: libcnb.BuildContext{Logger: kit.Log{}}, d: &decision{project: files{"package.json": "{}"}.project(t)}}
	if err := b.patchPackages(dir); err != nil {
		t.Fatal(err)
	}
	for name := range tree(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(data), "process.env.S2I_BUILD_ID ||") {
			t.Errorf("%s is %q, %v", name, data, err)
		}
	}
}

// TestHostile checks that what is absurd ends in an answer, and soon.
func TestHostile(t *testing.T) {
	begin := time.Now()
	big := strings.Repeat(`"node_modules/a/node_modules/b": {"version": "1.0.0", "resolved": "x"},`+"\n", 700000)
	app := files{
		"package.json":       `{"workspaces": ["*", "**", "***/**/**/**/x"], "name": "a", "dependencies": {"b": "*"}, "scripts": {"start": "node x", "build": "b"}}`,
		"b/package.json":     `{"name": "b", "dependencies": {"c": "*"}, "engines": {"node": "` + strings.Repeat("9", 100000) + `"}}`,
		"c/package.json":     `{"name": "c", "dependencies": {"a": "*", "b": "*"}}`,
		"package-lock.json":  `{"lockfileVersion": 3, "packages": {` + big + `"": {}}}`,
		"next.config.js":     strings.Repeat("{a:`", 100000),
		".nvmrc":             strings.Repeat("v", 1<<20),
		"loop":               "->loop",
		"d/e/f/package.json": "{",
	}
	dir := t.TempDir()
	kittest.Write(t, dir, app)
	_, err := Detect(libcnb.DetectContext{ApplicationPath: dir, Logger: kit.Log{To: &bytes.Buffer{}}})
	var refused *refusal
	if errors.As(err, &refused) {
		t.Errorf("refused: %v", err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("a lock file of %d MB took %s", len(big)>>20, took)
	}
}

func TestPreviewKeys(t *testing.T) {
	dir := t.TempDir()
	old := strings.Repeat("0", 32)
	kittest.Write(t, dir, files{"prerender-manifest.json": `{"preview": {"previewModeId": "` + old + `"}}`, "server/middleware-manifest.json": `"` + old + `"`,
		"cache/x": old})
	keys := previewKeys([]byte("seed"))
	if err := replacePreviewKeys(dir, keys); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"prerender-manifest.json": true, "server/middleware-manifest.json": true, "cache/x": false} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || strings.Contains(string(data), keys["previewModeId"]) != want {
			t.Errorf("%s is %s, %v", name, data, err)
		}
	}
	if err := replacePreviewKeys(t.TempDir(), keys); err != nil {
		t.Error(err)
	}
}
