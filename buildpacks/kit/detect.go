package kit

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/buildpacks/libcnb/v2"
)

// Fail ends detection without a match. The reason becomes the last line of output, which is what a platform shows; it
// reads well after the buildpack's name: "no go.mod in the app". Line breaks in it become semicolons.
func Fail(ctx libcnb.DetectContext, format string, a ...any) (libcnb.DetectResult, error) {
	reason := strings.Join(strings.FieldsFunc(fmt.Sprintf(format, a...), func(r rune) bool { return r == '\n' }), "; ")
	Say(ctx.Logger, "%s", reason)
	return libcnb.DetectResult{}, nil
}

// Constraint is what a file of the app, or the user, says about a version.
type Constraint struct {
	// Value is the constraint as the ecosystem writes it: "1.24.3" in a go.mod, ">=20 <23" in a package.json.
	Value string
	// Source is where it stands, as file:line, or the name of an environment variable.
	Source string
	// Kind tells how binding it is; empty means Range.
	Kind Kind
}

// Kind is how binding a constraint is.
type Kind string

// The kinds of constraints.
const (
	// Range must be met.
	Range Kind = ""
	// Override is the user's word for this build; it counts alone, in place of what the files say.
	Override Kind = "override"
	// Minimum is met by the version named and by every later one: the go line of a go.mod, rust-version.
	Minimum Kind = "minimum"
	// Hint is what a tool's own file recommends to developers (.nvmrc, .python-version). It counts as long as there is such
	// a version; where there is none it gives way, unless the user asked for strictness.
	Hint Kind = "hint"
)

// String gives the constraint and where it comes from.
func (c Constraint) String() string {
	if c.Source == "" {
		return c.Value
	}
	return c.Value + " (" + c.Source + ")"
}

// Need is one requirement of a build plan: a package of the stack.
type Need struct {
	Name string
	// Version is left out of the plan when its Value is empty: any version will do.
	Version Constraint
	// Build and Launch tell in which image the package is needed.
	Build, Launch bool
}

// Require gives the need as a build plan has it.
func (n Need) Require() libcnb.BuildPlanRequire {
	meta := map[string]any{}
	if n.Version.Value != "" {
		meta["version"] = n.Version.Value
		meta["version-source"] = n.Version.Source
		if n.Version.Kind != Range {
			meta["version-kind"] = string(n.Version.Kind)
		}
	}
	if n.Build {
		meta["build"] = true
	}
	if n.Launch {
		meta["launch"] = true
	}
	return libcnb.BuildPlanRequire{Name: n.Name, Metadata: meta}
}

// Environment variables that add packages of the stack to any build, separated by spaces or commas.
const (
	EnvBuildPackages = "S2I_BUILD_PACKAGES"
	EnvRunPackages   = "S2I_RUN_PACKAGES"
)

// packageName is the grammar of Debian package names (policy §5.6.1), which the stack's own names follow too.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// Extra gives the packages that the user adds by S2I_BUILD_PACKAGES and S2I_RUN_PACKAGES, for system libraries that no
// file of the app names. Words that cannot be package names are returned as bad.
func Extra(env Env) (needs []Need, bad []string) {
	for _, name := range Fields(env[EnvBuildPackages]) {
		needs = append(needs, Need{Name: name, Build: true})
	}
	for _, name := range Fields(env[EnvRunPackages]) {
		needs = append(needs, Need{Name: name, Launch: true})
	}
	for _, n := range needs {
		if !packageName.MatchString(n.Name) {
			bad = append(bad, n.Name)
		}
	}
	return needs, bad
}

// Fields splits a list that a user wrote with spaces or commas.
func Fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}
