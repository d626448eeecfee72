package s2i_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "s2i"

// mayImport is the import table of ARCHITECTURE.md: for each package of this module, the packages of this module that
// it may import. A pattern ending in "/..." stands for the packages below it.
var mayImport = map[string][]string{
	".":                           {},
	"lifecycle":                   {},
	"lifecycle/env":               {"lifecycle"},
	"lifecycle/archive":           {"lifecycle"},
	"lifecycle/progress":          {},
	"lifecycle/store":             {"lifecycle", "lifecycle/archive", "lifecycle/progress"},
	"lifecycle/sandbox":           {"lifecycle", "lifecycle/archive", "lifecycle/progress"},
	"lifecycle/snapshot":          {"lifecycle", "lifecycle/archive", "lifecycle/progress", "lifecycle/sandbox", "lifecycle/store"},
	"lifecycle/image":             {"lifecycle", "lifecycle/archive", "lifecycle/progress", "lifecycle/store"},
	"lifecycle/launch":            {"lifecycle", "lifecycle/env"},
	"lifecycle/launch/...":        {"lifecycle", "lifecycle/env"},
	"lifecycle/analyze":           {"lifecycle", "lifecycle/archive", "lifecycle/image", "lifecycle/progress", "lifecycle/store"},
	"lifecycle/restore":           {"lifecycle", "lifecycle/archive", "lifecycle/image", "lifecycle/progress", "lifecycle/store"},
	"lifecycle/build":             {"lifecycle", "lifecycle/archive", "lifecycle/env", "lifecycle/progress"},
	"lifecycle/native":            {"lifecycle", "lifecycle/archive", "lifecycle/env", "lifecycle/progress", "lifecycle/store"},
	"lifecycle/native/...":        {},
	"lifecycle/export":            {"lifecycle", "lifecycle/archive", "lifecycle/image", "lifecycle/launch", "lifecycle/native", "lifecycle/progress", "lifecycle/restore", "lifecycle/store"},
	"lifecycle/export/...":        {"lifecycle", "lifecycle/archive"},
	"lifecycle/rebase":            {"lifecycle", "lifecycle/image", "lifecycle/progress", "lifecycle/store"},
	"lifecycle/listing":           {"lifecycle/archive"},
	"lifecycle/dockerfile":        {"lifecycle", "lifecycle/archive", "lifecycle/dockerfile/check", "lifecycle/image", "lifecycle/listing", "lifecycle/progress", "lifecycle/sandbox", "lifecycle/snapshot", "lifecycle/store"},
	"lifecycle/dockerfile/check":  {},
	"lifecycle/extend":            {"lifecycle", "lifecycle/dockerfile", "lifecycle/image", "lifecycle/progress"},
	"lifecycle/create":            {"lifecycle", "lifecycle/...", "detect", "detect/source"},
	"detect":                      {"lifecycle", "lifecycle/env", "lifecycle/progress"},
	"detect/source":               {"lifecycle", "lifecycle/archive", "lifecycle/progress"},
	"stacks":                      {"lifecycle", "lifecycle/archive", "lifecycle/progress", "lifecycle/store", "stacks/..."},
	"stacks/...":                  {"lifecycle", "lifecycle/archive", "lifecycle/progress", "lifecycle/store", "stacks/..."},
	"buildpacks":                  {"lifecycle", "buildpacks/..."},
	"buildpacks/kit":              {},
	"buildpacks/...":              {"buildpacks/kit"},
	"buildpacks/staticserver":     {"buildpacks/kit", "buildpacks/staticserver/..."},
	"buildpacks/staticserver/...": {},
	"cmd/static-server":           {"buildpacks/staticserver/server"},
	"cmd/launcher":                {"lifecycle/launch", "lifecycle"},
	"cmd/s2i":                     {".", "lifecycle", "lifecycle/...", "detect", "detect/source", "stacks", "stacks/...", "buildpacks"},
	"e2e":                         {},
	"e2e/bench":                   {"lifecycle/sandbox"},
}

// TestImports holds the import table against the code and names every edge that is not in it. Tests are free to
// import what they need.
func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || file != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		seen++
		checkFile(t, filepath.ToSlash(file))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("no Go files were read")
	}
}

func checkFile(t *testing.T, file string) {
	t.Helper()
	from := path.Dir(file)
	allowed, ok := table(from)
	if !ok {
		t.Errorf("package %s is not in the import table", from)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		to := strings.Trim(spec.Path.Value, `"`)
		if to == module {
			to = "."
		} else if rest, ours := strings.CutPrefix(to, module+"/"); ours {
			to = rest
		} else {
			continue
		}
		if !slices.ContainsFunc(allowed, func(pattern string) bool { return covers(pattern, to) }) {
			t.Errorf("%s imports %s, which the import table does not allow for %s", file, to, from)
		}
	}
}

// table finds the entry for a package: its own, or the nearest pattern above it.
func table(pkg string) ([]string, bool) {
	if allowed, ok := mayImport[pkg]; ok {
		return allowed, true
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if allowed, ok := mayImport[dir+"/..."]; ok {
			return allowed, true
		}
	}
	return nil, false
}

func covers(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}
