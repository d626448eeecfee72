package rust

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

const cargoToml = "Cargo.toml"

// maxMembers bounds the packages of a workspace.
const maxMembers = 2000

// member is a package of the app.
type member struct {
	*manifest
	// Dir is its directory relative to the app, "." for the app's own.
	Dir string
	// Data is the text of its Cargo.toml.
	Data []byte
}

// file gives the path of the member's Cargo.toml.
func (m *member) file() string { return path.Join(m.Dir, cargoToml) }

// project is the app's packages.
type project struct {
	app *kit.App
	// root is the Cargo.toml in the app's directory. It has no Package when the workspace is a virtual one.
	root *member
	// members are the packages, the root's first, the others sorted by directory.
	members []*member
	seen    map[string]bool
}

// errOutside is the reason for refusing an app that needs what is not part of it.
var errOutside = errors.New("it is outside the app: build the directory that holds both")

// readProject reads the Cargo.toml in the app's directory and those of the workspace's members.
func readProject(app *kit.App) (*project, error) {
	p := &project{app: app, seen: map[string]bool{}}
	root, err := p.read(".")
	if err != nil {
		return nil, err
	}
	p.root = root
	if root.Package != nil {
		p.members = append(p.members, root)
		p.seen["."] = true
	}
	if err := p.checkPaths(root); err != nil || root.Workspace == nil {
		return p, err
	}
	for _, pattern := range root.Workspace.Members {
		if err := p.addMatching(pattern); err != nil {
			return nil, err
		}
	}
	// Packages that members depend on by path are members too. The list grows while it is walked.
	for i := 0; i < len(p.members); i++ {
		if err := p.addPaths(p.members[i]); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(p.members, func(a, b *member) int {
		if (a == root) != (b == root) {
			return map[bool]int{true: -1, false: 1}[a == root]
		}
		return strings.Compare(a.Dir, b.Dir)
	})
	return p, nil
}

func (p *project) read(dir string) (*member, error) {
	name := path.Join(dir, cargoToml)
	data, err := p.app.Read(name)
	if err != nil {
		return nil, err
	}
	m := &member{manifest: &manifest{}, Dir: dir, Data: data}
	return m, parseTOML(name, data, m.manifest)
}

// addMatching adds the packages that an entry of workspace.members names.
func (p *project) addMatching(pattern string) error {
	clean := path.Clean(strings.TrimSuffix(pattern, "/"))
	if !filepath.IsLocal(clean) {
		return fmt.Errorf("%s names the member %s: %w", at(cargoToml, p.root.Data, "workspace", "members"), pattern, errOutside)
	}
	if !strings.ContainsAny(clean, "*?[") {
		return p.add(clean)
	}
	dirs, err := p.glob(clean)
	if err != nil {
		return fmt.Errorf("finding the members %s (%s): %w", pattern, at(cargoToml, p.root.Data, "workspace", "members"), err)
	}
	for _, dir := range dirs {
		// What a pattern matches by chance is left out; cargo does the same.
		if !p.app.Has(path.Join(dir, cargoToml)) {
			continue
		}
		if err := p.add(dir); err != nil {
			return err
		}
	}
	return nil
}

// glob gives the directories that match a pattern; ** stands for any number of directories.
func (p *project) glob(pattern string) ([]string, error) {
	before, after, deep := strings.Cut(pattern, "**")
	if !deep {
		return fs.Glob(p.app.FS(), pattern)
	}
	start := path.Clean(before)
	after = strings.TrimPrefix(after, "/")
	var dirs []string
	err := fs.WalkDir(p.app.FS(), start, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if n := d.Name(); n == "target" || n == "node_modules" || n == ".git" {
			return fs.SkipDir
		}
		if ok, err := path.Match(after, path.Base(name)); after == "" || err == nil && ok {
			dirs = append(dirs, name)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return dirs, err
}

func (p *project) add(dir string) error {
	if p.seen[dir] || p.excluded(dir) {
		return nil
	}
	p.seen[dir] = true
	if len(p.members) >= maxMembers {
		return fmt.Errorf("the workspace has more than %d members", maxMembers)
	}
	m, err := p.read(dir)
	if err != nil {
		return fmt.Errorf("reading a member of the workspace: %w", err)
	}
	if m.Package == nil {
		return nil
	}
	p.members = append(p.members, m)
	return p.checkPaths(m)
}

func (p *project) excluded(dir string) bool {
	return slices.ContainsFunc(p.root.Workspace.Exclude, func(e string) bool {
		e = path.Clean(e)
		return dir == e || strings.HasPrefix(dir, e+"/")
	})
}

// addPaths adds the packages that m depends on by path, as far as they are below the workspace.
func (p *project) addPaths(m *member) error {
	for _, dir := range m.paths() {
		if p.app.Has(path.Join(dir, cargoToml)) {
			if err := p.add(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// paths gives the directories that m depends on, sorted; some may lie outside the app.
func (m *member) paths() []string {
	var dirs []string
	for _, deps := range m.tables() {
		for _, v := range deps {
			if dep, ok := v.(map[string]any); ok {
				if rel, ok := dep["path"].(string); ok {
					dirs = append(dirs, path.Join(m.Dir, filepath.ToSlash(rel)))
				}
			}
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// checkPaths refuses dependencies by path that are not in the app.
func (p *project) checkPaths(m *member) error {
	tables := m.tables()
	if m.Workspace != nil {
		tables["workspace.dependencies"] = m.Workspace.Dependencies
	}
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		for _, key := range slices.Sorted(maps.Keys(tables[table])) {
			dep, _ := tables[table][key].(map[string]any)
			rel, ok := dep["path"].(string)
			if !ok {
				continue
			}
			if dir := path.Join(m.Dir, filepath.ToSlash(rel)); path.IsAbs(rel) || !filepath.IsLocal(dir) {
				return fmt.Errorf("%s takes %s from %s: %w", at(m.file(), m.Data, table, key), key, rel, errOutside)
			}
		}
	}
	return nil
}

// nearby gives directories just below the app that hold a Cargo.toml.
func nearby(app *kit.App) []string {
	found, err := fs.Glob(app.FS(), "*/"+cargoToml)
	if err != nil {
		return nil
	}
	var dirs []string
	for _, f := range found {
		dirs = append(dirs, path.Dir(f))
	}
	return dirs
}
