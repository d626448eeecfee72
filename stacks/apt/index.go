package apt

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"

	"s2i/stacks/deb"
)

// Package is one version of a package as the index describes it.
type Package struct {
	Name, Version, Arch   string
	SHA256                string // of the .deb, hexadecimal
	Size                  int64  // of the .deb, bytes
	Path                  string // below the archive, "pool/…"
	Archive               string // the archive that has it, "debian" or "debian-security"
	Source, SourceVersion string

	ver                                   version.Version
	depends, preDepends, provides, breaks string
	conflicts, multiArch, priority        string
}

// provider is a package that provides a name, with the version it provides it in ("" = none).
type provider struct {
	pkg *Package
	ver string
}

// Index holds the packages of the suites of one architecture.
type Index struct {
	arch     string
	byName   map[string][]*Package // newest first
	provided map[string][]provider
}

// NewIndex makes an empty index for a Debian architecture ("amd64").
func NewIndex(arch string) *Index {
	return &Index{arch: arch, byName: map[string][]*Package{}, provided: map[string][]provider{}}
}

// Add reads a package list (the text of a Packages file) of an archive into the index.
func (ix *Index) Add(list, archive string) error {
	var para deb.Paragraph
	var err error
	for {
		if para, list, err = deb.NextParagraph(list, para); err != nil {
			return fmt.Errorf("reading a package list: %w", err)
		}
		if len(para) == 0 {
			return nil
		}
		p, err := parsePackage(para)
		if err != nil {
			return err
		}
		if p.Arch != ix.arch && p.Arch != "all" {
			continue
		}
		p.Archive = archive
		if err := ix.insert(p); err != nil {
			return err
		}
	}
}

func parsePackage(para deb.Paragraph) (*Package, error) {
	p := &Package{}
	var size string
	for _, f := range para {
		switch f.Name {
		case "Package":
			p.Name = f.Value
		case "Version":
			p.Version = f.Value
		case "Architecture":
			p.Arch = f.Value
		case "SHA256":
			p.SHA256 = f.Value
		case "Size":
			size = f.Value
		case "Filename":
			p.Path = f.Value
		case "Source":
			p.Source = f.Value
		case "Depends":
			p.depends = f.Value
		case "Pre-Depends":
			p.preDepends = f.Value
		case "Provides":
			p.provides = f.Value
		case "Breaks":
			p.breaks = f.Value
		case "Conflicts":
			p.conflicts = f.Value
		case "Multi-Arch":
			p.multiArch = f.Value
		case "Priority":
			p.priority = f.Value
		}
	}
	var err error
	if p.Size, err = strconv.ParseInt(size, 10, 64); err != nil || p.Size <= 0 {
		return nil, fmt.Errorf("reading a package list: package %q has size %q", p.Name, size)
	}
	if !deb.ValidName(p.Name) || !isSHA256(p.SHA256) || !validPath(p.Path) {
		return nil, fmt.Errorf("reading a package list: package %q has no valid name, SHA256 or Filename", p.Name)
	}
	if p.ver, err = version.Parse(p.Version); err != nil {
		return nil, fmt.Errorf("reading a package list: the version of %s: %w", p.Name, err)
	}
	p.Source, p.SourceVersion = splitSource(p)
	return p, nil
}

// splitSource reads "name (version)"; a package without it is built from the source of its own name and version.
func splitSource(p *Package) (name, ver string) {
	if p.Source == "" {
		return p.Name, p.Version
	}
	name, rest, ok := strings.Cut(p.Source, " (")
	if !ok {
		return name, p.Version
	}
	return name, strings.TrimSuffix(rest, ")")
}

func validPath(p string) bool {
	return p != "" && !strings.HasPrefix(p, "/") && !slices.Contains(strings.Split(p, "/"), "..")
}

func (ix *Index) insert(p *Package) error {
	list := ix.byName[p.Name]
	at, found := slices.BinarySearchFunc(list, p, func(a, b *Package) int { return version.Compare(b.ver, a.ver) })
	if found {
		return nil // the same version in a second suite
	}
	ix.byName[p.Name] = slices.Insert(list, at, p)
	if p.provides == "" {
		return nil
	}
	dep, err := dependency.Parse(p.provides)
	if err != nil {
		return fmt.Errorf("reading what %s provides: %w", p.Name, err)
	}
	for _, v := range dep.GetAllPossibilities() {
		pr := provider{pkg: p}
		if v.Version != nil && v.Version.Operator == "=" {
			pr.ver = v.Version.Number
		}
		ix.provided[v.Name] = append(ix.provided[v.Name], pr)
	}
	return nil
}

// Arch is the Debian architecture of the index.
func (ix *Index) Arch() string { return ix.arch }

// Len is the number of package names.
func (ix *Index) Len() int { return len(ix.byName) }

// Lookup gives the newest version of a package, nil when there is none.
func (ix *Index) Lookup(name string) *Package {
	if list := ix.byName[name]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// Find gives one version of a package, nil when the index does not have it.
func (ix *Index) Find(name, ver string) *Package {
	for _, p := range ix.byName[name] {
		if p.Version == ver {
			return p
		}
	}
	return nil
}

// providers lists who provides a name in a version that rel accepts: the most important package first, then by name.
func (ix *Index) providers(name string, rel *dependency.VersionRelation) []*Package {
	var list []*Package
	for _, pr := range ix.provided[name] {
		newest := ix.Lookup(pr.pkg.Name) == pr.pkg
		if newest && satisfies(pr.ver, rel) {
			list = append(list, pr.pkg)
		}
	}
	slices.SortFunc(list, func(a, b *Package) int {
		return cmp.Or(cmp.Compare(rank(a.priority), rank(b.priority)), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Rank orders packages by their priority: 0 for required ones, and so on.
func (p *Package) Rank() int { return rank(p.priority) }

func rank(priority string) int {
	i := slices.Index([]string{"required", "important", "standard", "optional"}, priority)
	if i < 0 {
		return 4
	}
	return i
}

// satisfies tells whether version ver ("" = unversioned) is what rel asks for (nil = anything).
func satisfies(ver string, rel *dependency.VersionRelation) bool {
	if rel == nil {
		return true
	}
	if ver == "" {
		return false
	}
	have, err := version.Parse(ver)
	if err != nil {
		return false
	}
	want, err := version.Parse(rel.Number)
	if err != nil {
		return false
	}
	c := version.Compare(have, want)
	switch rel.Operator {
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	case "<=":
		return c <= 0
	case ">>", ">":
		return c > 0
	case "<<", "<":
		return c < 0
	default:
		return false
	}
}

// CompareVersions orders two Debian versions as dpkg does; versions that cannot be read compare as text.
func CompareVersions(a, b string) int {
	va, errA := version.Parse(a)
	vb, errB := version.Parse(b)
	if errA != nil || errB != nil {
		return cmp.Compare(a, b)
	}
	return version.Compare(va, vb)
}
