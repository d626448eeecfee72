package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// decision is everything that is decided about the app before anything runs.
type decision struct {
	project *project
	manager *manager
	// main is the package that is started; it is the root unless workspaces are used.
	main *member
	// framework is that of main, nil when it has none that is known.
	framework *framework
	// starts are the processes by type; web is missing when the Procfile has it, and for static files.
	starts map[string]*start
	// candidates are the ways to start the app that were looked at.
	candidates []kit.Start
	native     native
	// procfile are the commands of the Procfile that this buildpack leaves alone.
	procfile []kit.ProcfileEntry
}

// Detect matches a directory with a package.json and something to start.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	d, err := decide(app, env)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return libcnb.DetectResult{}, err
	case errors.Is(err, errNoManifest) && app.First("server.js", "index.js", "app.js") != "":
		return kit.Fail(ctx, "%s, but there is %s: run `npm init`", err, app.First("server.js", "index.js", "app.js"))
	case err != nil:
		return kit.Fail(ctx, "%s", err)
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	kit.Say(ctx.Logger, "%s", d.summary(env))
	return kit.Match{ID: id, Record: d.record(env), Needs: append(d.needs(env), extra...), Provides: d.provides()}.Pass()
}

// decide reads the app. Detection and build both start with it and so agree.
func decide(app *kit.App, env kit.Env) (*decision, error) {
	p, err := readProject(app)
	if err != nil {
		return nil, err
	}
	d := &decision{project: p, starts: map[string]*start{}}
	if d.manager, err = chooseManager(p); err != nil {
		return nil, err
	}
	c, startErr := p.chooseMain(env)
	var rejected *rejection
	if startErr != nil && !errors.As(startErr, &rejected) {
		return nil, startErr
	}
	d.main, d.framework, d.candidates = c.member, c.framework, c.candidates
	if c.start != nil {
		d.starts[kit.DefaultType] = c.start
	}
	if err := d.readProcfile(); err != nil {
		return nil, err
	}
	rank(d.candidates)
	if len(d.starts) == 0 && len(d.procfile) == 0 && d.site() == nil {
		return nil, startErr
	}
	d.native, err = findNative(p, d.manager, env)
	return d, err
}

// site is what is served when the app is static files; nil when it is not.
func (d *decision) site() *site {
	if d.framework == nil || d.starts[kit.DefaultType] != nil {
		return nil
	}
	return d.framework.Site
}

// provides tells s2i/static-server, which comes after, that there are static files to serve.
func (d *decision) provides() []string {
	if d.site() == nil {
		return nil
	}
	return []string{kit.StaticSite}
}

// readProcfile takes those processes of the Procfile that need to know the scripts of package.json.
func (d *decision) readProcfile() error {
	app := d.project.app
	if !app.Has(kit.Procfile) {
		return nil
	}
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return err
	}
	entries, err := kit.ParseProcfile(data)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := d.takeProcess(e); err != nil {
			return err
		}
	}
	return nil
}

// takeProcess takes one process of the Procfile, or leaves it to s2i/procfile.
func (d *decision) takeProcess(e kit.ProcfileEntry) error {
	at := fmt.Sprintf("%s:%d", kit.Procfile, e.Line)
	found := kit.Start{Type: e.Type, Command: e.Command, Score: scoreProcfile, Evidence: []string{at}}
	if !kit.LeftToNode(d.project.app, e.Command) {
		found.Chosen = true
		if e.Type == kit.DefaultType {
			d.outrank()
			delete(d.starts, kit.DefaultType)
		}
		d.candidates, d.procfile = append(d.candidates, found), append(d.procfile, e)
		return nil
	}
	s, err := d.project.command(d.project.root, e.Command, at, maxScripts)
	if err != nil {
		return err
	}
	if f := d.framework; e.Type == kit.DefaultType && f != nil && f.covers(s) {
		found.Rejected = "it starts what " + f.Name + " has built: see there"
		d.candidates = append(d.candidates, found)
		return nil
	}
	if e.Type == kit.DefaultType {
		d.outrank()
	}
	found.Chosen = true
	d.candidates, d.starts[e.Type] = append(d.candidates, found), s
	return nil
}

// outrank makes room for the process web of the Procfile.
func (d *decision) outrank() {
	for i := range d.candidates {
		if d.candidates[i].Type == kit.DefaultType {
			d.candidates[i].Chosen = false
		}
	}
	if d.framework != nil {
		d.framework.standAside()
	}
}

// needs gives what the app requires of the stack.
func (d *decision) needs(env kit.Env) []kit.Need {
	var needs []kit.Need
	versions := nodeVersions(d.project, d.main, env)
	launch, bun := d.runtimes()
	if len(versions) == 0 {
		needs = append(needs, kit.Need{Name: "node", Build: true, Launch: launch})
	}
	for _, v := range versions {
		needs = append(needs, kit.Need{Name: "node", Version: v, Build: true, Launch: launch})
	}
	if d.installs() || d.scripted() {
		manager := *d.manager
		if manager.Name == "npm" && manager.Version.Value == "" {
			manager.Version = npmFor(versions)
		}
		needs = append(needs, manager.need()...)
	}
	if d.adapter() != "" && d.manager.Name != "npm" {
		needs = append(needs, kit.Need{Name: "npm", Build: true})
	}
	if bun {
		need := kit.Need{Name: "bun", Launch: true}
		if d.manager.Name == "bun" {
			need.Version = d.manager.Version
		}
		needs = append(needs, need)
	}
	if d.native.Why != "" {
		needs = append(needs, kit.Need{Name: "build-essential", Build: true}, kit.Need{Name: "python3", Build: true})
	}
	for _, name := range d.native.Build {
		needs = append(needs, kit.Need{Name: name, Build: true})
	}
	for _, name := range d.native.Launch {
		needs = append(needs, kit.Need{Name: name, Launch: true})
	}
	if d.shell() {
		needs = append(needs, kit.Need{Name: "dash", Launch: true})
	}
	if d.shebangs() {
		needs = append(needs, kit.Need{Name: "coreutils", Launch: true})
	}
	return needs
}

// runtimes tells what the processes are run by.
func (d *decision) runtimes() (node, bun bool) {
	for _, s := range d.starts {
		switch {
		case s.Shell:
			has := slices.Contains(strings.Fields(s.Text), "bun")
			node, bun = node || !has, bun || has
		case s.Args[0] == "bun":
			bun = true
		default:
			node = true
		}
	}
	for _, e := range d.procfile {
		has := slices.Contains(strings.Fields(e.Command), "bun")
		node, bun = node || !has, bun || has
	}
	return node, bun
}

// shell tells whether a process needs one.
func (d *decision) shell() bool {
	for _, s := range d.starts {
		if s.Shell {
			return true
		}
	}
	return false
}

// shebangs tells whether a process may start a package's command by its name: such files begin with
// "#!/usr/bin/env node", so env has to be there.
func (d *decision) shebangs() bool {
	for _, s := range d.starts {
		if s.Shell && !onlyNode(s.Text) {
			return true
		}
	}
	return slices.ContainsFunc(d.procfile, func(e kit.ProcfileEntry) bool { return !onlyNode(e.Command) })
}

// onlyNode tells that a command line starts nothing but node, files by their path, and what is part of a shell.
func onlyNode(text string) bool {
	for command := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune("|&;()\n", r) }) {
		words := strings.Fields(command)
		for len(words) > 0 && (words[0] == "exec" || assigns(words[0])) {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "node", "bun", "cd", "export", "set", "unset", "echo", "exit", "true", "[", "test", "umask", "ulimit":
			continue
		}
		if !strings.Contains(words[0], "/") {
			return false
		}
	}
	return true
}

// assigns tells that a word sets a variable: NAME=value.
func assigns(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && !strings.ContainsAny(name, "-/\"'$")
}

// installs tells whether there is anything to install.
func (d *decision) installs() bool {
	for _, m := range d.project.all() {
		if len(m.Dependencies)+len(m.DevDependencies)+len(m.OptionalDependencies)+len(m.PeerDependencies) > 0 {
			return true
		}
	}
	return false
}

// summary tells what will be done, with the evidence; the last line is the decision in one line.
func (d *decision) summary(env kit.Env) string {
	var b strings.Builder
	for _, t := range sortedKeys(d.starts) {
		s := d.starts[t]
		fmt.Fprintf(&b, "process %s: %s (%s)\n", t, s.Text, s.Source)
		if s.Before != "" {
			fmt.Fprintf(&b, "%s of %s runs once, at the end of the build\n", s.Before, s.Member.file())
		}
	}
	if d.native.Why != "" {
		fmt.Fprintf(&b, "compiler: %s\n", d.native.Why)
	}
	if d.installs() && d.manager.Lock == "" {
		b.WriteString("there is no lock file: the versions of packages are whatever is newest; commit one\n")
	}
	b.WriteString(d.line(env))
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
