package create

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
)

// procfile is where an app's processes stand.
const procfile = "Procfile"

// webLine is the line of a Procfile that says how the web process starts.
var webLine = regexp.MustCompile(`(?m)^web[ \t]*:.*\n?`)

// CheckStart tells why a command cannot be the start command, or nil.
func CheckStart(command string) error {
	if strings.TrimSpace(command) == "" || strings.ContainsAny(command, "\n\r\x00") {
		return errors.New("a start command is one line that is not empty")
	}
	return nil
}

// writeStart puts the user's start command into the workspace, as if the app's own Procfile had it: so every buildpack
// knows it, and the other processes stay.
func (w *work) writeStart() error {
	if w.App.Start == "" {
		return nil
	}
	if err := CheckStart(w.App.Start); err != nil {
		return err
	}
	root, err := os.OpenRoot(w.dirs.app)
	if err != nil {
		return err
	}
	defer root.Close()
	text, err := root.ReadFile(procfile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the Procfile: %w", err)
	}
	if err == nil {
		if err := root.Remove(procfile); err != nil { // it may be a link
			return fmt.Errorf("replacing the Procfile: %w", err)
		}
	}
	text = webLine.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), nil)
	text = slices.Concat([]byte("web: "+strings.TrimSpace(w.App.Start)+"\n"), text)
	if err := root.WriteFile(procfile, text, 0o644); err != nil {
		return fmt.Errorf("writing the start command: %w", err)
	}
	return root.Chtimes(procfile, archive.Epoch, archive.Epoch)
}

// versionVariable is the form of the variables by which the user chooses versions: S2I_NODE_VERSION for node.
var versionVariable = regexp.MustCompile(`^S2I_([A-Z0-9_]+)_VERSION$`)

// VersionVariable gives the variable that chooses the version of a package.
func VersionVariable(name string) string {
	up := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '+' {
			return '_'
		}
		return r
	}, strings.ToUpper(name))
	return "S2I_" + up + "_VERSION"
}

// chosenByUser adds the versions that the user chose to what the buildpacks require: buildpacks know only the variables
// of their own tools. A choice that nobody requires is told as a warning when ctx can show one.
func (w *work) chosenByUser(requires []lifecycle.Require) []lifecycle.Require {
	out := slices.Clone(requires)
	done := map[string]bool{}
	for _, r := range requires {
		variable := VersionVariable(r.Name)
		value := w.App.Env[variable]
		if value == "" || done[r.Name] || hasSource(requires, r.Name, variable) {
			continue
		}
		done[r.Name] = true
		meta := map[string]any{"version": value, "version-source": variable, "version-kind": "override"}
		for _, same := range requires {
			for _, image := range []string{"build", "launch"} {
				if on, _ := same.Metadata[image].(bool); on && same.Name == r.Name {
					meta[image] = true
				}
			}
		}
		out = append(out, lifecycle.Require{Name: r.Name, Metadata: meta})
	}
	return out
}

// hasSource tells whether a requirement of this name, or any for an empty name, comes from source.
func hasSource(requires []lifecycle.Require, name, source string) bool {
	return slices.ContainsFunc(requires, func(r lifecycle.Require) bool {
		return (name == "" || r.Name == name) && r.Metadata["version-source"] == source
	})
}

// warnOfWishes tells the user which choices of versions nothing came of.
func (w *work) warnOfWishes(ctx context.Context) {
	requires := w.requires()
	var names []string
	for _, r := range requires {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	for _, variable := range slices.Sorted(maps.Keys(w.App.Env)) {
		match := versionVariable.FindStringSubmatch(variable)
		if match == nil || hasSource(requires, "", variable) {
			continue
		}
		progress.Warn(ctx, "%s chooses nothing: no buildpack asks for %s; what is asked for is %s", variable,
			strings.ToLower(match[1]), strings.Join(names, ", "))
	}
}
