package buildpacks

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/deno"
	"s2i/buildpacks/golang"
	"s2i/buildpacks/java"
	"s2i/buildpacks/node"
	"s2i/buildpacks/other"
	"s2i/buildpacks/php"
	"s2i/buildpacks/prebuilt"
	"s2i/buildpacks/procfile"
	"s2i/buildpacks/python"
	"s2i/buildpacks/ruby"
	"s2i/buildpacks/rust"
	"s2i/buildpacks/static"
	"s2i/buildpacks/staticserver"
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
		{ID: "s2i/deno", Version: deno.Version, Descriptor: deno.Descriptor(), Detect: deno.Detect, Build: deno.Build},
		{ID: node.FrontendID, Version: node.Version, Descriptor: node.FrontendDescriptor(),
			Detect: node.DetectFrontend, Build: node.BuildFrontend},
		{ID: "s2i/go", Version: golang.Version, Descriptor: golang.Descriptor(), Detect: golang.Detect, Build: golang.Build},
		{ID: "s2i/java", Version: java.Version, Descriptor: java.Descriptor(), Detect: java.Detect, Build: java.Build},
		{ID: "s2i/node", Version: node.Version, Descriptor: node.Descriptor(), Detect: node.Detect, Build: node.Build},
		{ID: other.ID, Version: other.Version, Descriptor: other.Descriptor(), Detect: other.Detect, Build: other.Build},
		{ID: php.ID, Version: php.Version, Descriptor: php.Descriptor(), Detect: php.Detect, Build: php.Build},
		{ID: "s2i/prebuilt", Version: prebuilt.Version, Descriptor: prebuilt.Descriptor(),
			Detect: prebuilt.Detect, Build: prebuilt.Build},
		{ID: "s2i/procfile", Version: procfile.Version, Descriptor: procfile.Descriptor(),
			Detect: procfile.Detect, Build: procfile.Build},
		{ID: python.ID, Version: python.Version, Descriptor: python.Descriptor(), Detect: python.Detect, Build: python.Build},
		{ID: ruby.ID, Version: ruby.Version, Descriptor: ruby.Descriptor(), Detect: ruby.Detect, Build: ruby.Build},
		{ID: "s2i/rust", Version: rust.Version, Descriptor: rust.Descriptor(), Detect: rust.Detect, Build: rust.Build},
		{ID: static.ID, Version: static.Version, Descriptor: static.Descriptor(), Detect: static.Detect, Build: static.Build},
		{ID: staticserver.ID, Version: staticserver.Version, Descriptor: staticserver.Descriptor(),
			Detect: staticserver.Detect, Build: staticserver.Build},
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
