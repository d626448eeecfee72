package rust

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"

	"s2i/buildpacks/kit"
)

// manifest is the part of a Cargo.toml that decides what is built. Values that a member may inherit from its workspace
// (version.workspace = true) are of any type.
type manifest struct {
	Package       *packageTable
	Workspace     *workspaceTable
	Bin           []binTable
	Lib           *libTable
	Features      map[string][]string
	Dependencies  map[string]any
	BuildDeps     map[string]any            `toml:"build-dependencies"`
	Target        map[string]map[string]any `toml:"target"`
	Profile       map[string]any
	CargoFeatures []string `toml:"cargo-features"`
}

type packageTable struct {
	Name        string
	DefaultRun  string `toml:"default-run"`
	RustVersion any    `toml:"rust-version"`
	Edition     any
	Autobins    *bool
	Metadata    map[string]any
}

type workspaceTable struct {
	Members        []string
	Exclude        []string
	DefaultMembers []string       `toml:"default-members"`
	Dependencies   map[string]any `toml:"dependencies"`
	Metadata       map[string]any
	Package        struct {
		RustVersion string `toml:"rust-version"`
		Edition     string
	}
}

type binTable struct {
	Name             string
	Path             string
	RequiredFeatures []string `toml:"required-features"`
}

type libTable struct {
	CrateType []string `toml:"crate-type"`
	ProcMacro bool     `toml:"proc-macro"`
}

// Bounds of what is parsed as TOML: the parser calls itself for every level of nesting.
const (
	maxTOML    = 4 << 20
	maxNesting = 200
)

var errNesting = errors.New("it is nested too deeply")

// parseTOML parses a file of the app.
func parseTOML(name string, data []byte, v any) error {
	if len(data) > maxTOML {
		return fmt.Errorf("parsing %s: %w (more than %d MiB)", name, kit.ErrTooLarge, maxTOML>>20)
	}
	if nesting(data) > maxNesting {
		return fmt.Errorf("parsing %s: %w", name, errNesting)
	}
	err := toml.Unmarshal(data, v)
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return fmt.Errorf("parsing %s:%d: %s", name, syntax.Position.Line, syntax.Message)
	}
	if err != nil {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	return nil
}

// nesting gives the most brackets that are ever open. Those in strings count too: it is a bound, not a parser.
func nesting(data []byte) int {
	depth, most := 0, 0
	for _, b := range data {
		switch b {
		case '[', '{':
			depth++
			most = max(most, depth)
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return most
}

// keyLine gives the line of a key in a table, from 1; 0 when it is not found where keys usually stand. A table is
// written "package", "workspace.package", "" for the top.
func keyLine(data []byte, table, key string) int {
	current, line := "", 0
	for text := range strings.Lines(string(data)) {
		line++
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "[") {
			current = strings.TrimSpace(strings.Trim(strings.SplitN(text, "#", 2)[0], "[] \t"))
			if current == table+"."+key {
				return line
			}
			continue
		}
		name := strings.TrimSpace(text[:max(0, strings.IndexByte(text, '='))])
		name = strings.Trim(name, `"'`)
		if current == table && (name == key || strings.HasPrefix(name, key+".")) {
			return line
		}
		if current == "" && name == table+"."+key {
			return line
		}
	}
	return 0
}

// at gives file:line of a key, or the file when the line is not known.
func at(file string, data []byte, table, key string) string {
	if line := keyLine(data, table, key); line > 0 {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return file
}

// inherited tells that a value is {workspace = true}.
func inherited(v any) bool {
	m, ok := v.(map[string]any)
	return ok && m["workspace"] == true
}

// tables gives all tables of dependencies that count for a build, with their names.
func (m *manifest) tables() map[string]map[string]any {
	all := map[string]map[string]any{"dependencies": m.Dependencies, "build-dependencies": m.BuildDeps}
	for target, t := range m.Target {
		for _, kind := range []string{"dependencies", "build-dependencies"} {
			if deps, ok := t[kind].(map[string]any); ok {
				all["target."+target+"."+kind] = deps
			}
		}
	}
	return all
}

// crateName gives the crate that a dependency names: it may be renamed by package = "…".
func crateName(key string, v any) string {
	if m, ok := v.(map[string]any); ok {
		if name, ok := m["package"].(string); ok {
			return name
		}
	}
	return key
}
