package stacks

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"s2i/lifecycle/progress"
	"s2i/stacks/apt"
)

// Relock resolves everything that stack.toml wants anew and gives the lock. The files are not changed.
func Relock(ctx context.Context, s *Stack) (*Lock, error) {
	if s.Offline {
		return nil, fmt.Errorf("locking stack %s: it needs the network", s.Config.Name)
	}
	l := &Lock{Version: lockVersion, Stack: s.Config.Name, Config: s.Lock.Config, Arches: map[string]*ArchLock{},
		Tools: map[string][]Tool{}, Skipped: map[string][]Skipped{}}
	releases := map[string]*apt.Release{}
	for _, arch := range s.Config.Arches {
		snap, err := s.index(ctx, arch)
		if err != nil {
			return nil, fmt.Errorf("locking stack %s for %s: %w", s.Config.Name, arch, err)
		}
		a, err := s.lockArch(snap)
		if err != nil {
			return nil, fmt.Errorf("locking stack %s for %s: %w", s.Config.Name, arch, err)
		}
		l.Arches[arch] = a
		maps.Copy(releases, snap.Releases)
		progress.Note(ctx, "%s: %d Debian packages of %d", arch, len(a.Debs), snap.Index.Len())
	}
	for _, suite := range s.Config.Suites {
		r := releases[suite.Name]
		l.Suites = append(l.Suites, LockedSuite{Suite: suite, Date: r.Date, InRelease: "sha256:" + r.Digest})
	}
	return l, s.lockTools(ctx, l)
}

// lockArch finds the closures of every set and catalogue package in an index.
func (s *Stack) lockArch(snap *apt.Snapshot) (*ArchLock, error) {
	a := &ArchLock{Lists: snap.Lists, Run: map[string][]string{}, Build: map[string][]string{},
		Packages: map[string]map[string][]string{}}
	all := map[string]Deb{}
	add := func(list []*apt.Package) []string {
		names := []string{}
		for _, p := range list {
			all[p.Name] = fromIndex(p)
			names = append(names, p.Name)
		}
		return names
	}
	present := map[string]map[string]*apt.Package{}
	for image, sets := range map[string][]Set{imageRun: s.Config.Run, imageBuild: s.Config.Build} {
		for _, set := range sets {
			list, err := snap.Index.Closure(set.Debs, apt.ClosureOptions{Exclude: s.Config.Exclude})
			if err != nil {
				return nil, fmt.Errorf("resolving %s set %s: %w", image, set.Name, err)
			}
			a.sets(image)[set.Name] = add(list)
			present[image] = packagesByName(list) // the last set is what packages stand on
		}
	}
	groups := s.debGroups()
	for _, g := range groups {
		a.Packages[g.name] = map[string][]string{}
		for image, roots := range g.roots {
			o := apt.ClosureOptions{Exclude: slices.Concat(s.Config.Exclude, g.exclude), Present: maps.Clone(present[image])}
			if below, ok := groups[g.on]; ok && len(below.roots[image]) > 0 {
				list, err := snap.Index.Closure(below.roots[image],
					apt.ClosureOptions{Exclude: slices.Concat(s.Config.Exclude, below.exclude), Present: present[image]})
				if err != nil {
					return nil, fmt.Errorf("resolving package %s: %w", g.on, err)
				}
				maps.Copy(o.Present, packagesByName(list))
			}
			list, err := snap.Index.Closure(roots, o)
			if err != nil {
				return nil, fmt.Errorf("resolving package %s: %w", g.name, err)
			}
			a.Packages[g.name][image] = add(list)
		}
	}
	a.Debs = slices.SortedFunc(maps.Values(all), func(x, y Deb) int { return cmp.Compare(x.Name, y.Name) })
	return a, nil
}

// debGroup is a list of Debian packages of the catalogue, of which the lock has the closures.
type debGroup struct {
	name    string
	roots   map[string][]string // by image
	exclude []string
	on      string
}

// debGroups gives the lists of the catalogue by name: the package's own, or "package/line". What a package needs from a
// major version on has the name "package/major".
func (s *Stack) debGroups() map[string]debGroup {
	all := map[string]debGroup{}
	for name, p := range s.Config.Packages {
		for line, l := range p.lines() {
			g := debGroup{lineName(name, line), map[string][]string{}, p.Exclude, p.On}
			for _, image := range []string{imageBuild, imageRun} {
				if debs := l.debs(image); len(debs) > 0 {
					g.roots[image] = debs
				}
			}
			if len(g.roots) > 0 {
				all[g.name] = g
			}
		}
		for _, x := range p.Extra {
			g := debGroup{lineName(name, x.From), map[string][]string{}, p.Exclude, p.On}
			for _, image := range p.Targets {
				g.roots[image] = x.Debs
			}
			all[g.name] = g
		}
	}
	return all
}

func (a *ArchLock) sets(image string) map[string][]string {
	if image == imageBuild {
		return a.Build
	}
	return a.Run
}

func packagesByName(list []*apt.Package) map[string]*apt.Package {
	m := make(map[string]*apt.Package, len(list))
	for _, p := range list {
		m[p.Name] = p
	}
	return m
}

// index reads the live index for an architecture, once.
func (s *Stack) index(ctx context.Context, arch string) (*apt.Snapshot, error) {
	s.indexLock.Lock()
	defer s.indexLock.Unlock()
	if snap := s.indexes[arch]; snap != nil {
		return snap, nil
	}
	archive, err := s.archive(ctx)
	if err != nil {
		return nil, err
	}
	snap, err := archive.Open(ctx, s.Config.Suites, arch)
	if err != nil {
		return nil, err
	}
	if s.indexes == nil {
		s.indexes = map[string]*apt.Snapshot{}
	}
	s.indexes[arch] = snap
	return snap, nil
}

// lockTools pins the newest version of every line of the packages that come from other registries.
func (s *Stack) lockTools(ctx context.Context, l *Lock) error {
	names := sortedKeys(s.Config.Packages)
	tools := make([][]Tool, len(names))
	skipped := make([][]Skipped, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.jobs())
	for i, name := range names {
		p := s.Config.Packages[name]
		g.Go(func() error {
			var err error
			switch p.Provider {
			case providerNPM, providerPyPI, providerMaven:
				if tools[i], skipped[i], err = s.lockListed(ctx, p); err == nil && p.HTTPS != "" {
					err = s.pinSites(ctx, name, tools[i])
				}
			case providerGoProxy:
				tools[i], err = s.lockGo(ctx, p)
			}
			if err != nil {
				return fmt.Errorf("locking package %s: %w", name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, name := range names {
		if tools[i] != nil {
			l.Tools[name] = tools[i]
			if len(skipped[i]) > 0 {
				l.Skipped[name] = skipped[i]
			}
			progress.Note(ctx, "%s: %s", name, toolVersions(tools[i]))
		}
	}
	return nil
}

func toolVersions(list []Tool) []string {
	var all []string
	for _, t := range list {
		all = append(all, t.Version)
	}
	return all
}
