package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// drift gives the dependencies of the manifests that the lock file does not have as they are, for npm and yarn 1,
// which do not say so themselves or drown it. It only explains a failure, so what it cannot read it passes over.
func drift(p *project, m *manager) []string {
	if m.Lock == "" || m.Name == "pnpm" || m.Berry {
		return nil
	}
	data, err := p.app.Read(m.Lock)
	if err != nil {
		return nil
	}
	has := npmHas(data)
	if m.Name == "yarn" {
		has = yarnHas(data)
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
	return func(dir, name, spec string) bool {
		m := lock.Packages[strings.TrimPrefix(dir, ".")]
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
