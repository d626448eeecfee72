package stacks

import (
	"fmt"
	"slices"

	"github.com/BurntSushi/toml"

	"s2i/lifecycle"
	"s2i/stacks/apt"
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

	Provider string   `toml:"provider"` // "npm" or "goproxy"
	Targets  []string `toml:"targets"`  // the images that it can be in: "build", "run"
	Dest     string   `toml:"dest"`     // where it goes
	Lines    []string `toml:"lines"`    // the version lines that the lock pins the newest version of
	Default  string   `toml:"default"`  // the line to take when nothing is asked for
	// EvenMajors prefers even major versions, the long-term supported ones.
	EvenMajors bool              `toml:"even-majors"`
	Aliases    map[string]string `toml:"aliases"` // other names of version ranges

	NPM         map[string]string `toml:"npm"`          // name by architecture, or "any"; "berry": see stack.toml
	HTTPS       string            `toml:"https"`        // distribution site of its maker, when there is no registry
	Module      string            `toml:"module"`       // Go module
	VersionForm string            `toml:"version-form"` // its version, with {version} and {arch}

	BuildPath []string          `toml:"build-path"` // goes before PATH in the build image
	BuildEnv  map[string]string `toml:"build-env"`
	// Compatibility is the key that the run image gets in its compatibility label, with the value for the major version.
	Compatibility       string            `toml:"compatibility"`
	CompatibilityValues map[string]string `toml:"compatibility-values"`
	Extra               []Extra           `toml:"extra-debs"`
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
	return &c, c.check()
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
		if !slices.Contains([]string{"", providerNPM, providerGoProxy}, p.Provider) {
			return fmt.Errorf("reading stack.toml: package %s has provider %q; npm and goproxy are known", name, p.Provider)
		}
		if p.Provider != "" && (p.Default == "" || p.Dest == "" || len(p.Targets) == 0) {
			return fmt.Errorf("reading stack.toml: package %s needs default, dest and targets", name)
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

// debs lists the Debian packages of a catalogue entry for an image.
func (c Catalog) debs(image string) []string {
	if image == imageBuild {
		return c.Build
	}
	return c.Run
}
