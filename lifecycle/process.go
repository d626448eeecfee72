package lifecycle

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Process is one way to start the app (buildpack §launch.toml).
type Process struct {
	Type    string   `toml:"type" json:"type"`
	Command Command  `toml:"command" json:"command"`
	Args    []string `toml:"args" json:"args"`
	// Direct tells that no shell is between the launcher and the command.
	Direct  bool `toml:"direct" json:"direct"`
	Default bool `toml:"default,omitempty" json:"default,omitempty"`
	// BuildpackID is who contributed the process; set by the builder.
	BuildpackID string `toml:"buildpack-id" json:"buildpackID"`
	// WorkingDir is where the process starts; empty means the app directory.
	WorkingDir string   `toml:"working-dir,omitempty" json:"working-dir,omitempty"`
	ExecEnv    ExecEnvs `toml:"exec-env,omitempty" json:"exec-env,omitempty"`
}

// Command is what a process runs: the program and the arguments that the user cannot replace. Older APIs have a plain
// string, read as a list of one.
type Command []string

// UnmarshalTOML accepts a string or a list of strings.
func (c *Command) UnmarshalTOML(v any) error {
	*c = nil
	for _, item := range tomlList(v) {
		s, ok := item.(string)
		if !ok {
			return fmt.Errorf("command: want a string or a list of strings")
		}
		*c = append(*c, s)
	}
	return nil
}

// UnmarshalJSON accepts a string or a list of strings, as labels of older images have it.
func (c *Command) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*c = Command{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(c))
}

// Slice is a set of paths of the app that gets a layer of its own (buildpack §launch.toml).
type Slice struct {
	Paths []string `toml:"paths" json:"paths"`
}

// Label is an image label that a buildpack contributes.
type Label struct {
	Key   string `toml:"key" json:"key"`
	Value string `toml:"value" json:"value"`
}

// BOMEntry is an entry of the unstructured bill of materials that SBOM files replaced at Buildpack API 0.7.
type BOMEntry struct {
	Name      string         `toml:"name" json:"name"`
	Version   string         `toml:"version,omitempty" json:"version,omitempty"`
	Metadata  map[string]any `toml:"metadata" json:"metadata"`
	Buildpack GroupElement   `toml:"buildpack" json:"buildpack"`
}

// LaunchTOML is launch.toml.
type LaunchTOML struct {
	Labels    []Label    `toml:"labels,omitempty"`
	Processes []Process  `toml:"processes,omitempty"`
	Slices    []Slice    `toml:"slices,omitempty"`
	BOM       []BOMEntry `toml:"bom,omitempty"`
}

// launchFile is launch.toml as written.
type launchFile struct {
	Labels    []Label         `toml:"labels,omitempty"`
	Processes []launchProcess `toml:"processes,omitempty"`
	Slices    []Slice         `toml:"slices,omitempty"`
	BOM       []BOMEntry      `toml:"bom,omitempty"`
}

// launchProcess is a process before its meaning is known: that depends on the API of the buildpack.
type launchProcess struct {
	Type       string   `toml:"type"`
	Command    any      `toml:"command"`
	Args       []string `toml:"args,omitempty"`
	Direct     *bool    `toml:"direct,omitempty"`
	Default    bool     `toml:"default,omitempty"`
	WorkingDir string   `toml:"working-dir,omitempty"`
	ExecEnv    ExecEnvs `toml:"exec-env,omitempty"`
}

// ReadLaunch reads the launch.toml of a buildpack of this Buildpack API. What the API does not know is refused or left
// out as the specification says: before 0.8 there is no working-dir, before 0.9 the command is a string for a shell
// unless direct is set, from 0.9 on it is a list and always direct, and exec-env begins at 0.12.
func ReadLaunch(path string, api API) (LaunchTOML, error) {
	var in launchFile
	if _, err := readTOML(path, &in); err != nil {
		return LaunchTOML{}, err
	}
	out := LaunchTOML{Labels: in.Labels, Slices: in.Slices, BOM: in.BOM}
	defaults := 0
	for _, p := range in.Processes {
		process, err := p.process(api)
		if err != nil {
			return LaunchTOML{}, fmt.Errorf("reading %s: process %q: %w", path, p.Type, err)
		}
		if process.Default {
			defaults++
		}
		out.Processes = append(out.Processes, process)
	}
	if defaults > 1 {
		return LaunchTOML{}, fmt.Errorf("reading %s: more than one process is the default", path)
	}
	for _, l := range out.Labels {
		if l.Key == "" {
			return LaunchTOML{}, fmt.Errorf("reading %s: a label has no key", path)
		}
	}
	return out, nil
}

func (p launchProcess) process(api API) (Process, error) {
	if err := CheckProcessType(p.Type); err != nil {
		return Process{}, err
	}
	out := Process{Type: p.Type, Args: p.Args, Default: p.Default}
	if p.Args == nil {
		out.Args = []string{} // in JSON a list, never null
	}
	_, isString := p.Command.(string)
	if err := out.Command.UnmarshalTOML(p.Command); err != nil || len(out.Command) == 0 || out.Command[0] == "" {
		return Process{}, fmt.Errorf("command is missing, or neither a string nor a list of strings")
	}
	switch {
	case !api.AtLeast(0, 9):
		if !isString {
			return Process{}, fmt.Errorf("command must be a string at Buildpack API %v", api)
		}
		out.Direct = p.Direct != nil && *p.Direct
	case p.Direct != nil:
		return Process{}, fmt.Errorf("direct is not allowed at Buildpack API %v, where every process is direct", api)
	case isString:
		return Process{}, fmt.Errorf("command must be a list at Buildpack API %v", api)
	default:
		out.Direct = true
	}
	if api.AtLeast(0, 8) {
		out.WorkingDir = p.WorkingDir
	}
	if api.AtLeast(0, 12) {
		out.ExecEnv = p.ExecEnv
	}
	return out, nil
}

// CheckProcessType tells what is wrong with the name of a process type. It becomes a file name in the image.
func CheckProcessType(s string) error {
	if s == "" {
		return fmt.Errorf("type is missing")
	}
	if strings.Trim(s, idLetters+"_") != "" || s == "." || s == ".." {
		return fmt.Errorf("type %q may have only letters, digits, \".\", \"_\" and \"-\"", s)
	}
	return nil
}
