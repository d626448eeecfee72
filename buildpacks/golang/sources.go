package golang

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"s2i/buildpacks/kit"
)

// freshenTimes gives the Go files the present time. The app's files all carry one fixed time, and the go command
// remembers a directory's imports by file name, size and time: with the cache of an earlier build it would not see an
// edit that keeps the size. Files that are new to the clock are always read.
func freshenTimes(app *kit.App) error {
	now := time.Now()
	err := fs.WalkDir(app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() || path.Ext(name) != ".go" {
			return nil
		}
		return app.Root().Chtimes(filepath.FromSlash(name), now, now)
	})
	if err != nil {
		return fmt.Errorf("setting the times of the Go files: %w", err)
	}
	return nil
}

// removeSources removes what only the compiler needs, and directories that then hold nothing. With keep, globs of
// paths or file names, it removes all but what they match.
func removeSources(app *kit.App, keep []string) error {
	r := &remover{app: app, keep: keep, goDirs: map[string]bool{}, touched: map[string]bool{}}
	if err := fs.WalkDir(app.FS(), ".", r.visit); err != nil {
		return fmt.Errorf("removing the sources: %w", err)
	}
	slices.Reverse(r.dirs) // children first
	for _, dir := range r.dirs {
		if !r.touched[dir] {
			continue
		}
		err := app.Root().Remove(filepath.FromSlash(dir))
		if err == nil {
			r.touched[path.Dir(dir)] = true
		} else if !errors.Is(err, syscall.ENOTEMPTY) {
			return fmt.Errorf("removing the sources: %w", err)
		}
	}
	return nil
}

// remover is the state of one removal.
type remover struct {
	app  *kit.App
	keep []string
	// goDirs remembers which directories hold Go files, touched those from which something was removed; dirs are all
	// directories, parents first.
	goDirs, touched map[string]bool
	dirs            []string
}

func (r *remover) visit(name string, d fs.DirEntry, err error) error {
	if err != nil || name == "." {
		return err
	}
	file := filepath.FromSlash(name)
	if d.IsDir() {
		switch d.Name() {
		case "testdata", "vendor", ".git":
			if len(r.keep) == 0 {
				r.touched[path.Dir(name)] = true
				if err := r.app.Root().RemoveAll(file); err != nil {
					return err
				}
				return fs.SkipDir
			}
		}
		r.dirs = append(r.dirs, name)
		return nil
	}
	if len(r.keep) == 0 && !isSource(name, r.besideGo(path.Dir(name))) || matches(r.keep, name) {
		return nil
	}
	r.touched[path.Dir(name)] = true
	return r.app.Root().Remove(file)
}

// besideGo tells whether dir holds Go files, as it was before any was removed.
func (r *remover) besideGo(dir string) bool {
	has, known := r.goDirs[dir]
	if !known {
		entries, err := fs.ReadDir(r.app.FS(), dir)
		has = err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return path.Ext(e.Name()) == ".go" })
		r.goDirs[dir] = has
	}
	return has
}

// isSource tells whether only the compiler needs a file. C and assembly are, next to Go files.
func isSource(name string, besideGo bool) bool {
	switch path.Base(name) {
	case "go.mod", "go.sum", "go.work", "go.work.sum", ".gitignore", ".gitattributes", ".gitmodules":
		return true
	}
	switch path.Ext(name) {
	case ".go":
		return true
	case ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".m", ".s", ".S", ".sx", ".syso", ".swig", ".swigcxx":
		return besideGo
	}
	return false
}

func matches(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		glob = strings.TrimPrefix(glob, "./")
		for p := name; p != "."; p = path.Dir(p) {
			if ok, err := path.Match(glob, p); err == nil && ok {
				return true
			}
		}
		ok, err := path.Match(glob, path.Base(name))
		return err == nil && ok
	})
}
