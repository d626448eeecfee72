package rust

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// bin is a program of the app.
type bin struct {
	// Name is what cargo calls it and its file, Crate the package it belongs to.
	Name  string
	Crate *member
	// Source is its main file, or the line of Cargo.toml that names it.
	Source string
	// Main is its main file.
	Main string
	// Type is its process type.
	Type    string
	Default bool
	// Score and Evidence say why it may be the default; Rejected why it is not built.
	Score    int
	Evidence []string
	Rejected string
}

// maxBins bounds the programs of one package.
const maxBins = 200

var (
	errLibrary = errors.New("no program in Cargo.toml's packages: it is a library, there is nothing to run")
	// binName is what can be a file's name and a process type.
	binName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// bins finds the programs of a package as cargo does: src/main.rs, src/bin/*, [[bin]].
func (p *project) bins(m *member) []*bin {
	var list []*bin
	add := func(name, main, source string, features []string) {
		if !binName.MatchString(name) || slices.ContainsFunc(list, func(b *bin) bool { return b.Name == name }) {
			return
		}
		b := &bin{Name: name, Crate: m, Main: main, Source: source}
		for _, f := range features {
			if !m.defaultFeature(f) {
				b.Rejected = fmt.Sprintf("it needs the feature %s, which is not a default one", f)
			}
		}
		list = append(list, b)
	}
	for _, b := range m.Bin[:min(len(m.Bin), maxBins)] {
		main := b.Path
		if main == "" {
			main = p.guessMain(m, b.Name)
		}
		add(b.Name, path.Join(m.Dir, filepath.ToSlash(main)), binSource(m, b.Name), b.RequiredFeatures)
	}
	if m.Package.Autobins != nil && !*m.Package.Autobins {
		return list
	}
	declared := func(file string) bool {
		return slices.ContainsFunc(list, func(b *bin) bool { return b.Main == file })
	}
	if file := path.Join(m.Dir, "src/main.rs"); p.app.Has(file) && !declared(file) {
		add(m.Package.Name, file, file, nil)
	}
	entries, err := fs.ReadDir(p.app.FS(), path.Join(m.Dir, "src/bin"))
	if err != nil {
		return list // there is none
	}
	for _, e := range entries[:min(len(entries), maxBins)] {
		file := path.Join(m.Dir, "src/bin", e.Name())
		name, isFile := strings.CutSuffix(e.Name(), ".rs")
		if !isFile {
			file = path.Join(file, "main.rs")
		}
		if p.app.Has(file) && !declared(file) {
			add(name, file, file, nil)
		}
	}
	return list
}

// guessMain gives where cargo looks for the main file of a [[bin]] without a path.
func (p *project) guessMain(m *member, name string) string {
	for _, file := range []string{"src/bin/" + name + ".rs", "src/bin/" + name + "/main.rs"} {
		if p.app.Has(path.Join(m.Dir, file)) {
			return file
		}
	}
	return "src/main.rs"
}

// binSource gives the line of a [[bin]] with this name.
func binSource(m *member, name string) string {
	line, inBin := 0, false
	for text := range strings.Lines(string(m.Data)) {
		line++
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "[") {
			inBin = strings.HasPrefix(text, "[[bin]]")
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		if inBin && strings.TrimSpace(key) == "name" && strings.HasPrefix(strings.TrimSpace(value), `"`+name+`"`) {
			return fmt.Sprintf("%s:%d", m.file(), line)
		}
	}
	return m.file()
}

// defaultFeature tells whether a feature is on without being asked for.
func (m *member) defaultFeature(feature string) bool {
	seen := map[string]bool{}
	queue := []string{"default"}
	for len(queue) > 0 {
		f := queue[0]
		queue = queue[1:]
		if f == feature {
			return true
		}
		if !seen[f] {
			seen[f] = true
			queue = append(queue, m.Features[f]...)
		}
	}
	return false
}

// serverCrates are what programs that answer requests depend on.
func serverCrates() []string {
	return []string{
		"actix-web", "axum", "dropshot", "gotham", "hyper", "jsonrpsee", "leptos_axum", "loco-rs", "may_minihttp", "ntex",
		"pingora", "poem", "rocket", "rouille", "salvo", "tide", "tiny_http", "tonic", "trillium", "viz", "warp",
	}
}

// server gives a crate for servers that the package depends on, with its line.
func (m *member) server() (crate, source string) {
	for _, name := range serverCrates() {
		for key, v := range m.Dependencies {
			if crateName(key, v) == name {
				return name, at(m.file(), m.Data, "dependencies", key)
			}
		}
	}
	return "", ""
}

// candidates gives the programs that cargo builds when nothing is said: those of the default members.
func (p *project) candidates(env kit.Env) ([]*bin, error) {
	from, err := p.chosenMembers(env)
	if err != nil {
		return nil, err
	}
	var list []*bin
	for _, m := range from {
		list = append(list, p.bins(m)...)
	}
	for _, b := range list {
		if b.Rejected == "" {
			b.Rejected = b.notForServers()
		}
		for _, other := range list {
			if other != b && other.Name == b.Name {
				return nil, fmt.Errorf("two programs are called %s (%s, %s): choose a package with %s",
					b.Name, b.Source, other.Source, envApp)
			}
		}
	}
	return list, nil
}

// notForServers says why a program is not one that an image is made for; "" when it is.
func (b *bin) notForServers() string {
	if b.Name == "xtask" || b.Crate.Package.Name == "xtask" {
		return "xtask is a tool for developers"
	}
	for _, name := range []string{"yew", "web-sys", "wasm-bindgen", "gloo", "sycamore"} {
		if _, ok := b.Crate.Dependencies[name]; ok {
			if server, _ := b.Crate.server(); server == "" {
				return "it is made for browsers: its package depends on " + name
			}
		}
	}
	return ""
}

// chosenMembers gives the packages whose programs count.
func (p *project) chosenMembers(env kit.Env) ([]*member, error) {
	if wanted := env[envApp]; wanted != "" {
		i := slices.IndexFunc(p.members, func(m *member) bool {
			return m.Package.Name == wanted || m.Dir == path.Clean(wanted)
		})
		if i < 0 {
			return nil, fmt.Errorf("%s is %s, which is no package of the workspace: there are %s",
				envApp, wanted, strings.Join(p.names(), ", "))
		}
		return p.members[i : i+1], nil
	}
	if w := p.root.Workspace; w != nil && len(w.DefaultMembers) > 0 {
		return p.matching(w.DefaultMembers), nil
	}
	if p.root.Package != nil && len(p.bins(p.root)) > 0 {
		return p.members[:1], nil
	}
	return p.members, nil
}

func (p *project) matching(patterns []string) []*member {
	var list []*member
	for _, m := range p.members {
		if slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, err := path.Match(path.Clean(pattern), m.Dir)
			return err == nil && ok
		}) {
			list = append(list, m)
		}
	}
	return list
}

func (p *project) names() []string {
	var names []string
	for _, m := range p.members {
		names = append(names, m.Package.Name)
	}
	return names
}

// choose gives the programs to build and all candidates, best first. Exactly one of several is the default, unless
// another buildpack says what web is.
func choose(all []*bin, p *project, env kit.Env, webElsewhere bool) ([]*bin, error) {
	if wanted := kit.Fields(env[envBins]); len(wanted) > 0 {
		return named(all, wanted)
	}
	var chosen []*bin
	for _, b := range all {
		if b.Rejected == "" {
			chosen = append(chosen, b)
		}
	}
	if len(chosen) == 0 {
		if len(all) > 0 {
			return nil, fmt.Errorf("there is no program to build: %s (%s): %s", all[0].Name, all[0].Source, all[0].Rejected)
		}
		return nil, errLibrary
	}
	if len(chosen) == 1 {
		b := chosen[0]
		b.Type, b.Default, b.Score, b.Evidence = kit.DefaultType, true, 95, []string{"the only program (" + b.Source + ")"}
		return chosen, nil
	}
	for _, b := range chosen {
		b.Type = b.Name
		b.rate(p)
	}
	slices.SortStableFunc(chosen, func(a, b *bin) int { return b.Score - a.Score })
	if chosen[0].Score > chosen[1].Score {
		chosen[0].Default = true
		return chosen, nil
	}
	if webElsewhere {
		return chosen, nil
	}
	return nil, fmt.Errorf("several programs could be the one to start, and nothing tells which: %s; "+
		"put default-run = \"NAME\" into Cargo.toml's [package], or set %s=\"NAME …\", the first is started",
		ranked(chosen), envBins)
}

// named gives the programs that the user lists; the first is the default.
func named(all []*bin, wanted []string) ([]*bin, error) {
	var chosen []*bin
	for _, w := range wanted {
		i := slices.IndexFunc(all, func(b *bin) bool { return b.Name == w })
		if i < 0 {
			return nil, fmt.Errorf("%s names %s, which is no program of the app: there are %s", envBins, w, ranked(all))
		}
		b := all[i]
		b.Type, b.Score, b.Rejected, b.Evidence = b.Name, 100, "", []string{envBins}
		chosen = append(chosen, b)
	}
	chosen[0].Default = true
	if len(chosen) == 1 {
		chosen[0].Type = kit.DefaultType
	}
	return chosen, nil
}

// rate says how much speaks for a program being the one to start.
func (b *bin) rate(p *project) {
	better := func(score int, evidence string) {
		b.Score = max(b.Score, score)
		b.Evidence = append(b.Evidence, evidence)
	}
	crate := b.Crate
	if crate.Package.DefaultRun == b.Name {
		better(100, "default-run ("+at(crate.file(), crate.Data, "package", "default-run")+")")
	}
	if p.root.Package != nil && p.root.Package.Name == b.Name {
		better(85, "it is called as the app's package")
	}
	for i, name := range []string{"server", "web", "api", "app"} {
		if b.Name == name || strings.HasSuffix(b.Name, "-"+name) || strings.HasSuffix(b.Name, "_"+name) {
			better(80-i, "it is called "+b.Name)
		}
	}
	if name, source := crate.server(); name != "" {
		// More than a name only among packages: of one package all programs depend on it.
		better(50, "its package depends on "+name+" ("+source+")")
	}
}

// ranked lists programs with their scores.
func ranked(list []*bin) string {
	var items []string
	for _, b := range list {
		items = append(items, fmt.Sprintf("%s (%s, score %d)", b.Name, b.Source, b.Score))
		if len(items) == 20 && len(list) > 20 {
			items = append(items, fmt.Sprintf("and %d more", len(list)-20))
			break
		}
	}
	if len(items) == 0 {
		return "none"
	}
	return strings.Join(items, ", ")
}
