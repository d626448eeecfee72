package node

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// choice is how a package is started: by a command, or by serving the files that its framework makes.
type choice struct {
	member *member
	// start is nil for static files.
	start     *start
	framework *framework
	// candidates are all ways that were looked at, the chosen one among them.
	candidates []kit.Start
	// served tells that it is the files that are chosen.
	served bool
}

// refusal is the error of an app that is recognised, and cannot be built as it is.
type refusal struct{ reason string }

// Error gives the reason.
func (r *refusal) Error() string { return r.reason }

// startScripts are the scripts that may start an app, the best first.
func startScripts() []string {
	return []string{"start", "start:prod", "start:production", "serve:prod"}
}

// Scores of candidates. A script that only starts what the framework has built is outranked by the framework's own way.
const (
	scoreProcfile  = 100
	scoreScript    = 95
	scoreFramework = 90
	scoreFile      = 50
)

// choose decides how m is started: by the first start script that is no development server and does more than the
// framework would, else the framework's way, else the package's main file or one with a usual name. The error tells why
// there is none; it is a *rejection when the app can be changed to help, a *refusal when its framework is the reason.
func (p *project) choose(m *member) (*choice, error) {
	c, err := p.chooseOwn(m)
	if err != nil || c.start == nil || c.start.Member == m || c.framework != nil {
		return c, err
	}
	// "yarn workspace web start" at the root: it is that package that is started.
	next, err := p.chooseOwn(c.start.Member)
	var rejected *rejection
	var refused *refusal
	switch {
	case errors.As(err, &rejected), errors.As(err, &refused):
		c.member = c.start.Member
		return c, nil
	case err != nil:
		return nil, err
	case next.framework == nil || !next.framework.covers(c.start):
		c.member = c.start.Member
		return c, nil
	}
	for i := range c.candidates {
		c.candidates[i].Chosen = false
	}
	next.candidates = append(next.candidates, c.candidates...)
	return next, nil
}

// chooseOwn is choose without looking where the start script leads.
func (p *project) chooseOwn(m *member) (*choice, error) {
	c := &choice{member: m}
	f, frameErr := p.findFramework(m)
	var rejected *rejection
	if frameErr != nil && !errors.As(frameErr, &rejected) {
		return nil, frameErr
	}
	c.framework = f
	reasons := c.scripts(p)
	c.offerFramework(frameErr)
	if s := p.entryFile(m); s != nil {
		c.offer(s, kit.Start{Command: s.Text, Score: scoreFile, Evidence: []string{s.Source}})
	}
	switch {
	case c.start != nil || c.site() != nil:
		return c, nil
	case frameErr != nil:
		return c, &refusal{frameErr.Error()}
	case len(reasons) == 0:
		reasons = append(reasons, m.file()+" has no script \"start\"")
	}
	return c, reject("nothing to start: %s; there is no main file, server.js, index.js or app.js either: "+
		"add a start script such as \"node server.js\", or a Procfile", strings.Join(reasons, "; "))
}

// site is the output of static files, when that is what is started.
func (c *choice) site() *site {
	if c.framework == nil || c.start != nil {
		return nil
	}
	return c.framework.Site
}

// scripts tries the start scripts and gives why those are not used that are not.
func (c *choice) scripts(p *project) (reasons []string) {
	for _, name := range startScripts() {
		text := c.member.Scripts[name]
		if text == "" {
			continue
		}
		found := kit.Start{Command: text, Score: scoreScript, Evidence: []string{c.member.at("scripts", name)}}
		s, err := p.script(c.member, name, maxScripts)
		switch {
		case err != nil:
			reasons, found.Rejected = append(reasons, err.Error()), err.Error()
			s = nil
		case c.framework != nil && c.framework.covers(s):
			found.Rejected = "it starts what " + c.framework.Name + " has built: see there"
			s = nil
		}
		c.offer(s, found)
	}
	return reasons
}

// offer adds a candidate; the first one with a start is chosen.
func (c *choice) offer(s *start, found kit.Start) {
	found.Type = kit.DefaultType
	if s != nil && c.start == nil && !c.served {
		c.start, found.Chosen = s, true
	}
	c.candidates = append(c.candidates, found)
}

// offerFramework adds the framework's way.
func (c *choice) offerFramework(err error) {
	if err != nil {
		c.candidates = append(c.candidates, kit.Start{Type: kit.DefaultType, Command: "the framework's server",
			Score: scoreFramework, Rejected: err.Error()})
		return
	}
	f := c.framework
	if f == nil {
		return
	}
	found := kit.Start{Type: kit.DefaultType, Score: scoreFramework, Evidence: []string{f.Source}}
	switch {
	case len(f.Args) > 0:
		s := f.start()
		found.Command = s.Text
		taken := c.start != nil
		c.offer(s, found)
		if taken {
			f.standAside()
		}
	case f.Site != nil && c.start != nil:
		found.Command = "static files in " + f.siteRoot()
		c.candidates = append(c.candidates, found)
		f.standAside()
	case f.Site != nil:
		found.Command, found.Chosen, c.served = "static files in "+f.siteRoot(), true, true
		c.candidates = append(c.candidates, found)
	}
}

// standAside leaves the start to the app: then all of its files are needed.
func (f *framework) standAside() {
	f.Args, f.Site, f.Keep, f.Bundled = nil, nil, nil, false
	if f.Next != nil {
		f.BuildEnv = nil
	}
}

// chooseMain gives the package to start, and how. Without a choice of the user's it is the root, or else the only
// package of the workspaces that can be started.
func (p *project) chooseMain(env kit.Env) (*choice, error) {
	if name := env.Or(envApp, env[envNodeApp]); name != "" {
		m, err := p.find(name)
		if err != nil {
			return nil, err
		}
		return p.choose(m)
	}
	if err := p.nxProjects(); err != nil {
		return &choice{member: p.root}, err
	}
	root, rootErr := p.choose(p.root)
	// With nx, the root holds the dependencies of all packages, which say nothing about an app there.
	nx := p.app.Has("nx.json") && p.root.Scripts["start"] == "" && p.root.Scripts["build"] == ""
	if rootErr == nil && !nx {
		return root, nil
	}
	var usable []*choice
	for _, m := range p.members {
		if m.Scripts["start"] == "" && m.Scripts["build"] == "" && !nx {
			continue
		}
		if c, err := p.choose(m); err == nil && (m.Scripts["start"] != "" || c.framework != nil) {
			usable = append(usable, c)
		}
	}
	switch len(usable) {
	case 0:
		if rootErr == nil {
			return root, nil
		}
		return &choice{member: p.root}, rootErr
	case 1:
		return usable[0], nil
	}
	return &choice{member: p.root}, &refusal{"several packages of the workspaces can be started (" + list(usable) +
		"): choose one with --app or " + envApp}
}

// nxProjects refuses an app whose scripts leave it to nx which of several projects is meant: those are described for nx
// alone, by project.json, and are no packages.
func (p *project) nxProjects() error {
	if !p.app.Has("nx.json") || len(p.members) > 0 {
		return nil
	}
	switch strings.TrimSpace(p.root.Scripts["start"]) {
	case "nx serve", "nx start":
	default:
		return nil
	}
	var config struct {
		Default text `json:"defaultProject"`
	}
	if p.app.JSON("nx.json", &config) == nil && config.Default != "" {
		return nil
	}
	found, err := fs.Glob(p.app.FS(), "apps/*/project.json")
	if err != nil || len(found) == 0 {
		return nil //nolint:nilerr // the pattern is a good one
	}
	var names []string
	for _, file := range found[:min(len(found), maxNamed)] {
		names = append(names, path.Base(path.Dir(file)))
	}
	return &refusal{fmt.Sprintf("%s is %q, which names none of nx's projects (%s): name the one to build in the scripts "+
		"build and start, such as \"nx build %s\" and \"node dist/apps/%s/main.js\"", p.root.at("scripts", "start"),
		p.root.Scripts["start"], strings.Join(names, ", "), names[0], names[0])}
}

// list gives the packages and how each would be started.
func list(choices []*choice) string {
	var texts []string
	for _, c := range choices {
		how := "static files"
		if c.start != nil {
			how = c.start.Text
		}
		if c.framework != nil {
			how = c.framework.Name + ", " + how
		}
		texts = append(texts, fmt.Sprintf("%s: %s", c.member.Dir, how))
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

// entryFile finds the file to run when no script says so. A main file that is not there yet may come from the build.
func (p *project) entryFile(m *member) *start {
	run := func(file, source string) *start {
		return &start{Member: m, Text: "node " + file, Source: source, Args: []string{"node", file},
			File: path.Join(m.Dir, file)}
	}
	builds := m.Scripts["build"] != "" || p.root.Scripts["build"] != ""
	if main := string(m.Main); main != "" {
		main = path.Clean("/" + strings.ReplaceAll(main, "\\", "/"))[1:]
		if file := p.module(m, main); file != "" {
			return run(file, m.at("main"))
		}
		if builds && path.Ext(main) != "" && m.Scripts["start"] == "" {
			return run(main, m.at("main"))
		}
	}
	if p.bunRuns() {
		for _, file := range []string{string(m.Module), "index.ts", "index.tsx", "server.ts", "src/index.ts", "src/server.ts"} {
			if file = inside(file, ""); file != "" && p.app.Has(path.Join(m.Dir, file)) {
				return &start{Member: m, Text: "bun " + file, Source: path.Join(m.Dir, file), Args: []string{"bun", file},
					File: path.Join(m.Dir, file)}
			}
		}
	}
	for _, name := range []string{"server", "index", "app"} {
		for _, ext := range []string{".js", ".mjs", ".cjs"} {
			if file := name + ext; p.app.Has(path.Join(m.Dir, file)) {
				return run(file, path.Join(m.Dir, file))
			}
		}
	}
	return nil
}
