package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, ".npmrc")
	if err := os.WriteFile(file, []byte("//registry.example.com/:_authToken=abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bc := libcnb.BuildContext{Platform: libcnb.Platform{Bindings: libcnb.Bindings{
		libcnb.NewBinding("a", dir, map[string]string{"type": "npmrc", ".npmrc": "secret"}),
		libcnb.NewBinding("b", "/platform/bindings/b", map[string]string{"type": "postgres", ".npmrc": "other"}),
	}}}
	c, err := findCredentials(bc, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	home, err := c.home()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	env := c.apply(kit.Env{"HOME": "/x"}, home)
	if env["npm_config_userconfig"] != file || env["HOME"] != home || env["YARN_NPM_AUTH_TOKEN"] != "abc" {
		t.Errorf("got %v", env)
	}
	if got := readlink(t, filepath.Join(home, ".npmrc")); got != file {
		t.Errorf("the home directory's .npmrc is %s", got)
	}

	app := kittest.Dir(t, files{
		".npmrc": "@a:registry=https://r.example.com/\n//r.example.com/:_authToken=${T}\n//r.example.com/:x=1\n"})
	own, err := findCredentials(libcnb.BuildContext{}, app)
	if err != nil {
		t.Fatal(err)
	}
	if home, err = own.home(); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	user := filepath.Join(home, ".npmrc")
	if text := read(t, user); text != "//r.example.com/:_authToken=${T}" {
		t.Errorf("the user's .npmrc is %q", text)
	}
	if env := own.apply(kit.Env{"HOME": "/x"}, home); env["npm_config_userconfig"] != user {
		t.Errorf("with the app's own .npmrc: %v", env)
	}

	none, err := findCredentials(libcnb.BuildContext{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if env := none.apply(kit.Env{"HOME": "/x"}, home); len(env) != 1 || env["HOME"] != "/x" {
		t.Errorf("without credentials: %v", env)
	}
}

func TestToolEnv(t *testing.T) {
	env := toolEnv(&manager{Name: "yarn", Berry: true}, kit.Env{
		"HOME": "/nonexistent", "npm_config_registry": "https://registry.example.com", "https_proxy": "http://proxy:1"})
	for name, want := range map[string]string{
		"YARN_NPM_REGISTRY_SERVER": "https://registry.example.com", "YARN_HTTPS_PROXY": "http://proxy:1", "YARN_HTTP_PROXY": "",
		"YARN_NODE_LINKER": "node-modules",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	if env["HOME"] == "/nonexistent" {
		t.Error("HOME cannot be written to")
	}
}
