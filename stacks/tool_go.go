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

// moduleOf is the module version of a toolchain's file.
func moduleOf(f ToolFile) module.Version { return module.Version{Path: f.Name, Version: f.Version} }

// goOptions lists the releases that the demands name, and the newest of the lines that they name. A proxy's list is
// sparse, so the proxy is asked for each of them.
func (s *Stack) goOptions(ctx context.Context, w want, p Catalog, arch string) ([]option, error) {
	proxy, _, err := s.proxy(ctx)
	if err != nil {
		return nil, err
	}
	names, err := proxy.Versions(ctx, p.Module)
	if err != nil {
		return nil, err
	}
	versions := map[string]bool{}
	for _, c := range w.constraints {
		v := "go" + strings.TrimPrefix(strings.TrimLeft(c.Value, ">=v ^~"), "go")
		if !version.IsValid(v) {
			continue
		}
		versions[strings.TrimPrefix(v, "go")] = true
		if line := strings.TrimPrefix(version.Lang(v), "go"); version.Compare("go"+line, "go1.21") >= 0 {
			newest, err := s.newestGo(ctx, proxy, p, names, line)
			if err != nil && ctx.Err() != nil {
				return nil, err
			}
			delete(versions, line) // a line is no release
			versions[newest] = err == nil
		}
	}
	var options []option
	for _, ver := range sortedKeys(versions) {
		files := map[string]ToolFile{}
		for _, a := range s.Config.Arches {
			m := goModule(p, ver, a)
			ok, err := proxy.Has(ctx, m)
			if err != nil {
				return nil, err
			}
			if ok {
				files[a] = ToolFile{Name: m.Path, Version: m.Version}
			}
		}
		if len(files) > 0 {
			options = append(options, s.toolOption(p, ver, files, arch))
		}
	}
	return options, nil
}
