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
	"s2i/stacks/version"
)

// Request is what a build asks of the stack.
type Request struct {
	// Target says for which architecture; the rest of it is the stack's.
	Target lifecycle.Target
	// Requires are the requirements that are left to the stack.
	Requires []lifecycle.Require
	// RunSet is the smallest run set to use; empty means the smallest that does.
	RunSet string
	// Policy says what happens when not all demands can be met; empty means version.Compatible.
	Policy version.Policy
	// App is the lock of the app that is built; nil when it has none.
	App *AppLock
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
	// Choices are the decisions on versions, in the order of the packages' names.
	Choices []Choice `json:"choices,omitempty"`
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
	Line    string   `json:"line,omitempty"`    // which of a catalogue package's lines of Debian packages
	Debs    []Deb    `json:"debs,omitempty"`
	With    []Deb    `json:"with,omitempty"` // packages of the base that the layer is made with
	// Provider, Tool and Select describe a part that does not come from Debian.
	Provider string    `json:"provider,omitempty"`
	Tool     *ToolFile `json:"tool,omitempty"`
	Dest     string    `json:"dest,omitempty"`
	Select   string    `json:"select,omitempty"` // "runtime", "headers", "package", "toolchain"
	Program  string    `json:"program,omitempty"`
	Live     bool      `json:"live,omitempty"` // not from the lock
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
	x := &resolver{s: s, lock: lock, res: res, byName: lock.byName(), policy: r.Policy, app: r.App}
	x.compareApp()
	x.base(imageBuild, res.BuildSet)
	x.base(imageRun, runSet)
	wants = s.inOrder(wants)
	slices.SortStableFunc(wants, func(a, b want) int { return boolOrder(a.library, b.library) }) // from what is there by then
	for _, w := range wants {
		if err := x.add(ctx, w); err != nil {
			return nil, err
		}
	}
	for _, n := range res.Notes {
		s.tell(ctx, n)
	}
	return res, nil
}

// tell shows a note, once: a build resolves more than once.
func (s *Stack) tell(ctx context.Context, note string) {
	if !progress.Shown(ctx) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == nil {
		s.told = map[string]bool{}
	}
	if !s.told[note] {
		s.told[note] = true
		progress.Note(ctx, "%s", note)
	}
}

// inOrder sorts wants by name, those that stand on another package last, and adds what they stand on.
func (s *Stack) inOrder(wants []want) []want {
	for _, w := range wants {
		on := s.Config.Packages[w.name].On
		if on == "" {
			continue
		}
		i := slices.IndexFunc(wants, func(have want) bool { return have.name == on })
		if i < 0 {
			wants, i = append(wants, want{name: on}), len(wants)
		}
		wants[i].build = wants[i].build || w.build
		wants[i].run = wants[i].run || w.run
	}
	slices.SortFunc(wants, func(a, b want) int {
		x, y := s.Config.Packages[a.name].On, s.Config.Packages[b.name].On
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.name, b.name))
	})
	return wants
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
	for _, l := range p.lines() {
		if len(l.debs(image)) > 0 {
			return true
		}
	}
	return false
}

// resolver fills in one Resolution.
type resolver struct {
	s      *Stack
	lock   *ArchLock
	res    *Resolution
	byName map[string]Deb
	policy version.Policy
	app    *AppLock
}

// compareApp notes where the app's lock was made for something else.
func (x *resolver) compareApp() {
	switch {
	case x.app == nil:
	case x.app.Stack != x.res.Stack:
		x.note("%s was made with stack %s, and this is %s (--write-lock brings it up to date)", AppLockFile, x.app.Stack, x.res.Stack)
	case x.app.Lock != x.res.Lock:
		x.note("%s was made with another lock of stack %s: Debian packages may be newer (--write-lock brings it up to date)",
			AppLockFile, x.app.Stack)
	}
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
	if w.library {
		return x.addLibrary(ctx, w)
	}
	p := x.s.Config.Packages[w.name]
	switch p.Provider {
	case providerNPM, providerGoProxy, providerPyPI, providerMaven:
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
	c, err := x.choose(ctx, w, p)
	if err != nil {
		return err
	}
	part := Part{Name: w.name, Package: w.name, Version: c.Version, Request: c.Effective, Provider: p.Provider,
		Tool: &c.File, Dest: p.Dest, Program: p.Program, Live: c.Live, Select: selection(p)}
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
	selectProgram   = "program"   // one file that is all there is to it
	selectPrograms  = "programs"  // the programs of a wheel
	selectArchive   = "archive"   // all of it
	selectHeaders   = "headers"   // node: the headers, for native extensions
)

func selection(p Catalog) string {
	switch {
	case p.Provider == providerGoProxy:
		return selectToolchain
	case p.Provider == providerPyPI:
		return selectPrograms
	case p.Provider == providerMaven:
		return selectArchive
	case p.Program != "":
		return selectProgram
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
	p := x.s.Config.Packages[w.name]
	line, request := "", w.values()
	_, listed := x.s.Config.Packages[w.name]
	solved := listed && p.grammar() != ""
	if solved {
		c, err := x.choose(ctx, w, p)
		if err != nil {
			return err
		}
		line, request = c.Line, c.Effective
	}
	for _, image := range []string{imageBuild, imageRun} {
		if image == imageBuild && !w.build || image == imageRun && !w.run {
			continue
		}
		roots := []string{w.name}
		if listed {
			roots = p.lines()[line].debs(image)
		}
		if len(roots) == 0 {
			continue
		}
		part := Part{Name: w.name, Package: w.name, Request: request, Line: line}
		if err := x.debPart(ctx, part, lineName(w.name, line), roots, image); err != nil {
			return err
		}
	}
	if solved {
		return nil
	}
	return x.decideDeb(w)
}

// decideDeb records what was settled on for a Debian package of which a suite has one version.
func (x *resolver) decideDeb(w want) error {
	c := Choice{Package: w.name, Constraints: slices.Clone(w.constraints), Provider: "deb", Why: "the suite's version"}
	for _, part := range slices.Concat(x.res.Build, x.res.Run) {
		if part.Package == w.name {
			c.Version, c.Live = part.Version, part.Live
		}
	}
	if c.Live {
		c.Why = "the suite's version as it is now"
	}
	for i, con := range c.Constraints {
		switch {
		case debVersionFits(con.Value, c.Version):
		case con.Kind == version.Hint && x.policy != version.Strict:
			c.Constraints[i].Dropped, c.Level = "a hint that nothing meets that can be had", version.NoHints
		default:
			return &UnobtainableError{Package: w.name, Constraints: w.constraints, Nearest: c.Version, OneVersion: true,
				Tried: []Tried{{Stack: x.s.Config.Name, Versions: []string{c.Version}}}}
		}
	}
	x.res.Choices = append(x.res.Choices, c)
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
		list, err := x.s.liveClosure(ctx, x.res, image, part, roots, nil)
		if errors.Is(err, apt.ErrNoPackage) {
			return &UnobtainableError{Package: part.Package, Tried: []Tried{{Stack: x.s.Config.Name}}, Absent: true, Reason: err}
		}
		if err != nil {
			return fmt.Errorf("resolving package %s for the %s image: %w", name, image, err)
		}
		part.Debs, part.Live = list, true
		x.note("%s for the %s image is not in the lock; it was resolved from the signed index", name, image)
	}
	if needsKeystore(part.Debs) {
		if d, ok := present[caPackage]; ok {
			part.With = []Deb{d}
		}
	}
	for _, name := range sortedKeys(x.s.Config.Packages[part.Package].Take) {
		if d, ok := present[name]; ok {
			part.With = append(part.With, d)
		}
	}
	if part.Version == "" {
		part.Version = x.s.debVersion(part)
	}
	list := x.parts(image)
	*list = append(*list, part)
	return nil
}

// debVersion is the version of a part: the upstream version of the Debian package that the catalogue names, or else the
// version of the Debian package of the same name.
func (s *Stack) debVersion(part Part) string {
	of := part.Package
	if l := s.Config.Packages[part.Package].lines()[part.Line]; l.VersionOf != "" {
		of = l.VersionOf
	}
	for _, d := range part.Debs {
		switch {
		case d.Name != of:
		case of == part.Package:
			return d.Version
		default:
			return release(d.Version)
		}
	}
	return ""
}

// release is the part of a Debian version that its maker gave it: without epoch, revision and marks of repackaging.
func release(v string) string {
	v = upstream(v)
	if i := strings.IndexAny(v, "+~"); i > 0 {
		v = v[:i]
	}
	return v
}

// debVersionFits compares what was asked for with the one version that a suite has. There is no grammar of its own for
// that: a version means all that begin with it, and ">=" is understood.
func debVersionFits(asked, have string) bool {
	want := strings.TrimLeft(asked, "=><^~ ")
	if strings.HasPrefix(asked, ">=") {
		return apt.CompareVersions(upstream(have), want) >= 0
	}
	return asked != want || have == "" || strings.HasPrefix(upstream(have), want)
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
func (s *Stack) liveClosure(ctx context.Context, res *Resolution, image string, of Part, roots []string,
	drop map[string]bool) ([]Deb, error) {
	snap, err := s.index(ctx, res.Target.Arch)
	if err != nil {
		return nil, err
	}
	parts := res.Build
	if image == imageRun {
		parts = res.Run
	}
	p := s.Config.Packages[of.Package]
	o := apt.ClosureOptions{Exclude: slices.Concat(s.Config.Exclude, p.Exclude), Present: map[string]*apt.Package{},
		Prefer: map[string]*apt.Package{}}
	for i, part := range parts {
		for _, d := range part.Debs {
			switch {
			case i == 0 || part.Package == p.On && p.On != "":
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
