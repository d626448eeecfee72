package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// drift gives the dependencies of the manifests that the lock file does not have as they are, for npm, yarn 1
// and bun, which do not say so themselves or drown it. It only explains a failure, so what it cannot read it passes over.
func drift(p *project, m *manager) []string {
	if m.Lock == "" || m.Name == "pnpm" || m.Berry || path.Ext(m.Lock) == ".lockb" {
		return nil
	}
	data, err := p.app.Read(m.Lock)
	if err != nil {
		return nil
	}
	has := npmHas(data)
	switch m.Name {
	case "yarn":
		has = yarnHas(data)
	case "bun":
		has = bunHas(data)
	}
	var missing []string
	for _, member := range p.all() {
		for _, deps := range []textMap{member.Dependencies, member.DevDependencies, member.OptionalDependencies} {
			for _, name := range sortedKeys(deps) {
				if p.byName(name) == nil && !has(member.Dir, name, deps[name]) {
					missing = append(missing, fmt.Sprintf("%s has %s %s", member.file(), name, deps[name]))
				}
			}
		}
	}
	return missing
}

// npmHas looks dependencies up in package-lock.json, which holds a copy of every manifest's since version 2.
func npmHas(data []byte) func(dir, name, spec string) bool {
	var lock struct {
		Packages map[string]manifest `json:"packages"`
	}
	if json.Unmarshal(data, &lock) != nil || lock.Packages == nil {
		return func(string, string, string) bool { return true }
	}
	return has(lock.Packages)
}

// trailingComma matches the commas before the end of an object or a list, which bun.lock has and JSON has not.
var trailingComma = regexp.MustCompile(`,(\s*[}\]])`)

// bunHas looks dependencies up in bun.lock, which holds a copy of every manifest's.
func bunHas(data []byte) func(dir, name, spec string) bool {
	var lock struct {
		Workspaces map[string]manifest `json:"workspaces"`
	}
	if json.Unmarshal(trailingComma.ReplaceAll(data, []byte("$1")), &lock) != nil || lock.Workspaces == nil {
		return func(string, string, string) bool { return true }
	}
	return has(lock.Workspaces)
}

// has looks dependencies up in copies of manifests, which are listed by directory.
func has(manifests map[string]manifest) func(dir, name, spec string) bool {
	return func(dir, name, spec string) bool {
		m := manifests[strings.TrimPrefix(dir, ".")]
		for _, deps := range []textMap{m.Dependencies, m.DevDependencies, m.OptionalDependencies} {
			if deps[name] == spec {
				return true
			}
		}
		return false
	}
}

// yarnHas looks dependencies up in a yarn.lock of version 1, whose entries begin with all that they stand for:
// `a@^1.0.0, "a@>= 1.2":`.
func yarnHas(data []byte) func(dir, name, spec string) bool {
	entries := map[string]bool{}
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		text, ok := strings.CutSuffix(strings.TrimRight(string(line), "\r"), ":")
		if !ok || text == "" || text[0] == ' ' || text[0] == '#' {
			continue
		}
		for entry := range strings.SplitSeq(text, ", ") {
			entries[strings.Trim(entry, `"`)] = true
		}
	}
	return func(_, name, spec string) bool {
		return entries[name+"@"+spec] || strings.HasPrefix(spec, "file:") || strings.HasPrefix(spec, "link:")
	}
}
