package detect

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"s2i/lifecycle"
)

// member is an element of a group with the buildpack that it names.
type member struct {
	element   lifecycle.GroupElement
	buildpack lifecycle.Buildpack
}

// key names the member among all that are asked. An optional buildpack for another target is skipped where a required
// one fails, so those two are not the same.
func (m member) key(t lifecycle.Target) string {
	if m.element.Optional && !m.buildpack.Supports(t) {
		return "optional " + m.element.Key()
	}
	return m.element.Key()
}

// catalog finds installed modules by GroupElement.Key, and by the key without a version when there is only one.
type catalog map[string]lifecycle.Buildpack

func newCatalog(installed []lifecycle.Buildpack) (catalog, error) {
	c := make(catalog, 2*len(installed))
	versions := map[string]int{}
	for _, b := range installed {
		e := b.Element()
		if _, twice := c[e.Key()]; twice {
			return nil, fmt.Errorf("listing the buildpacks: %s is there twice", e)
		}
		c[e.Key()] = b
		e.Version = ""
		c[e.Key()] = b
		versions[e.Key()]++
	}
	for key, n := range versions {
		if n > 1 {
			delete(c, key)
		}
	}
	return c, nil
}

// check refuses orders that name what is not installed, nest extensions, or never end.
func (c catalog) check(order, extensions lifecycle.Order) error {
	for _, g := range order {
		if err := c.checkElements(g.Elements, nil, map[string]bool{}); err != nil {
			return err
		}
	}
	for _, g := range extensions {
		for _, e := range g.Elements {
			e.Extension = true
			if _, ok := c[e.Key()]; !ok {
				return fmt.Errorf("expanding the order: extension %s is not installed", e)
			}
		}
	}
	return nil
}

func (c catalog) checkElements(elements []lifecycle.GroupElement, path []string, done map[string]bool) error {
	for _, e := range elements {
		b, ok := c[e.Key()]
		if !ok {
			from := "the order"
			if len(path) > 0 {
				from = path[len(path)-1]
			}
			return fmt.Errorf("expanding the order: buildpack %s, which %s names, is not installed", e, from)
		}
		name := b.Element().String()
		if at := slices.Index(path, name); at >= 0 {
			return fmt.Errorf("expanding the order: buildpacks contain each other: %s",
				strings.Join(append(slices.Clone(path[at:]), name), " → "))
		}
		if done[name] {
			continue
		}
		for _, g := range b.Order {
			if err := c.checkElements(g.Elements, append(slices.Clone(path), name), done); err != nil {
				return err
			}
		}
		done[name] = true
	}
	return nil
}

// groups expands the order, depth first and left to right (buildpack §Order Resolution). Each group of extensions goes
// before each group of buildpacks, and every group of buildpacks is also tried without extensions.
func (c catalog) groups(order, extensions lifecycle.Order) iter.Seq[[]member] {
	return func(yield func([]member) bool) {
		for _, g := range order {
			for _, x := range extensions {
				before := slices.Clone(x.Elements)
				for i := range before {
					before[i].Extension, before[i].Optional = true, true
				}
				if !c.expand(nil, slices.Concat(before, g.Elements), yield) {
					return
				}
			}
			if !c.expand(nil, g.Elements, yield) {
				return
			}
		}
	}
}

// expand yields every group that begins with done and goes on with what pending stands for. What follows a composite
// buildpack follows each of its groups; an optional one may also be missing. It tells whether to go on.
func (c catalog) expand(done []member, pending []lifecycle.GroupElement, yield func([]member) bool) bool {
	for i, e := range pending {
		if holds(done, e) {
			continue
		}
		b := c[e.Key()]
		if b.IsComposite() {
			rest := pending[i+1:]
			for _, g := range b.Order {
				if !c.expand(slices.Clip(done), slices.Concat(g.Elements, rest), yield) {
					return false
				}
			}
			return !e.Optional || c.expand(slices.Clip(done), rest, yield)
		}
		named := b.Element()
		named.Optional = e.Optional
		done = append(done, member{named, b})
	}
	return yield(done)
}

// holds tells whether a module with e's ID, of whatever version, is in the group: only the first counts.
func holds(group []member, e lifecycle.GroupElement) bool {
	return slices.ContainsFunc(group, func(m member) bool {
		return m.element.ID == e.ID && m.element.Extension == e.Extension
	})
}

// describe lists targets for people: "linux/arm64", "linux/amd64 on debian 13", "any architecture of linux".
func describe(targets ...lifecycle.Target) string {
	var out []string
	for _, t := range targets {
		s := t.String()
		switch {
		case t.OS != "" && t.Arch == "":
			s = "any architecture of " + t.OS
		case t.OS == "":
			s = "any system on " + t.Arch
		}
		var on []string
		for _, d := range t.Distros {
			on = append(on, strings.TrimSpace(d.Name+" "+d.Version))
		}
		if len(on) > 0 {
			s += " on " + strings.Join(on, " or ")
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}
