package mirrors_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/stacks/mirrors"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "s2i"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "[mirrors]\ndeb = \"https://deb.example.com/debian/\"\nnpm = [\"https://a.example.com\", \"https://b.example.com\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "s2i", "config.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		want mirrors.Mirrors
		fail bool
	}{
		{name: "nothing", want: mirrors.Mirrors{}},
		{name: "file", env: map[string]string{"XDG_CONFIG_HOME": dir}, want: mirrors.Mirrors{
			"deb": {"https://deb.example.com/debian"}, "npm": {"https://a.example.com", "https://b.example.com"}}},
		{name: "environment first", env: map[string]string{"XDG_CONFIG_HOME": dir, "S2I_MIRRORS": "npm=http://e.example.com/ goproxy=http://g.example.com"},
			want: mirrors.Mirrors{"deb": {"https://deb.example.com/debian"}, "goproxy": {"http://g.example.com"},
				"npm": {"http://e.example.com", "https://a.example.com", "https://b.example.com"}}},
		{name: "one tree", env: map[string]string{"S2I_MIRRORS": "file:///srv/a=b/"}, want: mirrors.Mirrors{
			"deb": {"file:///srv/a=b/debian"}, "deb-security": {"file:///srv/a=b/debian-security"},
			"npm": {"file:///srv/a=b/npm"}, "goproxy": {"file:///srv/a=b/goproxy"},
			"pypi": {"file:///srv/a=b/pypi"}, "maven": {"file:///srv/a=b/maven"}}},
		{name: "no address", env: map[string]string{"S2I_MIRRORS": "npm=example.com"}, fail: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := mirrors.Load(func(k string) string { return c.env[k] })
			if (err != nil) != c.fail {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); !c.fail && diff != "" {
				t.Errorf("mirrors (-want +got):\n%s", diff)
			}
		})
	}
}
