package python

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// scripts adds the commands that the project itself defines.
func (st *starter) scripts() {
	table, scripts := st.projectScripts()
	names := sortedKeys(scripts)
	for _, name := range names {
		c := candidate{args: []string{name}, project: true, Start: kit.Start{Score: 60,
			Evidence: []string{st.py.line(table, name) + ": " + scripts[name]}}}
		if len(names) > 1 && !slices.Contains([]string{"serve", "server", "web", "start", st.projectName()}, name) {
			c.Score = 35
		}
		target, attribute, _ := strings.Cut(strings.TrimSpace(scripts[name]), ":")
		m := st.src.byName[target]
		switch {
		case strings.ContainsAny(name, "/\\ \t") || name == "":
			c.Rejected = "no name of a command"
		case !st.packaged():
			c.Rejected = "the project is not installed: " + fileProject + " has no [build-system]"
		case m == nil && !st.elsewhere(target):
			c.Rejected = "there is no module " + target + " in the app"
		case m != nil && !m.defines(attribute):
			c.Rejected = m.file + " has no " + attribute
		case m != nil && m.strings["PORT"]:
			c.Score = 92 // it starts a server by itself and honours PORT
		}
		st.add(c)
	}
}

// projectScripts gives the project's commands and the table that they stand in.
func (st *starter) projectScripts() (table string, scripts map[string]string) {
	if st.py == nil {
		return "", nil
	}
	if st.py.Project != nil && len(st.py.Project.Scripts) > 0 {
		return "project.scripts", st.py.Project.Scripts
	}
	if st.py.Tool.Poetry == nil {
		return "", nil
	}
	scripts = map[string]string{}
	for name, value := range st.py.Tool.Poetry.Scripts {
		if text, ok := value.(string); ok {
			scripts[name] = text
		}
	}
	return "tool.poetry.scripts", scripts
}

func (st *starter) projectName() string {
	switch {
	case st.py != nil && st.py.Project != nil:
		return st.py.Project.Name
	case st.py != nil && st.py.Tool.Poetry != nil:
		return st.py.Tool.Poetry.Name
	}
	return ""
}

// elsewhere tells whether a module may come from a place that the search for sources does not look at.
func (st *starter) elsewhere(target string) bool {
	base := strings.ReplaceAll(target, ".", "/")
	for _, dir := range []string{"", "src/", "lib/", "python/"} {
		if st.app.First(dir+base+".py", dir+base+"/__init__.py") != "" {
			return true
		}
	}
	return false
}

// defines tells whether a module has a name. What is imported with a star may be anything.
func (m *module) defines(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	return name == "" || m.functions[name] != nil || m.values[name] != nil || m.imports[name] != "" || m.classes[name] ||
		len(m.stars) > 0
}

// packaged tells whether the project can be installed, as its tool sees it.
func (st *starter) packaged() bool {
	py := st.py
	switch {
	case py == nil:
		return false
	case py.Tool.UV.Package != nil:
		return *py.Tool.UV.Package
	case py.Tool.Poetry != nil && py.Tool.Poetry.PackageMode != nil && !*py.Tool.Poetry.PackageMode:
		return false
	case py.Tool.PDM != nil && py.Tool.PDM.Distribution != nil && !*py.Tool.PDM.Distribution:
		return false
	}
	return py.BuildSystem != nil && (py.BuildSystem.Backend != "" || len(py.BuildSystem.Requires) > 0)
}

// installs tells whether the project is installed: it can be, and it has something to install.
func (st *starter) installs() bool {
	if !st.packaged() {
		return false
	}
	if len(st.py.Tool.Hatch) > 0 || len(st.py.Tool.Setuptools) > 0 ||
		st.py.Tool.Poetry != nil && len(st.py.Tool.Poetry.Packages) > 0 {
		return true
	}
	name := strings.ReplaceAll(normal(st.projectName()), "-", "_")
	return st.elsewhere(name) || st.app.HasDir("src") && !st.app.Has("src/__init__.py")
}

// files adds the files that are usually started themselves.
func (st *starter) files() {
	for _, file := range st.src.files {
		dir, base := path.Split(file)
		m := st.src.modules[file]
		if m == nil || base == "manage.py" || base == "setup.py" || base == "conftest.py" || base == "gunicorn.conf.py" {
			continue
		}
		runnable := base == "__main__.py" && strings.Count(file, "/") == 1 || dir == "" || dir == "src/"
		if !runnable || dir != "" && base != "__main__.py" && fileRank(file) > 8 {
			continue
		}
		st.file(m)
	}
}

// mainNames are the files that are started, the likeliest first.
func mainNames() []string {
	return []string{"main.py", "app.py", "server.py", "run.py", "bot.py", "__main__.py", "index.py", "start.py",
		"api.py", "worker.py"}
}

func (st *starter) file(m *module) {
	base := path.Base(m.file)
	c := candidate{args: []string{"python", m.file}, Start: kit.Start{Score: 30, Evidence: []string{m.file + " is there"}}}
	if base == "__main__.py" && m.file != base {
		c.args = []string{"python", "-m", path.Dir(m.file)}
	}
	if i := slices.Index(mainNames(), base); i >= 0 {
		c.Score = 50 - i
	}
	if strings.HasPrefix(m.file, "src/") {
		c.Score -= 5
	}
	if m.guard != nil {
		c.Score += 3
		c.Evidence = append(c.Evidence, m.file+` has if __name__ == "__main__"`)
	}
	web := st.webIn(m)
	public := m.strings["0.0.0.0"] || m.strings["::"] || m.strings["PORT"]
	switch {
	case m.guard == nil && !m.acts:
		c.Rejected = "it only defines things"
	case web != "" && m.guard == nil && !m.methods["run"] && !m.methods["serve"] && !m.methods["run_app"]:
		c.Rejected = fmt.Sprintf("it makes a %s application and does not start it", web)
	case web != "" && !public:
		c.Rejected = fmt.Sprintf("it starts a %s server that listens on localhost only", web)
	case web != "":
		c.warning = fmt.Sprintf("%s starts the server that %s has for development: add %s to %s",
			m.file, web, usualServer("wsgi"), st.manifest())
	}
	if web != "" && (web == "FastAPI" || web == "aiohttp" || web == "Sanic") {
		c.warning = ""
	}
	st.add(c)
}

// webIn gives the framework of an application that a module makes.
func (st *starter) webIn(m *module) string {
	for _, name := range m.order {
		if c, ok := st.src.application(m, name, 0); ok {
			return c.framework
		}
	}
	return ""
}
