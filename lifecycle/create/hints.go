package create

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// markers are the files by which an app of some language is known.
func markers() []string {
	return []string{
		"Procfile", "package.json", "deno.json", "deno.jsonc", "go.mod", "go.work", "pyproject.toml", "requirements.txt", "Pipfile",
		"pom.xml", "build.gradle", "build.gradle.kts", "Cargo.toml", "Gemfile", "composer.json", "Staticfile", "index.html",
		"mix.exs", "Package.swift", "build.sbt",
	}
}

// How far hints look for apps below a directory that is none.
const (
	maxHintDepth = 3
	maxHintDirs  = 2000
	maxHints     = 5
)

// hints tells what a directory that no buildpack can build seems to be. It is empty when there is something in it that
// a buildpack looks for: then what the buildpacks say tells more.
func hints(dir string) []string {
	names, dirs := list(dir)
	switch {
	case len(names)+len(dirs) == 0:
		return []string{"it is empty, or everything in it is ignored (.s2iignore, .dockerignore, --ignore)"}
	case marker(names) != "":
		return nil
	}
	for _, name := range []string{"Dockerfile", "Containerfile"} {
		if slices.Contains(names, name) {
			return []string{"there is a " + name + ", which s2i build uses (--strategy dockerfile)"}
		}
	}
	if apps := appsBelow(dir); len(apps) > 0 {
		return []string{"there is an app in " + strings.Join(apps, ", and one in ") + "; give s2i that directory as the source"}
	}
	return nil
}

// appsBelow finds the directories nearest to dir that look like an app, as "backend (go.mod)".
func appsBelow(dir string) []string {
	var found []string
	level := []string{"."}
	for depth, seen := 0, 0; depth <= maxHintDepth && len(level) > 0 && len(found) == 0; depth++ {
		var next []string
		for _, at := range level {
			if seen++; seen > maxHintDirs {
				return found
			}
			names, dirs := list(filepath.Join(dir, filepath.FromSlash(at)))
			if file := marker(names); file != "" && at != "." && len(found) < maxHints {
				found = append(found, at+" ("+file+")")
			}
			for _, d := range dirs {
				next = append(next, path.Join(at, d))
			}
		}
		level = next
	}
	return found
}

// list gives the names of the files and of the directories in dir, without those that hold no source.
func list(dir string) (files, dirs []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil // it is only a hint
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasPrefix(name, "."), name == "node_modules", name == "vendor", name == "target":
		case e.IsDir():
			dirs = append(dirs, name)
		default:
			files = append(files, name)
		}
	}
	return files, dirs
}

// marker gives the first marker among names, or "".
func marker(names []string) string {
	for _, m := range markers() {
		if slices.Contains(names, m) {
			return m
		}
	}
	return ""
}
