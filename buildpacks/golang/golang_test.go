package golang

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

// files are an app, by path.
type files map[string]string

func (f files) open(t *testing.T) *kit.App {
	t.Helper()
	return kittest.Open(t, f)
}

const mainFile = "package main\n\nfunc main() {}\n"

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		name, value, source string
		app                 files
	}{
		{"go line", ">=1.24", "go.mod:3", files{"go.mod": "module a\n\ngo 1.24\n"}},
		{"toolchain line", ">=1.25.4", "go.mod:3", files{"go.mod": "module a\ngo 1.24\ntoolchain go1.25.4\n"}},
		{"older toolchain", ">=1.26", "go.mod:2", files{"go.mod": "module a\ngo 1.26\ntoolchain go1.25.4\n"}},
		{"default toolchain", ">=1.24.1", "go.mod:2", files{"go.mod": "module a\ngo 1.24.1\ntoolchain default\n"}},
		{"vendor's suffix", ">=1.25.4", "go.mod:3", files{"go.mod": "module a\ngo 1.24\ntoolchain go1.25.4-acme\n"}},
		{"prerelease", ">=1.26rc1", "go.mod:2", files{"go.mod": "module a\ngo 1.26rc1\n"}},
		{"none", "", "", files{"go.mod": "module a\n"}},
		{"workspace", ">=1.25", "b/go.mod:2", files{
			"go.work": "go 1.24\nuse ./a\nuse b\n", "a/go.mod": "module a\ngo 1.22\n", "b/go.mod": "module b\ngo 1.25\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, err := readSource(c.app.open(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			if src.Go.Value != c.value || src.Go.Source != c.source {
				t.Errorf("got %q from %q, want %q from %q", src.Go.Value, src.Go.Source, c.value, c.source)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		app          files
		env          map[string]string
	}{
		{"nothing", "no go.mod or go.work in the app", files{"x": ""}, nil},
		{"no module", "but main.go: run `go mod init`", files{"main.go": mainFile}, nil},
		{"below", "there is one in backend: build that directory", files{"backend/go.mod": "module a\n"}, nil},
		{"library", "it is a library", files{"go.mod": "module a\n", "a.go": "package a\n"}, nil},
		{"broken go.mod", "parsing go.mod: go.mod:2", files{"go.mod": "module a\nbogus\n"}, nil},
		{"unnamed", "go.mod has no module line", files{"go.mod": "go 1.24\n"}, nil},
		{"outside", "go.work:2 uses ../b, which is outside", files{"go.work": "go 1.24\nuse ../b\n"}, nil},
		{"wrong target", "S2I_GO_TARGETS names ./x, which is no package main of the app: there are ./cmd/a",
			files{"go.mod": "module a\n", "cmd/a/main.go": mainFile}, map[string]string{"S2I_GO_TARGETS": "./x"}},
		{"wrong package", "no package can be called -x", files{"go.mod": "module a\n", "main.go": mainFile},
			map[string]string{"S2I_BUILD_PACKAGES": "-x"}},
		{"only tests and ignored files", "it is a library", files{"go.mod": "module a\nignore ./gen\n",
			"a_test.go": mainFile, "testdata/main.go": mainFile, "_x/main.go": mainFile, ".y/main.go": mainFile,
			"vendor/b/main.go": mainFile, "gen/main.go": mainFile, "other/go.mod": "module o\n", "other/main.go": mainFile,
			"w_windows.go": mainFile, "tool.go": "//go:build ignore\n\n" + mainFile}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			result, err := Detect(libcnb.DetectContext{
				ApplicationPath: c.app.open(t).Dir, Logger: kit.Log{To: &out},
				Platform: libcnb.Platform{Environment: c.env},
			})
			if result.Pass {
				t.Fatalf("got %v", result)
			}
			// What is no Go app says why; what is one, and cannot be built, is an error.
			said := out.String()
			if err != nil {
				said += err.Error() + "\n"
			}
			if !strings.Contains(said, c.reason) || strings.Count(said, "\n") != 1 {
				t.Errorf("said %q, want %q", said, c.reason)
			}
		})
	}
}

func TestPrograms(t *testing.T) {
	for _, c := range []struct {
		name    string
		module  string
		dirs    []string
		targets string
		want    []string // type file default
	}{
		{"one at the root", "example.com/shop", []string{"."}, "", []string{"web shop true"}},
		{"one below", "example.com/shop", []string{"cmd/srv"}, "", []string{"web srv true"}},
		{"major version", "example.com/shop/v3", []string{"."}, "", []string{"web shop true"}},
		{"named as the module", "example.com/shop", []string{"cmd/api", "cmd/shop"}, "",
			[]string{"api api false", "shop shop true"}},
		{"named as a server", "example.com/shop", []string{"cmd/api", "cmd/server", "cmd/tool"}, "",
			[]string{"api api false", "server server true", "tool tool false"}},
		{"same names", "example.com/shop", []string{"a/server", "b/server", "cmd/shop"}, "",
			[]string{"a-server a-server false", "b-server b-server false", "shop shop true"}},
		{"tools for developers", "example.com/shop", []string{"cmd/x", "hack/gen", "examples/a", "internal/tools/y"}, "",
			[]string{"web x true"}},
		{"only tools", "example.com/shop", []string{"examples/a"}, "", []string{"web a true"}},
		{"a tool that is named", "example.com/shop", []string{"cmd/x", "examples/a"}, "./examples/a", []string{"web a true"}},
		{"chosen", "example.com/shop", []string{"cmd/x", "cmd/y", "cmd/z"}, "./cmd/y:example.com/shop/cmd/x",
			[]string{"y y true", "x x false"}},
		{"one chosen", "example.com/shop", []string{"cmd/x", "cmd/y"}, "cmd/y", []string{"web y true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := files{"go.mod": "module " + c.module + "\n"}
			for _, dir := range c.dirs {
				app[dir+"/main.go"] = mainFile
			}
			a, err := examine(app.open(t), kit.Env{envTargets: c.targets}, target{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range a.programs {
				got = append(got, fmt.Sprintf("%s %s %t", p.Type, p.File, p.Default))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDefault has apps of several programs whose names say nothing.
func TestDefault(t *testing.T) {
	two := files{"go.mod": "module a\n", "cmd/x/main.go": mainFile, "cmd/y/main.go": mainFile}
	if _, err := examine(two.open(t), nil, target{}); err == nil || !strings.Contains(err.Error(), "./cmd/x (score 0), ./cmd/y (score 0)") {
		t.Errorf("a tie gives %v", err)
	}
	defaults := func(app files) (list []string) {
		a, err := examine(app.open(t), nil, target{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range a.programs {
			if p.Default {
				list = append(list, p.File)
			}
		}
		return list
	}
	two["Procfile"] = "web: x\n"
	if got := defaults(two); len(got) != 0 {
		t.Errorf("with a Procfile the default is %v", got)
	}
	delete(two, "Procfile")
	two["cmd/y/main.go"] = "package main\n\nimport _ \"a/inner\"\n\nfunc main() {}\n"
	two["inner/inner.go"] = "package inner\n\nimport _ \"net/http\"\n"
	if got := defaults(two); !slices.Equal(got, []string{"y"}) {
		t.Errorf("the default is %v, want the one that serves", got)
	}
}

func TestHints(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{".go-version", "1.24.3\n", "1.24.3 (.go-version:1)"},
		{".tool-versions", "nodejs 20\ngolang 1.25.1\n", "1.25.1 (.tool-versions:2)"},
		{"mise.toml", "[tools]\ngo = \"1.26\"\n", "1.26 (mise.toml:2)"},
		{".go-version", "system\n", ""},
	} {
		got := ""
		for _, h := range hints(files{c.file: c.text}.open(t)) {
			got = h.String()
		}
		if got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.file, c.text, got, c.want)
		}
	}
}

func TestLibraries(t *testing.T) {
	const usesC = "package c\n\n// #cgo linux pkg-config: %s\nimport \"C\"\n"
	for _, c := range []struct {
		name string
		app  files
		want []string
		err  string
	}{
		{"known directive", files{"c/c.go": fmt.Sprintf(usesC, "--static zlib")}, []string{"zlib1g-dev", "pkgconf"}, ""},
		{"other system", files{"c/c.go": strings.Replace(fmt.Sprintf(usesC, "zlib"), "linux", "darwin", 1)}, nil, ""},
		{"unknown directive", files{"c/c.go": fmt.Sprintf(usesC, "acme")}, nil,
			`c/c.go:3 asks for "#cgo pkg-config: acme", and it is not known which package has it`},
		{"known module", files{"c/c.go": "package c\n\nimport _ \"github.com/h2non/bimg\"\n"}, []string{"libvips-dev", "pkgconf"}, ""},
		{"known module with its own library", files{"c/c.go": "package c\n\nimport _ \"github.com/mattn/go-sqlite3\"\n"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.app["go.mod"] = "module a\n"
			c.app["main.go"] = "package main\n\nimport _ \"a/c\"\n\nfunc main() {}\n"
			a, err := examine(c.app.open(t), nil, target{OS: "linux", Arch: "amd64"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range a.libraries {
				got = append(got, l.Packages...)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if err := a.unknown(nil); c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			if err := a.unknown(kit.Env{"S2I_BUILD_PACKAGES": "libacme-dev"}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCgo(t *testing.T) {
	const usesC = "package c\n\n// #include <stdio.h>\nimport \"C\"\n"
	mod := func(lines string) string { return "module a\n\ngo 1.24\n\n" + lines }
	imports := func(path string) string { return "package main\n\nimport _ \"" + path + "\"\n\nfunc main() {}\n" }
	for _, c := range []struct {
		name, want string
		app        files
		env        kit.Env
	}{
		{"none", "", files{"go.mod": mod(""), "main.go": mainFile}, nil},
		{"own", `c/c.go:4 imports "C"`, files{"go.mod": mod(""), "main.go": imports("a/c"), "c/c.go": usesC}, nil},
		{"own, not used", "", files{"go.mod": mod(""), "main.go": mainFile, "c/c.go": usesC}, nil},
		{"own, only in tests", "", files{"go.mod": mod(""), "main.go": imports("a/c"), "c/c.go": "package c\n",
			"c/c_test.go": usesC}, nil},
		{"own, with a way out", "", files{"go.mod": mod(""), "main.go": imports("a/c"), "c/c.go": "//go:build cgo\n\n" + usesC,
			"c/pure.go": "//go:build !cgo\n\npackage c\n"}, nil},
		{"known", "a imports github.com/mattn/go-sqlite3", files{
			"go.mod": mod("require github.com/mattn/go-sqlite3 v1.14.0\n"), "main.go": imports("github.com/mattn/go-sqlite3")}, nil},
		{"known, for tests only", "", files{
			"go.mod": mod("require github.com/mattn/go-sqlite3 v1.14.0\n"), "main.go": mainFile,
			"a_test.go": imports("github.com/mattn/go-sqlite3")}, nil},
		{"known, of a dependency", "go.mod:5 requires github.com/mattn/go-sqlite3", files{
			"go.mod": mod("require github.com/mattn/go-sqlite3 v1.14.0 // indirect\n"), "main.go": mainFile}, nil},
		{"vendored", `vendor/x.org/c/c.go:4 imports "C"`, files{"go.mod": mod(""), "main.go": imports("x.org/c"),
			"vendor/modules.txt": "# x.org/c v1.0.0\n", "vendor/x.org/c/c.go": usesC}, nil},
		{"vendored, not used", "", files{"go.mod": mod("require github.com/mattn/go-sqlite3 v1.14.0 // indirect\n"),
			"main.go": mainFile, "vendor/modules.txt": "", "vendor/x.org/c/c.go": usesC}, nil},
		{"switched off", "", files{"go.mod": mod(""), "main.go": imports("a/c"), "c/c.go": usesC}, kit.Env{"CGO_ENABLED": "0"}},
		{"switched on", "CGO_ENABLED is 1", files{"go.mod": mod(""), "main.go": mainFile}, kit.Env{"CGO_ENABLED": "1"}},
		{"by a tag", `c/c.go:6 imports "C"`, files{"go.mod": mod(""), "main.go": imports("a/c"), "c/d.go": "package c\n",
			"c/c.go": "//go:build fast\n\n" + usesC}, kit.Env{envBuildFlags: "-tags 'x,fast'"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := examine(c.app.open(t), c.env, target{OS: "linux", Arch: "amd64"})
			if err != nil {
				t.Fatal(err)
			}
			if a.cgo != c.want {
				t.Errorf("got %q, want %q", a.cgo, c.want)
			}
		})
	}
}

func TestNeedsGit(t *testing.T) {
	a := &goApp{source: &source{}}
	for _, c := range []struct {
		env      kit.Env
		bindings libcnb.Bindings
		git      bool
	}{
		{nil, nil, false},
		{kit.Env{"GOPRIVATE": "example.com"}, nil, true},
		{kit.Env{"GOPROXY": "direct"}, nil, true},
		{nil, libcnb.Bindings{{Type: "netrc"}}, false},
		{nil, libcnb.Bindings{{Type: "git-credentials"}}, true},
	} {
		got := slices.ContainsFunc(a.needs(c.env, c.bindings), func(n kit.Need) bool { return n.Name == "git" })
		if got != c.git {
			t.Errorf("git for %v and %v: %t", c.env, c.bindings, got)
		}
	}
}

func TestRemoveSources(t *testing.T) {
	app := files{
		"go.mod": "", "go.sum": "", "main.go": "", "main_test.go": "", "asm_amd64.s": "", "x.c": "", "x.h": "",
		"README.md": "", "templates/index.html": "", "web/app.c": "", "internal/a/a.go": "", "internal/a/b/b.go": "",
		"internal/data/data.go": "", "internal/data/seed.sql": "", "vendor/modules.txt": "", "vendor/x/LICENSE": "",
		"testdata/big": "", "pkg/testdata/big": "", ".gitignore": "",
	}
	for _, c := range []struct {
		name string
		keep []string
		want []string
	}{
		{"all but sources", nil, []string{"README.md", "empty", "internal", "internal/data", "internal/data/seed.sql",
			"templates", "templates/index.html", "web", "web/app.c"}},
		{"what is named", []string{"./templates", "*.sql"}, []string{"empty", "internal", "internal/data",
			"internal/data/seed.sql", "templates", "templates/index.html"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			opened := app.open(t)
			if err := os.Mkdir(filepath.Join(opened.Dir, "empty"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := removeSources(opened, c.keep); err != nil {
				t.Fatal(err)
			}
			var got []string
			err := fs.WalkDir(opened.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
				if name != "." {
					got = append(got, name)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestBuild compiles for real, with the toolchain that runs the test and its cache.
func TestBuild(t *testing.T) {
	goroot := runtime.GOROOT() //nolint:staticcheck // of the toolchain that runs this test
	if _, err := os.Stat(filepath.Join(goroot, "bin", "go")); err != nil {
		path, err := exec.LookPath("go")
		if err != nil {
			t.Fatalf("this test needs the go command: %v", err)
		}
		goroot = filepath.Dir(filepath.Dir(path))
	}
	cache, err := exec.Command(filepath.Join(goroot, "bin", "go"), "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(goroot, "bin")+":"+os.Getenv("PATH"))
	app := files{
		"go.mod": "module example.com/shop\n\ngo 1.24\n", "cmd/a/server/main.go": mainFile, "cmd/b/server/main.go": mainFile,
		"shop/main.go": mainFile, "static/page.html": "page",
	}.open(t)
	layers := libcnb.Layers{Path: t.TempDir()}
	if err := os.Symlink(strings.TrimSpace(string(cache)), filepath.Join(layers.Path, "objects")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	result, err := Build(libcnb.BuildContext{
		ApplicationPath: app.Dir, Layers: layers, Logger: kit.Log{To: &out},
		TargetInfo: libcnb.TargetInfo{OS: "linux", Arch: runtime.GOARCH},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	bin := filepath.Join(layers.Path, "app", "bin")
	want := []libcnb.Process{
		{Type: "cmd-a-server", Command: []string{filepath.Join(bin, "cmd-a-server")}},
		{Type: "cmd-b-server", Command: []string{filepath.Join(bin, "cmd-b-server")}},
		{Type: "shop", Command: []string{filepath.Join(bin, "shop")}, Default: true},
	}
	if diff := cmp.Diff(want, result.Processes); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	for _, p := range result.Processes {
		f, err := elf.Open(p.Command[0])
		if err != nil {
			t.Fatal(err)
		}
		if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 || f.Section(".symtab") != nil {
			t.Errorf("%s is not static and stripped: %v, %v", p.Type, libs, err)
		}
		_ = f.Close()
	}
	if app.Has("go.mod") || app.HasDir("cmd") || !app.Has("static/page.html") {
		t.Error("the app's directory does not hold what it should")
	}
}

func FuzzModFiles(f *testing.F) {
	f.Add([]byte("module a\n\ngo 1.24\ntoolchain go1.25.4\nrequire x.org/y v1.0.0 // indirect\nignore ./z\n"))
	f.Add([]byte("go 1.24\nuse (\n\t./a\n\t../b\n)\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"go.mod", "go.work"} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
			app, err := kit.OpenApp(dir)
			if err != nil {
				t.Fatal(err)
			}
			if src, err := readSource(app, nil); err == nil && src.Go.Value != "" && src.Go.Source == "" {
				t.Errorf("%q has a version from nowhere", data)
			}
			_ = app.Close()
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzPackage(f *testing.F) {
	f.Add([]byte(mainFile))
	f.Add([]byte("//go:build cgo && !x\n\npackage main\n\nimport (\n\t\"C\"\n\t\"a/b\"\n)\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "x.go"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		app, err := kit.OpenApp(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer app.Close()
		if _, err := newScanner(app, target{}).dir(".", "a"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCredentials(t *testing.T) {
	env := withCredentials(kit.Env{}, libcnb.Bindings{
		libcnb.NewBinding("n", "/b/n", map[string]string{"type": "netrc", ".netrc": "secret"}),
		libcnb.NewBinding("g", "/b/g", map[string]string{"type": "git-credentials", "credentials": "secret"}),
	})
	want := kit.Env{"NETRC": "/b/n/.netrc", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "credential.helper",
		"GIT_CONFIG_VALUE_0": "store --file=/b/g/credentials"}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUnlocked resolves the modules of an app without a go.sum, and says so.
func TestUnlocked(t *testing.T) {
	const mod = "module example.com/shop\n\ngo 1.24\n"
	const require = mod + "\nrequire example.com/lib v1.0.0\n"
	for name, c := range map[string]struct {
		app  files
		want bool
	}{
		"no go.sum":       {files{"go.mod": require, "main.go": mainFile}, true},
		"go.sum":          {files{"go.mod": require, "main.go": mainFile, "go.sum": ""}, false},
		"no requirements": {files{"go.mod": mod, "main.go": mainFile}, false},
		"vendored":        {files{"go.mod": require, "main.go": mainFile, "vendor/modules.txt": ""}, false},
	} {
		a, err := examine(c.app.open(t), nil, target{})
		if err != nil {
			t.Fatal(err)
		}
		warned := slices.ContainsFunc(a.record().Warnings, func(w string) bool { return strings.Contains(w, "no go.sum") })
		if a.source.Unlocked != c.want || warned != c.want {
			t.Errorf("%s: %t, and a warning: %t", name, a.source.Unlocked, warned)
		}
	}
}
