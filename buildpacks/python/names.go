package python

import (
	"maps"
	"regexp"
	"slices"
)

var (
	namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	hashPattern = regexp.MustCompile(`^[a-z0-9]+:[0-9a-fA-F]+$`)
)

// validName tells whether a normalised name follows the grammar of names (core metadata).
func validName(name string) bool { return len(name) < 256 && namePattern.MatchString(name) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
