package rust

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// toolchainFiles are rustup's, in its order.
func toolchainFiles() []string { return []string{"rust-toolchain", "rust-toolchain.toml"} }

// toolchain is what a rust-toolchain file asks for.
type toolchain struct {
	Channel string
	Targets []string
	// Source is file:line of the channel.
	Source string
}

// plainVersion is a version of Rust in a channel; a host may follow it: "1.85.0-x86_64-unknown-linux-gnu".
var plainVersion = regexp.MustCompile(`^v?([0-9]+\.[0-9]+(?:\.[0-9]+)?)(?:-.*)?$`)

// readToolchain reads the rust-toolchain file, in either form; nil when there is none.
func readToolchain(app *kit.App) (*toolchain, error) {
	name := app.First(toolchainFiles()...)
	if name == "" {
		return nil, nil
	}
	data, err := app.Read(name)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(data))
	if !strings.ContainsAny(text, "[=\n") {
		return &toolchain{Channel: text, Source: name + ":1"}, nil
	}
	var file struct {
		Toolchain struct {
			Channel string
			Path    string
			Targets []string
		}
	}
	if err := parseTOML(name, data, &file); err != nil {
		return nil, err
	}
	t := &toolchain{Channel: file.Toolchain.Channel, Targets: file.Toolchain.Targets}
	t.Source = at(name, data, "toolchain", "channel")
	return t, nil
}

// version gives the version that a channel pins; "" for stable and for none. Nightly and beta toolchains are refused.
func (t *toolchain) version() (string, error) {
	if t == nil || t.Channel == "" || t.Channel == "stable" || strings.HasPrefix(t.Channel, "stable-") {
		return "", nil
	}
	if m := plainVersion.FindStringSubmatch(t.Channel); m != nil {
		return m[1], nil
	}
	return "", fmt.Errorf("%s asks for the toolchain %q, and there are only stable ones: "+
		"use channel = \"stable\" if the app builds with it", t.Source, t.Channel)
}

// editions gives the first version of Rust that knows an edition.
func editions() map[string]string {
	return map[string]string{"2018": "1.31", "2021": "1.56", "2024": "1.85"}
}

// lockVersions gives the first version of Rust whose cargo reads a version of Cargo.lock.
func lockVersions() map[int]string { return map[int]string{3: "1.53", 4: "1.78"} }

// versions gives everything that the app's files, and the user, say about the version of Rust.
func versions(app *kit.App, p *project, l *lock, env kit.Env) ([]kit.Constraint, error) {
	if v := env[envVersion]; v != "" {
		return []kit.Constraint{{Value: strings.TrimPrefix(v, "v"), Source: envVersion, Kind: kit.Override}}, nil
	}
	t, err := readToolchain(app)
	if err != nil {
		return nil, err
	}
	var all []kit.Constraint
	pin, err := t.version()
	if err != nil {
		return nil, err
	}
	if pin != "" {
		all = append(all, pinned(pin, t.Source)...)
	} else {
		all = append(all, toolFiles(app)...)
	}
	for _, m := range p.members {
		all = append(all, m.minimums(p.root)...)
	}
	if l != nil && lockVersions()[l.Version] != "" {
		all = append(all, kit.Constraint{Value: lockVersions()[l.Version], Kind: kit.Minimum,
			Source: fmt.Sprintf("%s:%d", cargoLock, l.VersionLine)})
	}
	return mostTelling(all), nil
}

// pinned makes of an exact version what it means: that one if it can be had, else a later one, since Rust is stable
// across versions; never an earlier one.
func pinned(v, source string) []kit.Constraint {
	return []kit.Constraint{
		{Value: "=" + v, Source: source, Kind: kit.Hint},
		{Value: v, Source: source, Kind: kit.Minimum},
	}
}

// toolFiles reads what version managers other than rustup know.
func toolFiles(app *kit.App) []kit.Constraint {
	for _, name := range []string{".rust-version", ".tool-versions", "mise.toml", ".mise.toml"} {
		if !app.Has(name) {
			continue
		}
		data, err := app.Read(name)
		if err != nil {
			continue
		}
		line := 0
		for text := range strings.Lines(string(data)) {
			line++
			if v := toolVersion(name, strings.TrimSpace(text)); v != "" {
				return pinned(v, fmt.Sprintf("%s:%d", name, line))
			}
		}
	}
	return nil
}

// toolVersion gives the version of Rust in a line of a version manager's file.
func toolVersion(file, line string) string {
	if file != ".rust-version" {
		fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("= \t\"'", r) })
		if len(fields) < 2 || fields[0] != "rust" {
			return ""
		}
		line = fields[1]
	}
	if m := plainVersion.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return ""
}

// minimums gives what a package's rust-version and edition ask for; both may be the workspace's.
func (m *member) minimums(root *member) (list []kit.Constraint) {
	add := func(key string, value any, toVersion func(string) string) {
		from, table := m, "package"
		if inherited(value) && root.Workspace != nil {
			from, table = root, "workspace.package"
			value = map[string]string{
				"rust-version": root.Workspace.Package.RustVersion, "edition": root.Workspace.Package.Edition,
			}[key]
		}
		text, _ := value.(string)
		if v := toVersion(text); v != "" {
			list = append(list, kit.Constraint{Value: v, Kind: kit.Minimum, Source: at(from.file(), from.Data, table, key)})
		}
	}
	add("rust-version", m.Package.RustVersion, func(v string) string {
		if found := plainVersion.FindStringSubmatch(v); found != nil {
			return found[1]
		}
		return ""
	})
	add("edition", m.Package.Edition, func(v string) string { return editions()[v] })
	return list
}

// mostTelling leaves out minimums that a higher one makes superfluous, so that a workspace of a hundred packages says
// what counts.
func mostTelling(all []kit.Constraint) []kit.Constraint {
	highest := ""
	for _, c := range all {
		if c.Kind == kit.Minimum && (highest == "" || compareVersions(c.Value, highest) > 0) {
			highest = c.Value
		}
	}
	var list []kit.Constraint
	done := false
	for _, c := range all {
		if c.Kind == kit.Minimum {
			if done || c.Value != highest {
				continue
			}
			done = true
		}
		list = append(list, c)
	}
	return list
}

// compareVersions compares dotted numbers of any length; missing parts are zero.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		if c := compareNumbers(part(x, i), part(y, i)); c != 0 {
			return c
		}
	}
	return 0
}

func part(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// compareNumbers compares decimal numbers as text, so that none is too long.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// wasmTarget is the only foreign target that is of use in an image: a frontend for browsers.
const wasmTarget = "wasm32-unknown-unknown"

// targetPackages gives the packages of the standard library for the targets that a rust-toolchain file lists.
func targetPackages(t *toolchain) []kit.Need {
	if t != nil && slices.Contains(t.Targets, wasmTarget) {
		return []kit.Need{{Name: "libstd-rust-web-dev-wasm32", Build: true, Version: kit.Constraint{Source: t.Source}}}
	}
	return nil
}
