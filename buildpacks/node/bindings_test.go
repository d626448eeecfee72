package node

import (
	"testing"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

func TestBindings(t *testing.T) {
	env := withBindings(kit.Env{}, libcnb.Bindings{
		libcnb.NewBinding("a", "/platform/bindings/a", map[string]string{"type": "npmrc", ".npmrc": "secret"}),
		libcnb.NewBinding("b", "/platform/bindings/b", map[string]string{"type": "postgres", ".npmrc": "other"}),
	})
	if env["npm_config_userconfig"] != "/platform/bindings/a/.npmrc" || len(env) != 1 {
		t.Errorf("got %v", env)
	}
}

func TestToolEnv(t *testing.T) {
	env := toolEnv(libcnb.BuildContext{}, &manager{Name: "yarn", Berry: true}, kit.Env{
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
