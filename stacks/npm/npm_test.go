package npm_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"

	"s2i/stacks/fetch"
	"s2i/stacks/npm"
	"s2i/stacks/stacktest"
)

func TestRange(t *testing.T) {
	for _, c := range []struct{ text, in, out string }{
		{"", "0.0.1 1.2.3 99.0.0", "1.0.0-rc.1"},
		{"*", "1.2.3", "1.0.0-rc.1"},
		{"1.2.3", "1.2.3", "1.2.4 1.2.3-rc.1"},
		{"=v1.2.3", "1.2.3", "1.2.4"},
		{"1.2.3-rc.1", "1.2.3-rc.1", "1.2.3 1.2.3-rc.2"},
		{"18", "18.0.0 18.20.8", "17.9.9 19.0.0 18.0.0-rc.1"},
		{"18.x", "18.0.0", "19.0.0 19.0.0-rc.1"},
		{"18.2.X", "18.2.9", "18.3.0"},
		{"^18.2.1", "18.2.1 18.9.0", "18.2.0 19.0.0 19.0.0-0"},
		{"^0.2.3", "0.2.3 0.2.9", "0.3.0"},
		{"^0.0.3", "0.0.3", "0.0.4"},
		{"^0.0", "0.0.9", "0.1.0"},
		{"^0", "0.9.0", "1.0.0"},
		{"~18.2.1", "18.2.9", "18.3.0 18.2.0"},
		{"~18", "18.9.0", "19.0.0"},
		{"~>18.2", "18.2.9", "18.3.0"},
		{">=18", "18.0.0 24.1.0", "17.0.0"},
		{">= 18.1 <20", "18.1.0 19.9.9", "18.0.9 20.0.0"},
		{">18", "19.0.0", "18.9.9"},
		{">18.2", "18.3.0", "18.2.9"},
		{">18.2.1", "18.2.2", "18.2.1"},
		{"<=18", "18.9.9 1.0.0", "19.0.0"},
		{"<=18.2.1", "18.2.1", "18.2.2"},
		{"<18.2", "18.1.9", "18.2.0"},
		{"18 - 20", "18.0.0 20.9.9", "21.0.0 17.9.9"},
		{"18.1 - 20.2.3", "18.1.0 20.2.3", "20.2.4"},
		{"^16.13 || ^18.10 || >=20.9", "16.13.0 18.20.0 24.0.0", "17.0.0 18.9.0 20.8.0 19.0.0"},
		{">1.0.0 <1.0.0", "", "1.0.0"},
		{">*", "", "1.0.0"},
	} {
		r, err := npm.ParseRange(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for _, v := range strings.Fields(c.in) {
			if !r.Contains(semver.MustParse(v)) {
				t.Errorf("%q does not contain %s", c.text, v)
			}
		}
		for _, v := range strings.Fields(c.out) {
			if r.Contains(semver.MustParse(v)) {
				t.Errorf("%q contains %s", c.text, v)
			}
		}
	}
	for _, bad := range []string{"latest", "1.2.3.4", "1.a", "><1", "99999999999999999999", "1.2.3-rc..1", strings.Repeat("1 ", 1000)} {
		if _, err := npm.ParseRange(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if v, ok := mustRange(t, "v1.2.3").Exact(); !ok || v != "1.2.3" {
		t.Errorf("v1.2.3 is not exact: %q", v)
	}
	if _, ok := mustRange(t, "^1.2.3").Exact(); ok {
		t.Error("^1.2.3 is exact")
	}
}

func mustRange(t *testing.T, s string) *npm.Range {
	t.Helper()
	r, err := npm.ParseRange(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"^1.2 || ~3", "1 - 2", ">=1 <2", "x", "1.2.3-a.b+c"} {
		f.Add(s)
	}
	v := semver.MustParse("1.2.3")
	f.Fuzz(func(_ *testing.T, s string) {
		if r, err := npm.ParseRange(s); err == nil {
			r.Contains(v)
		}
	})
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	var seen string
	srv := stacktest.NewNPM(t)
	srv.Publish(t, "thing", "1.0.0", stacktest.File{Name: "package/package.json", Body: "{}"})
	srv.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { seen = r.Header.Get("Authorization"); return false })
	host := strings.TrimPrefix(srv.URL, "http:")
	write(".npmrc", "; comment\nregistry = "+srv.URL+"/\n"+host+"/:_authToken=${TOKEN}\n//other.example.com/:_authToken=wrong\n")
	global := write("globalrc", "registry=http://never.example.com/\ncafile=null\n@s:registry=http://scoped.example.com/npm/\n")
	env := map[string]string{"HOME": dir, "TOKEN": "sesame", "NPM_CONFIG_GLOBALCONFIG": global}
	getenv := func(k string) string { return env[k] }

	c := npm.LoadConfig(t.Context(), getenv)
	if c.Registry != srv.URL || c.CAFile != "" {
		t.Errorf("registry %q, CA file %q", c.Registry, c.CAFile)
	}
	r, err := npm.New(c, &fetch.Client{Wait: time.Millisecond, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.Versions(t.Context(), "thing")
	if err != nil || len(list) != 1 || !strings.HasPrefix(list[0].Integrity, "sha512-") {
		t.Errorf("versions %v, %v", list, err)
	}
	if seen != "Bearer sesame" {
		t.Errorf("the registry got %q", seen)
	}
	if _, err := r.Versions(t.Context(), "@s/x"); err == nil || !strings.Contains(err.Error(), "scoped.example.com") {
		t.Errorf("a scope's registry: %v", err)
	}
	env["npm_config_registry"] = "http://user:pass@env.example.com/x/"
	if c = npm.LoadConfig(t.Context(), getenv); c.Registry != "http://env.example.com/x" {
		t.Errorf("the environment does not win: %q", c.Registry)
	}
}

func TestTarballElsewhere(t *testing.T) {
	srv := stacktest.NewNPM(t)
	srv.Publish(t, "thing", "1.0.0", stacktest.File{Name: "package/package.json", Body: "{}"})
	usual := "/thing/-/thing-1.0.0.tgz"
	body := srv.Get(usual)
	srv.Delete(usual)
	srv.Put("/thing", bytes.ReplaceAll(srv.Get("/thing"), []byte(usual), []byte("/download/thing/1.0.0")))
	srv.Put("/download/thing/1.0.0", body)
	r, err := npm.New(npm.NewConfig(srv.URL), &fetch.Client{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Tarball(t.Context(), "thing", "1.0.0", &out, 0); err != nil || !bytes.Equal(out.Bytes(), body) {
		t.Errorf("got %d bytes, %v", out.Len(), err)
	}
	if err := r.Tarball(t.Context(), "thing", "2.0.0", &out, 0); !fetch.Gone(err) {
		t.Errorf("a version that is not there: %v", err)
	}
}

func TestNotConfigured(t *testing.T) {
	r, err := npm.New(npm.Config{}, &fetch.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Tarball(t.Context(), "x", "1.0.0", &bytes.Buffer{}, 0); err == nil || !strings.Contains(err.Error(), "npm_config_registry") {
		t.Errorf("got %v", err)
	}
}
