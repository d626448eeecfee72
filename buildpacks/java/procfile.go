package java

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"s2i/buildpacks/kit"
)

// procfileWeb gives the command of the Procfile's web process.
func procfileWeb(app *kit.App) (value, error) {
	data, err := app.Read(kit.Procfile)
	if errors.Is(err, fs.ErrNotExist) {
		return value{}, nil
	}
	if err != nil {
		return value{}, fmt.Errorf("reading %s: %w", kit.Procfile, err)
	}
	entries, err := kit.ParseProcfile(data)
	if err != nil {
		return value{}, nil //nolint:nilerr // s2i/procfile will say so
	}
	for _, e := range entries {
		if e.Type == kit.DefaultType {
			return value{Text: e.Command, Source: kit.Procfile + ":" + itoa(e.Line)}, nil
		}
	}
	return value{}, nil
}

// procfilePaths gives the globs of what the Procfile's commands start out of the results of the build.
func procfilePaths(app *kit.App) []string {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return nil
	}
	entries, err := kit.ParseProcfile(data)
	if err != nil {
		return nil
	}
	var globs []string
	for _, e := range entries {
		globs = append(globs, resultPaths(e.Command)...)
	}
	return globs
}

// resultPaths finds what a command starts out of the results of the build, as globs:
// "java -cp target/classes:target/dependency/* Main".
func resultPaths(command string) []string {
	var globs []string
	for _, word := range strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(" \t:;=\"'&|()", r) }) {
		word = path.Clean(word)
		inMaven, inGradle := strings.Contains("/"+word, "/target/"), strings.Contains("/"+word, "/build/")
		if !inMaven && !inGradle || !fs.ValidPath(word) {
			continue
		}
		for _, scripts := range []string{"/target/bin/", "/build/install/"} {
			if i := strings.Index("/"+word, scripts); i >= 0 {
				word = strings.TrimPrefix(path.Join(word[:i], path.Dir(path.Clean(scripts))), "/") // they look for what is beside them
			}
		}
		globs = append(globs, word)
	}
	return globs
}
