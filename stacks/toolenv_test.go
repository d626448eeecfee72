package stacks_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"s2i/stacks"
)

func TestToolEnv(t *testing.T) {
	home := t.TempDir()
	for name, text := range map[string]string{
		".cargo/config.toml": "[source.crates-io]\nreplace-with = \"corp\"\n[source.corp]\nregistry = \"sparse+https://u:p@cargo.example.com/i/\"\n" +
			"[registries.my-own]\nindex = \"https://own.example.com/index\"\n",
		".bundle/config":               "---\nBUNDLE_MIRROR__HTTPS://GEMS__EXAMPLE__ORG/: \"https://gems.example.com/\"\n",
		".config/composer/config.json": `{"repositories": [{"main": false}, {"type": "composer", "url": "https://php.example.com"}]}`,
		".m2/settings.xml":             `<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>https://u:p@artifacts.example.com/r/</url></mirror></mirrors></settings>`,
	} {
		file := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"HOME": home, "PIP_INDEX_URL": "https://u:p@pip.example.com/simple/", "GOPROXY": "https://go.example.com",
		"UV_INDEX": "corp=https://u:p@corp.example.com/simple https://other.example.com"}
	got := stacks.ToolEnv(context.Background(), func(k string) string { return env[k] })
	for name, want := range map[string]string{
		"PIP_INDEX_URL": "https://pip.example.com/simple", "UV_DEFAULT_INDEX": "https://pip.example.com/simple",
		"S2I_MAVEN_MIRROR": "https://artifacts.example.com/r", "S2I_CARGO_REGISTRY": "sparse+https://cargo.example.com/i/",
		"CARGO_REGISTRIES_MY_OWN_INDEX": "https://own.example.com/index", "BUNDLE_MIRROR__ALL": "https://gems.example.com/",
		"UV_INDEX":                "corp=https://corp.example.com/simple https://other.example.com",
		"S2I_COMPOSER_REPOSITORY": "https://php.example.com", "GOPROXY": "https://go.example.com",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}
