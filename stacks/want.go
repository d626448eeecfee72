package stacks

import (
	"slices"
	"strings"

	"s2i/lifecycle"
	"s2i/stacks/version"
)

// want is what the requirements of one name ask for together.
type want struct {
	name        string
	constraints []version.Constraint
	build, run  bool
	library     bool // nobody asked for it: see MetaLibrary
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
			list = append(list, want{name: r.Name, library: true})
		}
		w := &list[i]
		soname, _ := r.Metadata[MetaLibrary].(string)
		w.library = w.library && soname != ""
		build, launch := truthy(r.Metadata["build"]), truthy(r.Metadata["launch"])
		w.build = w.build || build || !launch
		w.run = w.run || launch
		if v, ok := r.Metadata["version"].(string); ok && strings.TrimSpace(v) != "" {
			source, _ := r.Metadata["version-source"].(string)
			kind, _ := r.Metadata["version-kind"].(string)
			c := version.Constraint{Value: bounded(strings.TrimSpace(v)), Source: source, Kind: version.Kind(kind)}
			if !slices.Contains(w.constraints, c) { // two buildpacks may ask for the same
				w.constraints = append(w.constraints, c)
			}
		}
	}
	return list
}

// maxConstraint is more than any grammar reads: what is cut off there is refused all the same, and shown at no more length.
const maxConstraint = 1100

func bounded(s string) string { return s[:min(len(s), maxConstraint)] }

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
func (w want) text() string { return demands(w.constraints) }

// values are the constraints without where they come from.
func (w want) values() []string {
	var list []string
	for _, c := range w.constraints {
		list = append(list, c.Value)
	}
	return list
}
