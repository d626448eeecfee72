package stacks

import (
	"context"
	"fmt"
	"io"

	"github.com/Masterminds/semver/v3"

	"s2i/stacks/npm"
)

// registry is one kind of registry that lists what it has, as catalogue entries see it.
type registry interface {
	// published lists the versions of an entry, in no order.
	published(ctx context.Context, p Catalog) ([]published, error)
	// pin gives a listed file its integrity, where the list does not say it.
	pin(ctx context.Context, f ToolFile) (ToolFile, error)
	// get writes a file to w from offset on. The caller verifies it.
	get(ctx context.Context, f ToolFile, w io.Writer, offset int64) error
}

// published are the versions of a catalogue entry that can be had, with their files by architecture.
type published struct {
	version *semver.Version
	files   map[string]ToolFile
}

// registryOf gives access to the registry of a provider; Go proxies are not of this kind.
func (s *Stack) registryOf(ctx context.Context, provider string) (registry, error) {
	src, err := s.sources(ctx)
	if err != nil {
		return nil, err
	}
	switch provider {
	case providerNPM:
		reg, err := npm.New(src.NPM, src.Fetch)
		return npmRegistry{reg}, err
	case providerPyPI:
		return s.pypiIndex(ctx, src), nil
	case providerMaven:
		return mavenRepository{src, s.Store}, nil
	default:
		return nil, fmt.Errorf("looking for the registry of provider %q: there is none", provider)
	}
}

// listed gathers published versions.
type listed map[string]*published

// add notes a file of a version for an architecture. What is no semantic version is left out.
func (l listed) add(version, arch string, f ToolFile) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return
	}
	if l[version] == nil {
		l[version] = &published{v, map[string]ToolFile{}}
	}
	if old, ok := l[version].files[arch]; !ok || f.File < old.File {
		l[version].files[arch] = f
	}
}

func (l listed) all() []published {
	var list []published
	for _, name := range sortedKeys(l) {
		list = append(list, *l[name])
	}
	return list
}
