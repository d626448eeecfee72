package python

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// webApp is an application object found in the sources.
type webApp struct {
	module *module
	// attribute is its name in the module; factory tells that it is a function that makes it.
	attribute string
	factory   bool
	// protocol is wsgi, asgi or aiohttp; framework the name for reading.
	protocol, framework string
	line                int
}

// reference gives module:attribute.
func (a *webApp) reference() string { return a.module.name + ":" + a.attribute }

// source gives file:line.
func (a *webApp) source() string { return fmt.Sprintf("%s:%d", a.module.file, a.line) }

// class is a class of applications.
type class struct{ protocol, framework string }

// classes are what makes an application, by full name.
func classes() map[string]class {
	return map[string]class{
		"flask.Flask": {"wsgi", "Flask"}, "flask.app.Flask": {"wsgi", "Flask"}, "apiflask.APIFlask": {"wsgi", "Flask"},
		"flask_openapi3.OpenAPI": {"wsgi", "Flask"}, "connexion.FlaskApp": {"asgi", "Connexion"},
		"connexion.App": {"asgi", "Connexion"}, "connexion.AsyncApp": {"asgi", "Connexion"},
		"quart.Quart": {"asgi", "Quart"}, "fastapi.FastAPI": {"asgi", "FastAPI"},
		"fastapi.applications.FastAPI":          {"asgi", "FastAPI"},
		"starlette.applications.Starlette":      {"asgi", "Starlette"},
		"litestar.Litestar":                     {"asgi", "Litestar"},
		"litestar.app.Litestar":                 {"asgi", "Litestar"},
		"blacksheep.Application":                {"asgi", "BlackSheep"},
		"blacksheep.server.Application":         {"asgi", "BlackSheep"},
		"sanic.Sanic":                           {"asgi", "Sanic"},
		"falcon.App":                            {"wsgi", "Falcon"},
		"falcon.API":                            {"wsgi", "Falcon"},
		"falcon.asgi.App":                       {"asgi", "Falcon"},
		"bottle.Bottle":                         {"wsgi", "Bottle"},
		"bottle.default_app":                    {"wsgi", "Bottle"},
		"django.core.wsgi.get_wsgi_application": {"wsgi", "Django"},
		"django.core.asgi.get_asgi_application": {"asgi", "Django"},
		"channels.routing.ProtocolTypeRouter":   {"asgi", "Django Channels"},
		"socketio.ASGIApp":                      {"asgi", "python-socketio"},
		"engineio.ASGIApp":                      {"asgi", "python-engineio"},
		"socketio.WSGIApp":                      {"wsgi", "python-socketio"},
		"asgiref.wsgi.WsgiToAsgi":               {"asgi", "asgiref"},
		"a2wsgi.WSGIMiddleware":                 {"asgi", "a2wsgi"},
		"a2wsgi.ASGIMiddleware":                 {"wsgi", "a2wsgi"},
		"fasthtml.common.FastHTML":              {"asgi", "FastHTML"},
		"fasthtml.common.fast_app":              {"asgi", "FastHTML"},
		"fasthtml.FastHTML":                     {"asgi", "FastHTML"},
		"aiohttp.web.Application":               {"aiohttp", "aiohttp"},
		"dash.Dash":                             {"dash", "Dash"},
		"gradio.mount_gradio_app":               {"asgi", "Gradio"},
	}
}

// frameworkModules are texts one of which is in every file that makes an application.
func frameworkModules() []string {
	return []string{"flask", "quart", "fastapi", "starlette", "litestar", "blacksheep", "sanic", "falcon", "bottle",
		"django", "channels", "socketio", "asgiref", "a2wsgi", "fasthtml", "aiohttp", "dash", "connexion", "pyramid",
		"streamlit", "gradio", "nicegui", "chainlit", "__main__"}
}

// starNames are what "from fasthtml.common import *" brings.
func starNames() map[string]string {
	return map[string]string{"FastHTML": "fasthtml.common", "fast_app": "fasthtml.common", "Flask": "flask",
		"FastAPI": "fastapi", "Bottle": "bottle", "default_app": "bottle"}
}

// maxHops bounds how far a name is followed from file to file.
const maxHops = 6

// classOf gives the class of a full name as a module sees it.
func classOf(m *module, name string) (class, bool) {
	if c, ok := classes()[name]; ok {
		return c, true
	}
	if from, ok := starNames()[name]; ok && slices.Contains(m.stars, from) {
		c, ok := classes()[from+"."+name]
		return c, ok
	}
	if strings.HasSuffix(name, ".make_wsgi_app") {
		return class{"wsgi", "Pyramid"}, true
	}
	return class{}, false
}

// application tells what a name of a module is, when it is an application.
func (s *sources) application(m *module, name string, hops int) (class, bool) {
	if hops > maxHops {
		return class{}, false
	}
	// The last word counts, unless it says nothing: app = ProxyFix(app), app = None.
	n := hops
	for v := m.values[name]; v != nil && n <= maxHops; v = v.before {
		if c, ok := s.valueClass(m, v.tokens, n); ok {
			return c, true
		}
		n++
	}
	if full, ok := m.imports[name]; ok {
		if i := strings.LastIndexByte(full, '.'); i > 0 {
			if other := s.byName[full[:i]]; other != nil && other != m {
				return s.application(other, full[i+1:], hops+1)
			}
		}
	}
	return class{}, false
}

// valueClass tells what application an expression makes.
func (s *sources) valueClass(m *module, words []token, hops int) (class, bool) {
	callee := m.callee(words)
	if callee == "" {
		return s.plainClass(m, words, hops)
	}
	if c, ok := classOf(m, callee); ok {
		return c, true
	}
	if c, ok := s.factoryClass(m, callee, hops+1); ok {
		return c, true
	}
	// ProxyFix(app), CORSMiddleware(app, …): what is wrapped.
	for i, t := range words {
		if t.text != "(" || i+2 >= len(words) || words[i+1].kind != kindName {
			continue
		}
		if after := words[i+2].text; after == "," || after == ")" {
			return s.application(m, words[i+1].text, hops+2)
		}
	}
	return class{}, false
}

// plainClass tells what another name stands for, or the attribute "server" of a Dash application.
func (s *sources) plainClass(m *module, words []token, hops int) (class, bool) {
	switch {
	case len(words) == 1 && words[0].kind == kindName:
		return s.application(m, words[0].text, hops+1)
	case len(words) == 3 && words[1].text == "." && words[2].text == "server":
		if c, ok := s.application(m, words[0].text, hops+1); ok && c.protocol == "dash" {
			return class{"wsgi", "Dash"}, true
		}
	}
	return class{}, false
}

// factoryClass tells what a function of the app makes.
func (s *sources) factoryClass(m *module, full string, hops int) (class, bool) {
	if hops > maxHops {
		return class{}, false
	}
	if i := strings.LastIndexByte(full, '.'); i > 0 {
		other := s.byName[full[:i]]
		if other == nil {
			return class{}, false
		}
		m, full = other, full[i+1:]
	}
	f := m.functions[full]
	if f == nil {
		if again, ok := m.imports[full]; ok {
			return s.factoryClass(m, again, hops+1)
		}
		return class{}, false
	}
	return s.bodyClass(m, f, hops)
}

// bodyClass finds the first application that a function makes.
func (s *sources) bodyClass(m *module, f *function, hops int) (class, bool) {
	for i := range f.body {
		if f.body[i].kind != kindName || i > 0 && f.body[i-1].text == "." {
			continue
		}
		callee := m.callee(f.body[i:])
		if callee == "" {
			continue
		}
		if c, ok := classOf(m, callee); ok {
			return c, true
		}
		if name := callee[strings.LastIndexByte(callee, '.')+1:]; isFactory(name) && m.functions[callee] != f {
			if c, ok := s.factoryClass(m, callee, hops+1); ok {
				return c, true
			}
		}
	}
	return class{}, false
}

// isFactory tells whether a function is called as those that make an application are.
func isFactory(name string) bool {
	switch name {
	case "create_app", "make_app", "get_app", "build_app", "app_factory", "create_application", "get_application",
		"make_application", "factory", "application_factory", "init_app", "create_server":
		return true
	}
	return false
}

// webApps finds the applications of the sources, the likeliest first, each with its score.
func (s *sources) webApps() ([]webApp, []int) {
	var apps []webApp
	for _, file := range s.files {
		m := s.modules[file]
		if m == nil || strings.HasPrefix(path.Base(file), "test_") || path.Base(file) == "conftest.py" {
			continue
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(m.order))) {
			if a, ok := s.webApp(m, name); ok {
				apps = append(apps, a)
			}
		}
	}
	slices.SortStableFunc(apps, func(a, b webApp) int { return score(&b) - score(&a) })
	var scores []int
	for i := range apps {
		scores = append(scores, score(&apps[i]))
	}
	return apps, scores
}

// webApp tells whether a name of a module is an application or makes one.
func (s *sources) webApp(m *module, name string) (webApp, bool) {
	a := webApp{module: m, attribute: name}
	if c, ok := s.application(m, name, 0); ok {
		a.protocol, a.framework, a.line = c.protocol, c.framework, 1
		if v := m.values[name]; v != nil {
			a.line = v.line
		} else if fileRank(m.file) >= otherFile-1 {
			return a, false // any file may import the application; those that are started are called so
		}
		return a, true
	}
	f := m.functions[name]
	if f == nil {
		return a, false
	}
	if c, ok := plainInterface(f); ok {
		a.protocol, a.framework, a.line = c.protocol, c.framework, f.line
		return a, true
	}
	if f.needs > 0 || !isFactory(name) {
		return a, false
	}
	c, ok := s.bodyClass(m, f, 0)
	a.protocol, a.framework, a.factory, a.line = c.protocol, c.framework, true, f.line
	return a, ok
}

// plainInterface recognises a function that is an application itself (PEP 3333, ASGI).
func plainInterface(f *function) (class, bool) {
	switch strings.Join(f.names, ",") {
	case "environ,start_response", "env,start_response":
		return class{"wsgi", "WSGI"}, true
	case "scope,receive,send":
		return class{"asgi", "ASGI"}, true
	}
	return class{}, false
}

// score ranks an application: by the name of its file, its own, and how deep it is.
func score(a *webApp) int {
	n := 90 - fileRank(a.module.file)
	if i := slices.Index([]string{"app", "application", "api", "server", "asgi_app", "wsgi_app"}, a.attribute); i >= 0 {
		n -= i
	} else {
		n -= 8
	}
	if strings.HasSuffix(a.module.file, "wsgi.py") && a.protocol == "wsgi" ||
		strings.HasSuffix(a.module.file, "asgi.py") && a.protocol == "asgi" {
		n += 4
	}
	if a.factory {
		n -= 6
	}
	n -= 5 * strings.Count(strings.TrimPrefix(a.module.file, "src/"), "/")
	return max(n, 50)
}

// server is a program that serves applications.
type server struct {
	// name is the package's, program the command's.
	name, program string
	protocols     []string
	// args gives the arguments for an application that listens on a port; nil when it cannot serve it.
	args func(a *webApp, port string) []string
}

// servers are those that are known, the preferred first.
func servers() []server {
	const anywhere = "0.0.0.0"
	bindColon := func(flag string) func(*webApp, string) []string {
		return func(a *webApp, port string) []string { return []string{flag, anywhere + ":" + port, called(a)} }
	}
	return []server{
		{"uvicorn", "uvicorn", []string{"asgi"}, func(a *webApp, port string) []string {
			return withFactory(a, a.reference(), "--host", anywhere, "--port", port)
		}},
		{"hypercorn", "hypercorn", []string{"asgi"}, bindColon("--bind")},
		{"granian", "granian", []string{"asgi", "wsgi"}, func(a *webApp, port string) []string {
			return withFactory(a, a.reference(), "--interface", a.protocol, "--host", anywhere, "--port", port)
		}},
		{"daphne", "daphne", []string{"asgi"}, func(a *webApp, port string) []string {
			if a.factory {
				return nil
			}
			return []string{"-b", anywhere, "-p", port, a.reference()}
		}},
		{"gunicorn", "gunicorn", []string{"wsgi"}, bindColon("--bind")},
		{"gunicorn", "gunicorn", []string{"aiohttp"}, func(a *webApp, port string) []string {
			return []string{"--worker-class", "aiohttp.GunicornWebWorker", "--bind", anywhere + ":" + port, called(a)}
		}},
		{"waitress", "waitress-serve", []string{"wsgi"}, func(a *webApp, port string) []string {
			if a.factory {
				return []string{"--listen=" + anywhere + ":" + port, "--call", a.reference()}
			}
			return []string{"--listen=" + anywhere + ":" + port, a.reference()}
		}},
		{"uwsgi", "uwsgi", []string{"wsgi"}, uwsgiArgs},
		{"pyuwsgi", "uwsgi", []string{"wsgi"}, uwsgiArgs},
		{"cheroot", "cheroot", []string{"wsgi"}, func(a *webApp, port string) []string {
			if a.factory {
				return nil
			}
			return []string{"--bind", anywhere + ":" + port, a.reference()}
		}},
		{"hypercorn", "hypercorn", []string{"wsgi"}, func(a *webApp, port string) []string {
			if a.factory {
				return nil
			}
			return []string{"--bind", anywhere + ":" + port, "wsgi:" + a.reference()}
		}},
		{"sanic", "sanic", []string{"asgi"}, func(a *webApp, port string) []string {
			if a.framework != "Sanic" {
				return nil
			}
			return withFactory(a, a.reference(), "--host="+anywhere, "--port="+port, "--single-process")
		}},
	}
}

func uwsgiArgs(a *webApp, port string) []string {
	if a.factory {
		return nil
	}
	return []string{"--http-socket", "0.0.0.0:" + port, "--master", "--need-app", "--die-on-term", "--module", a.reference()}
}

// called gives the reference, with brackets when it is a factory.
func called(a *webApp) string {
	if a.factory {
		return a.reference() + "()"
	}
	return a.reference()
}

// withFactory adds the flag that tells that the reference is a factory.
func withFactory(a *webApp, args ...string) []string {
	if a.factory {
		return append(args, "--factory")
	}
	return args
}

// usualServer names the server to add for a protocol when there is none.
func usualServer(protocol string) string {
	if protocol == "asgi" {
		return "uvicorn"
	}
	return "gunicorn"
}
