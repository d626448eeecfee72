package golang

import (
	"fmt"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// toolDirs are directories whose programs are for developers.
func toolDirs() []string {
	return []string{
		"bench", "benchmark", "benchmarks", "ci", "docs", "e2e", "example", "examples", "hack", "script", "scripts",
		"test", "tests", "tool", "tools", "build", "gen", "generate",
	}
}

// isTool tells whether a program is in such a directory.
func isTool(p *pkg) bool {
	parts := strings.Split(p.Dir, "/")
	if len(parts) > 1 && (parts[0] == "internal" || parts[0] == "cmd") {
		parts = parts[1:]
		if len(parts) == 1 {
			return false // cmd/tool is a program of that name
		}
	}
	return slices.Contains(toolDirs(), parts[0])
}

// withoutTools leaves out programs for developers when there are others.
func withoutTools(all []*pkg) []*pkg {
	var list []*pkg
	for _, p := range all {
		if !isTool(p) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return all
	}
	return list
}

// rejected gives the programs that are not built, with the reasons.
func rejected(all, chosen []*pkg) []kit.Start {
	var list []kit.Start
	for _, p := range all {
		if slices.Contains(chosen, p) {
			continue
		}
		reason := "it is not in " + envTargets
		if isTool(p) {
			reason = "its directory is one for developers: name it in " + envTargets + " to build it"
		}
		list = append(list, kit.Start{Type: baseName(p.Path), Command: p.Path, Evidence: []string{p.Dir + ": package main"}, Rejected: reason})
	}
	return list
}

// serverModules are what programs that answer requests import.
func serverModules() []string {
	return []string{
		"net/http", "github.com/gin-gonic/gin", "github.com/gofiber/fiber", "github.com/labstack/echo",
		"github.com/valyala/fasthttp", "google.golang.org/grpc", "connectrpc.com/connect", "github.com/cloudwego/hertz",
	}
}

// setDefault marks the program that the image starts: the only one, the first that the user names, one that is called
// as a module or as servers usually are, or the only one that is made to answer requests. When nothing tells, the app
// is refused, unless its Procfile says what web is.
func (s *scanner) setDefault(a *goApp, packages map[string]*pkg, chosen []*pkg, named bool) error {
	for i := range a.programs {
		p := &a.programs[i]
		switch {
		case named:
			p.Score, p.Evidence = 100, []string{envTargets}
		case len(a.programs) == 1:
			p.Score, p.Evidence = 95, []string{"the only package main"}
		default:
			s.rate(p, a.source, packages, chosen[i])
		}
	}
	if named || len(a.programs) == 1 {
		return nil
	}
	order := slices.Clone(a.programs)
	slices.SortStableFunc(order, func(x, y program) int { return y.Score - x.Score })
	if order[0].Score > order[1].Score {
		i := slices.IndexFunc(a.programs, func(p program) bool { return p.Package == order[0].Package })
		a.programs[i].Default = true
		return nil
	}
	if procfileWeb(s.app) {
		return nil
	}
	var items []string
	for _, p := range order[:min(len(order), 20)] {
		items = append(items, fmt.Sprintf("./%s (score %d)", strings.TrimPrefix(p.Dir, "."), p.Score))
	}
	return fmt.Errorf("several programs could be the one to start, and nothing tells which: %s; set %s=\"./DIR …\", "+
		"the first is started, or write a Procfile with web", strings.Join(items, ", "), envTargets)
}

// rate says how much speaks for a program being the one to start.
func (s *scanner) rate(p *program, src *source, packages map[string]*pkg, main *pkg) {
	better := func(score int, evidence string) {
		p.Score = max(p.Score, score)
		p.Evidence = append(p.Evidence, evidence)
	}
	for _, m := range src.Modules {
		if baseName(m.Path) != p.File {
			continue
		}
		if len(src.Modules) == 1 || m.Dir == "." {
			better(90, "it is called as the module "+m.Path)
		} else {
			better(60, "it is called as the module "+m.Path)
		}
	}
	for i, name := range []string{"server", "web", "api", "app"} {
		if p.File == name {
			better(80-i, "it is called "+name)
		} else if strings.HasSuffix(p.File, "-"+name) || strings.HasSuffix(p.File, name) && name == "server" {
			better(70-i, "its name ends in "+name)
		}
	}
	if module := s.serves(src, packages, main); module != "" {
		better(max(40, p.Score+5), "it imports "+module)
	}
}

// serves gives a package for servers that a program is made of.
func (s *scanner) serves(src *source, packages map[string]*pkg, main *pkg) string {
	found := ""
	s.follow(src, packages, []*pkg{main}, func(_ *pkg, imported string) bool {
		for _, m := range serverModules() {
			if imported == m || m != "net/http" && within(imported, m) {
				found = m
			}
		}
		return found == ""
	})
	return found
}

// procfileWeb tells whether a Procfile says what web is.
func procfileWeb(app *kit.App) bool {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return false
	}
	entries, err := kit.ParseProcfile(data)
	return err == nil && slices.ContainsFunc(entries, func(e kit.ProcfileEntry) bool { return e.Type == kit.DefaultType })
}

// starts gives the programs, the default first, then what is not built.
func (a *goApp) starts() []kit.Start {
	var list []kit.Start
	for _, p := range a.programs {
		s := kit.Start{Type: p.Type, Command: p.Package, Score: p.Score,
			Evidence: append([]string{p.Dir + ": package main"}, p.Evidence...), Chosen: true}
		if p.Default {
			list = append([]kit.Start{s}, list...)
		} else {
			list = append(list, s)
		}
	}
	return append(list, a.rejected...)
}
