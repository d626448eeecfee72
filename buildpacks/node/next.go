package node

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// next is what is special about Next.js.
type next struct {
	// Dist is the directory of the build, relative to the member: .next.
	Dist string
}

// findNext knows Next.js. Its build is made standalone, with the packages that it needs and no others, unless the app
// asks for static pages, or has a server of its own.
func findNext(p *project, m *member) (*framework, error) {
	f := uses(m, "Next.js", "next")
	if f == nil {
		return nil, nil
	}
	f.Command, f.Seeded = "next build", true
	config := p.config(m, "next.config")
	dist, _, _ := config.value("distDir")
	f.Next = &next{Dist: inside(dist, ".next")}
	f.Hosts = googleFonts(p, m)
	output, line, set := config.value("output")
	if set && output == "export" || strings.Contains(m.Scripts["build"], "next export") {
		if set {
			f.fact("output is export: static pages", config.at(line))
		}
		root := "out"
		if dist != "" && set {
			root = f.Next.Dist // with output: export the directory of the build is where the pages are
		}
		f.Site = &site{Root: root}
		return f, nil
	}
	if _, spec := m.dependency("next"); majorOf(spec) > 0 && majorOf(spec) < 12 {
		return f, nil // there was no standalone output; started as the app says
	}
	f.fact("standalone output: only the packages that the server needs", f.Source)
	f.BuildEnv = kit.Env{"NEXT_PRIVATE_STANDALONE": "true"}
	f.Args, f.Bundled = []string{"node", "server.js"}, true
	f.Files = []string{path.Join(f.Next.Dist, "standalone/server.js"),
		path.Join(f.Next.Dist, "standalone", m.Dir, "server.js")}
	f.Env = everywhere("HOSTNAME")
	if used := draftMode(p, m); used != "" {
		f.Warnings = append(f.Warnings, used+" uses draft mode: its keys are made from the sources, so that a build can be"+
			" repeated; set NEXT_SERVER_ACTIONS_ENCRYPTION_KEY for the build to have secret ones")
	}
	return f, nil
}

// Bounds of looking through the sources.
const (
	maxSources    = 20000
	maxSourceSize = 1 << 20
)

// googleFonts looks for the import of fonts that the build downloads.
func googleFonts(p *project, m *member) []kit.Host {
	if at := findInSources(p, m, "next/font/google"); at != "" {
		return []kit.Host{{Name: "fonts.googleapis.com", Why: "next/font/google downloads fonts", Source: at}}
	}
	return nil
}

func draftMode(p *project, m *member) string {
	for _, text := range []string{"draftMode(", "setPreviewData("} {
		if at := findInSources(p, m, text); at != "" {
			return at
		}
	}
	return ""
}

// findInSources gives the first place, as file:line, where the JavaScript sources of m have a text. Files that cannot be
// read have none.
func findInSources(p *project, m *member, text string) string {
	at, count := "", 0
	err := fs.WalkDir(p.app.FS(), m.Dir, func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil && d != nil && d.IsDir():
			return fs.SkipDir
		case d.IsDir() && name != m.Dir && (base == "node_modules" || base[0] == '.'):
			return fs.SkipDir
		case !d.Type().IsRegular() || !slices.Contains([]string{".js", ".jsx", ".ts", ".tsx", ".mjs"}, path.Ext(name)):
			return nil
		}
		if count++; count > maxSources {
			return fs.SkipAll
		}
		if line := lineWith(p.app, name, text); line > 0 {
			at = fmt.Sprintf("%s:%d", name, line)
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return at
}

// lineWith gives the line of a source file that has a text, 0 when there is none.
func lineWith(app *kit.App, name, text string) int {
	info, err := app.Root().Stat(filepath.FromSlash(name))
	if err != nil || info.Size() > maxSourceSize {
		return 0
	}
	data, err := app.Read(name)
	if err != nil {
		return 0
	}
	i := bytes.Index(data, []byte(text))
	if i < 0 {
		return 0
	}
	return kit.Line(data, i)
}
