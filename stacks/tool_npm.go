package stacks

import (
	"context"
	"fmt"
	"io"
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

// npmRegistry is an npm registry as the source of programs and packages.
type npmRegistry struct{ *npm.Registry }

func (r npmRegistry) published(ctx context.Context, p Catalog) ([]published, error) {
	all := listed{}
	for key, name := range p.NPM {
		versions, err := r.Versions(ctx, name)
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
			if npmNames(p, sv)[arch] == name {
				all.add(v.Version, arch, ToolFile{Name: name, Version: v.Version, Integrity: v.Integrity})
			}
		}
	}
	return all.all(), nil
}

func (r npmRegistry) pin(_ context.Context, f ToolFile) (ToolFile, error) { return f, nil }

func (r npmRegistry) get(ctx context.Context, f ToolFile, w io.Writer, offset int64) error {
	return r.Tarball(ctx, f.Name, f.Version, w, offset)
}

// published lists what the registry of a catalogue entry has, newest first.
func (s *Stack) published(ctx context.Context, p Catalog) ([]published, error) {
	reg, err := s.registryOf(ctx, p.Provider)
	if err != nil {
		return nil, err
	}
	list, err := reg.published(ctx, p)
	slices.SortFunc(list, func(a, b published) int { return b.version.Compare(a.version) })
	return list, err
}

// pinned gives the files of a version their integrities.
func (s *Stack) pinned(ctx context.Context, p Catalog, files map[string]ToolFile) (map[string]ToolFile, error) {
	reg, err := s.registryOf(ctx, p.Provider)
	if err != nil {
		return nil, err
	}
	done := map[string]ToolFile{}
	for arch, f := range files {
		if done[arch], err = reg.pin(ctx, f); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// lockListed pins the newest version of every line that exists for all architectures, and says which newer ones it left
// out.
func (s *Stack) lockListed(ctx context.Context, p Catalog) ([]Tool, []Skipped, error) {
	list, err := s.published(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	var tools []Tool
	for _, line := range p.Lines {
		r, err := npm.ParseRange(line)
		if err != nil {
			return nil, nil, err
		}
		i := slices.IndexFunc(list, func(v published) bool { return r.Contains(v.version) && s.complete(v.files) })
		if i < 0 {
			return nil, nil, fmt.Errorf("looking for version line %s: the registry has none for %s",
				line, strings.Join(s.Config.Arches, " and "))
		}
		files, err := s.pinned(ctx, p, list[i].files)
		if err != nil {
			return nil, nil, err
		}
		tools = append(tools, Tool{Version: list[i].version.Original(), Files: files})
	}
	slices.Reverse(tools)
	return tools, s.skipped(p, list, tools), nil
}

// skipped lists what is newer than the newest pinned version, the newest of each major version, and why it is not pinned.
func (s *Stack) skipped(p Catalog, list []published, tools []Tool) []Skipped {
	var skipped []Skipped
	seen := map[uint64]bool{}
	for _, v := range list { // newest first
		name := v.version.Original()
		if p.grammar().Compare(name, tools[0].Version) <= 0 || len(skipped) == maxSkipped {
			break
		}
		rank, status := p.standing(name)
		if seen[v.version.Major()] || v.version.Prerelease() != "" {
			continue
		}
		seen[v.version.Major()] = true
		var missing []string
		for _, arch := range s.Config.Arches {
			if _, ok := fileFor(v.files, arch); !ok {
				missing = append(missing, "linux/"+arch)
			}
		}
		switch {
		case rank > 0:
		case len(missing) > 0:
			status = "missing on " + strings.Join(missing, " and ")
		default:
			status = "not a line of the stack"
		}
		skipped = append(skipped, Skipped{name, status})
	}
	return skipped
}

// maxSkipped bounds what is said about what was left out.
const maxSkipped = 4

// complete tells whether there is a file for every architecture of the stack.
func (s *Stack) complete(files map[string]ToolFile) bool {
	if _, ok := files[anyArch]; ok {
		return true
	}
	return !slices.ContainsFunc(s.Config.Arches, func(arch string) bool { _, ok := files[arch]; return !ok })
}

func fileFor(files map[string]ToolFile, arch string) (ToolFile, bool) {
	if f, ok := files[arch]; ok {
		return f, true
	}
	f, ok := files[anyArch]
	return f, ok
}
