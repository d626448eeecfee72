package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// fakeNpm stands for npm: it installs two packages, one of them for development only, unless it is told not to.
const fakeNpm = `#!/bin/sh
echo "npm $*" >> "$CALLS"
[ -f package-lock.json ] || { echo "no lock file"; exit 1; }
if grep -q scripts package.json; then echo "scripts in the mirror"; exit 1; fi
mkdir -p node_modules/a node_modules/dev node_modules/.bin
echo '{"name": "a", "bin": "cli.js"}' > node_modules/a/package.json
echo 'made by npm' > node_modules/a/cli.js
echo '{"name": "dev"}' > node_modules/dev/package.json
printf '#!/bin/sh\necho built > "$1"\n' > node_modules/.bin/compile
chmod +x node_modules/.bin/compile
`

const fakeNode = "#!/bin/sh\necho \"node $*\" >> \"$CALLS\"\necho v24.1.0\n"

// bench is a place to build one app again and again, as a lifecycle would.
type bench struct {
	app    files
	dir    string
	layers libcnb.Layers
	calls  string
	said   string
}

func newBench(t *testing.T, app files) *bench {
	t.Helper()
	tools := t.TempDir()
	for name, text := range map[string]string{"npm": fakeNpm, "node": fakeNode} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{app: app, dir: filepath.Join(t.TempDir(), "workspace"), layers: libcnb.Layers{Path: t.TempDir()},
		calls: filepath.Join(t.TempDir(), "calls")}
	t.Setenv("PATH", tools+":/usr/bin:/bin")
	t.Setenv("CALLS", b.calls)
	return b
}

// build builds and gives the layers by name, what was called and said.
func (b *bench) build(t *testing.T) (map[string]libcnb.Layer, libcnb.BuildResult, string, error) {
	t.Helper()
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	kittest.Write(t, b.dir, b.app)
	if err := os.WriteFile(b.calls, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	result, err := Build(libcnb.BuildContext{ApplicationPath: b.dir, Layers: b.layers, Logger: kit.Log{To: &out}})
	layers := map[string]libcnb.Layer{}
	for _, l := range result.Layers {
		layers[l.Name] = l
	}
	calls, readErr := os.ReadFile(b.calls)
	if readErr != nil {
		t.Fatal(readErr)
	}
	b.said = out.String()
	t.Log(b.said)
	return layers, result, string(calls), err
}

// restore does what a lifecycle does between two builds: launch layers keep their metadata, cached ones their files.
func (b *bench) restore(t *testing.T, layers map[string]libcnb.Layer) {
	t.Helper()
	entries, err := os.ReadDir(b.layers.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if l, ok := layers[e.Name()]; !ok || !l.Cache {
			if err := os.RemoveAll(filepath.Join(b.layers.Path, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, l := range layers {
		if !l.Cache && !l.Launch {
			continue
		}
		var text strings.Builder
		text.WriteString("[metadata]\n")
		if key, ok := l.Metadata["key"].(string); ok {
			text.WriteString("key = \"" + key + "\"\nhomes = [\".\"]\n[metadata.commands]\na = \"node_modules/a/cli.js\"\n")
		}
		if err := os.WriteFile(filepath.Join(b.layers.Path, name+".toml"), []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readlink(t *testing.T, name string) string {
	t.Helper()
	target, err := os.Readlink(name)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestBuildWithoutScripts(t *testing.T) {
	b := newBench(t, files{
		"package.json":      `{"scripts": {"start": "a --fast"}, "dependencies": {"a": "1"}, "devDependencies": {"dev": "1"}}`,
		"package-lock.json": "{}", ".npmrc": "x=y", "node_modules/a/package.json": "from the author's machine",
	})
	layers, result, calls, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(calls, "npm ci --omit=dev") {
		t.Errorf("called %q", calls)
	}
	modules := layers["modules"]
	want := map[string]string{"node_modules/a/package.json": "file", "node_modules/a/cli.js": "file",
		"node_modules/.bin/a": "->../a/cli.js"}
	if diff := cmp.Diff(want, tree(t, modules.Path)); diff != "" || !modules.Launch || modules.Cache {
		t.Errorf("layer modules (-want +got):\n%s", diff)
	}
	want = map[string]string{"package.json": "file", "package-lock.json": "file",
		"node_modules": "->" + filepath.Join(modules.Path, "node_modules")}
	if diff := cmp.Diff(want, tree(t, b.dir)); diff != "" {
		t.Errorf("the app (-want +got):\n%s", diff)
	}
	processes := []libcnb.Process{{Type: "web", Command: []string{"node", "node_modules/a/cli.js", "--fast"}, Default: true}}
	if diff := cmp.Diff(processes, result.Processes); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}

	// Again, with another source file: nothing is installed and the layer is that of the previous image.
	b.restore(t, layers)
	b.app["server.js"] = "changed"
	again, result, calls, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(calls, "npm") {
		t.Errorf("called %q", calls)
	}
	if _, err := os.Lstat(again["modules"].Path); !os.IsNotExist(err) || !again["modules"].Launch {
		t.Errorf("the layer modules is not taken over: %v", err)
	}
	if diff := cmp.Diff(processes, result.Processes); diff != "" {
		t.Errorf("processes of the second build (-want +got):\n%s", diff)
	}
	readlink(t, filepath.Join(b.dir, "node_modules"))

	// Another lock file: everything is installed anew.
	b.restore(t, again)
	b.app["package-lock.json"] = `{"x": 1}`
	if _, _, calls, err = b.build(t); err != nil || !strings.Contains(calls, "npm ci") {
		t.Errorf("after a change of the lock file: %v, called %q", err, calls)
	}
}

func TestBuildWithScripts(t *testing.T) {
	b := newBench(t, files{
		"package.json": `{"scripts": {"prebuild": "echo pre > log", "build": "compile dist.js && echo $NODE_ENV >> log",
			"start": "node dist.js"}, "dependencies": {"a": "1"}, "devDependencies": {"dev": "1"}}`,
		"package-lock.json": "{}",
	})
	layers, _, calls, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(calls, "npm ci --include=dev") {
		t.Errorf("called %q", calls)
	}
	if log, err := os.ReadFile(filepath.Join(b.dir, "log")); err != nil || string(log) != "pre\nproduction\n" {
		t.Errorf("the scripts wrote %q, %v", log, err)
	}
	if !layers["packages"].Cache || !layers["modules"].Launch {
		t.Errorf("layers %v", layers)
	}
	b.restore(t, layers)
	again, _, calls, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(calls, "npm") {
		t.Errorf("the second build called %q", calls)
	}
	if _, err := os.Lstat(again["modules"].Path); !os.IsNotExist(err) {
		t.Errorf("the layer modules is not taken over: %v", err)
	}
	if !kit.MadeHere(again["packages"], again["modules"].Metadata["key"].(string)) {
		t.Error("the packages are not kept for the next build")
	}
}

// TestBuildThatChangesPackages has a script that generates code into a package: nothing may be reused.
func TestBuildThatChangesPackages(t *testing.T) {
	b := newBench(t, files{
		"package.json": `{"scripts": {"build": "mkdir -p node_modules/.cache && date > node_modules/.cache/x &&
			cat source > node_modules/a/generated.js", "start": "node s.js"}, "dependencies": {"a": "1"}}`,
		"package-lock.json": "{}", "s.js": "", "source": "one",
	})
	b.app["package.json"] = strings.ReplaceAll(strings.ReplaceAll(b.app["package.json"], "\n", " "), "\t", " ")
	layers, _, _, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	b.restore(t, layers)
	b.app["source"] = "two"
	layers, _, calls, err := b.build(t)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(layers["modules"].Path, "node_modules", "a", "generated.js"))
	if err != nil || string(text) != "two" || !strings.Contains(calls, "npm ci") {
		t.Errorf("generated %q, %v; called %q", text, err, calls)
	}
}

func TestBinaryCommand(t *testing.T) {
	dir := t.TempDir()
	kittest.Write(t, dir, files{"node_modules/a/x": "\x7fELF...", "node_modules/a/y": "#!/usr/bin/env node\n", "node_modules/a/z": ""})
	got, err := markBinaries(dir, map[string]string{
		"x": "node_modules/a/x", "y": "node_modules/a/y", "z": "node_modules/a/z", "none": "node_modules/a/none"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"x": "exec:node_modules/a/x", "y": "node_modules/a/y", "z": "node_modules/a/z", "none": "node_modules/a/none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBuildErrors(t *testing.T) {
	lock := "{}"
	for _, c := range []struct {
		name, want string
		app        files
	}{
		{"script fails", `running "sh -c exit 7" (run because it is the script at package.json:1): exit status 7`, files{
			"package.json": `{"scripts": {"build": "exit 7", "start": "node s.js"}}`}},
		{"nothing was built", `package.json:1: "node dist/s.js" starts dist/s.js: the build did not make that file`, files{
			"package.json": `{"scripts": {"build": "true", "start": "node dist/s.js"}}`}},
		{"nothing to build with", `and package.json has no script "build" that would make it`, files{
			"package.json": `{"scripts": {"start": "node dist/s.js"}}`}},
		{"no such command", "no package that the app depends on has a command ts-node: add it to the dependencies", files{
			"package.json":      `{"scripts": {"start": "ts-node s.ts"}, "dependencies": {"a": "1"}}`,
			"package-lock.json": lock}},
		{"installation fails", `running "npm install --omit=dev --no-audit --no-fund" (run because there is no lock file`, files{
			"package.json": `{"scripts": {"start": "node s.js"}, "dependencies": {"a": "1"}}`}},
		{"a dependency outside", "a is file:../a, which is outside the app", files{
			"package.json":      `{"scripts": {"start": "node s.js"}, "dependencies": {"a": "file:../a"}}`,
			"package-lock.json": lock}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := newBench(t, c.app).build(t)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}
