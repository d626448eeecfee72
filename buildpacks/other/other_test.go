package other

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

func detect(t *testing.T, files ...string) (said string, err error) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	result, err := Detect(libcnb.DetectContext{ApplicationPath: dir, Logger: kit.Log{To: &out}})
	if result.Pass {
		t.Errorf("%q: it passed", files)
	}
	return strings.TrimSpace(out.String()), err
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"web/web.csproj"}, ".NET (web/web.csproj) cannot be built"},
		{[]string{"mix.exs", "assets/package.json"}, "Elixir (mix.exs)"},
		{[]string{"build.sbt"}, "Scala (sbt) (build.sbt)"},
		{[]string{"deps.edn"}, "Clojure (deps.edn)"},
		{[]string{"Package.swift"}, "Swift (Package.swift)"},
		{[]string{"app.cabal"}, "Haskell (app.cabal)"},
		{[]string{"pubspec.yaml"}, "Dart (pubspec.yaml)"},
		{[]string{"pubspec.yaml", "lib/main.dart"}, "Flutter (lib/main.dart)"},
		{[]string{"shard.yml"}, "Crystal"},
		{[]string{"build.zig"}, "Zig"},
		{[]string{"dune-project"}, "OCaml"},
		{[]string{"rebar.config"}, "Erlang"},
		{[]string{"gleam.toml"}, "Gleam"},
		{[]string{"app.R"}, "R (app.R)"},
		{[]string{"cpanfile"}, "Perl"},
		{[]string{"CMakeLists.txt", "src/main.cpp"}, "C or C++ (CMakeLists.txt)"},
		{[]string{"a.ipynb"}, "Jupyter notebook"},
		{[]string{"main.tf"}, "Terraform"},
		{[]string{"hugo.toml", "package.json"}, "Hugo site"},
		{[]string{"main.go"}, "run `go mod init`"},
	} {
		if _, err := detect(t, c.files...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q in it", c.files, err, c.want)
		}
	}
}

// TestQuiet has apps of which other buildpacks say why they cannot be built.
func TestQuiet(t *testing.T) {
	for _, files := range [][]string{
		{"go.mod", "Makefile", "Dockerfile"}, {"package.json", "docker-compose.yml"}, {"README.md"}, {"Dockerfile"},
		{"requirements.txt", "a.ipynb", "docs/conf.py"},
	} {
		if said, err := detect(t, files...); err != nil || said != "no file in the app tells what it is" {
			t.Errorf("%q: got %v and said %q", files, err, said)
		}
	}
}

func TestEmpty(t *testing.T) {
	if said, err := detect(t); err != nil || said != "the app is empty: there is no file in it" {
		t.Errorf("got %v and said %q", err, said)
	}
}

func TestElsewhere(t *testing.T) {
	const want = "there is no app at the top, but api/go.mod, web/package.json: build one of these directories"
	if said, err := detect(t, "README.md", "web/package.json", "api/go.mod"); err != nil || said != want {
		t.Errorf("got %v and said %q", err, said)
	}
}

// TestSentences holds the form of what is shown to users.
func TestSentences(t *testing.T) {
	for _, k := range kinds() {
		if k.Name == "" || len(k.Files) == 0 || k.Missing == "" || strings.HasSuffix(k.Missing+k.Instead, ".") {
			t.Errorf("%q is not complete, or ends in a stop", k.Name)
		}
		for _, glob := range k.Files {
			if _, err := filepath.Match(glob, "x"); err != nil {
				t.Errorf("%q: %v", glob, err)
			}
		}
	}
}
