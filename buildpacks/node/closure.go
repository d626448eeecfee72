package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// closure is what the app needs of node_modules when it runs: every package that can be reached from the app's
// dependencies by node's own resolution. It is worked out on the files, so it holds for every package manager and every
// layout, and what managers leave behind (state files, caches, development dependencies, packages for another libc)
// is not in it.
//
// All paths are relative to the mirror, with slashes.
type closure struct {
	root *os.Root
	// packages are the directories of packages; links are symlinks in node_modules that resolve to one.
	packages map[string]*manifest
	links    map[string]string
	// outside maps links to the app's own packages to their directories in the app.
	outside map[string]string
	// missing are packages that should be there and are not, each with who needs it.
	missing []string
}

// findClosure walks from the given directories of the app's own packages.
func findClosure(dir string, from []*member) (*closure, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the installed packages: %w", err)
	}
	defer root.Close()
	c := &closure{root: root, packages: map[string]*manifest{}, links: map[string]string{}, outside: map[string]string{}}
	type visit struct {
		dir string
		*manifest
	}
	var queue []visit
	for _, m := range from {
		queue = append(queue, visit{m.Dir, m.manifest})
	}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		names, must := v.runtime()
		for _, name := range names {
			found, m, isNew, err := c.resolve(v.dir, name)
			if err != nil {
				return nil, err
			}
			if found == "" && must[name] {
				c.missing = append(c.missing, fmt.Sprintf("%s (needed by %s)", name, orElse(string(v.Name), v.dir)))
			}
			if isNew {
				queue = append(queue, visit{found, m})
			}
		}
	}
	c.missing = sortUnique(c.missing)
	return c, c.hoisted()
}

// maxWalk bounds how many directories up a package is looked for; no path is deeper.
const maxWalk = 256

// resolve finds the package that name means in dir: node_modules/name there, or in the nearest directory above.
func (c *closure) resolve(dir, name string) (found string, m *manifest, isNew bool, err error) {
	if name == "" || !filepath.IsLocal(name) || strings.Contains(name, "\\") {
		return "", nil, false, nil
	}
	for range maxWalk {
		if path.Base(dir) != "node_modules" {
			entry := path.Join(dir, "node_modules", name)
			if info, err := c.root.Lstat(filepath.FromSlash(entry)); err == nil {
				return c.take(entry, info)
			}
		}
		if dir == "." {
			break
		}
		dir = path.Dir(dir)
	}
	return "", nil, false, nil
}

// take adds the package at an entry of a node_modules directory, through a symlink if it is one.
func (c *closure) take(entry string, info fs.FileInfo) (string, *manifest, bool, error) {
	dir := entry
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := c.root.Readlink(filepath.FromSlash(entry))
		if err != nil {
			return "", nil, false, fmt.Errorf("reading %s: %w", entry, err)
		}
		dir = c.follow(entry, filepath.ToSlash(target))
		if dir == "" {
			return "", nil, false, nil
		}
	}
	m, known := c.packages[dir]
	if !known {
		var err error
		if m, err = c.manifest(dir); err != nil || m == nil || otherLibc(m) {
			return "", nil, false, err
		}
		c.packages[dir] = m
	}
	switch {
	case dir == entry:
	case installed(dir):
		c.links[entry] = dir
	default:
		c.outside[entry] = dir
	}
	return dir, m, !known, nil
}

// follow resolves a symlink's target against its place; "" when it leaves the mirror.
func (c *closure) follow(entry, target string) string {
	if path.IsAbs(target) {
		base := filepath.ToSlash(c.root.Name()) + "/"
		rest, ok := strings.CutPrefix(path.Clean(target), base)
		if !ok {
			return ""
		}
		return rest
	}
	dir := path.Join(path.Dir(entry), target)
	if !filepath.IsLocal(dir) {
		return ""
	}
	return dir
}

// maxManifest bounds an installed package.json, in bytes.
const maxManifest = 4 << 20

// manifest reads the package.json of an installed package; nil when there is none.
func (c *closure) manifest(dir string) (*manifest, error) {
	f, err := c.root.Open(filepath.FromSlash(path.Join(dir, "package.json")))
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("reading %s/package.json: %w", dir, err)
	}
	m := &manifest{}
	if json.Unmarshal(data, m) != nil {
		m = &manifest{} // node gets along with a broken one as well
	}
	return m, nil
}

// otherLibc tells that a package is for systems with another C library than the run image's.
func otherLibc(m *manifest) bool { return len(m.Libc) > 0 && !slices.Contains(m.Libc, "glibc") }

// hoisted adds pnpm's links to packages that others use without saying so.
func (c *closure) hoisted() error {
	const dir = "node_modules/.pnpm/node_modules"
	var visit func(string) error
	visit = func(dir string) error {
		entries, err := fs.ReadDir(c.root.FS(), dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			entry := path.Join(dir, e.Name())
			if e.IsDir() && strings.HasPrefix(e.Name(), "@") && path.Base(dir) == "node_modules" {
				if err := visit(entry); err != nil {
					return err
				}
			}
			if e.Type()&fs.ModeSymlink == 0 {
				continue
			}
			target, err := c.root.Readlink(filepath.FromSlash(entry))
			if err != nil {
				return fmt.Errorf("reading %s: %w", entry, err)
			}
			switch to := c.follow(entry, filepath.ToSlash(target)); {
			case c.packages[to] == nil:
			case installed(to):
				c.links[entry] = to
			default:
				c.outside[entry] = to
			}
		}
		return nil
	}
	return visit(dir)
}

// commands gives the commands of the packages that dir depends on directly, by name: the file of each, relative to the
// mirror and through node_modules.
func (c *closure) commands(m *member) map[string]string {
	all := map[string]string{}
	names, _ := m.runtime()
	for _, name := range names {
		for dir := m.Dir; ; dir = path.Dir(dir) {
			entry := path.Join(dir, "node_modules", name)
			at := entry
			if to, ok := c.links[entry]; ok {
				at = to
			}
			if pkg := c.packages[at]; pkg != nil {
				for command, file := range pkg.commands() {
					if _, taken := all[command]; !taken {
						all[command] = path.Join(entry, file)
					}
				}
				break
			}
			if dir == "." {
				break
			}
		}
	}
	return all
}
