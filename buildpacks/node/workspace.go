package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// member is one package of the app: the root, or a package of its workspaces.
type member struct {
	// Dir is its directory relative to the app, "." for the root.
	Dir  string
	data []byte
	*manifest
}

// file is the path of its package.json.
func (m *member) file() string { return path.Join(m.Dir, "package.json") }

// at gives where a field of the package.json stands, as file:line.
func (m *member) at(field ...string) string {
	return fmt.Sprintf("%s:%d", m.file(), lineOf(m.data, field...))
}

// envApp names the package of a workspace to start: its directory or its name. envNodeApp is its older name.
const (
	envApp     = "S2I_APP"
	envNodeApp = "S2I_NODE_APP"
)

// project is the app with its workspaces.
type project struct {
	app *kit.App
	// root is the package.json of the app's directory, members are the workspaces' packages sorted by directory.
	root    *member
	members []*member
}

// errNoManifest is the error of reading an app without a package.json.
var errNoManifest = errors.New("no package.json in the app")

func readProject(app *kit.App) (*project, error) {
	if !app.Has("package.json") {
		return nil, errNoManifest
	}
	root, err := readMember(app, ".")
	if err != nil {
		return nil, err
	}
	p := &project{app: app, root: root}
	globs, err := p.globs()
	if err != nil || len(globs) == 0 {
		return p, err
	}
	return p, p.findMembers(globs)
}

func readMember(app *kit.App, dir string) (*member, error) {
	name := path.Join(dir, "package.json")
	data, err := app.Read(name)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	return &member{Dir: dir, data: data, manifest: m}, nil
}

// globs gives where the workspaces' packages are.
func (p *project) globs() ([]string, error) {
	if !p.app.Has("pnpm-workspace.yaml") {
		return p.root.Workspaces, nil
	}
	data, err := p.app.Read("pnpm-workspace.yaml")
	if err != nil {
		return nil, err
	}
	return append(yamlList(data, "packages"), p.root.Workspaces...), nil
}

// findMembers looks for package.json files whose directory matches the globs, in order: one that starts with "!" takes
// matches away.
func (p *project) findMembers(globs []string) error {
	err := fs.WalkDir(p.app.FS(), ".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() || dir == "." {
			return nil
		}
		if d.Name() == "node_modules" || d.Name()[0] == '.' || d.Name() == "bower_components" {
			return fs.SkipDir
		}
		if !matchAll(globs, dir) || !p.app.Has(path.Join(dir, "package.json")) {
			return nil
		}
		m, err := readMember(p.app, dir)
		if err != nil {
			return err
		}
		p.members = append(p.members, m)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the workspaces: %w", err)
	}
	return nil
}

func matchAll(globs []string, dir string) bool {
	in := false
	for _, g := range globs {
		negative := strings.HasPrefix(g, "!")
		g = path.Clean(strings.TrimPrefix(strings.TrimPrefix(g, "!"), "./"))
		if matchGlob(strings.Split(g, "/"), strings.Split(dir, "/")) {
			in = !negative
		}
	}
	return in
}

// matchGlob matches path segments; "**" stands for any number of them.
func matchGlob(glob, dir []string) bool {
	for len(glob) > 0 {
		if glob[0] == "**" {
			rest := glob[1:]
			for i := range len(dir) + 1 {
				if matchGlob(rest, dir[i:]) {
					return true
				}
			}
			return false
		}
		if len(dir) == 0 {
			return false
		}
		if ok, err := path.Match(glob[0], dir[0]); err != nil || !ok {
			return false
		}
		glob, dir = glob[1:], dir[1:]
	}
	return len(dir) == 0
}

// all gives the root and the members.
func (p *project) all() []*member { return append([]*member{p.root}, p.members...) }

// byName gives the workspace package of this name, or nil.
func (p *project) byName(name string) *member {
	for _, m := range p.members {
		if string(m.Name) == name && name != "" {
			return m
		}
	}
	return nil
}

// find gives the package that the user chose by directory or name.
func (p *project) find(choice string) (*member, error) {
	dir := path.Clean(filepath.ToSlash(choice))
	for _, m := range p.all() {
		if m.Dir == dir || string(m.Name) == choice {
			return m, nil
		}
	}
	return nil, &refusal{fmt.Sprintf("%s is %s, which is no package of the app: there are %s",
		envApp, choice, names(p.all()))}
}

// maxNamed bounds how many packages a message lists.
const maxNamed = 50

// names lists packages by what S2I_APP takes: the directory, and the name.
func names(members []*member) string {
	var list []string
	for _, m := range members {
		text := m.Dir
		if m.Name != "" {
			text += " (" + string(m.Name) + ")"
		}
		list = append(list, text)
	}
	slices.Sort(list)
	if more := len(list) - maxNamed; more > 0 {
		list = append(list[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, ", ")
}

// dependencies gives the workspace packages that m needs, m last, each after those that it needs itself. With dev, its
// development dependencies count too.
func (p *project) dependencies(m *member, dev bool) []*member {
	var order []*member
	seen := map[*member]bool{}
	var visit func(*member)
	visit = func(m *member) {
		if seen[m] {
			return
		}
		seen[m] = true
		needed, _ := m.runtime()
		if dev {
			for name := range m.DevDependencies {
				needed = append(needed, name)
			}
			slices.Sort(needed)
		}
		for _, name := range needed {
			if next := p.byName(name); next != nil {
				visit(next)
			}
		}
		order = append(order, m)
	}
	visit(m)
	return order
}

// yamlList reads a list of strings at the top level of a YAML file, in either notation. That is all the YAML there is
// to read here, and package managers write it in few ways.
func yamlList(data []byte, key string) []string {
	var list []string
	in := false
	for raw := range bytes.SplitSeq(data, []byte("\n")) {
		line := strings.TrimRight(string(raw), " \t\r")
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#':
		case in && strings.HasPrefix(trimmed, "- "):
			list = append(list, yamlScalar(trimmed[2:]))
		case line[0] == ' ' || line[0] == '\t':
		default:
			rest, ok := strings.CutPrefix(line, key+":")
			in = ok && strings.TrimSpace(rest) == ""
			if flow := strings.TrimSpace(rest); ok && strings.HasPrefix(flow, "[") {
				for item := range strings.SplitSeq(strings.Trim(flow, "[]"), ",") {
					list = append(list, yamlScalar(item))
				}
			}
		}
	}
	return list
}

// yamlValue reads a scalar at the top level of a YAML file; "" when there is none.
func yamlValue(data []byte, key string) string {
	for raw := range bytes.SplitSeq(data, []byte("\n")) {
		if rest, ok := bytes.CutPrefix(raw, []byte(key+":")); ok {
			return yamlScalar(string(rest))
		}
	}
	return ""
}

// yamlScalar removes quotes and a comment.
func yamlScalar(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') {
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return s[1 : 1+end]
		}
	}
	s, _, _ = strings.Cut(s, " #")
	return strings.TrimSpace(s)
}
