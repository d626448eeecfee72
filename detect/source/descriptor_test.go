package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

func TestParseDescriptor(t *testing.T) {
	want := &lifecycle.ProjectDescriptor{
		Schema: "0.2", ID: "io.example.app", Name: "App", Version: "1", Authors: []string{"A"},
		Licenses:         []lifecycle.License{{Type: "MIT", URI: "https://example.com/l"}},
		DocumentationURL: "https://example.com/d", SourceURL: "https://example.com/s",
		Metadata: map[string]any{"pipeline": "Lucerne"},
		Builder:  "example.com/builder", Exclude: []string{"*.md"},
		Group: []lifecycle.ProjectBuildpack{
			{ID: "example/lua", Version: "1.0"},
			{URI: "https://example.com/b.tgz"},
			{ID: "me/ps1", Script: &lifecycle.ProjectScript{API: "0.10", Inline: "ls", Shell: "/bin/bash"}},
		},
		Pre:  []lifecycle.ProjectBuildpack{{ID: "example/pre"}},
		Post: []lifecycle.ProjectBuildpack{{ID: "example/post"}},
		Env:  []lifecycle.ProjectEnv{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
	}
	got, err := ParseDescriptor([]byte(`
[_]
schema-version = "0.2"
id = "io.example.app"
name = "App"
version = "1"
authors = ["A"]
documentation-url = "https://example.com/d"
source-url = "https://example.com/s"
[[_.licenses]]
type = "MIT"
uri = "https://example.com/l"
[_.metadata]
pipeline = "Lucerne"
[io.buildpacks]
builder = "example.com/builder"
exclude = ["*.md"]
[[io.buildpacks.group]]
id = "example/lua"
version = "1.0"
[[io.buildpacks.group]]
uri = "https://example.com/b.tgz"
[[io.buildpacks.group]]
id = "me/ps1"
  [io.buildpacks.group.script]
  api = "0.10"
  inline = "ls"
  shell = "/bin/bash"
[[io.buildpacks.pre.group]]
id = "example/pre"
[[io.buildpacks.post.group]]
id = "example/post"
[[io.buildpacks.env.build]]
name = "A"
value = "1"
[[io.buildpacks.build.env]]
name = "B"
value = "2"
[com.example]
ours = true
`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got, err = ParseDescriptor([]byte(`
[project]
id = "i"
name = "n"
source-url = "s"
[build]
builder = "b"
include = ["a"]
[[build.buildpacks]]
id = "x"
[[build.env]]
name = "A"
value = "1"
[metadata]
k = "v"
`))
	want = &lifecycle.ProjectDescriptor{Schema: "0.1", ID: "i", Name: "n", SourceURL: "s", Builder: "b",
		Include: []string{"a"}, Group: []lifecycle.ProjectBuildpack{{ID: "x"}},
		Env: []lifecycle.ProjectEnv{{Name: "A", Value: "1"}}, Metadata: map[string]any{"k": "v"}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	got, err = ParseDescriptor([]byte("[_]\nschema-version = \"0.3\"\n[[io.buildpacks.build.env]]\nname=\"A\"\nexec-env=[\"test\"]"))
	if err != nil || got.Env[0].ExecEnv[0] != "test" {
		t.Error(got, err)
	}
}

func TestDescriptorErrors(t *testing.T) {
	for content, want := range map[string]string{
		"a = ":                          "line 1",
		"[_]\nschema-version = \"9.9\"": "none of 0.1, 0.2, 0.3",
		"[build]\ninclude=[\"a\"]\nexclude=[\"b\"]":                 "both include and exclude",
		"[build]\ninclude=\"a\"":                                    "include",
		"[build]\nexclude=[\"[\"]":                                  "malformed",
		"[[build.buildpacks]]":                                      "neither id nor uri",
		"[[build.buildpacks]]\nuri=\"a\"\nversion=\"1\"":            "both uri and version",
		"[[build.buildpacks]]\nid=\"a\"\n[build.buildpacks.script]": "script.api",
		"[[build.env]]\nvalue=\"a\"":                                "has no name",
		"[[project.licenses]]":                                      "neither type nor uri",
	} {
		dir := put(t, t.TempDir(), map[string]string{"project.toml": content})
		_, err := Open(t.Context(), dir, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "project.toml") {
			t.Errorf("%q: error %v, want %q in it", content, err, want)
		}
	}
}

func TestGivenDescriptor(t *testing.T) {
	dir := put(t, t.TempDir(), map[string]string{"project.toml": "broken"})
	other := put(t, t.TempDir(), map[string]string{"p.toml": "[_]\nname = \"other\""})
	tree := open(t, dir, Options{Descriptor: filepath.Join(other, "p.toml")})
	if tree.Descriptor.Name != "other" {
		t.Errorf("the descriptor is %v", tree.Descriptor)
	}
	if _, err := Open(t.Context(), dir, Options{Descriptor: "missing.toml"}); err == nil || !os.IsNotExist(pathCause(err)) &&
		!strings.Contains(err.Error(), "missing.toml") {
		t.Errorf("a missing descriptor: %v", err)
	}
}

func FuzzDescriptor(f *testing.F) {
	f.Add("[_]\nschema-version = \"0.2\"\n[io.buildpacks]\nexclude = [\"a\"]")
	f.Add("[project]\nid = \"a\"\n[build]\n")
	f.Add("io = 1")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDescriptor([]byte(s)); err == nil && d.Schema == "" {
			t.Error("no schema")
		}
	})
}
