package rust

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// removeSources removes what only the compiler needs, and directories that then hold nothing. With keep, globs of
// paths or file names, it removes all but what they match.
func (d *decision) removeSources(keep []string) error {
	var dirs []string
	touched := map[string]bool{}
	whole := append([]string{".cargo", ".git", "target"}, d.config.vendored()...)
	root := d.app.Root()
	err := fs.WalkDir(d.app.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		file := filepath.FromSlash(name)
		if e.IsDir() {
			if len(keep) == 0 && slices.Contains(whole, name) {
				touched[path.Dir(name)] = true
				if err := root.RemoveAll(file); err != nil {
					return err
				}
				return fs.SkipDir
			}
			dirs = append(dirs, name)
			return nil
		}
		if len(keep) == 0 && !isSource(name) || matches(keep, name) {
			return nil
		}
		touched[path.Dir(name)] = true
		return root.Remove(file)
	})
	if err != nil {
		return fmt.Errorf("removing the sources: %w", err)
	}
	slices.Reverse(dirs) // children first
	for _, dir := range dirs {
		if !touched[dir] {
			continue
		}
		switch err := root.Remove(filepath.FromSlash(dir)); {
		case err == nil:
			touched[path.Dir(dir)] = true
		case !errors.Is(err, syscall.ENOTEMPTY):
			return fmt.Errorf("removing the sources: %w", err)
		}
	}
	return nil
}

// isSource tells whether only the compiler, or the programmer, needs a file.
func isSource(name string) bool {
	switch path.Base(name) {
	case cargoToml, cargoLock, "rust-toolchain", "rust-toolchain.toml", "rustfmt.toml", ".rustfmt.toml", "clippy.toml",
		".gitignore", ".gitattributes", ".gitmodules":
		return true
	}
	return path.Ext(name) == ".rs"
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
