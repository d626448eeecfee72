package stacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
	"s2i/stacks/apt"
	"s2i/stacks/deb"
)

// Request is what a build asks of the stack.
type Request struct {
	// Target says for which architecture; the rest of it is the stack's.
	Target lifecycle.Target
	// Requires are the requirements that are left to the stack.
	Requires []lifecycle.Require
	// RunSet is the smallest run set to use; empty means the smallest that does.
	RunSet string
}

// Resolution is what the build and run images consist of.
type Resolution struct {
	Stack    string           `json:"stack"`
	Lock     string           `json:"lock"` // checksum of the lock
	Target   lifecycle.Target `json:"target"`
	RunSet   string           `json:"runSet"`
	BuildSet string           `json:"buildSet"`
	Build    []Part           `json:"build"` // bottom layer first
	Run      []Part           `json:"run"`
	// Notes tell where the images differ from the lock, and why.
	Notes []string `json:"notes,omitempty"`
}

// Part is one layer of an image: Debian packages, or what is selected of one file of a registry.
type Part struct {
	Name    string   `json:"name"`              // "base", "node", "node-headers"
	Package string   `json:"package,omitempty"` // the required name; "" for the base
	Version string   `json:"version,omitempty"`
	Request []string `json:"request,omitempty"` // the version constraints that were asked for
	Set     string   `json:"set,omitempty"`     // for a base: "run/static"
	Debs    []Deb    `json:"debs,omitempty"`
	// Provider, Tool and Select describe a part that does not come from Debian.
	Provider string    `json:"provider,omitempty"`
	Tool     *ToolFile `json:"tool,omitempty"`
	Dest     string    `json:"dest,omitempty"`
	Select   string    `json:"select,omitempty"` // "runtime", "headers", "package", "toolchain"
	Live     bool      `json:"live,omitempty"`   // not from the lock
}

// Provided tells whether the stack can supply a name: a package of the catalogue, a run set, or a Debian package. To
// know whether there is a Debian package that the lock does not name it reads the suites' index.
func (s *Stack) Provided(name string) bool {
	if _, ok := s.Config.Packages[name]; ok {
		return true
	}
	if _, err := s.Config.set(imageRun, name); err == nil && name != "" {
		return true
	}
	for _, a := range s.Lock.Arches {
		if _, ok := a.byName()[name]; ok {
			return true
		}
	}
	if s.Locked || !deb.ValidName(name) || s.Store == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	snap, err := s.index(ctx, s.Config.Arches[0])
	return err == nil && snap.Index.Lookup(name) != nil
}

// Resolve finds the parts of the images that meet a request. It downloads nothing but indexes, and those only for
// what the lock does not hold.
func (s *Stack) Resolve(ctx context.Context, r Request) (*Resolution, error) {
	target := s.Target(cmp.Or(r.Target.Arch, s.Config.Arches[0]))
	lock, err := s.arch(target.Arch)
	if err != nil {
		return nil, err
	}
	encoded, err := s.Lock.Encode()
	if err != nil {
		return nil, err
	}
	wants := gather(r.Requires)
	runSet, err := s.runSet(r.RunSet, &wants)
	if err != nil {
		return nil, err
	}
	res := &Resolution{Stack: s.Config.Name, Lock: checksum(encoded), Target: target, RunSet: runSet,
		BuildSet: s.Config.Build[0].Name}
	x := &resolver{s: s, lock: lock, res: res, byName: lock.byName()}
	x.base(imageBuild, res.BuildSet)
	x.base(imageRun, runSet)
	slices.SortFunc(wants, func(a, b want) int { return cmp.Compare(a.name, b.name) })
	for _, w := range wants {
		if err := x.add(ctx, w); err != nil {
			return nil, err
		}
	}
	for _, n := range res.Notes {
		progress.Note(ctx, "%s", n)
	}
	return res, nil
}

// runSet picks the smallest run set that does, and takes the sets that are required by name out of the wants.
func (s *Stack) runSet(least string, wants *[]want) (string, error) {
	level := 0
	raise := func(name string) bool {
		i := slices.IndexFunc(s.Config.Run, func(set Set) bool { return set.Name == name })
		level = max(level, i)
		return i >= 0
	}
	if least != "" && !raise(least) {
		_, err := s.Config.set(imageRun, least)
		return "", err
	}
	rest := (*wants)[:0]
	for _, w := range *wants {
		if raise(w.name) {
			continue
		}
		if w.run && s.canBeIn(w.name, imageRun) {
			level = len(s.Config.Run) - 1
		}
		rest = append(rest, w)
	}
	*wants = rest
	return s.Config.Run[level].Name, nil
}

// canBeIn tells whether a package may be in an image. Debian packages may be in both.
func (s *Stack) canBeIn(name, image string) bool {
	p, ok := s.Config.Packages[name]
	if !ok {
		return true
	}
	if p.Provider != "" {
		return slices.Contains(p.Targets, image)
	}
	return len(p.debs(image)) > 0
}

// resolver fills in one Resolution.
type resolver struct {
	s      *Stack
	lock   *ArchLock
	res    *Resolution
	byName map[string]Deb
}

func (x *resolver) parts(image string) *[]Part {
	if image == imageBuild {
		return &x.res.Build
	}
	return &x.res.Run
}

// base adds a set as the first part of an image.
func (x *resolver) base(image, set string) {
	part := Part{Name: "base", Set: image + "/" + set, Debs: x.locked(x.lock.sets(image)[set])}
	*x.parts(image) = append(*x.parts(image), part)
}

func (x *resolver) locked(names []string) []Deb {
	var list []Deb
	for _, n := range names {
		list = append(list, x.byName[n])
	}
	return list
}

func (x *resolver) add(ctx context.Context, w want) error {
	for _, image := range []string{imageBuild, imageRun} {
		if image == imageBuild && !w.build || image == imageRun && !w.run {
			continue
		}
		if !x.s.canBeIn(w.name, image) {
			return fmt.Errorf("resolving package %s: stack %s has it for the %s image only",
				w.name, x.s.Config.Name, otherImage(image))
		}
	}
	p := x.s.Config.Packages[w.name]
	switch p.Provider {
	case providerNPM, providerGoProxy:
		return x.addTool(ctx, w, p)
	default:
		return x.addDebs(ctx, w)
	}
}

func otherImage(image string) string {
	if image == imageBuild {
		return imageRun
	}
	return imageBuild
}

// addTool chooses a version of a package and adds what each image needs of it.
func (x *resolver) addTool(ctx context.Context, w want, p Catalog) error {
	choose := x.s.chooseNPM
	if p.Provider == providerGoProxy {
		choose = x.s.chooseGo
	}
	c, err := choose(ctx, w.name, p, w, x.res.Target.Arch)
	if err != nil {
		return err
	}
	if c.Live {
		x.note("%s %s is not in the lock; it was chosen from the registry for %s", w.name, c.Version, w.text())
	}
	part := Part{Name: w.name, Package: w.name, Version: c.Version, Request: w.versions, Provider: p.Provider,
		Tool: &c.File, Dest: p.Dest, Live: c.Live, Select: selection(p)}
	for _, image := range []string{imageBuild, imageRun} {
		if image == imageBuild && !w.build || image == imageRun && !w.run {
			continue
		}
		if err := x.addExtra(ctx, w, p, c.Version, image); err != nil {
			return err
		}
		list := x.parts(image)
		*list = append(*list, part)
		if image == imageBuild && part.Select == selectRuntime {
			headers := part
			headers.Name, headers.Select = w.name+"-headers", selectHeaders
			*list = append(*list, headers)
		}
	}
	return nil
}

// What is taken of a registry's file.
const (
	selectToolchain = "toolchain" // a Go toolchain: all but tests
	selectPackage   = "package"   // an npm package with its commands
	selectRuntime   = "runtime"   // node: the program
	selectHeaders   = "headers"   // node: the headers, for native extensions
)

func selection(p Catalog) string {
	switch {
	case p.Provider == providerGoProxy:
		return selectToolchain
	case p.NPM[anyArch] == "":
		return selectRuntime
	default:
		return selectPackage
	}
}

// addExtra adds the Debian packages that a version of a package needs.
func (x *resolver) addExtra(ctx context.Context, w want, p Catalog, ver, image string) error {
	major, _, _ := strings.Cut(ver, ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return fmt.Errorf("resolving package %s: version %q has no major number", w.name, ver)
	}
	for _, e := range p.Extra {
		from, err := strconv.Atoi(e.From)
		if err != nil || n < from {
			continue
		}
		name := w.name + "/" + e.From
		if err := x.debPart(ctx, Part{Name: w.name + "-libs", Package: w.name, Version: ver}, name, e.Debs, image); err != nil {
			return err
		}
	}
	return nil
}

// addDebs adds a package that consists of Debian packages.
func (x *resolver) addDebs(ctx context.Context, w want) error {
	for _, image := range []string{imageBuild, imageRun} {
		if image == imageBuild && !w.build || image == imageRun && !w.run {
			continue
		}
		roots := []string{w.name}
		if p, ok := x.s.Config.Packages[w.name]; ok {
			roots = p.debs(image)
		}
		part := Part{Name: w.name, Package: w.name, Request: w.versions}
		if err := x.debPart(ctx, part, w.name, roots, image); err != nil {
			return err
		}
	}
	return nil
}

// debPart adds a part of Debian packages: as locked under name, else resolved from the live index.
func (x *resolver) debPart(ctx context.Context, part Part, name string, roots []string, image string) error {
	present := map[string]Deb{}
	for _, d := range (*x.parts(image))[0].Debs {
		present[d.Name] = d
	}
	if !slices.ContainsFunc(roots, func(r string) bool { _, ok := present[r]; return !ok }) {
		return nil // the base has it all
	}
	if names, ok := x.lock.Packages[name][image]; ok {
		part.Debs = x.locked(names)
	} else {
		if x.s.Locked {
			return fmt.Errorf("resolving package %s for the %s image: it is not in the lock; build without --locked, or "+
				"add it to stack.toml and run `s2i stack lock`", name, image)
		}
		list, err := x.s.liveClosure(ctx, x.res, image, roots, nil)
		if err != nil {
			return fmt.Errorf("resolving package %s for the %s image: %w", name, image, err)
		}
		part.Debs, part.Live = list, true
		x.note("%s for the %s image is not in the lock; it was resolved from the signed index", name, image)
	}
	for _, d := range part.Debs {
		if d.Name == part.Package && part.Version == "" {
			part.Version = d.Version
		}
	}
	if err := checkDebVersion(part); err != nil {
		return err
	}
	list := x.parts(image)
	*list = append(*list, part)
	return nil
}

// checkDebVersion compares what was asked for with the one version that a suite has.
func checkDebVersion(part Part) error {
	for _, text := range part.Request {
		want := strings.TrimLeft(text, "=><^~ ")
		if text == want && part.Version != "" && !strings.HasPrefix(upstream(part.Version), want) {
			return fmt.Errorf("resolving package %s: version %s was asked for, and the suite has %s; Debian suites have one "+
				"version of a package", part.Package, text, part.Version)
		}
		if strings.HasPrefix(text, ">=") && apt.CompareVersions(upstream(part.Version), want) < 0 {
			return fmt.Errorf("resolving package %s: a version %s was asked for, and the suite has %s",
				part.Package, text, part.Version)
		}
	}
	return nil
}

// upstream is a Debian version without epoch and revision.
func upstream(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		v = v[:i]
	}
	return v
}

func (x *resolver) note(format string, args ...any) {
	x.res.Notes = append(x.res.Notes, fmt.Sprintf(format, args...))
}

// liveClosure resolves Debian packages from the live index, so that they stand on an image's base and agree with its
// other parts. Versions of drop (by name) are not preferred.
func (s *Stack) liveClosure(ctx context.Context, res *Resolution, image string, roots []string, drop map[string]bool) ([]Deb, error) {
	snap, err := s.index(ctx, res.Target.Arch)
	if err != nil {
		return nil, err
	}
	parts := res.Build
	if image == imageRun {
		parts = res.Run
	}
	o := apt.ClosureOptions{Exclude: s.Config.Exclude, Present: map[string]*apt.Package{}, Prefer: map[string]*apt.Package{}}
	for i, part := range parts {
		for _, d := range part.Debs {
			switch {
			case i == 0:
				o.Present[d.Name] = apt.Pinned(d.Name, d.Version)
			case !drop[d.Name]:
				if p := snap.Index.Find(d.Name, d.Version); p != nil {
					o.Prefer[d.Name] = p
				}
			}
		}
	}
	list, err := snap.Index.Closure(roots, o)
	if err != nil {
		if errors.Is(err, apt.ErrNoPackage) {
			err = fmt.Errorf("%w; when the lock is old, `s2i stack lock` may help", err)
		}
		return nil, err
	}
	var debs []Deb
	for _, p := range list {
		debs = append(debs, fromIndex(p))
	}
	return debs, nil
}
