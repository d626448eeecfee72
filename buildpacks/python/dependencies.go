package python

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"s2i/buildpacks/kit"
)

// The user's settings that choose what is installed; see the package's documentation.
const (
	envRequirements = "S2I_PYTHON_REQUIREMENTS"
	envExtras       = "S2I_PYTHON_EXTRAS"
	envGroups       = "S2I_PYTHON_GROUPS"
	envApp          = "S2I_PYTHON_APP"
)

// dependencies is what the app needs and which file says so.
type dependencies struct {
	// manager is the tool whose files they are: uv, poetry, pdm, pylock, pipenv, pip; none when nothing is needed.
	manager string
	// manifest says what the app needs, lock exactly which versions; lock is empty when nothing does.
	manifest, lock string
	// direct are the app's own requirements.
	direct []requirement
	// file is the parsed lock file, chosen what of it is to be installed.
	file   *lockFile
	chosen *selection
	// reqs is the parsed requirements.txt when that is the manifest or the lock.
	reqs *requirementsFile
	// ignored are other files of the kind that have no say.
	ignored []string
}

// locked tells whether the versions are given.
func (d *dependencies) locked() bool { return d.file != nil || d.reqs != nil && d.reqs.hashed }

func optionsOf(env kit.Env) options {
	var o options
	for _, e := range kit.Fields(env[envExtras]) {
		o.extras = append(o.extras, normal(e))
	}
	for _, g := range kit.Fields(env[envGroups]) {
		o.groups = append(o.groups, normal(g))
	}
	return o
}

// lockFiles are the lock files by how exactly they say what is to be installed, the most exact first: a universal lock
// with hashes of a tool for projects, the standard's, a flat list.
func lockFiles() []struct{ file, manager string } {
	return []struct{ file, manager string }{
		{fileUVLock, "uv"}, {filePoetryLock, "poetry"}, {filePDMLock, "pdm"}, {filePylock, "pylock"},
		{filePipfileLock, "pipenv"},
	}
}

// readDependencies finds out which files say what the app needs, and reads them.
func readDependencies(app *kit.App, py *pyproject, env kit.Env) (*dependencies, error) {
	o := optionsOf(env)
	d := &dependencies{}
	if env[envRequirements] != "" {
		return d, d.useRequirements(app, strings.TrimSpace(env[envRequirements]))
	}
	for _, l := range lockFiles() {
		if !app.Has(l.file) || l.manager != "pylock" && l.manager != "pipenv" && py == nil ||
			l.manager == "poetry" && py.Tool.Poetry == nil && py.Project == nil ||
			l.manager == "uv" && py.Project == nil && py.Tool.UV.Workspace == nil {
			continue
		}
		if d.lock != "" {
			d.ignored = append(d.ignored, l.file)
			continue
		}
		d.manager, d.lock = l.manager, l.file
	}
	file := requirementsName(app)
	if d.lock != "" {
		if file != "" && d.manager != "pylock" {
			d.ignored = append(d.ignored, file)
		}
		return d, d.useLock(app, py, env, o)
	}
	return d, d.useManifest(app, py, file, o)
}

// useManifest reads what the app needs where no lock file is: file is the app's requirements.txt, if any. A project that
// leaves its dependencies to its build usually reads them from there.
func (d *dependencies) useManifest(app *kit.App, py *pyproject, file string, o options) error {
	dynamic := py != nil && py.Project != nil && slices.Contains(py.Project.Dynamic, "dependencies")
	declares := py != nil && (py.Project != nil && len(py.Project.Dependencies) > 0 || dynamic || py.Tool.Poetry != nil)
	switch {
	case file != "" && (!declares || dynamic):
		return d.useRequirements(app, file)
	case declares:
		d.manager, d.manifest = "uv", fileProject
		if py.Tool.Poetry != nil {
			d.manager = "poetry"
		}
		if file != "" {
			d.ignored = append(d.ignored, file)
		}
		var err error
		d.direct, err = py.requirements(o)
		return err
	case app.Has(filePipfile):
		d.manager, d.manifest = "pipenv", filePipfile
		var err error
		d.direct, err = readPipfile(app)
		return err
	case app.Has(fileSetup) || app.Has("setup.cfg") && hasPackaging(app):
		d.manager, d.manifest = "pip", fileSetup
	case py != nil && py.Project != nil:
		d.manager, d.manifest = "uv", fileProject
	}
	return nil
}

// hasPackaging tells whether a setup.cfg describes a project, and not only how tools check it.
func hasPackaging(app *kit.App) bool {
	data, err := app.Read("setup.cfg")
	return err == nil && strings.Contains(string(data), "[metadata]")
}

// requirementsName finds the app's requirements.txt.
func requirementsName(app *kit.App) string {
	return app.First(fileRequirements, "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt")
}

func (d *dependencies) useRequirements(app *kit.App, file string) error {
	if !app.Has(file) {
		return fmt.Errorf("%s is %s, which is not in the app", envRequirements, file)
	}
	reqs, err := readRequirements(app, file)
	if err != nil {
		return err
	}
	d.manager, d.manifest, d.reqs, d.direct = "pip", file, reqs, reqs.direct
	if reqs.hashed {
		d.lock = file
	}
	return nil
}

// useLock reads the lock file.
func (d *dependencies) useLock(app *kit.App, py *pyproject, env kit.Env, o options) error {
	data, err := app.Read(d.lock)
	if err != nil {
		return err
	}
	d.manifest = fileProject
	if py != nil {
		if d.direct, err = py.requirements(o); err != nil {
			return err
		}
	}
	switch d.manager {
	case "uv":
		d.file, err = parseUVLock(data, path.Clean(env.Or(envApp, ".")), o)
	case "poetry":
		d.file, err = parsePoetryLock(data, d.direct)
	case "pdm":
		d.file, err = parsePDMLock(data, d.direct)
	case "pylock":
		if d.file, err = parsePylock(d.lock, data); err == nil && py == nil {
			d.manifest = d.lock
			if file := requirementsName(app); file != "" {
				if d.reqs, err = readRequirements(app, file); err == nil {
					d.manifest, d.direct = file, d.reqs.direct
					d.reqs = nil
				}
			}
		}
	case "pipenv":
		d.manifest = filePipfileLock
		if d.file, err = parsePipfileLock(data); err == nil && app.Has(filePipfile) {
			d.manifest = filePipfile
			d.direct, err = readPipfile(app)
		}
	}
	return err
}

// readPipfile gives the packages of a Pipfile.
func readPipfile(app *kit.App) ([]requirement, error) {
	data, err := app.Read(filePipfile)
	if err != nil {
		return nil, err
	}
	return parsePipfile(data)
}

func parsePipfile(data []byte) ([]requirement, error) {
	var f struct {
		Packages map[string]any `toml:"packages"`
	}
	if _, err := toml.Decode(string(data), &f); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", filePipfile, err)
	}
	var all []requirement
	for _, name := range sortedKeys(f.Packages) {
		r := poetryRequirement(name, f.Packages[name])
		// A Pipfile has the standard's specifiers, not Poetry's.
		spec, _ := f.Packages[name].(string)
		if table, ok := f.Packages[name].(map[string]any); ok {
			spec, _ = table["version"].(string)
			if ref, ok := table["ref"].(string); ok && r.URL != "" && !strings.Contains(path.Base(r.URL), "@") {
				r.URL += "@" + ref
			}
		}
		if spec == "*" || r.URL != "" {
			spec = ""
		}
		if _, err := parseSpecifier(spec); err != nil {
			return nil, fmt.Errorf("reading %s: %s: %w", filePipfile, name, err)
		}
		r.Specifier = spec
		r.Source = fmt.Sprintf("%s:%d", filePipfile, tomlLine(data, "packages", name))
		all = append(all, r)
	}
	return all, nil
}

// resolve chooses what of the lock is to be installed for an interpreter, and checks that the lock is in sync.
func (d *dependencies) resolve(env environment) error {
	if d.file == nil {
		return nil
	}
	var err error
	if d.chosen, err = d.file.choose(env); err != nil {
		return err
	}
	if differ := d.drift(env); len(differ) > 0 {
		return fmt.Errorf("%s is out of date: %s; run `%s` and commit it", d.lock, strings.Join(differ, "; "), d.relock())
	}
	return nil
}

// relock gives the command that brings the lock up to date.
func (d *dependencies) relock() string {
	return map[string]string{"uv": "uv lock", "poetry": "poetry lock", "pdm": "pdm lock", "pipenv": "pipenv lock",
		"pylock": "uv pip compile " + d.manifest + " -o " + filePylock}[d.manager]
}

// drift lists where the manifest and the lock differ.
func (d *dependencies) drift(env environment) []string {
	var differ []string
	names := map[string]bool{}
	for _, r := range d.direct {
		names[r.Name] = true
		if ok, err := env.applies(r.Marker); err != nil || !ok {
			continue
		}
		e := d.chosen.has(r.Name)
		if e == nil {
			differ = append(differ, fmt.Sprintf("%s (%s) is not in it", r.Name, r.Source))
			continue
		}
		spec, err := parseSpecifier(r.Specifier)
		v, errVersion := parseVersion(e.Version)
		if err == nil && errVersion == nil && e.URL == "" && e.Path == "" && !spec.has(v) {
			differ = append(differ, fmt.Sprintf("it has %s %s, %s asks for %s", r.Name, e.Version, r.Source, r.Specifier))
		}
	}
	for _, name := range d.chosen.missing {
		if !names[name] {
			differ = append(differ, name+" is needed by a package in it and not there")
		}
	}
	for _, name := range sortedKeys(d.file.stated) {
		if !names[name] {
			differ = append(differ, fmt.Sprintf("it has %s, which %s no longer asks for", name, d.manifest))
		}
	}
	return differ
}

// has tells whether a package will be installed, and says where that stands.
func (d *dependencies) has(name string) (source string, ok bool) {
	if d.chosen != nil {
		if e := d.chosen.has(name); e != nil {
			return strings.TrimSpace(name + " " + e.Version + " in " + d.lock), true
		}
		return "", false
	}
	for _, r := range d.direct {
		if r.Name == name {
			return name + " in " + r.Source, true
		}
	}
	for _, r := range d.direct {
		if slices.Contains(brings(r), name) {
			return name + " comes with " + r.Name + " in " + r.Source, true
		}
	}
	return "", false
}

// brings gives the servers and frameworks that a package is known to depend on, for apps without a lock file.
func brings(r requirement) []string {
	for _, extra := range r.Extras {
		switch r.Name + "[" + extra + "]" {
		case "fastapi[standard]", "fastapi[all]", "fastapi[standard-no-fastapi-cloud-cli]", "fastapi-slim[standard]":
			return []string{"uvicorn", "fastapi-cli", "starlette"}
		case "litestar[standard]", "connexion[uvicorn]", "starlite[standard]":
			return []string{"uvicorn"}
		case "channels[daphne]":
			return []string{"daphne", "django"}
		}
	}
	return map[string][]string{
		"gradio": {"uvicorn", "fastapi", "starlette"}, "nicegui": {"uvicorn", "fastapi", "starlette"},
		"python-fasthtml": {"uvicorn", "starlette"}, "chainlit": {"uvicorn", "fastapi", "starlette"},
		"mcp": {"uvicorn", "starlette"}, "fastmcp": {"uvicorn", "starlette", "mcp"}, "fastapi": {"starlette"},
		"functions-framework": {"gunicorn", "flask"}, "dash": {"flask"}, "quart": {"hypercorn"},
		"uvicorn-worker": {"uvicorn", "gunicorn"}, "apiflask": {"flask"}, "flask-restx": {"flask"}, "flask-restful": {"flask"},
		"flask-cors": {"flask"}, "flask-sqlalchemy": {"flask"}, "connexion": {"starlette"}, "reflex": {"uvicorn", "granian"},
		"djangorestframework": {"django"}, "wagtail": {"django"}, "django-cms": {"django"},
	}[r.Name]
}

// count gives the number of packages that a lock holds for this app; 0 when it is not known.
func (d *dependencies) count() int {
	if d.chosen == nil {
		return 0
	}
	return len(d.chosen.entries)
}
