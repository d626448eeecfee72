package lifecycle

import (
	"fmt"
	"slices"
)

// Order is the list of groups that detection tries, first match wins (platform §order.toml).
type Order []Group

// Group is a list of buildpacks that build an app together, in this order.
type Group struct {
	Elements []GroupElement `toml:"group" json:"group"`
}

// GroupElement is one buildpack or extension of a group.
type GroupElement struct {
	ID       string `toml:"id" json:"id"`
	Version  string `toml:"version" json:"version"`
	API      string `toml:"api,omitempty" json:"api,omitempty"`
	Homepage string `toml:"homepage,omitempty" json:"homepage,omitempty"`
	Optional bool   `toml:"optional,omitempty" json:"optional,omitempty"`
	// Extension tells that the element is an image extension: it provides, but is no part of the build order.
	Extension bool `toml:"extension,omitempty" json:"extension,omitempty"`
}

// String gives id@version, or the id alone when no version is set.
func (e GroupElement) String() string {
	if e.Version == "" {
		return e.ID
	}
	return e.ID + "@" + e.Version
}

// Key names the element among buildpacks and extensions, whose IDs may be equal.
func (e GroupElement) Key() string {
	if e.Extension {
		return "extension " + e.String()
	}
	return "buildpack " + e.String()
}

// OrderFile is order.toml.
type OrderFile struct {
	Order      Order `toml:"order"`
	Extensions Order `toml:"order-extensions,omitempty"`
}

// ReadOrder reads order.toml.
func ReadOrder(path string) (OrderFile, error) {
	var f OrderFile
	if _, err := readTOML(path, &f); err != nil {
		return OrderFile{}, err
	}
	for _, order := range []Order{f.Order, f.Extensions} {
		if err := order.check(); err != nil {
			return OrderFile{}, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return f, nil
}

func (o Order) check() error {
	for i, g := range o {
		if err := checkElements(g.Elements); err != nil {
			return fmt.Errorf("group %d: %w", i+1, err)
		}
	}
	return nil
}

func checkElements(elements []GroupElement) error {
	for _, e := range elements {
		if err := CheckID(e.ID); err != nil {
			return err
		}
	}
	return nil
}

// SystemFile is system.toml (platform §system.toml): buildpacks that every group begins and ends with.
type SystemFile struct {
	System struct {
		Pre  SystemBuildpacks `toml:"pre,omitempty"`
		Post SystemBuildpacks `toml:"post,omitempty"`
	} `toml:"system"`
}

// SystemBuildpacks is one end of SystemFile.
type SystemBuildpacks struct {
	Buildpacks []GroupElement `toml:"buildpacks,omitempty"`
}

// ReadSystem reads system.toml.
func ReadSystem(path string) (SystemFile, error) {
	var f SystemFile
	if _, err := readTOML(path, &f); err != nil {
		return SystemFile{}, err
	}
	if err := checkElements(slices.Concat(f.System.Pre.Buildpacks, f.System.Post.Buildpacks)); err != nil {
		return SystemFile{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return f, nil
}

// Wrap gives order with the system buildpacks at both ends of every group. One whose ID a group names already is left
// out of that group.
func (f SystemFile) Wrap(order Order) Order {
	wrapped := make(Order, 0, len(order))
	for _, g := range order {
		named := func(e GroupElement) bool {
			return slices.ContainsFunc(g.Elements, func(o GroupElement) bool { return o.ID == e.ID })
		}
		pre := slices.DeleteFunc(slices.Clone(f.System.Pre.Buildpacks), named)
		post := slices.DeleteFunc(slices.Clone(f.System.Post.Buildpacks), named)
		wrapped = append(wrapped, Group{Elements: slices.Concat(pre, g.Elements, post)})
	}
	return wrapped
}

// GroupFile is group.toml (platform §group.toml), what detection chose.
type GroupFile struct {
	Group      []GroupElement `toml:"group" json:"group"`
	Extensions []GroupElement `toml:"group-extensions,omitempty" json:"group-extensions,omitempty"`
}

// ReadGroup reads group.toml. Elements of Extensions have Extension set, which the file does not repeat.
func ReadGroup(path string) (GroupFile, error) {
	var f GroupFile
	if _, err := readTOML(path, &f); err != nil {
		return GroupFile{}, err
	}
	if err := checkElements(slices.Concat(f.Group, f.Extensions)); err != nil {
		return GroupFile{}, fmt.Errorf("reading %s: %w", path, err)
	}
	for i := range f.Extensions {
		f.Extensions[i].Extension = true
	}
	return f, nil
}

// WriteGroup writes group.toml.
func WriteGroup(path string, f GroupFile) error {
	return writeTOML(path, GroupFile{Group: chosen(f.Group), Extensions: chosen(f.Extensions)})
}

// chosen gives elements as files name them once a group is chosen: without what mattered only for choosing.
func chosen(elements []GroupElement) []GroupElement {
	if elements == nil {
		return nil
	}
	out := make([]GroupElement, len(elements))
	for i, e := range elements {
		out[i] = GroupElement{ID: e.ID, Version: e.Version, API: e.API, Homepage: e.Homepage}
	}
	return out
}
