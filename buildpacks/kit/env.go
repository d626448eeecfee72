package kit

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"
)

// Env is a set of environment variables.
type Env map[string]string

// PlatformEnv gives what the user set for the build (<platform>/env), white space trimmed. It is all that a detection
// may look at: the environment of the process is the host's when detection runs in-process.
func PlatformEnv(p libcnb.Platform) Env {
	env := Env{}
	for name, value := range p.Environment {
		env[name] = strings.TrimSpace(value)
	}
	return env
}

// BuildEnv gives the environment that a build runs its commands in: the process's, which the platform and the earlier
// buildpacks have set up, and the user's over it.
func BuildEnv(p libcnb.Platform) Env {
	env := Env{}
	for _, pair := range os.Environ() {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	maps.Copy(env, PlatformEnv(p))
	return env
}

// With gives a copy in which other's variables are set.
func (e Env) With(other Env) Env {
	c := maps.Clone(e)
	maps.Copy(c, other)
	return c
}

// Or gives the value of name, or fallback when it is unset or empty.
func (e Env) Or(name, fallback string) string {
	if v := e[name]; v != "" {
		return v
	}
	return fallback
}

// List gives the variables as name=value, sorted by name, as os/exec takes them.
func (e Env) List() []string {
	list := make([]string, 0, len(e))
	for _, name := range slices.Sorted(maps.Keys(e)) {
		list = append(list, name+"="+e[name])
	}
	return list
}
