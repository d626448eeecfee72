package python

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// decision is what the buildpack makes of an app. Detection and build both begin with it and so agree.
type decision struct {
	app    *kit.App
	env    kit.Env
	py     *pyproject
	python []kit.Constraint
	target environment
	// building tells that the interpreter is known.
	building bool
	deps     *dependencies
	src      *sources
	dj       *django
	// web are the candidates for the process web, nil when a Procfile has one.
	web []candidate
	// procfile are the entries of a Procfile.
	procfile []kit.ProcfileEntry
	// project tells that the project itself is installed, editable that it stays in the app's directory.
	project, editable bool
	// compiled are the packages that need a compiler, debs what they need besides.
	compiled, debs []string
	warnings       []string
}

// errNotPython is the error of decide for an app that is none in Python; its text is the reason.
var errNotPython = errors.New("no requirements.txt, pyproject.toml, Pipfile or setup.py in the app")

// notMine is an app that has Python files, but is one in another language.
type notMine struct{ reason string }

// Error gives the reason.
func (n notMine) Error() string { return n.reason }

// decide reads the app. python is the interpreter's version when it is known.
func decide(app *kit.App, env kit.Env, target environment) (*decision, error) {
	d := &decision{app: app, env: env}
	var err error
	if err := d.recognise(); err != nil {
		return nil, err
	}
	if d.py, err = readPyproject(app); err != nil {
		return nil, err
	}
	if d.python, err = pythonVersions(app, d.py, env); err != nil {
		return nil, err
	}
	if d.deps, err = readDependencies(app, d.py, env); err != nil {
		return nil, err
	}
	o := optionsOf(env)
	target.Extras, target.Groups = o.extras, o.groups
	d.building = target.Python != ""
	if !d.building {
		target.Python = likelyPython(d.python)
	}
	d.target = target
	if err := d.deps.resolve(target); err != nil {
		return nil, err
	}
	if err := d.followWheels(); err != nil {
		return nil, err
	}
	if err := d.followAge(); err != nil {
		return nil, err
	}
	d.compiled, d.debs = d.deps.toCompile(d.target)
	d.src = readSources(app)
	d.dj = findDjango(app, d.src)
	if _, ok := d.deps.has("django"); !ok {
		d.dj = nil
	}
	if err := d.chooseStart(); err != nil {
		return nil, err
	}
	return d, nil
}

// followWheels adds a hint to an older Python when the lock has wheels for that only, and nothing else is said.
func (d *decision) followWheels() error {
	value, name := d.deps.wheelsFor(d.target)
	if value == "" || !d.free() {
		return nil
	}
	data, err := d.app.Read(d.deps.lock)
	if err != nil {
		return err
	}
	line := max(1, textLine(data, `name = "`+name+`"`, 1))
	return d.preferOlder(fmt.Sprintf("%s:%d", d.deps.lock, line),
		fmt.Sprintf("%s in %s has wheels for Python 3.11 and none for newer ones: update it", name, d.deps.lock))
}

// recognise tells whether the app is one in Python at all.
func (d *decision) recognise() error {
	app := d.app
	if file := app.Has(kit.Procfile); file {
		data, err := app.Read(kit.Procfile)
		if err != nil {
			return err
		}
		if d.procfile, err = kit.ParseProcfile(data); err != nil {
			return err
		}
	}
	if app.First(fileProject, filePipfile, filePipfileLock, filePylock, fileSetup, fileUVLock, filePoetryLock) != "" ||
		requirementsName(app) != "" || d.env[envRequirements] != "" {
		return nil
	}
	if err := nearMiss(app); err != nil {
		return err
	}
	if e := d.process(kit.DefaultType); e != nil && isPython(e.Command) {
		return nil
	}
	if app.First("manage.py") != "" || app.First(mainNames()...) != "" {
		return nil
	}
	return errNotPython
}

// process gives an entry of the Procfile.
func (d *decision) process(processType string) *kit.ProcfileEntry {
	for i := range d.procfile {
		if d.procfile[i].Type == processType {
			return &d.procfile[i]
		}
	}
	return nil
}

// isPython tells whether a command line starts something of Python's.
func isPython(command string) bool {
	line, err := kit.ParseCommandLine(command)
	words := line.Args
	if err != nil {
		words = strings.Fields(command)
	}
	if len(words) == 0 {
		return false
	}
	switch words[0] {
	case "python", "python3", "gunicorn", "uvicorn", "hypercorn", "daphne", "waitress-serve", "streamlit", "flask",
		"fastapi", "uwsgi", "granian", "celery", "uv", "poetry", "pipenv", "pdm":
		return true
	}
	return strings.HasSuffix(words[0], ".py")
}

// nearMiss refuses an app that says what it needs in a file that nobody reads.
func nearMiss(app *kit.App) error {
	for _, name := range []string{
		"requirement.txt", "Requirements.txt", "requirments.txt", "requirememts.txt", "requirments.text", "requriements.txt",
		"requeriments.txt", "requiremnts.txt", "requirements.text", "requirements", "requirements.in", "require.txt",
	} {
		if app.Has(name) {
			return fmt.Errorf("there is a %s in the app, but no %s: rename it, or set %s=%s", name, fileRequirements,
				envRequirements, name)
		}
	}
	if file := app.First("environment.yml", "environment.yaml"); file != "" {
		return fmt.Errorf("%s is conda's, whose packages come from no registry that s2i reads: "+
			"list what the app needs in %s", file, fileRequirements)
	}
	return nil
}

// chooseStart finds what the image starts.
func (d *decision) chooseStart() error {
	st := &starter{app: d.app, py: d.py, deps: d.deps, src: d.src, dj: d.dj, env: d.env}
	procfile := d.process(kit.DefaultType)
	d.project = st.installs()
	if procfile != nil {
		if kit.LeftToNode(d.app, procfile.Command) || !isPython(procfile.Command) && d.foreign() {
			return notMine{fmt.Sprintf("%s:%d starts %s, which is not Python", kit.Procfile, procfile.Line, procfile.Command)}
		}
		d.editable = d.project && d.pure()
		return nil
	}
	d.web = st.candidates()
	best, err := d.best(st)
	if err != nil {
		return err
	}
	if best.warning != "" {
		d.warnings = append(d.warnings, best.warning)
	}
	d.project = d.project || best.project
	d.editable = d.project && d.pure()
	return nil
}

// weak is the score below which a candidate gives way to an app of another language.
const weak = 55

// best chooses among the candidates, and marks it.
func (d *decision) best(st *starter) (*candidate, error) {
	var usable []*candidate
	for i := range d.web {
		if d.web[i].Rejected == "" {
			usable = append(usable, &d.web[i])
		}
	}
	if (len(usable) == 0 || usable[0].Score < weak) && d.foreign() {
		return nil, notMine{"there are Python files, but the app is one in another language"}
	}
	// An application without a server is not given up for a file that happens to be there.
	top := 0
	if len(d.web) > 0 {
		top = d.web[0].Score
	}
	switch {
	case len(usable) == 0 && st.unserved != "":
		return nil, errors.New(st.unserved + ", or write a " + kit.Procfile)
	case len(usable) == 0:
		return nil, fmt.Errorf("nothing to start was found%s: write a %s with the line \"web: …\", or call the file main.py",
			d.ranked(), kit.Procfile)
	case len(usable) > 1 && usable[0].Score == usable[1].Score && usable[0].Command != usable[1].Command:
		return nil, fmt.Errorf("two commands are as likely to start the app%s: write a %s with the line \"web: %s\", "+
			"or the other", d.ranked(), kit.Procfile, usable[0].Command)
	case usable[0].Score < weak && top > usable[0].Score && st.unserved != "" && usable[0].warning == "":
		return nil, errors.New(st.unserved + ", or write a " + kit.Procfile)
	}
	usable[0].Chosen = true
	return usable[0], nil
}

// ranked lists the best candidates for an error.
func (d *decision) ranked() string {
	var list []string
	for _, c := range d.web[:min(5, len(d.web))] {
		text := fmt.Sprintf("%s (score %d)", c.Command, c.Score)
		if c.Rejected != "" {
			text = fmt.Sprintf("%s (%s)", c.Command, c.Rejected)
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return ""
	}
	return ": " + strings.Join(list, ", ")
}

// chosen gives the candidate for the process web, nil when a Procfile has it.
func (d *decision) chosen() *candidate {
	for i := range d.web {
		if d.web[i].Chosen {
			return &d.web[i]
		}
	}
	return nil
}

// foreign tells whether the app is one in another language, too.
func (d *decision) foreign() bool {
	var manifest struct {
		Main    string            `json:"main"`
		Scripts map[string]string `json:"scripts"`
	}
	if d.app.Has("package.json") && d.app.JSON("package.json", &manifest) == nil &&
		(manifest.Scripts["start"] != "" || manifest.Main != "" || d.app.First("server.js", "index.js") != "") {
		return true
	}
	return d.app.First("go.mod", "Cargo.toml", "Gemfile", "composer.json", "pom.xml", "build.gradle", "deno.json",
		"index.php", "mix.exs") != ""
}

// pure tells whether the project is only Python, so that it can stay where it is and be found by a link.
func (d *decision) pure() bool {
	if d.py == nil || d.py.BuildSystem == nil {
		return false
	}
	backend := d.py.BuildSystem.Backend
	if d.app.Has(fileSetup) || d.app.Has("build.py") {
		return false
	}
	switch strings.SplitN(backend, ".", 2)[0] {
	case "hatchling":
		build, _ := d.py.Tool.Hatch["build"].(map[string]any)
		return build["hooks"] == nil
	case "setuptools":
		return d.py.Tool.Setuptools["ext-modules"] == nil
	case "poetry", "flit_core", "pdm", "uv_build", "":
		return true
	}
	return false
}

// needs gives what the app requires of the stack.
func (d *decision) needs() []kit.Need {
	var needs []kit.Need
	for i := range max(1, len(d.python)) {
		n := kit.Need{Name: "python", Build: true, Launch: true}
		if len(d.python) > 0 {
			n.Version = d.python[i]
		}
		needs = append(needs, n)
	}
	if d.installsAnything() {
		needs = append(needs, kit.Need{Name: "uv", Build: true})
	}
	if d.usesGit() {
		needs = append(needs, kit.Need{Name: "git", Build: true})
	}
	if len(d.compiled) > 0 || d.env[kit.EnvBuildPackages] != "" {
		needs = append(needs, kit.Need{Name: "python-dev", Build: true}, kit.Need{Name: "build-essential", Build: true})
		for _, deb := range d.debs {
			needs = append(needs, kit.Need{Name: deb, Build: true})
		}
	}
	needs = append(needs, d.unseenNeeds()...)
	for _, p := range d.procfile {
		words := strings.Fields(p.Command)
		if len(words) > 0 && strings.HasSuffix(words[0], ".py") { // #!/usr/bin/env python
			needs = append(needs, kit.Need{Name: "coreutils", Launch: true})
			break
		}
	}
	return needs
}

// installsAnything tells whether there is anything for uv to do.
func (d *decision) installsAnything() bool { return d.deps.manager != "" || d.project }

// usesGit tells whether anything is fetched from a repository.
func (d *decision) usesGit() bool {
	if d.deps.reqs != nil && d.deps.reqs.git {
		return true
	}
	if d.deps.chosen != nil {
		return slices.ContainsFunc(d.deps.chosen.entries, func(e *entry) bool { return strings.HasPrefix(e.URL, "git+") })
	}
	return slices.ContainsFunc(d.deps.direct, func(r requirement) bool { return strings.HasPrefix(r.URL, "git+") })
}
