package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Buildpack is buildpack.toml or extension.toml (buildpack §buildpack.toml).
type Buildpack struct {
	API  string        `toml:"api"`
	Info BuildpackInfo `toml:"buildpack"`
	// Extension holds the same table when the file is extension.toml.
	Extension BuildpackInfo  `toml:"extension,omitempty"`
	Targets   []Target       `toml:"targets,omitempty"`
	Stacks    []StackID      `toml:"stacks,omitempty"`
	Order     Order          `toml:"order,omitempty"`
	Metadata  map[string]any `toml:"metadata,omitempty"`
	// Dir is where the file was read from, the buildpack's root. It is no part of the file.
	Dir string `toml:"-"`
}

// BuildpackInfo is the [buildpack] table.
type BuildpackInfo struct {
	ID          string    `toml:"id" json:"id"`
	Name        string    `toml:"name,omitempty" json:"name,omitempty"`
	Version     string    `toml:"version" json:"version"`
	Homepage    string    `toml:"homepage,omitempty" json:"homepage,omitempty"`
	Description string    `toml:"description,omitempty" json:"description,omitempty"`
	Keywords    []string  `toml:"keywords,omitempty" json:"keywords,omitempty"`
	Licenses    []License `toml:"licenses,omitempty" json:"licenses,omitempty"`
	// ClearEnv keeps the user's environment out of bin/detect and bin/build.
	ClearEnv    bool     `toml:"clear-env,omitempty" json:"clear-env,omitempty"`
	SBOMFormats []string `toml:"sbom-formats,omitempty" json:"sbom-formats,omitempty"`
	ExecEnv     ExecEnvs `toml:"exec-env,omitempty" json:"exec-env,omitempty"`
}

// License is one entry of [[buildpack.licenses]].
type License struct {
	Type string `toml:"type,omitempty" json:"type,omitempty"`
	URI  string `toml:"uri,omitempty" json:"uri,omitempty"`
}

// StackID is an entry of the deprecated [[stacks]]: "*" means any.
type StackID struct {
	ID     string   `toml:"id"`
	Mixins []string `toml:"mixins,omitempty"`
}

// IsExtension tells whether the file describes an image extension.
func (b Buildpack) IsExtension() bool { return b.Extension.ID != "" }

// About gives the table that describes the module, whichever kind it is.
func (b Buildpack) About() BuildpackInfo {
	if b.IsExtension() {
		return b.Extension
	}
	return b.Info
}

// IsComposite tells whether the buildpack is only an order of others.
func (b Buildpack) IsComposite() bool { return len(b.Order) > 0 }

// Element gives the buildpack as it is named in a group.
func (b Buildpack) Element() GroupElement {
	info := b.About()
	return GroupElement{ID: info.ID, Version: info.Version, API: b.API, Homepage: info.Homepage,
		Extension: b.IsExtension()}
}

// SupportedTargets gives what the module can run on: its targets, else what its stacks stand for, else any
// architecture of Linux (buildpack §Targets). It is empty only for a composite buildpack, which does not run.
func (b Buildpack) SupportedTargets() []Target {
	if len(b.Targets) > 0 || b.IsComposite() {
		return b.Targets
	}
	api, _ := ParseAPI(b.API)
	var out []Target
	for _, s := range b.Stacks {
		switch {
		case s.ID == "*":
			out = append(out, Target{})
		case s.ID == "io.buildpacks.stacks.bionic" && (api.AtLeast(0, 10) || len(b.Stacks) == 1):
			out = append(out, Target{OS: "linux", Arch: "amd64", Distros: []Distro{{Name: "ubuntu", Version: "18.04"}}})
		}
	}
	if len(out) == 0 {
		out = []Target{{OS: "linux"}}
	}
	return out
}

// Supports tells whether the module can run on an image of target on.
func (b Buildpack) Supports(on Target) bool {
	for _, t := range b.SupportedTargets() {
		if t.Matches(on) {
			return true
		}
	}
	return b.IsComposite()
}

// EscapedID is the ID as a directory name: the specification replaces "/" with "_".
func EscapedID(id string) string { return strings.ReplaceAll(id, "/", "_") }

// ModuleDir is where a buildpack or extension is installed below BuildpacksDir or ExtensionsDir.
func ModuleDir(root string, e GroupElement) string {
	return filepath.Join(root, EscapedID(e.ID), filepath.Base(filepath.Clean("/"+e.Version)))
}

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

// CheckID tells what is wrong with the ID of a buildpack or extension. IDs become directory names, so this also keeps
// them inside their directory.
func CheckID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("a buildpack has no id")
	case strings.Trim(id, idLetters+"/_") != "", strings.Trim(id, ".") == "":
		return fmt.Errorf("buildpack id %q may have only letters, digits, \".\", \"/\" and \"-\"", id)
	case id == "app" || id == "config" || id == "generated" || id == "sbom":
		return fmt.Errorf("buildpack id %q is reserved", id)
	}
	return nil
}

// buildpackFile is buildpack.toml or extension.toml as written.
type buildpackFile struct {
	API       string         `toml:"api"`
	Info      *BuildpackInfo `toml:"buildpack,omitempty"`
	Extension *BuildpackInfo `toml:"extension,omitempty"`
	Targets   []targetFile   `toml:"targets,omitempty"`
	Stacks    []StackID      `toml:"stacks,omitempty"`
	Order     Order          `toml:"order,omitempty"`
	Metadata  map[string]any `toml:"metadata,omitempty"`
}

// ReadBuildpack reads a buildpack.toml or extension.toml, or the one in the directory path, and sets Dir. It does not
// judge the API: CheckBuildpackAPI does, once it is known that the buildpack takes part.
func ReadBuildpack(path string) (Buildpack, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		dir := path
		path = filepath.Join(dir, "buildpack.toml")
		if ext := filepath.Join(dir, "extension.toml"); !exists(path) && exists(ext) {
			path = ext
		}
	}
	abs, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Buildpack{}, fmt.Errorf("locating %s: %w", path, err)
	}
	var in buildpackFile
	if _, err := readTOML(path, &in); err != nil {
		return Buildpack{}, err
	}
	b := in.buildpack()
	b.Dir = abs
	if err := b.check(); err != nil {
		return Buildpack{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return b, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// ParseBuildpack is ReadBuildpack for a file that is in memory.
func ParseBuildpack(data []byte) (Buildpack, error) {
	var in buildpackFile
	if _, err := decodeTOML(data, &in); err != nil {
		return Buildpack{}, fmt.Errorf("reading buildpack.toml: %w", err)
	}
	b := in.buildpack()
	if err := b.check(); err != nil {
		return Buildpack{}, fmt.Errorf("reading buildpack.toml: %w", err)
	}
	return b, nil
}

func (f buildpackFile) buildpack() Buildpack {
	b := Buildpack{API: f.API, Stacks: f.Stacks, Order: f.Order, Metadata: f.Metadata}
	if f.Info != nil {
		b.Info = *f.Info
	}
	if f.Extension != nil {
		b.Extension = *f.Extension
	}
	for _, t := range f.Targets {
		b.Targets = append(b.Targets, t.target())
	}
	return b
}

func (b Buildpack) check() error {
	if b.Info.ID != "" && b.Extension.ID != "" {
		return fmt.Errorf("it has both [buildpack] and [extension]")
	}
	if err := CheckID(b.About().ID); err != nil {
		return err
	}
	if v := b.About().Version; v == "" || strings.ContainsAny(v, "/\\\x00") || v == "." || v == ".." {
		return fmt.Errorf("version %q of %s is missing or no file name", v, b.About().ID)
	}
	if b.API == "" {
		return fmt.Errorf("api is missing")
	}
	return b.Order.check()
}
