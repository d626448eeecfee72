package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAdapter builds an app with adapter-auto: adapter-node is installed beside its packages, once, and adapter-auto
// hands it on.
func TestAdapter(t *testing.T) {
	b := newBench(t, files{
		"package.json": `{"devDependencies": {"@sveltejs/kit": "2", "@sveltejs/adapter-auto": "4"},
			"scripts": {"build": "mkdir -p build; cat node_modules/@sveltejs/adapter-auto/index.js > build/index.js"}}`,
		"package-lock.json": "{}", "svelte.config.js": "import a from '@sveltejs/adapter-auto';", ".npmrc": "a=b\n",
	})
	npm := `#!/bin/sh
echo "npm $* in $(basename "$PWD"): $(cat package.json)" >> "$CALLS"
if [ -f package-lock.json ]; then
	mkdir -p node_modules/@sveltejs/kit node_modules/@sveltejs/adapter-auto
	echo '{"name": "@sveltejs/kit", "version": "2.5.0"}' > node_modules/@sveltejs/kit/package.json
	echo 'the old one' > node_modules/@sveltejs/adapter-auto/index.js
else
	[ -f .npmrc ] && [ "$npm_config_ignore_scripts" = true ] || exit 1
	mkdir -p node_modules/@sveltejs/adapter-node
	echo '{"name": "@sveltejs/adapter-node"}' > node_modules/@sveltejs/adapter-node/package.json
	echo 'the adapter' > node_modules/@sveltejs/adapter-node/index.js
fi
`
	tools := strings.Split(os.Getenv("PATH"), ":")[0]
	if err := os.WriteFile(filepath.Join(tools, "npm"), []byte(npm), 0o755); err != nil {
		t.Fatal(err)
	}
	layers, _, calls, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(calls, `in .adapter: {"dependencies":{"@sveltejs/adapter-node":"^5"},"private":true}`) {
		t.Errorf("called %s", calls)
	}
	built, err := os.ReadFile(filepath.Join(b.dir, "build/index.js"))
	want := "export { default } from \"../../.adapter/node_modules/@sveltejs/adapter-node/index.js\";\n"
	if err != nil || string(built) != want {
		t.Errorf("adapter-auto is %q, %v; want %q", built, err, want)
	}
	b.restore(t, layers)
	if _, _, calls, err = b.build(t); err != nil || strings.Contains(calls, "npm") {
		t.Errorf("the second build called %s, %v", calls, err)
	}
}

// TestHosts checks that the registries that an app names for some packages are known.
func TestHosts(t *testing.T) {
	app := files{
		".npmrc":      "a=b\n@acme:registry=https://npm.acme.example.com/x/\n//npm.acme.example.com/x/:_authToken=${T}\n",
		"bunfig.toml": "[install.scopes]\n\"@jsr\" = { url = \"https://npm.jsr.example.com\" }\n\"@b\" = \"https://b.example.com:80\"\n",
	}.open(t)
	var got []string
	for _, h := range scopeHosts(app) {
		got = append(got, h.Name+" "+h.Source)
	}
	if want := "npm.acme.example.com .npmrc:2, npm.jsr.example.com bunfig.toml:2, b.example.com bunfig.toml:3"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
