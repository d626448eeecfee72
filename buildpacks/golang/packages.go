package golang

import (
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// pkg is one Go package of the app.
type pkg struct {
	// Path is its import path, Dir its directory relative to the app.
	Path, Dir string
	// Main tells that it is a program.
	Main bool
	// Imports are the import paths of its files, tests left out.
	Imports []string
	// Cgo is where it imports "C", as file:line; empty when it does not, or when it does without cgo as well.
	Cgo string
	// CgoFiles are the files that import "C".
	CgoFiles []string
}

// target is what the app is built for.
type target struct {
	OS, Arch string
	// Tags are the user's build tags.
	Tags []string
}

// maxHeader bounds how much of a Go file is read for its imports, in bytes.
const maxHeader = 1 << 20

// scanner finds packages.
type scanner struct {
	app *kit.App
	// with and without match files with cgo on and off.
	with, without build.Context
}

func newScanner(app *kit.App, t target) *scanner {
	s := &scanner{app: app, with: build.Default}
	s.with.GOOS, s.with.GOARCH = t.OS, t.Arch
	if s.with.GOOS == "" {
		s.with.GOOS = "linux"
	}
	if s.with.GOARCH == "" {
		s.with.GOARCH = runtime.GOARCH
	}
	s.with.BuildTags = t.Tags
	s.with.CgoEnabled = true
	// Only MatchFile is used: it joins the names and opens the file, here inside the app.
	s.with.JoinPath = path.Join
	s.with.OpenFile = func(name string) (io.ReadCloser, error) { return openRegular(app.Root(), name) }
	s.without = s.with
	s.without.CgoEnabled = false
	return s
}

func openRegular(root *os.Root, name string) (io.ReadCloser, error) {
	name = filepath.FromSlash(name)
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return root.Open(name)
}

// packages gives the packages of the main modules, by import path.
func (s *scanner) packages(src *source) (map[string]*pkg, error) {
	all := map[string]*pkg{}
	for _, m := range src.Modules {
		err := fs.WalkDir(s.app.FS(), m.Dir, func(dir string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !d.IsDir() {
				return nil
			}
			if dir != m.Dir && (skipped(d.Name()) || ignored(m.Ignore, dir) || s.app.Has(dir+"/go.mod")) {
				return fs.SkipDir
			}
			p, err := s.dir(dir, importPath(m, dir))
			if p != nil {
				all[p.Path] = p
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading the packages of %s: %w", m.Path, err)
		}
	}
	return all, nil
}

func importPath(m module, dir string) string {
	if dir == m.Dir {
		return m.Path
	}
	if m.Dir != "." {
		dir = strings.TrimPrefix(dir, m.Dir+"/")
	}
	return m.Path + "/" + dir
}

// skipped tells of a directory that "./..." does not go into.
func skipped(name string) bool {
	return name == "vendor" || name == "testdata" || name == "node_modules" || name[0] == '.' || name[0] == '_'
}

func ignored(ignore []string, dir string) bool {
	return slices.ContainsFunc(ignore, func(i string) bool {
		if rest, ok := strings.CutPrefix(i, "**/"); ok {
			return strings.HasSuffix("/"+dir, "/"+rest)
		}
		return i == dir
	})
}

// dir reads one directory as a package; nil when it holds none.
func (s *scanner) dir(dir, importPath string) (*pkg, error) {
	entries, err := fs.ReadDir(s.app.FS(), dir)
	if err != nil {
		return nil, err
	}
	p := &pkg{Path: importPath, Dir: dir}
	found, cgoFree := false, false
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if ok, err := s.with.MatchFile(dir, name); err != nil || !ok {
			// A file for builds without cgo only: the package does without it.
			if ok, err := s.without.MatchFile(dir, name); err == nil && ok {
				cgoFree = true
			}
			continue
		}
		if s.file(p, path.Join(dir, name)) {
			found = true
		}
	}
	if cgoFree {
		p.Cgo = ""
	}
	if !found {
		return nil, nil
	}
	return p, nil
}

// file adds one file's name and imports to its package. Files that do not parse are left to the compiler's complaint.
func (s *scanner) file(p *pkg, name string) bool {
	f, err := openRegular(s.app.Root(), name)
	if err != nil {
		return false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHeader))
	if err != nil {
		return false
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.ImportsOnly)
	if err != nil || parsed.Name == nil {
		return false
	}
	p.Main = p.Main || parsed.Name.Name == "main"
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if imported == "C" {
			p.CgoFiles = append(p.CgoFiles, name)
			if p.Cgo == "" {
				p.Cgo = fmt.Sprintf("%s:%d", name, set.Position(spec.Pos()).Line)
			}
			continue
		}
		p.Imports = append(p.Imports, imported)
	}
	return true
}

// mains gives the programs among packages, sorted by directory.
func mains(packages map[string]*pkg) []*pkg {
	var list []*pkg
	for _, p := range packages {
		if p.Main {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *pkg) int { return strings.Compare(a.Dir, b.Dir) })
	return list
}
