package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/BurntSushi/toml"

	"s2i/lifecycle"
)

// readDescriptor reads the tree's project.toml, or the file at path when one is given; nil when there is none.
func readDescriptor(root *os.Root, path string) (*lifecycle.ProjectDescriptor, error) {
	name, read := path, readFileBounded
	if path == "" {
		name, read = "project.toml", func(name string) ([]byte, error) { return readBounded(root, name) }
	}
	data, err := read(name)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		var d *lifecycle.ProjectDescriptor
		if d, err = ParseDescriptor(data); err == nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("reading the project descriptor %s: %w", name, err)
}

func readFileBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pathCause(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRulesFile+1))
	if err == nil && len(data) > maxRulesFile {
		err = fmt.Errorf("it is larger than %d bytes", maxRulesFile)
	}
	return data, err
}

// ParseDescriptor reads project.toml in any schema from 0.1 to 0.3. Unknown keys are allowed, because the file is
// shared with other tools.
func ParseDescriptor(data []byte) (*lifecycle.ProjectDescriptor, error) {
	var head struct {
		Underscore struct {
			Schema string `toml:"schema-version"`
		} `toml:"_"`
		IO *struct{} `toml:"io"`
	}
	meta, err := toml.Decode(string(data), &head)
	if err != nil {
		return nil, tomlError(err)
	}
	schema := head.Underscore.Schema
	if schema == "" {
		schema = "0.1"
		if meta.IsDefined("_") || meta.IsDefined("io") {
			schema = "0.2" // these tables do not exist in 0.1
		}
	}
	var d *lifecycle.ProjectDescriptor
	switch schema {
	case "0.1":
		d, err = parseDescriptor1(data)
	case "0.2", "0.3":
		d, err = parseDescriptor2(data)
	default:
		return nil, fmt.Errorf("its schema-version %q is none of 0.1, 0.2, 0.3", schema)
	}
	if err != nil {
		return nil, err
	}
	d.Schema = schema
	return d, checkDescriptor(d)
}

func tomlError(err error) error {
	var parse toml.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("line %d: %s", parse.Position.Line, parse.Message)
	}
	return err
}

func parseDescriptor1(data []byte) (*lifecycle.ProjectDescriptor, error) {
	var f struct {
		Project struct {
			ID, Name, Version string
			Authors           []string
			Licenses          []lifecycle.License
			Documentation     string `toml:"documentation-url"`
			Source            string `toml:"source-url"`
		}
		Build struct {
			Builder          string
			Include, Exclude []string
			Buildpacks       []lifecycle.ProjectBuildpack
			Env              []lifecycle.ProjectEnv
		}
		Metadata map[string]any
	}
	if _, err := toml.Decode(string(data), &f); err != nil {
		return nil, tomlError(err)
	}
	p, b := f.Project, f.Build
	return &lifecycle.ProjectDescriptor{
		ID: p.ID, Name: p.Name, Version: p.Version, Authors: p.Authors, Licenses: p.Licenses,
		DocumentationURL: p.Documentation, SourceURL: p.Source, Metadata: f.Metadata,
		Builder: b.Builder, Include: b.Include, Exclude: b.Exclude, Group: b.Buildpacks, Env: b.Env,
	}, nil
}

func parseDescriptor2(data []byte) (*lifecycle.ProjectDescriptor, error) {
	type group struct{ Group []lifecycle.ProjectBuildpack }
	var f struct {
		Underscore struct {
			ID, Name, Version string
			Authors           []string
			Licenses          []lifecycle.License
			Documentation     string `toml:"documentation-url"`
			Source            string `toml:"source-url"`
			Metadata          map[string]any
		} `toml:"_"`
		IO struct {
			Buildpacks struct {
				Builder          string
				Include, Exclude []string
				Group            []lifecycle.ProjectBuildpack
				Pre, Post        group
				Build            struct{ Env []lifecycle.ProjectEnv }
				Env              struct{ Build []lifecycle.ProjectEnv } // how early files of 0.2 write build.env
			}
		}
	}
	if _, err := toml.Decode(string(data), &f); err != nil {
		return nil, tomlError(err)
	}
	p, b := f.Underscore, f.IO.Buildpacks
	return &lifecycle.ProjectDescriptor{
		ID: p.ID, Name: p.Name, Version: p.Version, Authors: p.Authors, Licenses: p.Licenses,
		DocumentationURL: p.Documentation, SourceURL: p.Source, Metadata: p.Metadata,
		Builder: b.Builder, Include: b.Include, Exclude: b.Exclude,
		Group: b.Group, Pre: b.Pre.Group, Post: b.Post.Group, Env: append(b.Env.Build, b.Build.Env...),
	}, nil
}

// checkDescriptor holds the specification's rules about what goes together.
func checkDescriptor(d *lifecycle.ProjectDescriptor) error {
	if len(d.Include) > 0 && len(d.Exclude) > 0 {
		return errors.New("it has both include and exclude; only one of them can be given")
	}
	for _, l := range d.Licenses {
		if l.Type == "" && l.URI == "" {
			return errors.New("a license has neither type nor uri")
		}
	}
	for _, list := range [][]lifecycle.ProjectBuildpack{d.Group, d.Pre, d.Post} {
		for i, b := range list {
			switch {
			case b.ID == "" && b.URI == "" && b.Script == nil:
				return fmt.Errorf("buildpack %d of a group has neither id nor uri nor script", i+1)
			case b.URI != "" && b.Version != "":
				return fmt.Errorf("the buildpack %q has both uri and version; the version is part of what is at the uri", b.URI)
			case b.Script != nil && (b.Script.API == "" || b.Script.Inline == ""):
				return fmt.Errorf("the inline buildpack %q needs script.api and script.inline", b.ID)
			}
		}
	}
	for _, e := range d.Env {
		if e.Name == "" {
			return errors.New("a build environment variable has no name")
		}
	}
	return nil
}
