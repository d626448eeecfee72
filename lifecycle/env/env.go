// Package env computes the environments of buildpacks and of the app, by the rules of the specification
// (buildpack §Environment): which variables of the lifecycle's own environment go in, how layers modify them, and how
// the user and the operator have the last word.
//
//	e := env.ForBuild(os.Environ())
//	e.AddBuildLayer(dir)                             // for every build layer of the buildpacks before
//	final, err := e.WithPlatform(platformDir, buildConfigDir, clearEnv)
//	cmd.Env = append(final.List(), …)
//
// The package is part of the launcher, so it uses nothing but the standard library and little of that: not even fmt.
package env

import (
	"path/filepath"
	"slices"
	"strings"
)

// Env is a set of variables. The zero value is not usable: make one with New, ForBuild or ForLaunch.
type Env struct{ vars map[string]string }

// New takes NAME=value pairs. Of pairs with the same name the last counts; what is no pair is left out.
func New(environ []string) *Env {
	e := &Env{vars: make(map[string]string, len(environ))}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && name != "" {
			e.vars[name] = value
		}
	}
	return e
}

// ForBuild gives the environment that bin/detect and bin/build start from: of the lifecycle's own, only the variables
// that a buildpack may depend on.
func ForBuild(environ []string) *Env {
	e := New(environ)
	for name := range e.vars {
		if !passesToBuild(name) {
			delete(e.vars, name)
		}
	}
	return e
}

func passesToBuild(name string) bool {
	switch name {
	case "CNB_STACK_ID", "HOSTNAME", "HOME",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy":
		return true
	}
	return isPathVariable(name)
}

// isPathVariable tells whether name is one of the variables that hold layer paths during the build.
func isPathVariable(name string) bool {
	for _, root := range buildRoots {
		if slices.Contains(root.names, name) {
			return true
		}
	}
	return false
}

// ForLaunch gives the environment that the app starts from: the container's own without what only the launcher needs,
// and with the directories hide taken out of PATH.
func ForLaunch(environ []string, hide ...string) *Env {
	e := New(environ)
	for _, name := range []string{"CNB_LAYERS_DIR", "CNB_APP_DIR", "CNB_PROCESS_TYPE", "CNB_PLATFORM_API",
		"CNB_DEPRECATION_MODE"} {
		delete(e.vars, name)
	}
	if path, ok := e.vars["PATH"]; ok {
		dirs := slices.DeleteFunc(strings.Split(path, listSeparator), func(dir string) bool {
			return slices.Contains(hide, dir)
		})
		e.vars["PATH"] = strings.Join(dirs, listSeparator)
	}
	return e
}

// Get gives the value of name, or "".
func (e *Env) Get(name string) string { return e.vars[name] }

// Set gives name a value.
func (e *Env) Set(name, value string) { e.vars[name] = value }

// Unset takes name out.
func (e *Env) Unset(name string) { delete(e.vars, name) }

// Clone gives a copy that can be changed on its own.
func (e *Env) Clone() *Env {
	c := &Env{vars: make(map[string]string, len(e.vars))}
	for name, value := range e.vars {
		c.vars[name] = value
	}
	return c
}

// List gives NAME=value pairs, sorted by name.
func (e *Env) List() []string {
	out := make([]string, 0, len(e.vars))
	for name, value := range e.vars {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}

// Apply modifies the environment with the files of one directory (buildpack §Environment Variable Modification Rules).
// A file's name is that of the variable, up to the first dot, and then what to do: override, append, prepend or
// default; delim holds what goes between joined values. A file without a suffix does bare. Unknown suffixes are ignored.
func (e *Env) Apply(files []File, bare Action) {
	delims := map[string]string{}
	for _, f := range files {
		if name, suffix, _ := strings.Cut(f.Name, "."); suffix == "delim" {
			delims[name] = f.Value
		}
	}
	for _, f := range files {
		name, suffix, dotted := strings.Cut(f.Name, ".")
		action := Action(suffix)
		if !dotted {
			action = bare
		}
		if name != "" {
			e.modify(name, f.Value, action, delims[name])
		}
	}
}

// Action is what a file does to its variable.
type Action string

// The actions of the specification.
const (
	Override Action = "override"
	Append   Action = "append"
	Prepend  Action = "prepend"
	Default  Action = "default"
)

func (e *Env) modify(name, value string, action Action, delim string) {
	old := e.vars[name]
	switch action {
	case Override:
		e.vars[name] = value
	case Default:
		if old == "" {
			e.vars[name] = value
		}
	case Append:
		e.vars[name] = join(old, delim, value)
	case Prepend:
		if old == "" {
			delim = ""
		}
		e.vars[name] = value + delim + old
	}
}

// join puts delim between a and b, unless there is no a.
func join(a, delim, b string) string {
	if a == "" {
		return b
	}
	return a + delim + b
}

const listSeparator = ":"

// root is a directory of a layer and the variables that name it.
type root struct {
	dir   string
	names []string
}

var (
	buildRoots = []root{
		{"bin", []string{"PATH"}},
		{"lib", []string{"LD_LIBRARY_PATH", "LIBRARY_PATH"}},
		{"include", []string{"CPATH"}},
		{"pkgconfig", []string{"PKG_CONFIG_PATH"}},
	}
	launchRoots = []root{
		{"bin", []string{"PATH"}},
		{"lib", []string{"LD_LIBRARY_PATH"}},
	}
)

func (e *Env) addRoots(layer string, roots []root) error {
	for _, r := range roots {
		dir := filepath.Join(layer, r.dir)
		ok, err := isDir(dir)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		for _, name := range r.names {
			e.modify(name, dir, Prepend, listSeparator)
		}
	}
	return nil
}

// AddBuildLayer makes the build layer in dir, an absolute path, visible to the buildpacks that follow: its bin, lib,
// include and pkgconfig, then its env and env.build.
func (e *Env) AddBuildLayer(dir string) error {
	if err := e.addRoots(dir, buildRoots); err != nil {
		return err
	}
	return e.applyDirs(dir, "env", "env.build")
}

// AddLaunchLayers makes the launch layers of one buildpack, absolute paths in the order of their names, visible to the
// app: first the bin and lib of all of them, then for each its env, env.launch and, for a process type,
// env.launch/<type>.
func (e *Env) AddLaunchLayers(dirs []string, processType string) error {
	for _, dir := range dirs {
		if err := e.addRoots(dir, launchRoots); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		below := []string{"env", "env.launch"}
		if processType != "" {
			below = append(below, filepath.Join("env.launch", processType))
		}
		if err := e.applyDirs(dir, below...); err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) applyDirs(layer string, below ...string) error {
	for _, dir := range below {
		files, err := ReadDir(filepath.Join(layer, dir))
		if err != nil {
			return err
		}
		e.Apply(files, Override)
	}
	return nil
}

// WithPlatform gives a copy with the user's variables of <platformDir>/env and the operator's of <buildConfigDir>/env.
// The user's go in front of path lists and replace anything else; clearEnv, which a buildpack declares, keeps them
// out. The operator's modify like a layer's files, except that a bare file is a default. An empty directory name and a
// missing directory mean that there are none.
func (e *Env) WithPlatform(platformDir, buildConfigDir string, clearEnv bool) (*Env, error) {
	c := e.Clone()
	if platformDir != "" && !clearEnv {
		files, err := ReadDir(filepath.Join(platformDir, "env"))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			action := Override
			if isPathVariable(f.Name) {
				action = Prepend
			}
			c.modify(f.Name, f.Value, action, listSeparator)
		}
	}
	if buildConfigDir != "" {
		files, err := ReadDir(filepath.Join(buildConfigDir, "env"))
		if err != nil {
			return nil, err
		}
		c.Apply(files, Default)
	}
	return c, nil
}
