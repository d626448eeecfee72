package pypi_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/stacks/fetch"
	"s2i/stacks/pypi"
	"s2i/stacks/stacktest"
)

var sum = strings.Repeat("ab", 32)

func TestFiles(t *testing.T) {
	const wheel = "uv-1.2.3-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
	for _, c := range []struct{ name, page string }{
		{"html", `<!DOCTYPE html><html><body><h1>Links</h1>
<A data-requires-python="&gt;=3.8" HREF='../../packages/` + wheel + `#sha256=` + sum + `'>` + wheel + `</A><br/>
<a href="../../packages/uv-1.2.4-py3-none-any.whl#sha256=` + sum + `" data-yanked="broken">x</a>
<a href="../../packages/uv-1.2.4.tar.gz#md5=00">x</a> <a name="top">`},
		{"json", `{"meta": {"api-version": "1.1"}, "files": [
{"filename": "` + wheel + `", "url": "../../packages/` + wheel + `", "hashes": {"sha256": "` + sum + `"}, "yanked": false},
{"filename": "uv-1.2.4-py3-none-any.whl", "url": "x", "hashes": {"sha256": "` + sum + `"}, "yanked": "broken"},
{"filename": "../../uv.whl", "url": "x", "hashes": {"sha256": "` + sum + `"}},
{"filename": "uv-1.2.4.tar.gz", "url": "x", "hashes": {"md5": "00"}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stacktest.NewServer(t)
			s.Put("/simple/uv/", []byte(c.page))
			s.Put("/packages/"+wheel, []byte("the wheel"))
			x := &pypi.Index{Site: fetch.NewSite(s.URL+"/simple/", fetch.Netrc{}), Fetch: fetch.New()}
			files, err := x.Files(context.Background(), "uv")
			if err != nil {
				t.Fatal(err)
			}
			want := []pypi.File{{Name: wheel, SHA256: sum, URL: s.URL + "/packages/" + wheel}}
			if diff := cmp.Diff(want, files); diff != "" {
				t.Error(diff)
			}
			var b bytes.Buffer
			if err := x.Get(context.Background(), "uv", pypi.File{Name: wheel, SHA256: sum}, &b, 4); err != nil {
				t.Fatal(err)
			}
			if b.String() != "wheel" {
				t.Errorf("got %q", b.String())
			}
		})
	}
}

func TestWheel(t *testing.T) {
	for _, c := range []struct {
		name, version string
		amd64, arm64  bool
	}{
		{"uv-0.13.8-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "0.13.8", true, false},
		{"uv-0.13.8-py3-none-manylinux_2_17_aarch64.musllinux_1_1_aarch64.whl", "0.13.8", false, true},
		{"UV-1.0-1-py3-none-manylinux1_x86_64.whl", "1.0", true, false},
		{"uv-0.13.8-py3-none-musllinux_1_1_x86_64.whl", "0.13.8", false, false},
		{"uv-0.13.8-py3-none-win_amd64.whl", "0.13.8", false, false},
		{"uvx-0.13.8-py3-none-manylinux1_x86_64.whl", "", false, false},
		{"uv-0.13.8.tar.gz", "", false, false},
		{"uv.whl", "", false, false},
	} {
		w, ok := pypi.ParseWheel("uv", c.name)
		if ok != (c.version != "") || w.Version != c.version || w.Fits("amd64") != c.amd64 || w.Fits("arm64") != c.arm64 {
			t.Errorf("%s: %+v %v", c.name, w, ok)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("pip/pip/pip.conf", "# c\n[global]\ntimeout = 1\nindex_url: https://pip.example.com/simple/\n")
	write("both/pip/pip.conf", "[global]\nindex-url = https://pip.example.com/simple\n")
	write("both/uv/uv.toml", "[[index]]\nname = \"x\"\nurl = \"https://x.example.com\"\n[[index]]\nurl = \"https://uv.example.com\"\ndefault = true\n")
	install := write("install.conf", "[install]\nindex-url = https://install.example.com\n[global]\nindex-url = https://global.example.com\n")
	for _, c := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"uv's variable first", map[string]string{"UV_DEFAULT_INDEX": "corp=https://u:p@uv.example.com/simple/",
			"PIP_INDEX_URL": "https://pip.example.com"}, "https://uv.example.com/simple"},
		{"pip's variable", map[string]string{"PIP_INDEX_URL": "https://pip.example.com/a?b=c"}, "https://pip.example.com/a"},
		{"pip.conf", map[string]string{"XDG_CONFIG_HOME": dir + "/pip"}, "https://pip.example.com/simple"},
		{"uv.toml before it", map[string]string{"XDG_CONFIG_HOME": dir + "/both"}, "https://uv.example.com"},
		{"a section", map[string]string{"PIP_CONFIG_FILE": install}, "https://install.example.com"},
		{"no address", map[string]string{"PIP_INDEX_URL": "pip.example.com", "PIP_CONFIG_FILE": os.DevNull}, ""},
	} {
		if got := pypi.ReadConfig(func(k string) string { return c.env[k] }).Base; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCredentials(t *testing.T) {
	s := stacktest.NewServer(t)
	s.Put("/simple/uv/", []byte("{}"))
	var user string
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool { user, _, _ = r.BasicAuth(); return false }
	c := fetch.NewSite(strings.Replace(s.URL, "://", "://me:secret@", 1)+"/simple", fetch.Netrc{})
	if strings.Contains(c.Base, "secret") {
		t.Errorf("the address shows the password: %s", c.Base)
	}
	x := &pypi.Index{Site: c, Fetch: fetch.New()}
	if _, err := x.Files(context.Background(), "uv"); err != nil || user != "me" {
		t.Errorf("asked as %q, %v", user, err)
	}
}

func FuzzPage(f *testing.F) {
	f.Add("<a href='x#sha256=00'>")
	f.Add(`{"files": [{"filename": "a", "url": "b", "hashes": {"sha256": "00"}}]}`)
	s := stacktest.NewServer(f)
	f.Fuzz(func(_ *testing.T, page string) {
		s.Put("/x/", []byte(page))
		x := &pypi.Index{Site: fetch.NewSite(s.URL, fetch.Netrc{}), Fetch: fetch.New()}
		_, _ = x.Files(context.Background(), "x") // it must only not panic
	})
}
