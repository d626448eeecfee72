package node

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// framework is what is known of the framework that an app is written with: what its build makes, and how that is
// started.
type framework struct {
	// Name is for reading: "Next.js 16.1.0". Source is the dependency that tells.
	Name, Source string
	Member       *member
	// Command builds the app when it has no build script.
	Command string
	// Args starts what was built, in the member's directory: node and a file, or a package's command. It is empty for
	// static files, and for a framework that only says something about the build.
	Args []string
	// Files are other ways to write the file that Args starts, as start scripts have them.
	Files []string
	// Site is set when the output is static files.
	Site *site
	// Bundled tells that the output holds all packages that it needs. Keep is what of the member's directory is needed
	// at run time; empty means everything.
	Bundled bool
	Keep    []string
	// Seeded tells that its build makes IDs and keys, from the digest of the sources.
	Seeded bool
	// BuildEnv and Env are for the build and for the process.
	BuildEnv kit.Env
	Env      []kit.Assignment
	// FetchServer tells that the build makes a request handler, and that Args is our server for it.
	FetchServer bool
	// Adapter is a package that the build uses and the app does not install; nil when there is none.
	Adapter *adapter
	// Next is set for Next.js, whose output is put together after the build.
	Next *next

	Facts    []kit.Fact
	Hosts    []kit.Host
	Warnings []string
}

// site is an output of static files.
type site struct {
	// Root is the directory, relative to the member.
	Root string
	// Fallback tells that paths without a file are answered with index.html: the app has its own router.
	Fallback bool
}

// siteRoot is the directory of the static files, relative to the app.
func (f *framework) siteRoot() string { return path.Join(f.Member.Dir, f.Site.Root) }

// finder recognises one framework; nil when it is not used. The error tells why an app that uses it cannot be built.
type finder func(*project, *member) (*framework, error)

// findFramework recognises the framework of a package. The ones that others are made of come last.
func (p *project) findFramework(m *member) (*framework, error) {
	for _, find := range []finder{
		findNext, findNuxt, findRouter, findSvelte, findAstro, findTanstack, findAngular, findNest, findExpo,
		findGenerator, findSPA,
	} {
		f, err := find(p, m)
		if err != nil || f != nil {
			return f, err
		}
	}
	return nil, nil
}

// uses begins a framework when the package depends on one of names.
func uses(m *member, title string, names ...string) *framework {
	for _, name := range names {
		field, spec := m.dependency(name)
		if field == "" {
			continue
		}
		if !strings.ContainsAny(spec, ":/") {
			title += " " + spec
		}
		return &framework{Name: title, Source: m.at(field, name), Member: m}
	}
	return nil
}

// fact adds a statement.
func (f *framework) fact(text, source string) {
	f.Facts = append(f.Facts, kit.Fact{Topic: "framework", Text: text, Source: source})
}

// config reads the first configuration file of these names, without their extension.
func (p *project) config(m *member, names ...string) *script {
	for _, name := range names {
		for _, ext := range []string{".ts", ".js", ".mjs", ".mts", ".cjs", ".cts"} {
			if file := path.Join(m.Dir, name+ext); p.app.Has(file) {
				return readScript(p.app, file)
			}
		}
	}
	return nil
}

// everywhere makes servers listen on all addresses, which in a container is what "the server is reachable" means.
func everywhere(name string) []kit.Assignment {
	return []kit.Assignment{{Name: name, Value: "0.0.0.0"}}
}

// serving are commands that only serve what a framework has built, or serve it to developers.
func serving() []string {
	return []string{
		"next", "nuxt", "nuxi", "astro", "remix", "vite", "ng", "react-scripts", "vue-cli-service", "vitepress", "gatsby",
		"docusaurus", "serve", "http-server", "sirv", "parcel", "craco", "eleventy", "svelte-kit", "rsbuild", "webpack",
		"nest", "vinxi", "nx", "turbo", "react-app-rewired", "webpack-dev-server", "react-router", "live-server", "expo",
	}
}

// covers tells that a start script does no more than start what the framework has built, so that the framework's own
// way can take its place. text is the script when a shell is needed.
func (f *framework) covers(s *start) bool {
	args := s.Args
	if s.Shell {
		args = strings.Fields(s.Text)
		for len(args) > 0 && (assigns(args[0]) || args[0] == "exec" || args[0] == "cross-env" || args[0] == "npx") {
			args = args[1:]
		}
	}
	if len(args) == 0 || strings.ContainsAny(s.Text, "&|;") && s.Shell {
		return false
	}
	if slices.Contains(serving(), args[0]) {
		return f.Site != nil || len(f.Args) > 0
	}
	if args[0] != "node" || len(args) < 2 {
		return len(f.Args) > 0 && args[0] == f.Args[0]
	}
	file := path.Clean(filepath.ToSlash(args[len(args)-1]))
	if i := nodeFile(args); i > 0 {
		file = path.Clean(filepath.ToSlash(args[i]))
	}
	// A server.js in the directory of an app with Next.js is the app's own.
	return f.Next == nil && len(f.Args) > 1 && path.Clean(f.Args[1]) == file || slices.Contains(f.Files, file)
}

// start gives the framework's way as a start.
func (f *framework) start() *start {
	s := &start{Member: f.Member, Text: strings.Join(f.Args, " "), Source: f.Source, Env: f.Env,
		Args: slices.Clone(f.Args)}
	if f.Args[0] == "node" {
		s.File = path.Join(f.Member.Dir, f.Args[len(f.Args)-1])
	}
	return s
}

// inside cleans a directory that a configuration names; fallback when it is outside the package, or the package itself.
func inside(dir, fallback string) string {
	dir = path.Clean(filepath.ToSlash(strings.TrimPrefix(dir, "/")))
	if dir == "" || dir == "." || !filepath.IsLocal(filepath.FromSlash(dir)) {
		return fallback
	}
	return dir
}
