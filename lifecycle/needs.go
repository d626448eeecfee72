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
	// Packages are those that the run image has because of Libraries, or because a process needs a shell, and for no
	// other reason; by name, each with what it is there for: {"libpq5": ["libpq.so.5"], "dash": ["sh"]}. Layers tells
	// who needs a library.
	Packages map[string][]string `json:"packages,omitempty"`
	// Layers holds what each layer adds, by diffID, so that a later build which takes a layer over unread still knows
	// it. Layers that neither need nor provide anything are left out.
	Layers map[string]LayerNeeds `json:"layers,omitempty"`
	// Form tells what is recorded: from NeedsForm on all of what LayerNeeds has.
	Form int `json:"form,omitempty"`
}

// NeedsForm is the Form of what this program records.
const NeedsForm = 2

// LayerNeeds is what the files of one layer need, wherever that is, and what they provide.
type LayerNeeds struct {
	Libraries    map[string][]string `json:"libraries,omitempty"`
	Interpreters []string            `json:"interpreters,omitempty"`
	// Provides lists the sonames of the shared libraries in the layer, sorted.
	Provides []string `json:"provides,omitempty"`
	// Programs lists the names in the layer's bin directory, which is in the PATH at launch, sorted.
	Programs []string `json:"programs,omitempty"`
	// Environment tells that the layer changes the PATH at launch in another way: by a file of its environment, or by
	// programs that compute it.
	Environment bool `json:"environment,omitempty"`
}

// Empty tells whether the layer neither needs nor provides anything.
func (n LayerNeeds) Empty() bool {
	return len(n.Libraries) == 0 && len(n.Interpreters) == 0 && len(n.Provides) == 0 && len(n.Programs) == 0 && !n.Environment
}

// MergeNeeds sums up the needs of an app's layers, given by diffID: a library that one of them provides is needed from
// nobody else.
func MergeNeeds(layers map[string]LayerNeeds) Needs {
	out := Needs{Form: NeedsForm}
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
