package staticserver

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/staticserver/server"
)

func TestParseHeaders(t *testing.T) {
	got, err := parseHeaders([]byte("# all\n/*\n  x-a: b: c\n\t! X-Frame-Options\n/app/*\n  Cache-Control: no-store\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []kit.SiteHeader{{Path: "/*", Name: "X-A", Value: "b: c"}, {Path: "/*", Name: "X-Frame-Options"},
		{Path: "/app/*", Name: "Cache-Control", Value: "no-store"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"x-a: b", " x-a: b", "/\n  Content-Length: 1", "/\n  a b: c", "/\n  nothing", "/\n  A: \x01"} {
		if _, err := parseHeaders([]byte(bad)); err == nil || !strings.Contains(err.Error(), "_headers:") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestParseRedirects(t *testing.T) {
	got, fallback, err := parseRedirects([]byte("# old\n/a /b\n/c/* https://example.com/:splat 302! # why\n/* /index.html 200\n"))
	want := []kit.SiteRedirect{{From: "/a", To: "/b", Status: 301},
		{From: "/c/*", To: "https://example.com/:splat", Status: 302, Force: true}}
	if err != nil || !fallback {
		t.Fatalf("got %v, %v", fallback, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"/a", "/a b", "a /b", "/a /b x", "/a /b 500", "/a https://example.com 200", "/a /b 301 Country=de"} {
		if _, _, err := parseRedirects([]byte(bad)); err == nil || !strings.Contains(err.Error(), "_redirects:1") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("/*\n  A: b\n/a /b 301!\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		headers, err := parseHeaders(data)
		for _, h := range headers {
			if err == nil && (h.Name == "" || strings.ContainsAny(h.Name+h.Value, "\r\n\x00")) {
				t.Errorf("header %+v", h)
			}
		}
		redirects, _, err := parseRedirects(data)
		for _, r := range redirects {
			if err == nil && (r.Status < 200 || r.Status > 404) {
				t.Errorf("redirect %+v", r)
			}
		}
	})
}

func TestImmutable(t *testing.T) {
	for name, want := range map[string]bool{
		"assets/index-DiwrgTd4.js": true, "main.3f9a1c7e.css": true, "static/js/787.cda612ba.chunk.js": true,
		"_next/static/a.js": true, "slideshow.js": false, "my-slideshow.js": false, "report-20240101.png": false,
		"index.html": false, "IMG-Photo2024.jpg": false, "data-3f9a1c7e.html": false,
	} {
		if got := immutable(name, []string{"_next/static"}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// run runs the build on files and gives its result and directories.
func run(t *testing.T, site kit.Site, files map[string]string, metadata map[string]any) (r libcnb.BuildResult, app string, err error) {
	t.Helper()
	app = t.TempDir()
	layers := libcnb.Layers{Path: t.TempDir()}
	for name, text := range files {
		file := filepath.Join(app, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	left, err := site.Layer(layers)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range left.BuildEnvironment {
		t.Setenv(strings.TrimSuffix(name, ".override"), value)
	}
	if err := os.RemoveAll(left.Path); err != nil {
		t.Fatal(err)
	}
	if key, ok := metadata["key"].(string); ok {
		text := "[metadata]\nkey = \"" + key + "\"\n"
		if err := os.WriteFile(filepath.Join(layers.Path, "site.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err = buildWith(libcnb.BuildContext{ApplicationPath: app, Layers: layers},
		func(string) ([]byte, error) { return []byte("server"), nil })
	return r, app, err
}

func TestBuild(t *testing.T) {
	css := strings.Repeat("body { margin: 0 }\n", 200)
	files := map[string]string{
		"src/main.ts": "", "dist/index.html": "<p>", "dist/site.css": css, "dist/app.js": strings.Repeat("x", 10),
		"dist/app.js.gz": "packed", "dist/.env": "no", "dist/_redirects": "/a /b\n", "dist/small.js": "1",
	}
	r, app, err := run(t, kit.Site{Root: "dist"}, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(app)
	if err != nil || len(left) != 0 {
		t.Errorf("the app still has %v, %v", left, err)
	}
	layer := r.Layers[slices.IndexFunc(r.Layers, func(l libcnb.Layer) bool { return l.Name == "site" })]
	text, err := os.ReadFile(filepath.Join(layer.Path, fileSite))
	if err != nil {
		t.Fatal(err)
	}
	var site server.Site
	if err := json.Unmarshal(text, &site); err != nil {
		t.Fatal(err)
	}
	var served []string
	for name, f := range site.Files {
		served = append(served, name)
		if _, err := os.Stat(filepath.Join(site.Root, name)); err != nil || f.Tag == "" {
			t.Errorf("%s: %v, %+v", name, err, f)
		}
	}
	slices.Sort(served)
	if diff := cmp.Diff([]string{"app.js", "index.html", "site.css", "small.js"}, served); diff != "" {
		t.Error(diff)
	}
	if e := site.Files["site.css"].Encodings; e["gzip"] == 0 || e["zstd"] == 0 || e["gzip"] > int64(len(css))/2 {
		t.Errorf("site.css has the forms %v", e)
	}
	if e := site.Files["app.js"].Encodings; e["gzip"] != int64(len("packed")) {
		t.Errorf("app.js has the forms %v", e)
	}
	if len(site.Redirects) != 1 {
		t.Errorf("redirects %v", site.Redirects)
	}
	key, _ := layer.Metadata["key"].(string)
	again, _, err := run(t, kit.Site{Root: "dist"}, files, layer.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	// The key holds the app's directory, which differs here.
	if again.Layers[1].Metadata["key"] == "" || key == "" {
		t.Errorf("keys %v and %v", key, again.Layers[1].Metadata)
	}
}

func TestBuildKeeps(t *testing.T) {
	r, app, err := run(t, kit.Site{Root: "public", Keep: true, Hidden: []string{"private"},
		FastCGI: &kit.SiteFastCGI{Command: []string{"/usr/sbin/x"}, Suffix: ".php"}},
		map[string]string{"public/index.php": "", "public/a.css": "", "public/private/b.css": "", "lib.php": ""}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(app, "lib.php")); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(r.Layers[1].Path, fileSite))
	if err != nil || strings.Contains(string(text), "index.php\"") || strings.Contains(string(text), "b.css") ||
		!strings.Contains(string(text), "a.css") {
		t.Errorf("site %s, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(r.Layers[1].Path, dirFiles)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files were copied: %v", err)
	}
}

func TestNoSite(t *testing.T) {
	_, _, err := run(t, kit.Site{Root: "dist"}, map[string]string{"a": ""}, nil)
	if err == nil || !strings.Contains(err.Error(), "the build has left no directory dist") {
		t.Errorf("got %v", err)
	}
	if _, _, err = run(t, kit.Site{Root: "../x"}, nil, nil); err == nil || !strings.Contains(err.Error(), "not inside") {
		t.Errorf("got %v", err)
	}
}
