package stacks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"s2i/stacks/apt"
)

// Change is one difference between two locks.
type Change struct {
	Arch string `json:"arch"` // "" for what is the same for all
	Kind string `json:"kind"` // "deb" or "tool"
	Name string `json:"name"`
	Old  string `json:"old,omitempty"` // version; "" when it is new
	New  string `json:"new,omitempty"` // version; "" when it is gone
}

// String is one line: "amd64 libc6 2.41-12 → 2.41-13".
func (c Change) String() string {
	what := strings.TrimSpace(c.Arch + " " + c.Name)
	switch {
	case c.Old == "":
		return fmt.Sprintf("+ %s %s", what, c.New)
	case c.New == "":
		return fmt.Sprintf("- %s %s", what, c.Old)
	case c.Kind == "deb" && apt.CompareVersions(c.New, c.Old) < 0:
		return fmt.Sprintf("  %s %s → %s (older)", what, c.Old, c.New)
	default:
		return fmt.Sprintf("  %s %s → %s", what, c.Old, c.New)
	}
}

// Diff tells what changed from one lock to another, sorted by architecture and name.
func Diff(old, now *Lock) []Change {
	var list []Change
	arches := map[string]bool{}
	for a := range old.Arches {
		arches[a] = true
	}
	for a := range now.Arches {
		arches[a] = true
	}
	for _, arch := range sortedKeys(arches) {
		list = append(list, compare(arch, "deb", debVersions(old.Arches[arch]), debVersions(now.Arches[arch]))...)
	}
	return append(list, compare("", "tool", toolLines(old), toolLines(now))...)
}

func compare(arch, kind string, old, now map[string]string) []Change {
	var list []Change
	for name, v := range old {
		if now[name] != v {
			list = append(list, Change{arch, kind, name, v, now[name]})
		}
	}
	for name, v := range now {
		if _, ok := old[name]; !ok {
			list = append(list, Change{arch, kind, name, "", v})
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func debVersions(a *ArchLock) map[string]string {
	m := map[string]string{}
	if a != nil {
		for _, d := range a.Debs {
			m[d.Name] = d.Version
		}
	}
	return m
}

// toolLines gives the pinned versions by package, newest first, as one text.
func toolLines(l *Lock) map[string]string {
	m := map[string]string{}
	for name, list := range l.Tools {
		m[name] = strings.Join(toolVersions(list), " ")
	}
	return m
}
