package check

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// scope is what is known at a place of a Dockerfile.
type scope struct {
	vars []string // NAME=value, in order of appearance
	// declared are the names of ARGs, with or without a value.
	declared []string
	// unknown says that the stage stands on an image that could not be read: then it may set any variable or a shell.
	unknown bool
	shell   bool // a SHELL was set
	workdir bool // a WORKDIR was set in this Dockerfile
	// last are the places of the instructions of which only the last one counts, by name.
	last map[string][]parser.Range
}

// child is the scope of a stage that begins with what another one ends with.
func (s scope) child() scope {
	s.vars, s.declared = slices.Clone(s.vars), slices.Clone(s.declared)
	s.last = map[string][]parser.Range{}
	return s
}

func (s *scope) set(name, value string) {
	for i, kv := range s.vars {
		if n, _, _ := strings.Cut(kv, "="); n == name {
			s.vars[i] = name + "=" + value
			return
		}
	}
	s.vars = append(s.vars, name+"="+value)
}

// Get implements shell.EnvGetter.
func (s *scope) Get(name string) (string, bool) {
	for _, kv := range s.vars {
		if n, value, _ := strings.Cut(kv, "="); n == name {
			return value, true
		}
	}
	return "", false
}

// Keys implements shell.EnvGetter.
func (s *scope) Keys() []string {
	keys := make([]string, len(s.vars))
	for i, kv := range s.vars {
		keys[i], _, _ = strings.Cut(kv, "=")
	}
	return keys
}
