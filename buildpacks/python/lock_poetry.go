package python

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// poetryLock is the part of a poetry.lock that matters here, in all versions of the format.
type poetryLock struct {
	Package  []poetryPackage `toml:"package"`
	Metadata struct {
		// Files are those of all packages, in locks of Poetry up to 1.2.
		Files map[string][]lockedFile `toml:"files"`
	} `toml:"metadata"`
}

type poetryPackage struct {
	Name         string              `toml:"name"`
	Version      string              `toml:"version"`
	Files        []lockedFile        `toml:"files"`
	Dependencies map[string]any      `toml:"dependencies"`
	Extras       map[string][]string `toml:"extras"`
	// Markers is a string, or a table of one per group.
	Markers any  `toml:"markers"`
	Develop bool `toml:"develop"`
	Source  struct {
		Type         string `toml:"type"`
		URL          string `toml:"url"`
		Reference    string `toml:"resolved_reference"`
		Subdirectory string `toml:"subdirectory"`
	} `toml:"source"`
}

// parsePoetryLock reads a poetry.lock; what the app itself needs stands in pyproject.toml.
func parsePoetryLock(data []byte, direct []requirement) (*lockFile, error) {
	var raw poetryLock
	if _, err := toml.Decode(string(data), &raw); err != nil {
		return nil, fmt.Errorf("parsing poetry.lock: %w", err)
	}
	l := newLock("poetry.lock")
	l.roots = edges(direct)
	for _, p := range raw.Package {
		if len(p.Files) == 0 {
			p.Files = raw.Metadata.Files[p.Name]
		}
		if err := l.add(p.entry()); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// edges gives requirements as edges of a walk.
func edges(list []requirement) []edge {
	var all []edge
	for _, r := range list {
		all = append(all, edge{Name: r.Name, Spec: r.Specifier, Marker: r.Marker, Extras: r.Extras})
	}
	return all
}

func (p poetryPackage) entry() *entry {
	e := &entry{Name: normal(p.Name), Version: p.Version}
	switch m := p.Markers.(type) {
	case string:
		e.Marker = m
	case map[string]any:
		e.Marker, _ = m["main"].(string)
	}
	e.addFiles(p.Files...)
	switch p.Source.Type {
	case "git":
		e.URL = "git+" + p.Source.URL + "@" + p.Source.Reference
		if p.Source.Subdirectory != "" {
			e.URL += "#subdirectory=" + p.Source.Subdirectory
		}
	case "url":
		e.URL = p.Source.URL
	case "directory", "file":
		e.Path, e.Editable = path.Clean(p.Source.URL), p.Develop
	}
	optional := p.byExtra()
	for _, name := range sortedKeys(p.Dependencies) {
		for _, one := range asList(p.Dependencies[name]) {
			d := poetryEdge(name, one)
			if table, ok := one.(map[string]any); ok && table["optional"] == true {
				if d.When = optional[d.Name]; len(d.When) == 0 {
					continue
				}
				d.Marker = withoutExtra(d.Marker)
			}
			e.deps = append(e.deps, d)
		}
	}
	return e
}

// byExtra gives the extras under which each dependency is needed.
func (p poetryPackage) byExtra() map[string][]string {
	by := map[string][]string{}
	for _, extra := range sortedKeys(p.Extras) {
		for _, text := range p.Extras[extra] {
			if r, err := parseRequirement(text); err == nil {
				by[r.Name] = append(by[r.Name], normal(extra))
			} else if m := requirementPattern.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
				by[normal(m[1])] = append(by[normal(m[1])], normal(extra))
			}
		}
	}
	return by
}

// withoutExtra drops a marker that asks for an extra: the walk knows better which extras are asked for.
func withoutExtra(marker string) string {
	if strings.Contains(marker, "extra") {
		return ""
	}
	return marker
}

// poetryEdge reads a dependency as Poetry writes it: "^1.2", or a table with version, markers and extras.
func poetryEdge(name string, value any) edge {
	d := edge{Name: normal(name)}
	spec, _ := value.(string)
	if table, ok := value.(map[string]any); ok {
		spec, _ = table["version"].(string)
		d.Marker, _ = table["markers"].(string)
		for _, extra := range asList(table["extras"]) {
			if s, ok := extra.(string); ok {
				d.Extras = append(d.Extras, normal(s))
			}
		}
	}
	if s, err := fromPoetry(spec); err == nil {
		d.Spec = s
	}
	return d
}

// asList gives a list as it is, anything else as a list of one, nothing for nil.
func asList(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	}
	return []any{value}
}

// pdmLock is the part of a pdm.lock that matters here.
type pdmLock struct {
	Package []struct {
		Name         string       `toml:"name"`
		Version      string       `toml:"version"`
		Extras       []string     `toml:"extras"`
		Groups       []string     `toml:"groups"`
		Marker       string       `toml:"marker"`
		Dependencies []string     `toml:"dependencies"`
		Files        []lockedFile `toml:"files"`
		Git          string       `toml:"git"`
		Revision     string       `toml:"revision"`
		URL          string       `toml:"url"`
		Path         string       `toml:"path"`
		Editable     bool         `toml:"editable"`
		Subdirectory string       `toml:"subdirectory"`
	} `toml:"package"`
}

// parsePDMLock reads a pdm.lock; what the app itself needs stands in pyproject.toml. A package with extras has an entry
// of its own, whose dependencies are those of the extras.
func parsePDMLock(data []byte, direct []requirement) (*lockFile, error) {
	var raw pdmLock
	if _, err := toml.Decode(string(data), &raw); err != nil {
		return nil, fmt.Errorf("parsing pdm.lock: %w", err)
	}
	l := newLock("pdm.lock")
	l.roots = edges(direct)
	for _, p := range raw.Package {
		e := &entry{Name: normal(p.Name), Version: p.Version, Marker: p.Marker, URL: p.URL, Editable: p.Editable}
		e.addFiles(p.Files...)
		if p.Git != "" {
			e.URL = "git+" + p.Git + "@" + p.Revision
		}
		if e.URL != "" && p.Subdirectory != "" {
			e.URL += "#subdirectory=" + p.Subdirectory
		}
		if p.Path != "" {
			e.Path = path.Clean(p.Path)
		}
		for _, text := range p.Dependencies {
			r, err := parseRequirement(text)
			if err != nil {
				return nil, fmt.Errorf("reading pdm.lock: %s: %w", e.Name, err)
			}
			d := edge{Name: r.Name, Spec: r.Specifier, Marker: r.Marker, Extras: r.Extras}
			for _, extra := range p.Extras {
				d.When = append(d.When, normal(extra))
			}
			e.deps = append(e.deps, d)
		}
		if base := l.sameVersion(e); base != nil {
			base.deps = append(base.deps, e.deps...)
			base.Files, base.Hashes = union(base.Files, e.Files), union(base.Hashes, e.Hashes)
			continue
		}
		if err := l.add(e); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *lockFile) sameVersion(e *entry) *entry {
	for _, other := range l.entries[e.Name] {
		if other.Version == e.Version && other.URL == e.URL && other.Path == e.Path {
			return other
		}
	}
	return nil
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
