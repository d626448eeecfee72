package golang

import (
	"fmt"
	"go/version"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"s2i/buildpacks/kit"
)

// source is what go.mod or go.work says about the app.
type source struct {
	// File is the file that makes the app a Go app: go.work or go.mod.
	File string
	// Modules are the main modules: one, or those that go.work uses.
	Modules []module
	// Go is the least version of Go, of all go and toolchain lines.
	Go kit.Constraint
	// Hints are what files of version managers recommend.
	Hints []kit.Constraint
	// Vendored tells that dependencies are in the directory vendor.
	Vendored bool
	// Unlocked tells that there are requirements, but no go.sum.
	Unlocked bool
}

// module is one main module.
type module struct {
	// Dir is its directory relative to the app, "." for the app's own.
	Dir string
	// Path is its module path.
	Path string
	// Ignore are the directories that its go.mod ignores, relative to the app.
	Ignore []string
	// Requires are its requirements.
	Requires []requirement
}

// requirement is one line of a go.mod's requirements.
type requirement struct {
	Path     string
	Source   string
	Indirect bool
}

// readSource reads go.work, or go.mod when there is none or workspaces are off.
func readSource(app *kit.App, env kit.Env) (*source, error) {
	s := &source{Vendored: app.Has("vendor/modules.txt"), Hints: hints(app)}
	if !app.Has("go.work") || env["GOWORK"] == "off" {
		s.File = "go.mod"
		err := s.addModule(app, ".")
		s.Unlocked = err == nil && !s.Vendored && !app.Has("go.sum") && len(s.Modules[0].Requires) > 0
		return s, err
	}
	s.File = "go.work"
	data, err := app.Read("go.work")
	if err != nil {
		return nil, err
	}
	work, err := parseWork("go.work", data)
	if err != nil {
		return nil, fmt.Errorf("parsing go.work: %w", err)
	}
	if work.Go != nil {
		s.atLeast(work.Go.Version, "go.work", work.Go.Syntax)
	}
	if work.Toolchain != nil {
		s.atLeast(work.Toolchain.Name, "go.work", work.Toolchain.Syntax)
	}
	for _, use := range work.Use {
		dir := path.Clean(use.Path)
		if !filepath.IsLocal(dir) {
			return nil, fmt.Errorf("go.work:%d uses %s, which is outside the app: build the directory that holds both",
				use.Syntax.Start.Line, use.Path)
		}
		if err := s.addModule(app, dir); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// hints reads the version of Go in the first file of a version manager that names one.
func hints(app *kit.App) []kit.Constraint {
	for _, name := range []string{".go-version", ".tool-versions", "mise.toml", ".mise.toml"} {
		data, err := app.Read(name)
		if err != nil {
			continue
		}
		line := 0
		for text := range strings.Lines(string(data)) {
			line++
			fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("= \t\r\n\"'", r) })
			if len(fields) == 2 && (fields[0] == "go" || fields[0] == "golang") && name != ".go-version" {
				fields = fields[1:]
			}
			if len(fields) != 1 {
				continue
			}
			if v := strings.TrimPrefix(fields[0], "go"); version.IsValid("go" + v) {
				return []kit.Constraint{{Value: v, Source: fmt.Sprintf("%s:%d", name, line), Kind: kit.Hint}}
			}
		}
	}
	return nil
}

// parseWork and parseMod are modfile's parsers.
func parseWork(name string, data []byte) (*modfile.WorkFile, error) {
	return modfile.ParseWork(name, data, nil)
}

func parseMod(name string, data []byte) (*modfile.File, error) {
	return modfile.Parse(name, data, nil)
}

func (s *source) addModule(app *kit.App, dir string) error {
	name := path.Join(dir, "go.mod")
	data, err := app.Read(name)
	if err != nil {
		return err
	}
	file, err := parseMod(name, data)
	if err != nil {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	if file.Module == nil {
		return fmt.Errorf("%s has no module line", name)
	}
	if file.Go != nil {
		s.atLeast(file.Go.Version, name, file.Go.Syntax)
	}
	if file.Toolchain != nil {
		s.atLeast(file.Toolchain.Name, name, file.Toolchain.Syntax)
	}
	m := module{Dir: dir, Path: file.Module.Mod.Path}
	for _, ignore := range file.Ignore {
		m.Ignore = append(m.Ignore, ignorePath(dir, ignore.Path))
	}
	for _, r := range file.Require {
		m.Requires = append(m.Requires, requirement{
			Path: r.Mod.Path, Indirect: r.Indirect, Source: fmt.Sprintf("%s:%d", name, r.Syntax.Start.Line),
		})
	}
	s.Modules = append(s.Modules, m)
	return nil
}

// ignorePath gives an ignore line relative to the app: "./x" is that directory, "x" is every directory of the name,
// which is kept as "x" with no slash before it.
func ignorePath(dir, ignore string) string {
	if rel, ok := strings.CutPrefix(ignore, "./"); ok {
		return path.Join(dir, rel)
	}
	return "**/" + path.Clean(ignore)
}

// atLeast raises the least version to that of a go line ("1.24") or toolchain line ("go1.24.3", "default").
func (s *source) atLeast(v, file string, at *modfile.Line) {
	v = strings.TrimPrefix(v, "go")
	v, _, _ = strings.Cut(v, "-") // a vendor's suffix: go1.24.3-custom
	if !version.IsValid("go" + v) {
		return
	}
	old := strings.TrimPrefix(s.Go.Value, ">=")
	if old != "" && version.Compare("go"+v, "go"+old) <= 0 {
		return
	}
	s.Go = kit.Constraint{Value: ">=" + v, Source: fmt.Sprintf("%s:%d", file, at.Start.Line)}
}
