package rust

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const cargoLock = "Cargo.lock"

// locked is one package of a Cargo.lock.
type locked struct {
	Name, Version string
	// Source is where it comes from: "registry+…", "git+…"; empty for the app's own packages.
	Source string
	// Line is where the package's entry starts, from 1.
	Line int
	// Dependencies are the names of the packages it depends on, all that are chosen by some feature.
	Dependencies []string
}

// lock is a Cargo.lock.
type lock struct {
	// Version is that of the format; 1 or 2 when the file does not say.
	Version int
	// VersionLine is where it stands.
	VersionLine int
	Packages    []*locked
	// byName are the packages by name.
	byName map[string][]*locked
}

// parseLock reads a Cargo.lock line by line, in the form in which cargo writes it: such files reach tens of megabytes.
// What it does not understand it skips; cargo is the judge of the file.
func parseLock(data []byte) *lock {
	l := &lock{Version: 1, byName: map[string][]*locked{}}
	var p *locked
	line, inList, other := 0, false, false
	for text := range strings.Lines(string(data)) {
		line++
		text = strings.TrimSpace(text)
		switch {
		case inList:
			inList = p.addDependency(text)
			continue
		case text == "[[package]]":
			p, other = &locked{Line: line}, false
			l.Packages = append(l.Packages, p)
			continue
		case strings.HasPrefix(text, "["):
			other = true // [metadata] or [[patch.unused]]
			continue
		}
		key, value, ok := strings.Cut(text, "=")
		if !ok || other {
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if p == nil {
			if n, err := strconv.Atoi(value); key == "version" && err == nil {
				l.Version, l.VersionLine = n, line
			}
			continue
		}
		inList = p.set(key, value)
	}
	for _, p := range l.Packages {
		l.byName[p.Name] = append(l.byName[p.Name], p)
	}
	return l
}

// set takes one key of a package; it tells that a list of dependencies goes on in the next lines.
func (p *locked) set(key, value string) (inList bool) {
	switch key {
	case "name":
		p.Name = unquote(value)
	case "version":
		p.Version = unquote(value)
	case "source":
		p.Source = unquote(value)
	case "dependencies":
		value = strings.TrimPrefix(value, "[")
		if value == "" {
			return true
		}
		for item := range strings.SplitSeq(strings.TrimSuffix(value, "]"), ",") {
			p.addDependency(item)
		}
	}
	return false
}

// addDependency takes one line of a list of dependencies: "serde", "serde 1.0.1", "serde 1.0.1 (registry+…)".
func (p *locked) addDependency(item string) (more bool) {
	item = strings.TrimSpace(item)
	if strings.HasPrefix(item, "]") {
		return false
	}
	name, _, _ := strings.Cut(unquote(strings.TrimSuffix(item, ",")), " ")
	if name != "" {
		p.Dependencies = append(p.Dependencies, name)
	}
	return true
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// has tells whether a package is in the lock.
func (l *lock) has(name string) bool { return len(l.byName[name]) > 0 }

// source gives file:line of a package.
func (p *locked) source() string { return fmt.Sprintf("%s:%d", cargoLock, p.Line) }

// users gives the names of the packages that depend on one.
func (l *lock) users(name string) []string {
	var names []string
	for _, p := range l.Packages {
		if slices.Contains(p.Dependencies, name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// differences lists what is not the same in two locks, one line each, at most as many as are asked for.
func differences(before, after *lock, most int) []string {
	key := func(p *locked) string { return p.Name + " " + p.Version + sourceKind(p.Source) }
	had, has := map[string]bool{}, map[string]bool{}
	for _, p := range before.Packages {
		had[key(p)] = true
	}
	for _, p := range after.Packages {
		has[key(p)] = true
	}
	var list []string
	for _, p := range after.Packages {
		if !had[key(p)] {
			list = append(list, "missing "+key(p))
		}
	}
	for _, p := range before.Packages {
		if !has[key(p)] {
			list = append(list, "not needed "+key(p))
		}
	}
	if len(list) == 0 {
		list = dependencyChanges(before, after)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > most {
		list = append(list[:most], fmt.Sprintf("and %d more", len(list)-most))
	}
	return list
}

// dependencyChanges lists packages that have other dependencies, when the packages are all the same.
func dependencyChanges(before, after *lock) (list []string) {
	for _, p := range after.Packages {
		for _, old := range before.byName[p.Name] {
			if old.Version == p.Version && !slices.Equal(old.Dependencies, p.Dependencies) {
				list = append(list, "other dependencies of "+p.Name)
			}
		}
	}
	return list
}

// sourceKind gives " (git)" and the like for what comes from no registry.
func sourceKind(source string) string {
	if kind, _, ok := strings.Cut(source, "+"); ok && kind != "registry" && kind != "sparse" {
		return " (" + kind + ")"
	}
	return ""
}
