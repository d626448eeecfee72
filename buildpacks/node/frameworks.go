package node

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// findNuxt knows Nuxt, whose output (by Nitro) holds everything that it needs.
func findNuxt(p *project, m *member) (*framework, error) {
	f := uses(m, "Nuxt", "nuxt", "nuxt-nightly")
	if f == nil {
		return nil, nil
	}
	f.Command, f.Seeded = "nuxt build", true
	if strings.Contains(m.Scripts["build"], "generate") {
		f.fact("the build script generates static pages", m.at("scripts", "build"))
		f.Site = &site{Root: ".output/public"}
		return f, nil
	}
	config := p.config(m, "nuxt.config")
	if v, line, ok := config.value("ssr"); ok && v == "false" {
		f.fact("ssr is false: the pages are made in the browser", config.at(line))
	}
	if v, line, ok := config.value("preset"); ok && v != "node-server" && v != "node_server" && v != "node" {
		if v == "static" {
			f.Site = &site{Root: ".output/public"}
			return f, nil
		}
		f.fact("nitro's preset is "+v+", in place of which node-server is built", config.at(line))
	}
	f.nitro()
	return f, nil
}

// nitro completes a framework whose server is made by Nitro.
func (f *framework) nitro() {
	f.Seeded, f.BuildEnv = true, kit.Env{"NITRO_PRESET": "node_server"}
	f.Args, f.Bundled, f.Keep = []string{"node", ".output/server/index.mjs"}, true, []string{".output"}
	f.Env = everywhere("HOST")
}

// findTanstack knows TanStack Start, which is built by Vite, and by Nitro when it is there.
func findTanstack(p *project, m *member) (*framework, error) {
	f := uses(m, "TanStack Start", "@tanstack/react-start", "@tanstack/solid-start", "@tanstack/start")
	if f == nil {
		return nil, nil
	}
	f.Command = "vite build"
	config := p.config(m, "vite.config", "app.config")
	_, nitro := config.mentions("nitro/vite")
	_, plugin := config.mentions("@tanstack/nitro-v2-vite-plugin")
	field, _ := m.dependency("vinxi")
	if nitro || plugin || field != "" {
		f.nitro()
		return f, nil
	}
	if config.has("spa") {
		f.Site = &site{Root: "dist/client", Fallback: true}
		return f, nil
	}
	if m.Scripts["start"] != "" {
		return f, nil // its own server
	}
	f.fact("a request handler, to which s2i adds a server; the nitro plugin would make one, too", f.Source)
	f.serveFetch()
	return f, nil
}

// findRouter knows Remix and React Router in framework mode.
func findRouter(p *project, m *member) (*framework, error) {
	f, serve, name := uses(m, "React Router", "@react-router/dev"), "react-router-serve", "@react-router/serve"
	if f == nil {
		f, serve, name = uses(m, "Remix", "@remix-run/dev"), "remix-serve", "@remix-run/serve"
	}
	if f == nil {
		return nil, nil
	}
	f.Command = strings.TrimSuffix(serve, "-serve") + " build"
	if serve == "remix-serve" {
		f.Command = "remix vite:build"
	}
	config := p.config(m, "react-router.config", "vite.config")
	if v, line, ok := config.value("ssr"); ok && v == "false" {
		f.fact("ssr is false: the pages are made in the browser", config.at(line))
		f.Site = &site{Root: "build/client", Fallback: true}
		return f, nil
	}
	if field, _ := m.dependency(name); field == "" {
		if m.Scripts["start"] == "" {
			return nil, reject("%s: nothing serves what is built: add %s to the dependencies, or a start script with a"+
				" server", f.Source, name)
		}
		return f, nil
	}
	// The classic compiler of Remix writes public/build; Vite's writes build/client.
	f.Args, f.Keep = []string{serve, "./build/server/index.js"}, []string{"build", "public", "package.json"}
	if serve == "remix-serve" && p.config(m, "vite.config") == nil {
		f.Args, f.Command = []string{serve, "build/index.js"}, "remix build"
	}
	f.Env = everywhere("HOST")
	return f, nil
}

// findSvelte knows SvelteKit, whose adapter decides what is made.
func findSvelte(p *project, m *member) (*framework, error) {
	f := uses(m, "SvelteKit", "@sveltejs/kit")
	if f == nil {
		return nil, nil
	}
	f.Command, f.Seeded = "vite build", true
	config := p.config(m, "svelte.config", "vite.config")
	for _, c := range []*script{config, p.config(m, "vite.config")} {
		if line, ok := c.mentions("@sveltejs/adapter-static"); ok {
			f.fact("adapter-static: static pages", c.at(line))
			root, _, _ := c.value("pages")
			_, _, fallback := c.value("fallback")
			f.Site = &site{Root: inside(root, "build"), Fallback: fallback}
			return f, nil
		}
		if line, ok := c.mentions("@sveltejs/adapter-node"); ok {
			f.fact("adapter-node", c.at(line))
			out, _, _ := c.value("out")
			f.sveltekit(inside(out, "build"))
			return f, nil
		}
		if line, ok := c.mentions("@sveltejs/adapter-auto"); ok {
			f.fact("adapter-auto, in whose place adapter-node is used", c.at(line))
			f.sveltekit("build")
			f.Adapter = svelteAdapter()
			if field, _ := m.dependency(f.Adapter.Name); field == "" {
				f.Warnings = append(f.Warnings, fmt.Sprintf("%s: adapter-auto stands for adapter-node, in a version that no "+
					"lock file has: depend on @sveltejs/adapter-node and use it", c.at(line)))
			}
			return f, nil
		}
	}
	return nil, reject("%s: SvelteKit is built for another platform, or for none: use @sveltejs/adapter-node or"+
		" @sveltejs/adapter-static in svelte.config.js", f.Source)
}

func (f *framework) sveltekit(out string) {
	f.Args, f.Files, f.Keep = []string{"node", out}, []string{path.Join(out, "index.js")}, []string{out, "package.json"}
	f.Env = everywhere("HOST")
}

// findAstro knows Astro: static pages, or a server by its adapter for Node.js.
func findAstro(p *project, m *member) (*framework, error) {
	f := uses(m, "Astro", "astro")
	if f == nil {
		return nil, nil
	}
	f.Command, f.Seeded = "astro build", true
	config := p.config(m, "astro.config")
	out, _, _ := config.value("outDir")
	root := inside(out, "dist")
	line, node := config.mentions("@astrojs/node")
	v, at, ok := config.value("output")
	switch {
	case node:
		f.fact("the adapter for Node.js: a server", config.at(line))
		file := path.Join(root, "server/entry.mjs")
		if mode, at, _ := config.value("mode"); mode == "middleware" {
			f.fact("the adapter is a middleware: the app brings a server", config.at(at))
			return f, nil
		}
		f.Args, f.Keep, f.Env = []string{"node", file}, []string{root, "package.json"}, everywhere("HOST")
	case ok && v != "static":
		if config.has("adapter") {
			return nil, reject("%s: the output is %s, with an adapter for another platform: use @astrojs/node",
				config.at(at), v)
		}
		return nil, reject("%s: the output is %s, and there is no adapter: add @astrojs/node with mode standalone",
			config.at(at), v)
	default:
		f.fact("static pages", f.Source)
		f.Site = &site{Root: root}
	}
	return f, nil
}

// findNest knows Nest, which is compiled to dist.
func findNest(_ *project, m *member) (*framework, error) {
	f := uses(m, "Nest", "@nestjs/core")
	if f == nil {
		return nil, nil
	}
	f.Command = "nest build"
	f.Args, f.Files = []string{"node", "dist/main"}, []string{"dist/main.js", "dist/src/main", "dist/src/main.js"}
	return f, nil
}

// findAngular knows the Angular CLI by angular.json.
func findAngular(p *project, m *member) (*framework, error) {
	f := uses(m, "Angular", "@angular/core")
	name := path.Join(m.Dir, "angular.json")
	if f == nil || !p.app.Has(name) {
		return nil, nil
	}
	f.Command = "ng build"
	data, err := p.app.Read(name)
	if err != nil {
		return nil, err
	}
	project, target, err := angularProject(data, string(m.Name))
	if err != nil {
		return nil, reject("reading %s: %s", name, err)
	}
	at := fmt.Sprintf("%s:%d", name, lineOf(data, "projects", project))
	out := target.output(project)
	if target.server() {
		f.fact("server-side rendering, for the host names of allowedHosts and NG_ALLOWED_HOSTS: set that variable for the"+
			" container, or others get the page that is made in the browser", at)
		file := path.Join(out, "server/server.mjs")
		f.Args, f.Keep, f.Bundled = []string{"node", file}, []string{out, "package.json"}, false
		f.Env = everywhere("HOST")
		return f, nil
	}
	if strings.HasSuffix(target.Builder, ":application") {
		out = path.Join(out, target.browser())
	}
	f.fact("the project "+project+" is built to "+out, at)
	f.Site = &site{Root: out, Fallback: true}
	return f, nil
}

// angularTarget is the target "build" of a project in angular.json.
type angularTarget struct {
	Builder string `json:"builder"`
	Options struct {
		OutputPath json.RawMessage `json:"outputPath"`
		SSR        json.RawMessage `json:"ssr"`
		Server     json.RawMessage `json:"server"`
		OutputMode string          `json:"outputMode"`
	} `json:"options"`
}

// angularProject chooses the application to build: the default one, the one named as the package, or the first by name.
func angularProject(data []byte, name string) (string, *angularTarget, error) {
	var config struct {
		Default  text `json:"defaultProject"`
		Projects map[string]struct {
			Type      text                     `json:"projectType"`
			Root      text                     `json:"root"`
			Architect map[string]angularTarget `json:"architect"`
			Targets   map[string]angularTarget `json:"targets"`
		} `json:"projects"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(data), "\ufeff")), &config); err != nil {
		return "", nil, err
	}
	names := sortedKeys(config.Projects)
	for _, first := range []string{name, string(config.Default)} {
		if i := slices.Index(names, first); i > 0 {
			names = append([]string{first}, slices.Delete(names, i, i+1)...)
		}
	}
	for _, name := range names {
		project := config.Projects[name]
		for _, targets := range []map[string]angularTarget{project.Architect, project.Targets} {
			if t, ok := targets["build"]; ok && project.Type != "library" {
				return name, &t, nil
			}
		}
	}
	return "", nil, fmt.Errorf("it has no application with a target \"build\"")
}

// outputPath is the option of that name in its long form.
type outputPath struct {
	Base    text  `json:"base"`
	Browser *text `json:"browser"`
}

func (t *angularTarget) output(project string) string {
	var short string
	if json.Unmarshal(t.Options.OutputPath, &short) == nil {
		return inside(short, path.Join("dist", inside(project, "app")))
	}
	var long outputPath
	_ = json.Unmarshal(t.Options.OutputPath, &long)
	return inside(string(long.Base), path.Join("dist", inside(project, "app")))
}

// browser is the directory of the browser's part below the output.
func (t *angularTarget) browser() string {
	var long outputPath
	if json.Unmarshal(t.Options.OutputPath, &long) == nil && long.Browser != nil {
		if *long.Browser == "" {
			return "."
		}
		return inside(string(*long.Browser), "browser")
	}
	return "browser"
}

func (t *angularTarget) server() bool {
	ssr := strings.TrimSpace(string(t.Options.SSR))
	return ssr != "" && ssr != "false" && ssr != "null" && t.Options.OutputMode != "static"
}

// generators are tools that make static pages, and where.
func generators() []struct{ dep, title, command, root string } {
	return []struct{ dep, title, command, root string }{
		{"gatsby", "Gatsby", "gatsby build", "public"},
		{"@docusaurus/core", "Docusaurus", "docusaurus build", "build"},
		{"@11ty/eleventy", "Eleventy", "eleventy", "_site"},
		{"vitepress", "VitePress", "vitepress build", ".vitepress/dist"},
		{"hexo", "Hexo", "hexo generate", "public"},
	}
}

// findGenerator knows generators of static pages.
func findGenerator(_ *project, m *member) (*framework, error) {
	for _, g := range generators() {
		f := uses(m, g.title, g.dep)
		if f == nil {
			continue
		}
		f.Command, f.Site = g.command, &site{Root: g.root}
		if words := strings.Fields(m.Scripts["build"]); g.dep == "vitepress" {
			if i := slices.Index(words, "build"); i >= 0 && i+1 < len(words) && words[0] == "vitepress" {
				f.Site.Root = inside(path.Join(words[i+1], g.root), g.root) // vitepress build docs
			}
		}
		return f, nil
	}
	return nil, nil
}

// findExpo knows Expo's apps, of which the part for browsers is built.
func findExpo(p *project, m *member) (*framework, error) {
	f := uses(m, "Expo", "expo")
	if f == nil {
		return nil, nil
	}
	if field, _ := m.dependency("react-native-web"); field == "" {
		return nil, reject("%s: the app is made for phones: for one in the browser Expo needs react-native-web", f.Source)
	}
	var config struct {
		Expo struct {
			Web struct {
				Output text `json:"output"`
			} `json:"web"`
		} `json:"expo"`
	}
	f.Command, f.Site = "expo export --platform web", &site{Root: "dist", Fallback: true}
	name := path.Join(m.Dir, "app.json")
	if !p.app.Has(name) {
		return f, nil
	}
	data, err := p.app.Read(name)
	if err != nil {
		return nil, err
	}
	_ = json.Unmarshal(data, &config) // Expo tells what is wrong with it
	switch at := fmt.Sprintf("%s:%d", name, lineOf(data, "expo", "web", "output")); config.Expo.Web.Output {
	case "static":
		f.fact("a file for every page", at)
		f.Site.Fallback = false
	case "server":
		return nil, reject("%s: the output is server, which Expo makes no server for: use \"static\" or \"single\"", at)
	}
	return f, nil
}

// findSPA knows what bundlers make of an app for the browser: files, with index.html for every path.
func findSPA(p *project, m *member) (*framework, error) {
	if f := uses(m, "Create React App", "react-scripts", "react-app-rewired", "@craco/craco"); f != nil {
		f.Command, f.Site = "react-scripts build", &site{Root: "build", Fallback: true}
		return f, nil
	}
	if f := uses(m, "Vue CLI", "@vue/cli-service"); f != nil {
		out, _, _ := p.config(m, "vue.config").value("outputDir")
		f.Command, f.Site = "vue-cli-service build", &site{Root: inside(out, "dist"), Fallback: true}
		return f, nil
	}
	if f := uses(m, "Vite", "vite", "rolldown-vite"); f != nil {
		return p.vite(m, f), nil
	}
	if f := uses(m, "Rsbuild", "@rsbuild/core"); f != nil {
		f.Command, f.Site = "rsbuild build", &site{Root: "dist", Fallback: true}
		return f, nil
	}
	if f := uses(m, "Parcel", "parcel"); f != nil && strings.HasPrefix(m.Scripts["build"], "parcel build") {
		f.Site = &site{Root: "dist", Fallback: true}
		return f, nil
	}
	return nil, nil
}

// vite knows an app that Vite builds: it has an index.html in the root.
func (p *project) vite(m *member, f *framework) *framework {
	config := p.config(m, "vite.config")
	root, _, _ := config.value("root")
	root = inside(root, ".")
	if !p.app.Has(path.Join(m.Dir, root, "index.html")) {
		return nil // Vite as a tool of something else: tests, a library
	}
	out, line, ok := config.value("outDir")
	words := strings.Fields(m.Scripts["build"])
	if i := slices.Index(words, "--outDir"); i >= 0 && i+1 < len(words) {
		out, ok = words[i+1], true
	}
	dir := inside(path.Join(root, out), "dist")
	if !ok {
		dir = path.Join(root, "dist")
	} else if line > 0 {
		f.fact("the output is "+dir, config.at(line))
	}
	f.Command, f.Site = "vite build", &site{Root: dir, Fallback: true}
	return f
}
