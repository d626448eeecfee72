package stacks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"

	"s2i/lifecycle/progress"
	"s2i/stacks/apt"
	"s2i/stacks/fetch"
	"s2i/stacks/https"
	"s2i/stacks/npm"
)

// missingError says that the registry does not have a part's file, and that its maker's site may.
type missingError struct {
	part Part
	err  error
}

// Error gives the registry's error.
func (e *missingError) Error() string { return e.err.Error() }

// Unwrap gives the registry's error.
func (e *missingError) Unwrap() error { return e.err }

// missing turns an error of a registry into a missingError where the maker's site can help.
func (s *Stack) missing(p Part, err error) error {
	if p.Provider != providerNPM || s.Config.Packages[p.Package].HTTPS == "" || s.Offline {
		return err
	}
	if errors.Is(err, npm.ErrNotConfigured) || fetch.Gone(err) {
		return &missingError{p, err}
	}
	return err
}

// site gives access to the distribution site of a package's maker.
func (s *Stack) site(ctx context.Context, name string) (*https.Node, error) {
	src, err := s.sources(ctx)
	if err != nil {
		return nil, err
	}
	base := s.Config.Packages[name].HTTPS
	if src.Sites[name] != "" {
		base = src.Sites[name]
	}
	return &https.Node{Base: base, Fetch: src.Fetch}, nil
}

// replaceMissing makes the parts of a package come from its maker's site.
func (s *Stack) replaceMissing(ctx context.Context, res *Resolution, m *missingError) error {
	site, err := s.site(ctx, m.part.Package)
	if err != nil {
		return err
	}
	f, pinned := s.sitePin(m.part.Package, m.part.Version, res.Target.Arch)
	if !pinned {
		if s.Locked {
			return fmt.Errorf("%w; the lock has no checksum for %s; build without --locked", m.err, site.Base)
		}
		if f, err = s.siteFile(ctx, site, m.part.Version, res.Target.Arch); err != nil {
			return fmt.Errorf("%w; and from its maker: %w", m.err, err)
		}
	}
	for _, parts := range [][]Part{res.Build, res.Run} {
		for i := range parts {
			if parts[i].Package == m.part.Package && parts[i].Provider == providerNPM {
				parts[i].Provider, parts[i].Tool, parts[i].Live = providerHTTPS, &f, !pinned
			}
		}
	}
	trust := "as the lock has it"
	if !pinned {
		trust = "verified by the checksum that the site publishes"
	}
	note := fmt.Sprintf("%s %s is not to be had from the npm registry; it comes from %s, %s",
		m.part.Package, m.part.Version, site.Base, trust)
	res.Notes = append(res.Notes, note)
	progress.Warn(ctx, "%s", note)
	return nil
}

// sitePin gives a file of the maker's site that the lock knows.
func (s *Stack) sitePin(name, version, arch string) (ToolFile, bool) {
	for _, t := range s.Lock.Tools[name] {
		if f, ok := t.Sites[arch]; ok && t.Version == version {
			return f, true
		}
	}
	return ToolFile{}, false
}

func (s *Stack) siteFile(ctx context.Context, site *https.Node, version, arch string) (ToolFile, error) {
	sum, err := site.Sum(ctx, version, arch)
	if err != nil {
		return ToolFile{}, err
	}
	integrity, err := apt.Integrity(sum)
	return ToolFile{Name: https.Tarball(version, arch), Version: version, Integrity: integrity}, err
}

// pinSites adds the checksums of the maker's site to pinned versions. A site that cannot be reached leaves them out.
func (s *Stack) pinSites(ctx context.Context, name string, tools []Tool) error {
	site, err := s.site(ctx, name)
	if err != nil {
		return err
	}
	for i := range tools {
		for _, arch := range s.Config.Arches {
			f, err := s.siteFile(ctx, site, tools[i].Version, arch)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				progress.Note(ctx, "%s %s: no checksum of its maker's distribution in the lock: %v", name, tools[i].Version, err)
				return nil
			}
			if tools[i].Sites == nil {
				tools[i].Sites = map[string]ToolFile{}
			}
			tools[i].Sites[arch] = f
		}
	}
	return nil
}

// sitePublished lists what the maker's site has, newest first, when there is no registry to ask. Integrities are not
// known yet: the part is replaced when it is composed.
func (s *Stack) sitePublished(ctx context.Context, name string, p Catalog) ([]published, error) {
	site, err := s.site(ctx, name)
	if err != nil {
		return nil, err
	}
	releases, err := site.Releases(ctx)
	if err != nil {
		return nil, err
	}
	var list []published
	for _, r := range releases {
		v, err := semver.StrictNewVersion(r.Version)
		if err != nil {
			continue
		}
		files := map[string]ToolFile{}
		for _, arch := range r.Arches {
			if npmName := p.NPM[arch]; npmName != "" {
				files[arch] = ToolFile{Name: npmName, Version: r.Version}
			}
		}
		list = append(list, published{v, files})
	}
	slices.SortFunc(list, func(a, b published) int { return b.version.Compare(a.version) })
	return list, nil
}
