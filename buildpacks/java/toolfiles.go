package java

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"

	"s2i/buildpacks/kit"
)

// The user's settings; see the package's documentation.
const (
	envVersion   = "S2I_JAVA_VERSION"
	envMaven     = "S2I_MAVEN_VERSION"
	envMavenArgs = "S2I_MAVEN_ARGS"
	envApp       = "S2I_APP"
	envMain      = "S2I_MAIN_CLASS"
	envArgs      = "S2I_JAVA_ARGS"
	envJRE       = "S2I_JRE"
	envModules   = "S2I_JRE_MODULES"
	envKeep      = "S2I_JAVA_KEEP"
	envMirror    = "S2I_MAVEN_MIRROR"
	envGradle    = "S2I_GRADLE_MIRROR"
)

// hints gives what the files of version managers say about Java.
func hints(app *kit.App) ([]kit.Constraint, error) {
	var all []kit.Constraint
	for _, file := range []struct {
		name string
		line func(line string) string
	}{
		{".java-version", func(line string) string { return line }},
		{".sdkmanrc", keyed("java")},
		{".tool-versions", func(line string) string {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "java" {
				return f[1]
			}
			return ""
		}},
		{"system.properties", keyed("java.runtime.version")},
	} {
		data, err := app.Read(file.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file.name, err)
		}
		if v := firstLine(file.name, data, file.line); v.Text != "" {
			all = append(all, v.hint()...)
		}
	}
	for _, name := range []string{"mise.toml", ".mise.toml"} {
		if app.Has(name) {
			data, err := app.Read(name)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", name, err)
			}
			return append(all, miseTool(name, data, "java").hint()...), nil
		}
	}
	return all, nil
}

// hint makes a constraint of a version manager's word. What has no number in it ("system", "latest") says nothing.
func (v value) hint() []kit.Constraint {
	if n, ok := major(v.Text); ok {
		return []kit.Constraint{{Value: itoa(n), Source: v.Source, Kind: kit.Hint}}
	}
	return nil
}

// keyed reads lines KEY=VALUE, as properties files have them.
func keyed(key string) func(string) string {
	return func(line string) string {
		k, v, ok := strings.Cut(line, "=")
		if !ok {
			k, v, ok = strings.Cut(line, ":")
		}
		if !ok || strings.TrimSpace(k) != key {
			return ""
		}
		return strings.TrimSpace(v)
	}
}

// firstLine gives the first line out of which read makes something.
func firstLine(file string, data []byte, read func(string) string) value {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		if text := read(line); text != "" {
			return value{Text: text, Source: file + ":" + itoa(n)}
		}
	}
	return value{}
}

// miseTool reads a tool's version from a mise.toml: a string, a list of them, or a table with a version.
func miseTool(file string, data []byte, tool string) value {
	var config struct {
		Tools map[string]any `toml:"tools"`
	}
	if toml.Unmarshal(data, &config) != nil {
		return value{}
	}
	found := config.Tools[tool]
	if list, ok := found.([]any); ok && len(list) > 0 {
		found = list[0]
	}
	if table, ok := found.(map[string]any); ok {
		found = table["version"]
	}
	text, _ := found.(string)
	line := 1
	if at := regexp.MustCompile(`(?m)^\s*"?` + regexp.QuoteMeta(tool) + `"?\s*=`).FindIndex(data); at != nil {
		line = kit.Line(data, at[1])
	}
	return value{Text: text, Source: file + ":" + itoa(line)}
}

// Files of the wrapper scripts, which name the version of the tool; the scripts themselves are never run.
const (
	mavenWrapper  = ".mvn/wrapper/maven-wrapper.properties"
	gradleWrapper = "gradle/wrapper/gradle-wrapper.properties"
)

// mavenFile finds the version in the name of a distribution of Maven.
var mavenFile = regexp.MustCompile(`apache-maven-(\d+(?:\.\d+)*(?:-[A-Za-z0-9.-]+?)?)-bin\.(?:zip|tar\.gz)`)

// mavenVersion gives the version of Maven that the wrapper asks for.
func mavenVersion(app *kit.App) ([]kit.Constraint, error) {
	url, err := distribution(app, mavenWrapper)
	if err != nil {
		return nil, err
	}
	found := mavenFile.FindStringSubmatch(url.Text)
	if found == nil || len(found[1]) > 64 {
		return nil, nil
	}
	// Another one builds the app as well: where this very version is not to be had, that is no reason to stop.
	return []kit.Constraint{{Value: "[" + found[1] + "]", Source: url.Source, Kind: kit.Hint}}, nil
}

// distribution gives the address in a wrapper's properties; empty when there is none.
func distribution(app *kit.App, file string) (value, error) {
	data, err := app.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return value{}, nil
	}
	if err != nil {
		return value{}, fmt.Errorf("reading %s: %w", file, err)
	}
	url := firstLine(file, data, keyed("distributionUrl"))
	url.Text = strings.ReplaceAll(url.Text, `\`, "") // properties files escape colons
	return url, nil
}
