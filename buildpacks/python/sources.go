package python

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// sources are the app's Python files, as far as they may hold what is started.
type sources struct {
	// modules are by file; byName by what they are imported as.
	modules map[string]*module
	byName  map[string]*module
	// files are all names in order, skipped those that do not parse.
	files, skipped []string
}

// Bounds of the search.
const (
	maxFiles  = 3000
	maxBytes  = 64 << 20
	maxLevels = 4
)

// leaveOut tells whether a directory holds nothing that an image starts.
func leaveOut(name string) bool {
	switch name {
	case "venv", "env", "node_modules", "__pycache__", "site-packages", "tests", "test", "testing", "docs", "doc",
		"examples", "example", "samples", "migrations", "build", "dist", "static", "staticfiles", "media", "templates",
		"notebooks", "alembic", "benchmarks", "locale", "fixtures":
		return true
	}
	return strings.HasPrefix(name, ".")
}

var errEnough = errors.New("enough")

// readSources reads the app's Python files, those near the top first.
func readSources(app *kit.App) *sources {
	s := &sources{modules: map[string]*module{}, byName: map[string]*module{}}
	_ = fs.WalkDir(app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // what cannot be read is not there
		case d.IsDir():
			if name != "." && (leaveOut(d.Name()) || strings.Count(name, "/") >= maxLevels) {
				return fs.SkipDir
			}
			return nil
		case len(s.files) >= maxFiles:
			return errEnough
		case d.Type().IsRegular() && strings.HasSuffix(name, ".py"):
			s.files = append(s.files, name)
		}
		return nil
	})
	slices.SortStableFunc(s.files, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	total := 0
	for _, file := range s.files {
		data, err := app.Read(file)
		if total += len(data); err != nil || total > maxBytes {
			break
		}
		if !interesting(file, data) {
			continue
		}
		m, err := parseModule(file, importName(file), data)
		if err != nil {
			s.skipped = append(s.skipped, file)
			continue
		}
		s.modules[file] = m
		if s.byName[m.name] == nil {
			s.byName[m.name] = m
		}
	}
	return s
}

// importName gives the name that a file is imported as when the app's directory, or src in it, is on the path.
func importName(file string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(file, "src/"), ".py")
	name = strings.TrimSuffix(name, "/__init__")
	return strings.ReplaceAll(name, "/", ".")
}

// interesting tells whether a file is worth parsing: it names a framework, or is called as entry points are.
func interesting(file string, data []byte) bool {
	if !strings.Contains(file, "/") || fileRank(file) < otherFile {
		return true
	}
	text := string(data)
	return slices.ContainsFunc(frameworkModules(), func(name string) bool { return strings.Contains(text, name) })
}

// otherFile is the rank of a file whose name says nothing.
const otherFile = 9

// fileRank ranks names of files by how usual they are for the file that is started.
func fileRank(file string) int {
	base := strings.TrimSuffix(path.Base(file), ".py")
	usual := []string{"main", "app", "server", "application", "wsgi", "asgi", "api", "run", "index"}
	if base == "streamlit_app" {
		return 0
	}
	if i := slices.Index(usual, base); i >= 0 {
		return i
	}
	if base == "__init__" || base == "__main__" {
		return otherFile - 1
	}
	return otherFile
}
