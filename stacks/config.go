package stacks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"s2i/lifecycle"
	"s2i/stacks/apt"
	"s2i/stacks/version"
)

// Config is stack.toml: what a stack should consist of.
type Config struct {
	Name        string             `toml:"name"`
	ID          string             `toml:"id"` // the stack id in labels
	Description string             `toml:"description"`
	Distro      lifecycle.Distro   `toml:"distro"`
	Arches      []string           `toml:"arches"` // GOARCH names, which Debian's equal for those we have
	Suites      []apt.Suite        `toml:"suites"`
	Exclude     []string           `toml:"exclude"` // never added as a dependency
	OSRelease   map[string]string  `toml:"os-release"`
	Run         []Set              `toml:"run"`   // smallest first
	Build       []Set              `toml:"build"` // the first is used
	Packages    map[string]Catalog `toml:"packages"`
	Families    []Family           `toml:"families"`
}

// Family stands for packages of the catalogue that differ in a part of their names only.
type Family struct {
	Name    string   `toml:"name"`    // with a "*" for the part: "php-*"
	Deb     string   `toml:"deb"`     // the Debian package: "php8.4-*"
	On      string   `toml:"on"`      // as Catalog.On
	Members []string `toml:"members"` // the parts
}

// Set is the base of an image.
type Set struct {
	Name string            `toml:"name"`
	Debs []string          `toml:"debs"`
	Drop []string          `toml:"drop"` // patterns of paths that stay out
	Env  map[string]string `toml:"env"`
}

// Catalog is one package of the catalogue. Without a provider it consists of Debian packages.
type Catalog struct {
	Build []string `toml:"build"` // Debian packages for the build image
	Run   []string `toml:"run"`   // Debian packages for the run image
	// VersionOf is the Debian package whose upstream version is that of the package.
	VersionOf string `toml:"version-of"`
	// Debs are version lines of Debian packages, by the name of the line, in place of the three above.
	Debs map[string]DebLine `toml:"debs"`
	// On is a package that this one needs below itself: it comes along, and what it has is not repeated.
	On string `toml:"on"`
	// Exclude are Debian packages that are not added as dependencies of this package.
	Exclude []string `toml:"exclude"`
	// Drop are patterns of paths that stay out of the package's layers.
	Drop []string `toml:"drop"`
	// Take are patterns of paths to add from packages of the base that leaves them out, by package.
	Take map[string][]string `toml:"take"`
	// Grammar says how versions are asked for: "npm", "go", "pep440", "maven", "java", "cargo", "gem", "composer".
	Grammar string `toml:"grammar"`

	Provider string   `toml:"provider"` // "npm", "goproxy", "pypi" or "maven"
	Targets  []string `toml:"targets"`  // the images that it can be in: "build", "run"
	Dest     string   `toml:"dest"`     // where it goes
	Lines    []string `toml:"lines"`    // the version lines that the lock pins the newest version of
	Default  string   `toml:"default"`  // the line to take when nothing is asked for
	// EvenMajors prefers even major versions, the long-term supported ones.
	EvenMajors bool `toml:"even-majors"`
	// EndOfLife and NotYet are lines that are not taken unless somebody asks for them.
	EndOfLife []string `toml:"end-of-life"`
	NotYet    []string `toml:"not-yet"`
	// Pins says what an exact version gives way to: "line", "minimum" or nothing.
	Pins string `toml:"pins"`
	// Nearest takes the oldest line that meets everything.
	Nearest bool `toml:"nearest"`
	// Tool is the name in S2I_<TOOL>_VERSION; empty means that of the package.
	Tool    string            `toml:"tool"`
	Aliases map[string]string `toml:"aliases"` // other names of version ranges

	NPM         map[string]string `toml:"npm"`          // name by architecture, or "any"; "berry": see stack.toml
	PyPI        string            `toml:"pypi"`         // Python project
	Maven       string            `toml:"maven"`        // Maven coordinates: group:name:classifier@extension
	HTTPS       string            `toml:"https"`        // distribution site of its maker, when there is no registry
	Module      string            `toml:"module"`       // Go module
	VersionForm string            `toml:"version-form"` // its version, with {version} and {arch}

	// Program is the one file to take of an npm package, or the command of an archive to link.
	Program string `toml:"program"`

	BuildPath []string          `toml:"build-path"` // goes before PATH in the build image
	BuildEnv  map[string]string `toml:"build-env"`
	RunEnv    map[string]string `toml:"run-env"`
	// Compatibility is the key that the run image gets in its compatibility label, with the value for the major version.
	Compatibility       string            `toml:"compatibility"`
	CompatibilityValues map[string]string `toml:"compatibility-values"`
	// CompatibilityParts makes the value of that many first parts of the version instead.
	CompatibilityParts int     `toml:"compatibility-parts"`
	Extra              []Extra `toml:"extra-debs"`
}

// DebLine is one version line of a package that consists of Debian packages.
type DebLine struct {
	Build     []string `toml:"build"`
	Run       []string `toml:"run"`
	VersionOf string   `toml:"version-of"`
}

// Extra are Debian packages that a package needs from a major version on.
type Extra struct {
	From string   `toml:"from"`
	Debs []string `toml:"debs"`
}

// The providers of packages that do not come from Debian.
const (
	providerNPM     = "npm"
	providerGoProxy = "goproxy"
	providerPyPI    = "pypi"
	providerMaven   = "maven"
	providerHTTPS   = "https" // only as the way out when a registry lacks a package
)

// The two images of a stack, as Catalog.Targets names them.
const (
	imageBuild = "build"
	imageRun   = "run"
)

func parseConfig(text []byte) (*Config, error) {
	var c Config
	meta, err := toml.Decode(string(text), &c)
	if err != nil {
		return nil, fmt.Errorf("reading stack.toml: %w", err)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, fmt.Errorf("reading stack.toml: key %q is not known", extra[0])
	}
	for _, f := range c.Families {
		f.expand(c.Packages)
	}
	return &c, c.check()
}

// expand adds the members of a family to the catalogue. An entry of its own goes before.
func (f Family) expand(catalogue map[string]Catalog) {
	for _, part := range f.Members {
		name, debs := strings.ReplaceAll(f.Name, "*", part), []string{strings.ReplaceAll(f.Deb, "*", part)}
		if _, ok := catalogue[name]; !ok {
			catalogue[name] = Catalog{Build: debs, Run: debs, VersionOf: debs[0], On: f.On}
		}
	}
}

func (c *Config) check() error {
	switch {
	case c.Name == "" || c.ID == "" || c.Distro.Name == "" || c.Distro.Version == "":
		return fmt.Errorf("reading stack.toml: name, id and distro must be set")
	case len(c.Run) == 0 || len(c.Build) == 0:
		return fmt.Errorf("reading stack.toml: it needs at least one [[run]] and one [[build]] set")
	case len(c.Suites) == 0 || len(c.Arches) == 0:
		return fmt.Errorf("reading stack.toml: suites and arches must be set")
	}
	for name, p := range c.Packages {
		if !slices.Contains([]string{"", providerNPM, providerGoProxy, providerPyPI, providerMaven}, p.Provider) {
			return fmt.Errorf("reading stack.toml: package %s has provider %q; npm, goproxy, pypi and maven are known",
				name, p.Provider)
		}
		if p.Provider != "" && (p.Default == "" || p.Dest == "" || len(p.Targets) == 0) {
			return fmt.Errorf("reading stack.toml: package %s needs default, dest and targets", name)
		}
		if g := p.grammar(); g != "" && !g.Known() {
			return fmt.Errorf("reading stack.toml: package %s has grammar %q, which is not known", name, p.Grammar)
		}
		if !slices.Contains([]string{"", string(version.ToLine), string(version.Upwards)}, p.Pins) {
			return fmt.Errorf("reading stack.toml: package %s has pins %q; line and minimum are known", name, p.Pins)
		}
		if len(p.Debs) > 0 && p.Debs[p.Default].VersionOf == "" {
			return fmt.Errorf("reading stack.toml: package %s needs a default among its lines, each with version-of", name)
		}
		if on, ok := c.Packages[p.On]; p.On != "" && (!ok || on.On != "" || len(on.Debs) > 0) {
			return fmt.Errorf("reading stack.toml: package %s is on %q, which is no package of Debian packages alone",
				name, p.On)
		}
	}
	return nil
}

// set finds a set of an image by name; the empty name is the first one.
func (c *Config) set(image, name string) (*Set, error) {
	list := c.Run
	if image == imageBuild {
		list = c.Build
	}
	for i := range list {
		if name == "" || list[i].Name == name {
			return &list[i], nil
		}
	}
	return nil, fmt.Errorf("looking for %s set %q: stack %s has no such set", image, name, c.Name)
}

// lines gives the version lines of a catalogue entry of Debian packages; one without lines is one, without a name.
func (p Catalog) lines() map[string]DebLine {
	if len(p.Debs) > 0 {
		return p.Debs
	}
	return map[string]DebLine{"": {p.Build, p.Run, p.VersionOf}}
}

// debs lists the Debian packages of a line for an image.
func (l DebLine) debs(image string) []string {
	if image == imageBuild {
		return l.Build
	}
	return l.Run
}

// lineName is the name that the lock has the closures of a package's line under.
func lineName(pkg, line string) string {
	if line == "" {
		return pkg
	}
	return pkg + "/" + line
}
