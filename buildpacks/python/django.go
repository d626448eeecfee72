package python

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// django is what is known of a Django project.
type django struct {
	// dir is where manage.py is, relative to the app.
	dir string
	// settings is the settings module, source where it is named.
	settings, source string
	// wsgi and asgi are the applications as module:attribute.
	wsgi, asgi string
	// staticRoot tells that STATIC_ROOT is set and staticfiles is installed; staticSource where.
	staticRoot   bool
	staticSource string
	// whitenoise tells that the app serves its static files itself.
	whitenoise bool
	databases  bool
	// gis is where the settings name the geographic framework.
	gis string
	// secrets are names of environment variables that SECRET_KEY is made from.
	secrets []string
}

// findDjango looks for manage.py at the top, or in one directory below it.
func findDjango(app *kit.App, s *sources) *django {
	for _, file := range s.files {
		if path.Base(file) != "manage.py" || strings.Count(file, "/") > 1 {
			continue
		}
		data, err := app.Read(file)
		if err != nil {
			continue
		}
		statements, err := lex(data)
		if err != nil {
			continue
		}
		settings, line := settingsModule(statements)
		if settings == "" {
			continue
		}
		d := &django{dir: path.Dir(file), settings: settings, source: fmt.Sprintf("%s:%d", file, line)}
		d.readSettings(app, s)
		return d
	}
	return nil
}

var moduleName = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$`)

// settingsModule finds os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings") or an assignment.
func settingsModule(statements []statement) (name string, line int) {
	for _, s := range statements {
		for i, t := range s.tokens {
			if t.kind != kindString || t.text != "DJANGO_SETTINGS_MODULE" {
				continue
			}
			for _, next := range s.tokens[i+1:] {
				if next.kind == kindString && moduleName.MatchString(next.text) {
					return next.text, s.line
				}
			}
		}
	}
	return "", 0
}

// moduleFile gives the file of a module below the project's directory.
func (d *django) moduleFile(app *kit.App, name string) string {
	base := path.Join(d.dir, strings.ReplaceAll(name, ".", "/"))
	return app.First(base+".py", base+"/__init__.py")
}

// readSettings reads the settings and what they import all of, the imported first, so that the later word counts.
func (d *django) readSettings(app *kit.App, s *sources) {
	var installed, middleware bool
	for _, m := range d.settingsModules(app, d.settings, map[string]bool{}) {
		if text := m.text("WSGI_APPLICATION"); text != "" {
			d.wsgi = colon(text)
		}
		if text := m.text("ASGI_APPLICATION"); text != "" {
			d.asgi = colon(text)
		}
		if v := m.values["STATIC_ROOT"]; v != nil && len(v.tokens) > 0 {
			first := v.tokens[0]
			empty := first.kind == kindString && first.text == "" && len(v.tokens) == 1
			d.staticRoot = first.text != "None" && !empty
			d.staticSource = fmt.Sprintf("%s:%d", m.file, v.line)
		}
		if m.values["DATABASES"] != nil {
			d.databases = true
		}
		if v := m.values["INSTALLED_APPS"]; v != nil && m.strings["django.contrib.gis"] {
			d.gis = fmt.Sprintf("%s:%d", m.file, v.line)
		}
		installed = installed || m.strings["django.contrib.staticfiles"]
		middleware = middleware || slices.ContainsFunc(sortedKeys(m.strings), func(t string) bool {
			return strings.HasPrefix(t, "whitenoise.")
		})
		d.secrets = append(d.secrets, secretNames(m)...)
	}
	d.staticRoot = d.staticRoot && installed
	d.whitenoise = middleware
	d.findApplications(s)
}

func (d *django) settingsModules(app *kit.App, name string, seen map[string]bool) []*module {
	file := d.moduleFile(app, name)
	if file == "" || seen[file] || len(seen) > maxHops {
		return nil
	}
	seen[file] = true
	data, err := app.Read(file)
	if err != nil {
		return nil
	}
	m, err := parseModule(file, name, data)
	if err != nil {
		return nil
	}
	var all []*module
	for _, star := range m.stars {
		all = append(all, d.settingsModules(app, star, seen)...)
	}
	return append(all, m)
}

var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{2,63}$`)

// secretNames gives the environment variables in the assignment of SECRET_KEY.
func secretNames(m *module) []string {
	v := m.values["SECRET_KEY"]
	if v == nil {
		return nil
	}
	var names []string
	for i, t := range v.tokens {
		if t.kind == kindString && i > 0 && variableName.MatchString(t.text) {
			names = append(names, t.text)
		}
	}
	return names
}

// colon turns mysite.wsgi.application into mysite.wsgi:application.
func colon(dotted string) string {
	if i := strings.LastIndexByte(dotted, '.'); i > 0 && moduleName.MatchString(dotted) {
		return dotted[:i] + ":" + dotted[i+1:]
	}
	return ""
}

// findApplications fills in what the settings do not name from the wsgi.py and asgi.py beside them.
func (d *django) findApplications(s *sources) {
	exists := func(reference string) bool {
		name, attribute, _ := strings.Cut(reference, ":")
		m := s.byName[d.prefix()+name]
		return m != nil && (m.values[attribute] != nil || m.imports[attribute] != "")
	}
	if d.wsgi != "" && !exists(d.wsgi) {
		d.wsgi = ""
	}
	if d.asgi != "" && !exists(d.asgi) {
		d.asgi = ""
	}
	for pkg := d.settings; pkg != "" && d.wsgi == ""; {
		pkg = pkg[:max(0, strings.LastIndexByte(pkg, '.'))]
		if candidate := strings.TrimPrefix(pkg+".wsgi", ".") + ":application"; exists(candidate) {
			d.wsgi = candidate
		}
	}
}

// prefix gives what stands before the names of the project's modules when the app's directory is on the path.
func (d *django) prefix() string {
	if d.dir == "." {
		return ""
	}
	return strings.ReplaceAll(strings.TrimPrefix(d.dir, "src/"), "/", ".") + "."
}

// apps gives the project's applications, the one to prefer first: that which the installed servers can serve. ASGI comes
// first only when the settings name it.
func (d *django) apps(s *sources) []webApp {
	var all []webApp
	add := func(reference, protocol string) {
		name, attribute, ok := strings.Cut(reference, ":")
		if !ok {
			return
		}
		a := webApp{module: &module{name: name, file: path.Join(d.dir, strings.ReplaceAll(name, ".", "/")) + ".py"},
			attribute: attribute, protocol: protocol, framework: "Django", line: 1}
		if m := s.modules[a.module.file]; m != nil && m.values[attribute] != nil {
			a.line = m.values[attribute].line
		}
		all = append(all, a)
	}
	add(d.asgi, "asgi")
	add(d.wsgi, "wsgi")
	if d.asgi == "" && d.wsgi != "" {
		name, _, _ := strings.Cut(d.wsgi, ":")
		sibling := strings.TrimSuffix(name, "wsgi") + "asgi"
		m := s.modules[path.Join(d.dir, strings.ReplaceAll(sibling, ".", "/"))+".py"]
		if m != nil && m.values["application"] != nil {
			add(sibling+":application", "asgi")
		}
	}
	return all
}
