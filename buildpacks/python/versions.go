package python

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"

	"s2i/buildpacks/kit"
)

// envVersion is the user's word for the version of Python.
const envVersion = "S2I_PYTHON_VERSION"

// pythonVersions gives everything that the user and the app's files say about the version of Python.
func pythonVersions(app *kit.App, py *pyproject, env kit.Env) ([]kit.Constraint, error) {
	if v := env[envVersion]; v != "" {
		value, err := asSpecifier(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", envVersion, err)
		}
		return []kit.Constraint{{Value: value, Source: envVersion, Kind: kit.Override}}, nil
	}
	all, err := stated(app, py)
	if err != nil {
		return nil, err
	}
	for _, read := range []func(*kit.App) (kit.Constraint, bool){pythonVersionFile, runtimeFile, toolVersions, miseFile} {
		c, ok := read(app)
		if !ok {
			continue
		}
		if strings.HasPrefix(c.Value, "==2.") {
			return nil, fmt.Errorf("%s asks for Python 2, which no stack has: its support ended in 2020; "+
				"port the app to Python 3, or try it with %s=3.13", c.Source, envVersion)
		}
		all = append(all, c)
	}
	return all, nil
}

// stated gives what the manifests demand.
func stated(app *kit.App, py *pyproject) ([]kit.Constraint, error) {
	var all []kit.Constraint
	if py != nil && py.Project != nil && py.Project.RequiresPython != "" {
		source := py.line("project", "requires-python")
		if _, err := parseSpecifier(py.Project.RequiresPython); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		all = append(all, kit.Constraint{Value: py.Project.RequiresPython, Source: source})
	}
	if py != nil && py.Tool.Poetry != nil {
		if text, ok := py.Tool.Poetry.Dependencies["python"].(string); ok && text != "*" {
			// Alternatives cannot be written as one specifier; the lock has them resolved.
			if spec, err := fromPoetry(text); err == nil && spec != "" {
				all = append(all, kit.Constraint{Value: spec, Source: py.line("tool.poetry.dependencies", "python")})
			}
		}
	}
	if c, ok := pipfileVersion(app); ok {
		all = append(all, c)
	}
	return all, nil
}

// pipfileVersion reads the version that a Pipfile requires. Of a full version the patch is left out: patches come with
// the stack.
func pipfileVersion(app *kit.App) (kit.Constraint, bool) {
	data, err := app.Read(filePipfile)
	if err != nil {
		return kit.Constraint{}, false
	}
	var f struct {
		Requires map[string]any `toml:"requires"`
	}
	if _, err := toml.Decode(string(data), &f); err != nil {
		return kit.Constraint{}, false
	}
	for _, key := range []string{"python_version", "python_full_version"} {
		if text, ok := f.Requires[key].(string); ok {
			value, err := asSpecifier(text)
			source := fmt.Sprintf("%s:%d", filePipfile, tomlLine(data, "requires", key))
			return kit.Constraint{Value: value, Source: source}, err == nil
		}
	}
	return kit.Constraint{}, false
}

var plainVersion = regexp.MustCompile(
	`^(?:c?python-?)?v?([0-9]+)(?:\.([0-9]+))?(?:\.[0-9]+|\.[x*])*(?:[abrc]+[0-9]+)?t?(?:-dev)?$`)

// asSpecifier turns a version as people write it into a specifier: "3.11.4" and "python-3.11" into "==3.11.*". Patches
// come with the stack. A specifier stays what it is.
func asSpecifier(text string) (string, error) {
	text = strings.TrimSpace(text)
	if m := plainVersion.FindStringSubmatch(text); m != nil && len(text) <= maxVersion {
		if m[2] == "" {
			return "==" + m[1] + ".*", nil
		}
		return "==" + m[1] + "." + m[2] + ".*", nil
	}
	compact := strings.ReplaceAll(text, " ", "")
	if _, err := parseSpecifier(compact); err != nil || compact == "" {
		return "", fmt.Errorf("%.80q is no version of Python", text)
	}
	return compact, nil
}

// hint makes a constraint of what a tool's file says; what is no version of CPython says nothing.
func hint(text, file string, line int) (kit.Constraint, bool) {
	value, err := asSpecifier(text)
	return kit.Constraint{Value: value, Source: fmt.Sprintf("%s:%d", file, line), Kind: kit.Hint}, err == nil
}

// firstLine gives the first line of a file that is neither empty nor a comment.
func firstLine(app *kit.App, file string) (text string, number int) {
	data, err := app.Read(file)
	if err != nil {
		return "", 0
	}
	for line := range bytes.Lines(data) {
		number++
		text, _, _ := strings.Cut(strings.TrimPrefix(string(line), "\ufeff"), "#")
		if text = strings.TrimSpace(text); text != "" {
			return text, number
		}
	}
	return "", 0
}

func pythonVersionFile(app *kit.App) (kit.Constraint, bool) {
	text, n := firstLine(app, ".python-version")
	return hint(text, ".python-version", n)
}

func runtimeFile(app *kit.App) (kit.Constraint, bool) {
	text, n := firstLine(app, "runtime.txt")
	if !strings.HasPrefix(text, "python-") {
		return kit.Constraint{}, false
	}
	return hint(text, "runtime.txt", n)
}

func toolVersions(app *kit.App) (kit.Constraint, bool) {
	data, err := app.Read(".tool-versions")
	if err != nil {
		return kit.Constraint{}, false
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if fields := strings.Fields(string(line)); len(fields) > 1 && fields[0] == "python" {
			return hint(fields[1], ".tool-versions", n)
		}
	}
	return kit.Constraint{}, false
}

func miseFile(app *kit.App) (kit.Constraint, bool) {
	file := app.First("mise.toml", ".mise.toml", ".config/mise.toml")
	if file == "" {
		return kit.Constraint{}, false
	}
	data, err := app.Read(file)
	if err != nil {
		return kit.Constraint{}, false
	}
	var f struct {
		Tools map[string]any `toml:"tools"`
	}
	if _, err := toml.Decode(string(data), &f); err != nil {
		return kit.Constraint{}, false
	}
	for _, v := range asList(f.Tools["python"]) {
		if table, ok := v.(map[string]any); ok {
			v = table["version"]
		}
		if text, ok := v.(string); ok {
			return hint(text, file, tomlLine(data, "tools", "python"))
		}
	}
	return kit.Constraint{}, false
}

// likelyPython guesses the version that the stack will choose, for the markers that detection evaluates; the build asks
// the interpreter.
func likelyPython(all []kit.Constraint) string {
	lines := []string{"3.13.5", "3.11.2"}
	for _, binding := range []bool{true, false} {
		for _, line := range lines {
			v, err := parseVersion(line)
			ok := err == nil
			for _, c := range all {
				if c.Kind == kit.Hint && !binding {
					continue
				}
				spec, err := parseSpecifier(c.Value)
				ok = ok && err == nil && spec.has(v)
			}
			if ok {
				return line
			}
		}
	}
	return lines[0]
}
