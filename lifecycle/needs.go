package lifecycle

import (
	"maps"
	"slices"
)

// Needs is the label LabelNeeds: what the executables and shared libraries in an app's layers need from the image below
// them. The exporter records it, rebase compares it with what a new base offers. The zero value means that the app
// needs nothing, as when everything in it is linked statically.
type Needs struct {
	// Libraries names each shared library that the app's layers need and do not hold themselves, by its soname, with
	// the symbol versions that are needed of it, sorted: {"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.34"]}. The list is empty
	// for a library without symbol versions.
	Libraries map[string][]string `json:"libraries,omitempty"`
	// Interpreters lists the dynamic linkers that executables name, sorted: absolute slash paths.
	Interpreters []string `json:"interpreters,omitempty"`
	// Layers holds what each layer adds, by diffID, so that a later build which takes a layer over unread still knows
	// it. Layers that neither need nor provide anything are left out.
	Layers map[string]LayerNeeds `json:"layers,omitempty"`
}

// LayerNeeds is what the files of one layer need, wherever that is, and what they provide.
type LayerNeeds struct {
	Libraries    map[string][]string `json:"libraries,omitempty"`
	Interpreters []string            `json:"interpreters,omitempty"`
	// Provides lists the sonames of the shared libraries in the layer, sorted.
	Provides []string `json:"provides,omitempty"`
}

// Empty tells whether the layer neither needs nor provides anything.
func (n LayerNeeds) Empty() bool {
	return len(n.Libraries) == 0 && len(n.Interpreters) == 0 && len(n.Provides) == 0
}

// MergeNeeds sums up the needs of an app's layers, given by diffID: a library that one of them provides is needed from
// nobody else.
func MergeNeeds(layers map[string]LayerNeeds) Needs {
	var out Needs
	provided := map[string]bool{}
	for _, layer := range layers {
		for _, soname := range layer.Provides {
			provided[soname] = true
		}
	}
	for id, layer := range layers {
		if layer.Empty() {
			continue
		}
		if out.Layers == nil {
			out.Layers = map[string]LayerNeeds{}
		}
		out.Layers[id] = layer
		out.Interpreters = append(out.Interpreters, layer.Interpreters...)
		for soname, versions := range layer.Libraries {
			if provided[soname] {
				continue
			}
			if out.Libraries == nil {
				out.Libraries = map[string][]string{}
			}
			out.Libraries[soname] = append(append([]string{}, out.Libraries[soname]...), versions...)
		}
	}
	for _, soname := range slices.Collect(maps.Keys(out.Libraries)) {
		out.Libraries[soname] = sorted(out.Libraries[soname])
	}
	out.Interpreters = sorted(out.Interpreters)
	return out
}

// sorted sorts list without duplicates; never nil unless empty lists are nil already.
func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
