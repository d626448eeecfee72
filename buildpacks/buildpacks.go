package buildpacks

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/golang"
	"s2i/buildpacks/node"
	"s2i/buildpacks/procfile"
)

// Buildpack is a built-in buildpack.
type Buildpack struct {
	// ID and Version are those of the descriptor.
	ID, Version string
	// Descriptor is the text of buildpack.toml.
	Descriptor []byte
	// Detect and Build are the two phases (buildpack §Detection, §Build).
	Detect libcnb.DetectFunc
	Build  libcnb.BuildFunc
}

// All gives the built-in buildpacks, sorted by ID. In what order they are tried is the builder's affair.
func All() []Buildpack {
	return []Buildpack{
		{ID: "s2i/go", Version: golang.Version, Descriptor: golang.Descriptor(), Detect: golang.Detect, Build: golang.Build},
		{ID: "s2i/node", Version: node.Version, Descriptor: node.Descriptor(), Detect: node.Detect, Build: node.Build},
		{ID: "s2i/procfile", Version: procfile.Version, Descriptor: procfile.Descriptor(),
			Detect: procfile.Detect, Build: procfile.Build},
	}
}

// Find gives the built-in buildpack with this ID.
func Find(id string) (Buildpack, error) {
	var ids []string
	for _, b := range All() {
		if b.ID == id {
			return b, nil
		}
		ids = append(ids, b.ID)
	}
	return Buildpack{}, fmt.Errorf("no built-in buildpack %q: there are %s", id, strings.Join(ids, ", "))
}

// Info parses the descriptor.
func (b Buildpack) Info() (libcnb.Buildpack, error) {
	var info libcnb.Buildpack
	if err := toml.Unmarshal(b.Descriptor, &info); err != nil {
		return info, fmt.Errorf("parsing buildpack.toml of %s: %w", b.ID, err)
	}
	return info, nil
}

// Dir is the buildpack's directory below a directory of buildpacks such as /cnb/buildpacks: <escaped id>/<version>.
func (b Buildpack) Dir() string { return strings.ReplaceAll(b.ID, "/", "_") + "/" + b.Version }
