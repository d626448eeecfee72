package node

import (
	"regexp"
	"strings"

	"s2i/buildpacks/kit"
)

// envVersion is the user's own choice of the version of Node.
const envVersion = "S2I_NODE_VERSION"

// nodeVersions gives everything that the app says about the version of Node. All of it holds at once; the user's own
// choice holds alone.
func nodeVersions(p *project, main *member, env kit.Env) []kit.Constraint {
	if v := env[envVersion]; v != "" {
		return constraint(v, envVersion, kit.Override)
	}
	var all []kit.Constraint
	members := []*member{p.root}
	if main != p.root {
		members = append(members, main)
	}
	for _, m := range members {
		all = append(all, constraint(m.Volta["node"], m.at("volta", "node"), kit.Hint)...)
		all = append(all, constraint(m.Engines["node"], m.at("engines", "node"), kit.Range)...)
		for _, e := range m.DevEngines.Runtime {
			if e.Name == "node" {
				all = append(all, constraint(string(e.Version), m.at("devEngines"), kit.Hint)...)
			}
		}
	}
	for _, file := range []string{".nvmrc", ".node-version"} {
		if data, err := p.app.Read(file); err == nil {
			line, number := firstLine(string(data))
			all = append(all, constraint(line, file+":"+number, kit.Hint)...)
		}
	}
	if data, err := p.app.Read(".tool-versions"); err == nil {
		if v, number := toolVersion(string(data)); v != "" {
			all = append(all, constraint(v, ".tool-versions:"+number, kit.Hint)...)
		}
	}
	if v, line := miseVersion(p.app); v != "" {
		all = append(all, constraint(v, line, kit.Hint)...)
	}
	return dedupe(all)
}

// miseVersion finds the version of Node in mise's configuration: node = "22" below [tools].
func miseVersion(app *kit.App) (version, source string) {
	file := app.First("mise.toml", ".mise.toml", ".config/mise.toml")
	if file == "" {
		return "", ""
	}
	data, err := app.Read(file)
	if err != nil {
		return "", ""
	}
	in, n := false, 0
	for l := range strings.SplitSeq(string(data), "\n") {
		n++
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "[") {
			in = strings.HasPrefix(l, "[tools]")
			continue
		}
		key, value, ok := strings.Cut(l, "=")
		if name := strings.Trim(strings.TrimSpace(key), `"'`); in && ok && (name == "node" || name == "nodejs") {
			return strings.Trim(yamlScalar(value), `"'`), file + ":" + itoa(n)
		}
	}
	return "", ""
}

// dedupe leaves out constraints that say the same twice.
func dedupe(all []kit.Constraint) []kit.Constraint {
	var list []kit.Constraint
	seen := map[string]bool{}
	for _, c := range all {
		if !seen[c.Value] {
			seen[c.Value] = true
			list = append(list, c)
		}
	}
	return list
}

// ltsMajors are the code names of the lines with long-term support, which .nvmrc may use.
func ltsMajors() map[string]string {
	return map[string]string{
		"argon": "4", "boron": "6", "carbon": "8", "dubnium": "10", "erbium": "12", "fermium": "14", "gallium": "16",
		"hydrogen": "18", "iron": "20", "jod": "22", "krypton": "24",
	}
}

// anyVersion matches the words for "the newest"; which that is, is the stack's decision.
var anyVersion = regexp.MustCompile(`^(\*|x|node|latest|current|stable|lts|lts/\*|lts/-[0-9]+|--lts)?$`)

// constraint normalises what a file says. It gives nothing when any version will do.
func constraint(value, source string, kind kit.Kind) []kit.Constraint {
	value = strings.ToLower(strings.TrimSpace(value))
	if anyVersion.MatchString(value) {
		return nil
	}
	if major, ok := ltsMajors()[strings.TrimPrefix(value, "lts/")]; ok {
		value = major
	}
	if len(value) > 1 && value[0] == 'v' && value[1] >= '0' && value[1] <= '9' {
		value = value[1:]
	}
	return []kit.Constraint{{Value: value, Source: source, Kind: kind}}
}

// firstLine gives the first line that is neither blank nor a comment, and its number.
func firstLine(text string) (line, number string) {
	n := 0
	for l := range strings.SplitSeq(text, "\n") {
		n++
		l, _, _ = strings.Cut(l, "#")
		if l = strings.TrimSpace(l); l != "" {
			return l, itoa(n)
		}
	}
	return "", "1"
}

// toolVersion finds the version of Node in a .tool-versions file.
func toolVersion(text string) (version, number string) {
	n := 0
	for l := range strings.SplitSeq(text, "\n") {
		n++
		fields := strings.Fields(l)
		if len(fields) > 1 && (fields[0] == "nodejs" || fields[0] == "node") {
			return fields[1], itoa(n)
		}
	}
	return "", ""
}
