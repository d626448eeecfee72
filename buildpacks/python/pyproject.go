package python

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"

	"s2i/buildpacks/kit"
)

// pyproject is the part of a pyproject.toml that matters here.
type pyproject struct {
	Project     *projectTable `toml:"project"`
	BuildSystem *struct {
		Requires []string `toml:"requires"`
		Backend  string   `toml:"build-backend"`
	} `toml:"build-system"`
	Groups map[string][]any `toml:"dependency-groups"`
	Tool   struct {
		UV     uvTable      `toml:"uv"`
		Poetry *poetryTable `toml:"poetry"`
		PDM    *struct {
			Distribution *bool `toml:"distribution"`
		} `toml:"pdm"`
		Hatch      map[string]any `toml:"hatch"`
		Setuptools map[string]any `toml:"setuptools"`
	} `toml:"tool"`

	data []byte
}

type projectTable struct {
	Name           string              `toml:"name"`
	RequiresPython string              `toml:"requires-python"`
	Dependencies   []string            `toml:"dependencies"`
	Optional       map[string][]string `toml:"optional-dependencies"`
	Scripts        map[string]string   `toml:"scripts"`
	Dynamic        []string            `toml:"dynamic"`
}

type uvTable struct {
	Package *bool `toml:"package"`
	Index   []struct {
		Name string `toml:"name"`
		URL  string `toml:"url"`
	} `toml:"index"`
	ExtraIndex []string `toml:"extra-index-url"`
	Workspace  *struct {
		Members []string `toml:"members"`
	} `toml:"workspace"`
}

type poetryTable struct {
	Name         string         `toml:"name"`
	Dependencies map[string]any `toml:"dependencies"`
	Extras       map[string]any `toml:"extras"`
	Group        map[string]struct {
		Optional     bool           `toml:"optional"`
		Dependencies map[string]any `toml:"dependencies"`
	} `toml:"group"`
	Scripts     map[string]any   `toml:"scripts"`
	Packages    []map[string]any `toml:"packages"`
	PackageMode *bool            `toml:"package-mode"`
	Source      []struct {
		URL string `toml:"url"`
	} `toml:"source"`
}

// readPyproject reads the app's pyproject.toml; nil when there is none.
func readPyproject(app *kit.App) (*pyproject, error) {
	if !app.Has(fileProject) {
		return nil, nil //nolint:nilnil // no file is not an error
	}
	data, err := app.Read(fileProject)
	if err != nil {
		return nil, err
	}
	return parsePyproject(data)
}

func parsePyproject(data []byte) (*pyproject, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	p := &pyproject{data: data}
	if _, err := toml.Decode(string(data), p); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", fileProject, err)
	}
	return p, nil
}

// line gives file:line of a key of a table, or of the table, or of the file.
func (p *pyproject) line(table, key string) string {
	return fmt.Sprintf("%s:%d", fileProject, tomlLine(p.data, table, key))
}

var tableHeader = regexp.MustCompile(`^\s*\[\[?\s*([^\]]+?)\s*\]`)

// tomlLine finds the line of a key in a table; the table's own line when the key is not found there, else 1.
func tomlLine(data []byte, table, key string) int {
	found, n, inside := 1, 0, table == ""
	for line := range bytes.Lines(data) {
		n++
		if m := tableHeader.FindSubmatch(line); m != nil {
			inside = strings.ReplaceAll(string(m[1]), `"`, "") == table
			if inside && found == 1 {
				found = n
			}
			continue
		}
		if !inside {
			continue
		}
		name, _, ok := bytes.Cut(line, []byte("="))
		if ok && strings.Trim(strings.TrimSpace(string(name)), `"'`) == key {
			return n
		}
	}
	return found
}

// textLine gives the first line, from 1, that contains a text after an offset line; 0 when there is none.
func textLine(data []byte, text string, from int) int {
	n := 0
	for line := range bytes.Lines(data) {
		if n++; n >= from && bytes.Contains(line, []byte(text)) {
			return n
		}
	}
	return 0
}

// requirements gives the project's dependencies, with the extras and groups that were chosen.
func (p *pyproject) requirements(o options) ([]requirement, error) {
	var all []requirement
	if p.Project != nil {
		texts := append([]string{}, p.Project.Dependencies...)
		for _, extra := range o.extras {
			for _, name := range sortedKeys(p.Project.Optional) {
				if normal(name) == extra {
					texts = append(texts, p.Project.Optional[name]...)
				}
			}
		}
		for _, text := range texts {
			r, err := p.requirement(text)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	for _, group := range o.groups {
		list, err := p.group(group, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	if p.Tool.Poetry != nil {
		all = append(all, p.poetryRequirements(o, all)...)
	}
	return all, nil
}

func (p *pyproject) requirement(text string) (requirement, error) {
	r, err := parseRequirement(text)
	n := textLine(p.data, text, 1)
	if n == 0 {
		n = tomlLine(p.data, "project", "dependencies")
	}
	r.Source = fmt.Sprintf("%s:%d", fileProject, n)
	if err != nil {
		return r, fmt.Errorf("%s: %w", r.Source, err)
	}
	return r, nil
}

// maxGroupDepth bounds how deep dependency groups include each other (PEP 735 forbids cycles).
const maxGroupDepth = 16

// group gives the requirements of a dependency group.
func (p *pyproject) group(name string, depth int) ([]requirement, error) {
	if depth > maxGroupDepth {
		return nil, fmt.Errorf("%s: dependency groups include each other", p.line("dependency-groups", name))
	}
	var all []requirement
	for _, key := range sortedKeys(p.Groups) {
		if normal(key) != name {
			continue
		}
		for _, item := range p.Groups[key] {
			switch v := item.(type) {
			case string:
				r, err := p.requirement(v)
				if err != nil {
					return nil, err
				}
				all = append(all, r)
			case map[string]any:
				other, _ := v["include-group"].(string)
				list, err := p.group(normal(other), depth+1)
				if err != nil {
					return nil, err
				}
				if all = append(all, list...); len(all) > maxPackages {
					return nil, fmt.Errorf("%s: too many requirements", p.line("dependency-groups", key))
				}
			}
		}
	}
	return all, nil
}

// poetryRequirements gives the dependencies in Poetry's own tables. What [project] has already is only enriched there.
func (p *pyproject) poetryRequirements(o options, already []requirement) []requirement {
	known := map[string]bool{"python": true}
	for _, r := range already {
		known[r.Name] = true
	}
	optional := map[string]bool{}
	for extra, list := range p.Tool.Poetry.Extras {
		for _, name := range asList(list) {
			if s, ok := name.(string); ok && containsNormal(o.extras, extra) {
				optional[normal(s)] = true
			}
		}
	}
	var all []requirement
	add := func(table string, deps map[string]any) {
		for _, name := range sortedKeys(deps) {
			if known[normal(name)] {
				continue
			}
			for _, one := range asList(deps[name]) {
				t, isTable := one.(map[string]any)
				if isTable && t["optional"] == true && !optional[normal(name)] {
					continue
				}
				r := poetryRequirement(name, one)
				r.Source = p.line(table, name)
				all = append(all, r)
			}
		}
	}
	add("tool.poetry.dependencies", p.Tool.Poetry.Dependencies)
	for _, group := range sortedKeys(p.Tool.Poetry.Group) {
		if containsNormal(o.groups, group) || group == "main" {
			add("tool.poetry.group."+group+".dependencies", p.Tool.Poetry.Group[group].Dependencies)
		}
	}
	return all
}

func containsNormal(list []string, name string) bool {
	for _, s := range list {
		if s == normal(name) {
			return true
		}
	}
	return false
}

// poetryRequirement turns a dependency in Poetry's grammar into a requirement.
func poetryRequirement(name string, value any) requirement {
	d := poetryEdge(name, value)
	r := requirement{Name: d.Name, Specifier: d.Spec, Marker: d.Marker, Extras: d.Extras}
	t, ok := value.(map[string]any)
	if !ok {
		return r
	}
	text := func(key string) string { s, _ := t[key].(string); return s }
	switch {
	case text("git") != "":
		r.URL, r.Specifier = "git+"+text("git"), ""
		for _, key := range []string{"rev", "tag", "branch"} {
			if text(key) != "" {
				r.URL += "@" + text(key)
				break
			}
		}
	case text("url") != "":
		r.URL, r.Specifier = text("url"), ""
	case text("path") != "":
		r.URL, r.Specifier = "file:"+text("path"), ""
	}
	if python := text("python"); python != "" {
		if spec, err := fromPoetry(python); err == nil {
			r.Marker = andMarkers(r.Marker, pythonMarker(spec))
		}
	}
	return r
}

// pythonMarker writes a specifier of Python's version as a marker.
func pythonMarker(spec string) string {
	var parts []string
	for part := range strings.SplitSeq(spec, ",") {
		if m := clausePattern.FindStringSubmatch(strings.TrimSpace(part)); m != nil {
			parts = append(parts, fmt.Sprintf("python_full_version %s '%s'", m[1], m[2]))
		}
	}
	return strings.Join(parts, " and ")
}

func andMarkers(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return "(" + a + ") and (" + b + ")"
}
