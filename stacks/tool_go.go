package stacks

import (
	"context"
	"fmt"
	"go/version"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"s2i/stacks/goproxy"
)

// goModule is a Go version as a version of the toolchain's module.
func goModule(p Catalog, ver, arch string) module.Version {
	v := strings.NewReplacer("{version}", ver, "{arch}", arch).Replace(p.VersionForm)
	return module.Version{Path: p.Module, Version: v}
}

// lockGo pins the newest release of every line that exists for all architectures. The zips are downloaded and checked
// against the checksum database, to know their sha256.
func (s *Stack) lockGo(ctx context.Context, p Catalog) ([]Tool, error) {
	proxy, src, err := s.proxy(ctx)
	if err != nil {
		return nil, err
	}
	names, err := proxy.Versions(ctx, p.Module)
	if err != nil {
		return nil, err
	}
	var tools []Tool
	for _, line := range p.Lines {
		ver, err := s.newestGo(ctx, proxy, p, names, line)
		if err != nil {
			return nil, err
		}
		t := Tool{Version: ver, Files: map[string]ToolFile{}}
		for _, arch := range s.Config.Arches {
			f, err := s.goFile(ctx, proxy, src, goModule(p, ver, arch))
			if err != nil {
				return nil, err
			}
			t.Files[arch] = f
		}
		tools = append(tools, t)
	}
	slices.Reverse(tools)
	return tools, nil
}

// newestGo finds the newest release of a line. A proxy's list is sparse, so every candidate is asked for, and some
// releases after the newest one that is listed.
func (s *Stack) newestGo(ctx context.Context, proxy *goproxy.Client, p Catalog, names []string, line string) (string, error) {
	top := -1
	for _, n := range names {
		for patch := range 100 {
			if n == goModule(p, fmt.Sprintf("%s.%d", line, patch), s.Config.Arches[0]).Version {
				top = max(top, patch)
			}
		}
	}
	for patch := top + 3; patch >= 0; patch-- {
		ver := fmt.Sprintf("%s.%d", line, patch)
		all := true
		for _, arch := range s.Config.Arches {
			ok, err := proxy.Has(ctx, goModule(p, ver, arch))
			if err != nil {
				return "", err
			}
			if all = all && ok; !all {
				break
			}
		}
		if all {
			return ver, nil
		}
	}
	return "", fmt.Errorf("looking for a release of Go %s: the proxy has none for %s",
		line, strings.Join(s.Config.Arches, " and "))
}

// goFile describes a module's zip, with the digest that the checksum database has for it.
func (s *Stack) goFile(ctx context.Context, proxy *goproxy.Client, src *Sources, m module.Version) (ToolFile, error) {
	h1, err := proxy.Sum(ctx, s.Store, src.SumDB, m)
	if err != nil {
		return ToolFile{}, err
	}
	f := ToolFile{Name: m.Path, Version: m.Version, H1: h1}
	return s.pinZip(ctx, proxy, f)
}

// chooseGo finds a Go release for a constraint: in the lock, else, when it names a release, from the proxy.
func (s *Stack) chooseGo(ctx context.Context, name string, p Catalog, want want, arch string) (*chosen, error) {
	cons, err := want.goConstraints(p)
	if err != nil {
		return nil, err
	}
	for _, t := range s.Lock.Tools[name] { // newest first
		if f, ok := t.Files[arch]; ok && cons.allow(t.Version) {
			return &chosen{t.Version, f, false}, nil
		}
	}
	if s.Locked {
		return nil, want.notLocked(name, s.Lock.Tools[name])
	}
	ver := cons.lowest()
	if ver == "" || !cons.allow(ver) {
		return nil, fmt.Errorf("choosing a version of %s: no release is %s; the lock has %s",
			name, want.text(), strings.Join(toolVersions(s.Lock.Tools[name]), ", "))
	}
	var kept chosen
	m := goModule(p, ver, arch)
	if err := s.Store.Record("go-choice", m.Version, &kept); err == nil {
		return &kept, nil
	}
	if s.Offline {
		return nil, fmt.Errorf("%w; and --offline forbids to get it", want.notLocked(name, s.Lock.Tools[name]))
	}
	proxy, src, err := s.proxy(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.goFile(ctx, proxy, src, m)
	if err != nil {
		return nil, fmt.Errorf("getting Go %s, which is not in the lock: %w", ver, err)
	}
	kept = chosen{ver, f, true}
	return &kept, s.Store.SetRecord("go-choice", m.Version, kept)
}

// goConstraints are conditions on a Go version that must all hold.
type goConstraints []goConstraint

type goConstraint struct {
	op  string // "=", ">=", "line"
	ver string // "1.25.4", "1.26rc1", "1.25"
}

// parseGo reads "1.25.4" (exactly that), "1.25" (that line), ">=1.24" (at least), and "go" before any of them.
func parseGo(text string) (goConstraint, error) {
	s := strings.TrimSpace(text)
	op := ""
	if rest, ok := strings.CutPrefix(s, ">="); ok {
		op, s = ">=", strings.TrimSpace(rest)
	} else {
		s = strings.TrimLeft(s, "=v ")
	}
	s = strings.TrimPrefix(s, "go")
	s = strings.TrimSuffix(strings.TrimSuffix(s, ".x"), ".*")
	if !version.IsValid("go" + s) {
		return goConstraint{}, fmt.Errorf("reading the Go version %q: it is none; write 1.25.4, 1.25 or >=1.25", text)
	}
	if op == "" {
		op = "="
		if version.Lang("go"+s) == "go"+s && version.Compare("go"+s, "go1.21") >= 0 {
			op = "line" // since 1.21 a release always has three numbers
		}
	}
	return goConstraint{op, s}, nil
}

func (c goConstraints) allow(ver string) bool {
	for _, one := range c {
		d := version.Compare("go"+ver, "go"+one.ver)
		ok := one.op == "=" && d == 0 || one.op == ">=" && d >= 0 ||
			one.op == "line" && version.Lang("go"+ver) == "go"+one.ver
		if !ok {
			return false
		}
	}
	return true
}

// lowest is the release that the constraints name: the only one to try when the lock has none.
func (c goConstraints) lowest() string {
	best := ""
	for _, one := range c {
		v := one.ver
		if version.Lang("go"+v) == "go"+v && version.Compare("go"+v, "go1.21") >= 0 {
			v += ".0"
		}
		if best == "" || version.Compare("go"+v, "go"+best) > 0 {
			best = v
		}
	}
	return best
}
