package stacks

import (
	"fmt"
	"strings"

	"s2i/lifecycle"
	"s2i/stacks/npm"
)

// want is what the requirements of one name ask for together.
type want struct {
	name       string
	versions   []string // constraints, all of which must hold
	origins    []string // where each comes from, "" when it is not known
	build, run bool
}

// gather joins the requirements of each name, in the order of their first appearance. A requirement for neither image
// is for the build.
func gather(requires []lifecycle.Require) []want {
	var list []want
	at := map[string]int{}
	for _, r := range requires {
		i, ok := at[r.Name]
		if !ok {
			i = len(list)
			at[r.Name] = i
			list = append(list, want{name: r.Name})
		}
		w := &list[i]
		build, launch := truthy(r.Metadata["build"]), truthy(r.Metadata["launch"])
		w.build = w.build || build || !launch
		w.run = w.run || launch
		if v, ok := r.Metadata["version"].(string); ok && strings.TrimSpace(v) != "" {
			source, _ := r.Metadata["version-source"].(string)
			w.versions = append(w.versions, strings.TrimSpace(v))
			w.origins = append(w.origins, source)
		}
	}
	return list
}

func truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v == "true"
	default:
		return false
	}
}

// text tells what is asked for, and where that is written.
func (w want) text() string {
	if len(w.versions) == 0 {
		return "any version"
	}
	var parts []string
	for i, v := range w.versions {
		if w.origins[i] != "" {
			v += " (" + w.origins[i] + ")"
		}
		parts = append(parts, v)
	}
	return strings.Join(parts, " and ")
}

func (w want) notLocked(name string, tools []Tool) error {
	return fmt.Errorf("choosing a version of %s: the lock has %s, and none of them is %s; "+
		"build without --locked, or pin it in stack.toml and run `s2i stack lock`",
		name, strings.Join(toolVersions(tools), ", "), w.text())
}

// ranges reads the constraints as npm writes them. Without any, it is the default line.
func (w want) ranges(p Catalog) ([]*npm.Range, error) {
	texts := w.versions
	if len(texts) == 0 {
		texts = []string{p.Default}
	}
	var list []*npm.Range
	for _, text := range texts {
		if alias, ok := p.Aliases[strings.ToLower(text)]; ok {
			text = alias
		}
		r, err := npm.ParseRange(text)
		if err != nil {
			return nil, fmt.Errorf("choosing a version of %s: %w", w.name, err)
		}
		list = append(list, r)
	}
	return list, nil
}

func (w want) goConstraints(p Catalog) (goConstraints, error) {
	if len(w.versions) == 0 {
		return goConstraints{{"line", p.Default}}, nil
	}
	var list goConstraints
	for _, text := range w.versions {
		c, err := parseGo(text)
		if err != nil {
			return nil, fmt.Errorf("choosing a version of %s: %w", w.name, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// chosen is a version that was settled on.
type chosen struct {
	Version string
	File    ToolFile
	Live    bool // it is not in the lock
}
