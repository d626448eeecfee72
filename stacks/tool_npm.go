package stacks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"s2i/stacks/npm"
)

// anyArch is the key of a file that serves every architecture.
const anyArch = "any"

// npmNames gives the npm package of a catalogue entry for a version, by architecture.
func npmNames(p Catalog, v *semver.Version) map[string]string {
	if berry := p.NPM["berry"]; berry != "" && v.Major() >= 2 {
		return map[string]string{anyArch: berry}
	}
	names := map[string]string{}
	for arch, name := range p.NPM {
		if arch != "berry" {
			names[arch] = name
		}
	}
	return names
}

// published are the versions of a catalogue entry that can be had, with their files by architecture.
type published struct {
	version *semver.Version
	files   map[string]ToolFile
}

// npmPublished lists what the registry has of a catalogue entry, newest first.
func (s *Stack) npmPublished(ctx context.Context, p Catalog) ([]published, error) {
	reg, err := s.registry(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]*published{}
	for key, name := range p.NPM {
		versions, err := reg.Versions(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			sv, err := semver.StrictNewVersion(v.Version)
			if err != nil {
				continue
			}
			// A package that changed its name has versions under both; each is taken from the one that is right for it.
			arch := key
			if key == "berry" {
				arch = anyArch
			}
			if npmNames(p, sv)[arch] != name {
				continue
			}
			if all[v.Version] == nil {
				all[v.Version] = &published{sv, map[string]ToolFile{}}
			}
			all[v.Version].files[arch] = ToolFile{Name: name, Version: v.Version, Integrity: v.Integrity}
		}
	}
	var list []published
	for _, v := range all {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b published) int { return b.version.Compare(a.version) })
	return list, nil
}

// lockNPM pins the newest version of every line that exists for all architectures.
func (s *Stack) lockNPM(ctx context.Context, p Catalog) ([]Tool, error) {
	list, err := s.npmPublished(ctx, p)
	if err != nil {
		return nil, err
	}
	var tools []Tool
	for _, line := range p.Lines {
		r, err := npm.ParseRange(line)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(v published) bool { return r.Contains(v.version) && s.complete(v.files) })
		if i < 0 {
			return nil, fmt.Errorf("looking for version line %s: the registry has none for %s",
				line, strings.Join(s.Config.Arches, " and "))
		}
		tools = append(tools, Tool{Version: list[i].version.String(), Files: list[i].files})
	}
	slices.Reverse(tools)
	return tools, nil
}

// complete tells whether there is a file for every architecture of the stack.
func (s *Stack) complete(files map[string]ToolFile) bool {
	if _, ok := files[anyArch]; ok {
		return true
	}
	return !slices.ContainsFunc(s.Config.Arches, func(arch string) bool { _, ok := files[arch]; return !ok })
}

// chooseNPM finds the version of an npm package for a constraint: in the lock, else in the registry.
func (s *Stack) chooseNPM(ctx context.Context, name string, p Catalog, want want, arch string) (*chosen, error) {
	r, err := want.ranges(p)
	if err != nil {
		return nil, err
	}
	locked := fromTools(s.Lock.Tools[name], arch)
	if i := newest(locked, r, p.EvenMajors); i >= 0 {
		return &chosen{locked[i].Version, locked[i].file, false}, nil
	}
	if s.Locked {
		return nil, want.notLocked(name, s.Lock.Tools[name])
	}
	var kept chosen
	key := fmt.Sprintf("%s %s %s", name, arch, want.text())
	if s.Offline {
		if err := s.Store.Record("npm-choice", key, &kept); err != nil {
			return nil, fmt.Errorf("%w; and --offline forbids to ask the registry", want.notLocked(name, s.Lock.Tools[name]))
		}
		return &kept, nil
	}
	list, err := s.npmPublished(ctx, p)
	if errors.Is(err, npm.ErrNotConfigured) && p.HTTPS != "" {
		list, err = s.sitePublished(ctx, name, p)
	}
	if err != nil {
		return nil, err
	}
	var live []candidate
	for _, v := range list {
		if f, ok := fileFor(v.files, arch); ok {
			live = append(live, candidate{v.version.String(), v.version, f})
		}
	}
	i := newest(live, r, p.EvenMajors)
	if i < 0 {
		return nil, fmt.Errorf("choosing a version of %s: neither the lock (%s) nor the registry has one for %s that is %s",
			name, strings.Join(toolVersions(s.Lock.Tools[name]), ", "), arch, want.text())
	}
	kept = chosen{live[i].Version, live[i].file, true}
	return &kept, s.Store.SetRecord("npm-choice", key, kept)
}

// candidate is a version with its file for one architecture.
type candidate struct {
	Version string
	ver     *semver.Version
	file    ToolFile
}

func fromTools(tools []Tool, arch string) []candidate {
	var list []candidate
	for _, t := range tools {
		v, err := semver.NewVersion(t.Version)
		f, ok := fileFor(t.Files, arch)
		if err == nil && ok {
			list = append(list, candidate{t.Version, v, f})
		}
	}
	return list
}

func fileFor(files map[string]ToolFile, arch string) (ToolFile, bool) {
	if f, ok := files[arch]; ok {
		return f, true
	}
	f, ok := files[anyArch]
	return f, ok
}

// newest gives the index of the newest version in all ranges; with even, one with an even major before the others.
func newest(list []candidate, ranges []*npm.Range, even bool) int {
	best := -1
	for i, c := range list {
		if slices.ContainsFunc(ranges, func(r *npm.Range) bool { return !r.Contains(c.ver) }) {
			continue
		}
		if best >= 0 {
			b := list[best].ver
			bEven, cEven := b.Major()%2 == 0, c.ver.Major()%2 == 0
			if even && bEven != cEven {
				if cEven {
					best = i
				}
				continue
			}
			if !c.ver.GreaterThan(b) {
				continue
			}
		}
		best = i
	}
	return best
}
