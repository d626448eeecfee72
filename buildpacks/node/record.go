package node

import (
	"fmt"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// id is the buildpack's.
const id = "s2i/node"

// record tells the decision.
func (d *decision) record(env kit.Env) kit.Record {
	r := kit.Record{Summary: d.line(env), Starts: d.candidates, Hosts: d.hosts(), Warnings: d.warnings()}
	fact := func(topic, source, format string, a ...any) {
		r.Facts = append(r.Facts, kit.Fact{Topic: topic, Text: fmt.Sprintf(format, a...), Source: source})
	}
	if n := len(d.project.members); n > 0 {
		fact("files", "", "%d packages in workspaces; the one that is started is in %s", n, d.main.Dir)
	}
	if f := d.framework; f != nil {
		fact("framework", f.Source, "%s", f.Name)
		r.Facts = append(r.Facts, f.Facts...)
	}
	if d.installs() {
		fact("packages", d.manager.source(), "%s, because %s", strings.TrimSpace(d.manager.Name+" "+d.manager.Version.Value),
			d.manager.Why)
		if d.manager.Lock != "" {
			fact("lock", d.manager.Lock, "the packages are exactly those of %s", d.manager.Lock)
		}
	}
	if d.native.Why != "" {
		fact("native", "", "compilers are needed: %s", d.native.Why)
	}
	for _, t := range d.tasks() {
		fact("build", t.at(), "%s: %s", t.Script, t.text())
	}
	if f := d.framework; f != nil && f.Site != nil {
		fact("output", f.Source, "static files in %s, served without Node.js", f.siteRoot())
	}
	return r
}

// source is where the choice of the manager stands.
func (m *manager) source() string {
	if m.Version.Source != "" {
		return m.Version.Source
	}
	return m.Lock
}

// line is the decision in one line.
func (d *decision) line(env kit.Env) string {
	var b strings.Builder
	versions := []string{"any version"}
	for i, v := range nodeVersions(d.project, d.main, env) {
		versions = append(versions[:i], v.String())
	}
	fmt.Fprintf(&b, "Node.js, %s", strings.Join(versions, " and "))
	if d.framework != nil {
		fmt.Fprintf(&b, ", %s", d.framework.Name)
	}
	if d.installs() {
		fmt.Fprintf(&b, ", %s because %s", d.manager.Name, d.manager.Why)
	}
	switch web := d.starts[kit.DefaultType]; {
	case web != nil:
		fmt.Fprintf(&b, "; %s starts %s", kit.DefaultType, web.Text)
	case d.site() != nil:
		fmt.Fprintf(&b, "; %s serves the files in %s", kit.DefaultType, d.framework.siteRoot())
	}
	return b.String()
}

// warnings are what the user should change.
func (d *decision) warnings() []string {
	var list []string
	if d.installs() && d.manager.Lock == "" {
		list = append(list, fmt.Sprintf("there is no lock file, so the versions of packages are whatever is newest: "+
			"commit one (%s install, or s2i build --write-lock)", d.manager.Name))
	}
	if d.framework != nil {
		list = append(list, d.framework.Warnings...)
	}
	return list
}

// dependency looks a direct dependency up: the field that has it, "" when none has, and the version that is asked for.
func (m *manifest) dependency(name string) (field, spec string) {
	for _, f := range []struct {
		name string
		deps textMap
	}{{"dependencies", m.Dependencies}, {"devDependencies", m.DevDependencies}, {"optionalDependencies", m.OptionalDependencies}} {
		if spec, ok := f.deps[name]; ok {
			return f.name, spec
		}
	}
	return "", ""
}

// majorOf gives the first number of a version constraint, -1 when there is none.
func majorOf(spec string) int {
	i := strings.IndexFunc(spec, func(r rune) bool { return r >= '0' && r <= '9' })
	if i < 0 {
		return -1
	}
	n := 0
	for _, c := range spec[i:] {
		if c < '0' || c > '9' || n > 1<<20 {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// rank puts the best candidates first and the chosen one before all.
func rank(list []kit.Start) []kit.Start {
	slices.SortStableFunc(list, func(a, b kit.Start) int {
		if a.Type != b.Type {
			if a.Type == kit.DefaultType {
				return -1
			}
			if b.Type == kit.DefaultType {
				return 1
			}
			return strings.Compare(a.Type, b.Type)
		}
		if a.Chosen != b.Chosen {
			if a.Chosen {
				return -1
			}
			return 1
		}
		return b.Score - a.Score
	})
	return list
}
