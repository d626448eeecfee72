package stacks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
	"s2i/stacks/apt"
)

// MetaLibrary is the metadata of a requirement for a run image that was not asked for by anybody, but found by looking at
// what was built: the soname of the library that it is for. Such a package is taken from what the build image is
// composed of, in the same version, when that has it; then nothing is asked of the network.
const MetaLibrary = "library"

// Libraries finds the Debian packages that have shared libraries, by soname; libraries that none has are left out. Where
// the app was built against a library, the package that has it in the build image counts. Else it is looked for in the
// suites' Contents files, and of several packages one is chosen by rule: see betterOwner.
func (s *Stack) Libraries(ctx context.Context, r Request, sonames []string) (map[string]string, error) {
	sonames = slices.DeleteFunc(slices.Clone(sonames), func(soname string) bool { return !validSoname(soname) })
	if len(sonames) == 0 {
		return nil, nil
	}
	res, err := s.Resolve(ctx, r)
	if err != nil {
		return nil, err
	}
	owners, err := s.builtOwners(ctx, res, sonames)
	if err != nil {
		return nil, fmt.Errorf("looking for libraries in the build image: %w", err)
	}
	rest := slices.DeleteFunc(sonames, func(soname string) bool { return owners[soname] != "" })
	if len(rest) == 0 {
		return owners, nil
	}
	if s.Locked {
		progress.Note(ctx, "--locked: only packages of the build image are asked for %s", strings.Join(rest, ", "))
		return owners, nil
	}
	return owners, s.suiteOwners(ctx, res.Target.Arch, rest, owners)
}

// validSoname tells whether a soname can be a file in a directory of libraries.
func validSoname(soname string) bool {
	return soname != "" && !strings.ContainsAny(soname, "/\x00\n") && strings.Contains(soname, ".so")
}

// builtOwners finds the packages of the build image that have libraries where the dynamic linker looks.
func (s *Stack) builtOwners(ctx context.Context, res *Resolution, sonames []string) (map[string]string, error) {
	owners := map[string]string{}
	for _, part := range res.Build {
		if len(part.Debs) == 0 {
			continue
		}
		tree, err := s.partTree(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, soname := range sonames {
			if owners[soname] != "" {
				continue
			}
			file := findLibrary(tree, res.Target.Arch, soname)
			if file == "" {
				continue
			}
			if owners[soname], err = owner(tree, file, part.Debs); err != nil {
				return nil, err
			}
		}
	}
	return owners, nil
}

// partTree gives the directory in which a part's layer is unpacked.
func (s *Stack) partTree(ctx context.Context, part Part) (string, error) {
	layer, err := s.layer(ctx, s.key(part), part, store.Tree)
	if err != nil {
		return "", err
	}
	return s.Store.Tree(ctx, layer)
}

// findLibrary gives the regular file, relative to tree, that a soname stands for; "" when there is none.
func findLibrary(tree, arch, soname string) string {
	const maxLinks = 8
	for _, dir := range apt.LibraryDirs(arch) {
		file := path.Join("usr", dir, soname)
		for range maxLinks {
			info, err := os.Lstat(filepath.Join(tree, file))
			if err != nil {
				break
			}
			if info.Mode().IsRegular() {
				return file
			}
			link, err := os.Readlink(filepath.Join(tree, file))
			if err != nil {
				break
			}
			if path.IsAbs(link) {
				file = usrMerged(path.Clean(link)[1:])
			} else {
				file = usrMerged(path.Join("/", path.Dir(file), link)[1:])
			}
		}
	}
	return ""
}

// owner gives the package that a file of a tree came with, as the packages' lists of files say.
func owner(tree, file string, debs []Deb) (string, error) {
	for _, d := range debs {
		sums, err := os.ReadFile(filepath.Join(tree, "var/lib/dpkg/status.d", d.Name+".md5sums"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("reading the files of %s: %w", d.Name, err)
		}
		for line := range bytes.Lines(sums) {
			_, name, ok := strings.Cut(strings.TrimSpace(string(line)), "  ")
			if ok && usrMerged(name) == file {
				return d.Name, nil
			}
		}
	}
	return "", nil
}

// recordOwner is the kind of the records that keep which package of a suite has a library.
const recordOwner = "library-owner"

// suiteOwners adds the packages of the suites that have libraries. Answers are kept: within a release of Debian a
// library stays where it is.
func (s *Stack) suiteOwners(ctx context.Context, arch string, sonames []string, owners map[string]string) error {
	key := func(soname string) string {
		return strings.Join([]string{"1", s.Lock.Config, arch, soname}, " ")
	}
	var open []string
	for _, soname := range sonames {
		var kept string
		if s.Store.Record(recordOwner, key(soname), &kept) == nil && kept != "" {
			owners[soname] = kept
		} else {
			open = append(open, soname)
		}
	}
	if len(open) == 0 {
		return nil
	}
	archive, err := s.archive(ctx)
	if err != nil {
		return err
	}
	libraries, err := archive.Libraries(ctx, s.Config.Suites, arch)
	if s.Offline && errors.Is(err, store.ErrNotFound) {
		progress.Note(ctx, "--offline: which packages have %s is not known here; a build with network finds out", strings.Join(open, ", "))
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the packages that have %s: %w", strings.Join(open, ", "), err)
	}
	snap, err := s.index(ctx, arch)
	if err != nil {
		return err
	}
	for _, soname := range open {
		best := bestOwner(snap.Index, soname, libraries[soname])
		if best == "" {
			continue
		}
		owners[soname] = best
		if err := s.Store.SetRecord(recordOwner, key(soname), best); err != nil {
			return err
		}
	}
	return nil
}

// bestOwner chooses among the packages that have a library: those that the index does not have do not count; then the
// one that is named as Debian's policy names the package of a library, then the more important one, then the first.
func bestOwner(ix *apt.Index, soname string, packages []string) string {
	packages = slices.DeleteFunc(slices.Clone(packages), func(name string) bool { return ix.Lookup(name) == nil })
	if len(packages) == 0 {
		return ""
	}
	named := policyName(soname)
	rank := func(name string) int {
		if name == named || name == named+"t64" {
			return 0
		}
		return 1 + ix.Lookup(name).Rank()
	}
	return slices.MinFunc(packages, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

var sonameParts = regexp.MustCompile(`^(.*?)(?:-([0-9][0-9.]*)\.so|\.so\.([0-9][0-9.]*))$`)

// policyName is what Debian's policy (§8.1) calls the package of a library: libpq.so.5 is in libpq5, libsqlite3.so.0 in
// libsqlite3-0.
func policyName(soname string) string {
	m := sonameParts.FindStringSubmatch(strings.ToLower(soname))
	if m == nil {
		return ""
	}
	stem, number := strings.ReplaceAll(m[1], "_", "-"), m[2]+m[3]
	if c := stem[max(len(stem)-1, 0):]; c >= "0" && c <= "9" {
		stem += "-"
	}
	return stem + number
}

// builtClosure gives a package and everything that it depends on, as far as the run image's base lacks it, of the
// packages that the build image consists of; ok is false when they are not enough.
func (s *Stack) builtClosure(ctx context.Context, res *Resolution, name string) (debs []Deb, live, ok bool) {
	built := map[string]Deb{}
	ix := apt.NewIndex(res.Target.Arch)
	for _, part := range res.Build {
		if len(part.Debs) == 0 {
			continue
		}
		tree, err := s.partTree(ctx, part)
		if err != nil {
			return nil, false, false
		}
		for _, d := range part.Debs {
			control, err := os.ReadFile(filepath.Join(tree, "var/lib/dpkg/status.d", d.Name))
			if err != nil {
				return nil, false, false
			}
			text := fmt.Sprintf("%s\nFilename: %s\nSize: %d\nSHA256: %s\n", bytes.TrimSpace(control), d.Path, d.Size, d.SHA256)
			if ix.Add(text, d.Archive) != nil {
				return nil, false, false
			}
			built[d.Name] = d
		}
		live = live || part.Live
	}
	if _, ok := built[name]; !ok {
		return nil, false, false
	}
	o := apt.ClosureOptions{Exclude: s.Config.Exclude, Present: map[string]*apt.Package{}}
	for _, d := range res.Run[0].Debs {
		o.Present[d.Name] = apt.Pinned(d.Name, d.Version)
	}
	list, err := ix.Closure([]string{name}, o)
	if err != nil {
		return nil, false, false // the base is of another state, or a dependency is not in the build image
	}
	for _, p := range list {
		debs = append(debs, built[p.Name])
	}
	return debs, live, true
}

// boolOrder orders false before true.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// addLibrary adds a Debian package that has a library to the run image.
func (x *resolver) addLibrary(ctx context.Context, w want) error {
	for _, part := range x.res.Run {
		if slices.ContainsFunc(part.Debs, func(d Deb) bool { return d.Name == w.name }) {
			return nil
		}
	}
	before := len(x.res.Run)
	debs, live, ok := x.s.builtClosure(ctx, x.res, w.name)
	if ok {
		part := Part{Name: w.name, Package: w.name, Debs: debs, Live: live}
		for _, d := range debs {
			if d.Name == w.name {
				part.Version = d.Version
			}
		}
		x.res.Run = append(x.res.Run, part)
	} else if err := x.addDebs(ctx, w); err != nil {
		return err
	}
	x.place(before)
	return nil
}

// place moves the part at the end of the run image, if it came after the first ones, to where it had been if it had been
// asked for: a rebase asks for it by its name, and finds the same image.
func (x *resolver) place(first int) {
	run := x.res.Run
	if len(run) != first+1 {
		return
	}
	part := run[first]
	at := first
	for at > 1 && (x.s.Config.Packages[run[at-1].Package].On != "" || run[at-1].Package > part.Package) {
		at--
	}
	x.res.Run = slices.Insert(slices.Clone(run[:first]), at, part)
}
