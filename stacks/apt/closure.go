package apt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

// ClosureOptions guides Closure.
type ClosureOptions struct {
	// Present are packages that are there already (the base's, by name): they satisfy dependencies and are not part of
	// the result. A version that does not satisfy a dependency is an error that names both.
	Present map[string]*Package
	// Prefer are versions to take for a name where they satisfy the dependency, before the newest one.
	Prefer map[string]*Package
	// Exclude are names that are never added because something depends on them: a dependency that names one counts as
	// met.
	Exclude []string
}

// Closure gives roots and everything they depend on (Depends and Pre-Depends, no recommendations), sorted by name.
// Of alternatives the first one that is there already is taken, else the first that can be had.
func (ix *Index) Closure(roots []string, o ClosureOptions) ([]*Package, error) {
	c := &closure{ix: ix, o: o, chosen: map[string]*Package{}}
	for _, name := range roots {
		if o.Present[name] != nil {
			continue
		}
		p, err := c.root(name)
		if err != nil {
			return nil, err
		}
		c.choose(p)
	}
	for len(c.todo) > 0 {
		p := c.todo[0]
		c.todo = c.todo[1:]
		if err := c.expand(p); err != nil {
			return nil, err
		}
	}
	list := slices.SortedFunc(maps.Values(c.chosen), func(a, b *Package) int { return cmp.Compare(a.Name, b.Name) })
	return list, c.conflicts(list)
}

type closure struct {
	ix     *Index
	o      ClosureOptions
	chosen map[string]*Package
	todo   []*Package
}

func (c *closure) choose(p *Package) {
	if c.chosen[p.Name] == nil {
		c.chosen[p.Name] = p
		c.todo = append(c.todo, p)
	}
}

func (c *closure) root(name string) (*Package, error) {
	if p := c.o.Prefer[name]; p != nil {
		return p, nil
	}
	if p := c.ix.Lookup(name); p != nil {
		return p, nil
	}
	if list := c.ix.providers(name, nil); len(list) > 0 {
		return list[0], nil
	}
	return nil, fmt.Errorf("looking for Debian package %s (%s): %w", name, c.ix.arch, ErrNoPackage)
}

func (c *closure) expand(p *Package) error {
	for _, field := range []string{p.preDepends, p.depends} {
		if field == "" {
			continue
		}
		dep, err := dependency.Parse(field)
		if err != nil {
			return fmt.Errorf("reading the dependencies of %s: %w", p.Name, err)
		}
		for _, rel := range dep.Relations {
			if err := c.meet(p, rel); err != nil {
				return err
			}
		}
	}
	return nil
}

// meet makes sure that one relation of p is met.
func (c *closure) meet(p *Package, rel dependency.Relation) error {
	for _, alt := range rel.Possibilities {
		if slices.Contains(c.o.Exclude, alt.Name) || c.met(alt) {
			return nil
		}
	}
	for _, alt := range rel.Possibilities {
		if found := c.candidate(alt); found != nil {
			c.choose(found)
			return nil
		}
	}
	return fmt.Errorf("resolving %s %s: it depends on %s: %w%s",
		p.Name, p.Version, relationString(rel), ErrNoPackage, c.hint(rel))
}

// met tells whether what is chosen or present meets an alternative, by its name or by what it provides.
func (c *closure) met(alt dependency.Possibility) bool {
	for _, set := range []map[string]*Package{c.chosen, c.o.Present} {
		if p := set[alt.Name]; p != nil && c.fits(p, alt) {
			return true
		}
	}
	for _, pr := range c.ix.provided[alt.Name] {
		// Whatever version of the provider is there: what a package provides hardly changes within a suite, and a
		// lock does not record it.
		there := c.chosen[pr.pkg.Name] != nil || c.o.Present[pr.pkg.Name] != nil
		if there && satisfies(pr.ver, alt.Version) {
			return true
		}
	}
	return false
}

// candidate finds a package that meets an alternative and can still be added.
func (c *closure) candidate(alt dependency.Possibility) *Package {
	if p := c.o.Prefer[alt.Name]; p != nil && c.free(p) && c.fits(p, alt) {
		return p
	}
	for _, p := range c.ix.byName[alt.Name] {
		if c.free(p) && c.fits(p, alt) {
			return p
		}
	}
	for _, p := range c.ix.providers(alt.Name, alt.Version) {
		if c.free(p) {
			return p
		}
	}
	return nil
}

// free tells whether no other version of the package was chosen or is present.
func (c *closure) free(p *Package) bool { return c.chosen[p.Name] == nil && c.o.Present[p.Name] == nil }

// fits tells whether p itself meets an alternative: version and architecture qualifier.
func (c *closure) fits(p *Package, alt dependency.Possibility) bool {
	if !satisfies(p.Version, alt.Version) {
		return false
	}
	if alt.Arch == nil {
		return true
	}
	switch q := alt.Arch.String(); q {
	case "any":
		// A locked package whose paragraph we do not have (no multiArch known) is taken at its word.
		return p.multiArch == "allowed" || p.ver.Empty()
	case "native", "all":
		return true
	default:
		return q == c.ix.arch
	}
}

// hint says when a package is there, but in the wrong version.
func (c *closure) hint(rel dependency.Relation) string {
	for _, alt := range rel.Possibilities {
		for _, set := range []map[string]*Package{c.o.Present, c.chosen} {
			if p := set[alt.Name]; p != nil {
				return fmt.Sprintf(" (%s %s is there)", p.Name, p.Version)
			}
		}
	}
	return ""
}

// conflicts checks Breaks and Conflicts among what was chosen and what is present.
func (c *closure) conflicts(list []*Package) error {
	for _, p := range list {
		for _, field := range []string{p.breaks, p.conflicts} {
			dep, err := parseOptional(field)
			if err != nil {
				return fmt.Errorf("reading the conflicts of %s: %w", p.Name, err)
			}
			for _, alt := range dep.GetAllPossibilities() {
				for _, set := range []map[string]*Package{c.chosen, c.o.Present} {
					other := set[alt.Name]
					if other != nil && other.Name != p.Name && satisfies(other.Version, alt.Version) {
						return fmt.Errorf("resolving %s %s: it cannot be installed together with %s %s",
							p.Name, p.Version, other.Name, other.Version)
					}
				}
			}
		}
	}
	return nil
}

func parseOptional(field string) (*dependency.Dependency, error) {
	if field == "" {
		return &dependency.Dependency{}, nil
	}
	return dependency.Parse(field)
}

func relationString(rel dependency.Relation) string {
	var alts []string
	for _, alt := range rel.Possibilities {
		s := alt.Name
		if alt.Version != nil {
			s += " (" + alt.Version.Operator + " " + alt.Version.Number + ")"
		}
		alts = append(alts, s)
	}
	return strings.Join(alts, " | ")
}

// Pinned makes a Package of what a lock knows about it, for ClosureOptions.
func Pinned(name, ver string) *Package {
	return &Package{Name: name, Version: ver, ver: version.Version{}}
}
