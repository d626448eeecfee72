package python

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// candidate is a process that the image could have.
type candidate struct {
	kit.Start
	// args is the command; args[0] is a program of the environment, or python.
	args []string
	// dir is the working directory relative to the app, "." for the app's.
	dir string
	// env are variables that it needs, in which kit.Port may stand.
	env []kit.Assignment
	// project tells that the project itself must be installed.
	project bool
	// warning is what the user should know when it is chosen.
	warning string
}

// starter collects candidates.
type starter struct {
	app  *kit.App
	py   *pyproject
	deps *dependencies
	src  *sources
	dj   *django
	env  kit.Env
	all  []candidate
	// unserved is what is missing for an application that no server among the dependencies can serve.
	unserved string
}

// candidates gives every candidate for the process web, the best first.
func (st *starter) candidates() []candidate {
	st.djangoApps()
	st.frameworkApps()
	st.dashboards()
	st.scripts()
	st.functions()
	st.files()
	slices.SortStableFunc(st.all, func(a, b candidate) int { return b.Score - a.Score })
	return st.all
}

func (st *starter) add(c candidate) {
	c.Type, c.Command = kit.DefaultType, strings.Join(c.args, " ")
	if c.dir == "" {
		c.dir = "."
	}
	st.all = append(st.all, c)
}

// djangoApps adds the applications of a Django project.
func (st *starter) djangoApps() {
	if st.dj == nil {
		return
	}
	found := len(st.all)
	apps := st.dj.apps(st.src)
	for i := range apps {
		c := candidate{dir: st.dj.dir, Start: kit.Start{Score: 95 - i,
			Evidence: []string{st.dj.source + ": settings are " + st.dj.settings}}}
		st.serve(&apps[i], c)
	}
	if len(apps) == 0 {
		st.add(candidate{args: []string{"python", "manage.py", "runserver"}, dir: st.dj.dir, Start: kit.Start{Score: 30,
			Rejected: "a server for development; " + st.dj.settings + " names no WSGI_APPLICATION"}})
	}
	// One server that serves is enough: the other application is an alternative and nothing is missing.
	if slices.ContainsFunc(st.all[found:], func(c candidate) bool { return c.Rejected == "" }) {
		st.unserved = ""
	}
}

// serve adds a candidate for every installed server that can serve an application, or one that says what is missing.
func (st *starter) serve(a *webApp, c candidate) {
	c.Evidence = append(c.Evidence, fmt.Sprintf("%s: %s is a %s application", a.source(), a.reference(), a.framework))
	seen := map[string]bool{}
	for _, sv := range servers() {
		args := sv.args(a, kit.Port)
		source, ok := st.deps.has(sv.name)
		if !slices.Contains(sv.protocols, a.protocol) || args == nil || !ok || seen[sv.program] {
			continue
		}
		one := c
		one.args = append([]string{sv.program}, args...)
		one.Evidence = append(slices.Clone(c.Evidence), source)
		one.Score -= min(len(seen), 3)
		if len(seen) > 0 {
			one.Score -= 10
		}
		seen[sv.program] = true
		st.add(one)
	}
	if len(seen) > 0 {
		return
	}
	c.args = []string{usualServer(a.protocol), a.reference()}
	c.Rejected = "no server for it among the dependencies"
	if st.unserved == "" {
		st.unserved = fmt.Sprintf("%s is a %s application (%s), and no server for it is among the dependencies: add %s to %s",
			a.reference(), a.framework, a.source(), usualServer(a.protocol), st.manifest())
	}
	st.add(c)
}

func (st *starter) manifest() string {
	if st.deps.manifest == "" {
		return fileRequirements
	}
	return st.deps.manifest
}

// frameworkApps adds the application objects that the sources make.
func (st *starter) frameworkApps() {
	apps, scores := st.src.webApps()
	for i := range apps {
		a := apps[i]
		if a.framework == "Django" && st.dj != nil || a.protocol == "dash" {
			continue
		}
		if st.dj != nil {
			scores[i] -= 30
		}
		c := candidate{Start: kit.Start{Score: scores[i]}}
		st.place(&a, &c)
		st.serve(&a, c)
	}
}

// place finds the directory that an application's module is imported from.
func (st *starter) place(a *webApp, c *candidate) {
	file := a.module.file
	if strings.HasPrefix(file, "src/") && !st.app.Has("src/__init__.py") && !st.usesTop(a.module, "src") {
		if !st.installs() {
			c.env = append(c.env, kit.Assignment{Name: "PYTHONPATH", Value: appDir + "/src"})
		}
		return
	}
	dir := path.Dir(file)
	if dir == "." || st.app.Has(dir+"/__init__.py") || st.usesTop(a.module, strings.Split(dir, "/")[0]) {
		return
	}
	for _, full := range a.module.imports {
		top, _, _ := strings.Cut(full, ".")
		if st.app.Has(dir+"/"+top+".py") || st.app.Has(dir+"/"+top+"/__init__.py") {
			moved := *a.module
			moved.name = strings.TrimSuffix(path.Base(file), ".py")
			a.module, c.dir = &moved, dir
			return
		}
	}
}

// appDir is where a platform mounts the app, at build and at run time.
const appDir = "/workspace"

// usesTop tells whether a module imports from a package of this name.
func (st *starter) usesTop(m *module, top string) bool {
	for _, full := range m.imports {
		if full == top || strings.HasPrefix(full, top+".") {
			return !slices.Contains([]string{"flask", "fastapi"}, top)
		}
	}
	return false
}

// dashboards adds Streamlit, Gradio, Chainlit and their like, which have programs of their own.
func (st *starter) dashboards() {
	for _, file := range st.src.files {
		m := st.src.modules[file]
		if m == nil || strings.Contains(file, "pages/") || strings.Count(file, "/") > 1 {
			continue
		}
		for _, b := range boards() {
			source, ok := st.deps.has(b.name)
			if !ok || !m.uses(b.name) || b.needsCall != "" && !m.calls(b.needsCall) {
				continue
			}
			args, env := b.command(file)
			st.add(candidate{args: args, env: env, warning: b.warning, Start: kit.Start{
				Score:    b.score - fileRank(file) - 5*strings.Count(file, "/"),
				Evidence: []string{file + " uses " + b.name, source},
			}})
		}
	}
}

// board is a framework whose apps are started by a program of its own, or start themselves.
type board struct {
	name, needsCall string
	score           int
	command         func(file string) ([]string, []kit.Assignment)
	warning         string
}

func boards() []board {
	return []board{
		{name: "streamlit", score: 84, command: func(file string) ([]string, []kit.Assignment) {
			return []string{"streamlit", "run", file, "--server.address=0.0.0.0", "--server.port=" + kit.Port,
				"--server.headless=true", "--browser.gatherUsageStats=false"}, nil
		}},
		{name: "chainlit", score: 84, command: func(file string) ([]string, []kit.Assignment) {
			return []string{"chainlit", "run", file, "--host", "0.0.0.0", "--port", kit.Port, "--headless"}, nil
		}},
		{name: "gradio", needsCall: "launch", score: 82, command: func(file string) ([]string, []kit.Assignment) {
			return []string{"python", file}, []kit.Assignment{{Name: "GRADIO_SERVER_NAME", Value: "0.0.0.0"},
				{Name: "GRADIO_SERVER_PORT", Value: kit.Port}, {Name: "GRADIO_ANALYTICS_ENABLED", Value: "False"}}
		}},
		{name: "nicegui", needsCall: "run", score: 70, command: func(file string) ([]string, []kit.Assignment) {
			return []string{"python", file}, nil
		}, warning: "NiceGUI listens where ui.run says, on 8080 without: pass port=int(os.environ.get(\"PORT\", 8080))"},
		{name: "dash", needsCall: "run", score: 58, command: func(file string) ([]string, []kit.Assignment) {
			return []string{"python", file}, []kit.Assignment{{Name: "HOST", Value: "0.0.0.0"}}
		}, warning: "Dash starts its server for development: add `server = app.server` to the file " +
			"and gunicorn to the dependencies"},
	}
}

// uses tells whether a module imports a package.
func (m *module) uses(name string) bool {
	for _, full := range m.imports {
		if full == name || strings.HasPrefix(full, name+".") {
			return true
		}
	}
	return slices.Contains(m.stars, name)
}

// calls tells whether a method of this name is called anywhere at the top of a module or in its main block or functions.
func (m *module) calls(method string) bool { return m.methods[method] }

// functions adds a function for the functions framework.
func (st *starter) functions() {
	source, ok := st.deps.has("functions-framework")
	m := st.src.modules["main.py"]
	if !ok || m == nil {
		return
	}
	target := st.env["GOOGLE_FUNCTION_TARGET"]
	var names []string
	for _, name := range sortedKeys(m.functions) {
		if f := m.functions[name]; f.all == 1 && !strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	if target == "" && len(names) == 1 {
		target = names[0]
	}
	c := candidate{args: []string{"functions-framework", "--target=" + target, "--host=0.0.0.0", "--port=" + kit.Port},
		Start: kit.Start{Score: 80, Evidence: []string{source}}}
	if m.functions[target] == nil {
		c.Rejected = "set GOOGLE_FUNCTION_TARGET to a function of main.py"
	} else {
		c.Evidence = append(c.Evidence, fmt.Sprintf("main.py:%d: %s", m.functions[target].line, target))
	}
	st.add(c)
}
