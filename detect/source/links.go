package source

import (
	"slices"
	"strings"
)

// maxHops is after how many links Linux gives up on a path.
const maxHops = 40

// leavingLinks finds the symbolic links that lead out of the tree. A link whose target is missing, and links in a
// circle, are harmless: they stay as they are.
func leavingLinks(entries []Entry) []Problem {
	links := map[string]string{}
	for _, e := range entries {
		if e.Kind == Link {
			links[e.Path] = e.Target
		}
	}
	var problems []Problem
	for path, target := range links {
		switch {
		case strings.HasPrefix(target, "/"):
			problems = append(problems, Problem{path, "is a symbolic link to the absolute path " + quote(target)})
		case leaves(path, links):
			problems = append(problems, Problem{path, "is a symbolic link that leaves the tree, to " + quote(target)})
		}
	}
	return problems
}

// leaves follows the link at path, component by component, through the other links of the tree, because "a/.." is not
// "." when a is a link.
func leaves(path string, links map[string]string) bool {
	at := []string{}
	todo := strings.Split(path, "/")
	slices.Reverse(todo) // the next component is the last
	for hops := 0; len(todo) > 0; {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch name {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return true
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(at, name)
		target, ok := links[strings.Join(at, "/")]
		if !ok {
			continue
		}
		if strings.HasPrefix(target, "/") {
			return true
		}
		if hops++; hops > maxHops {
			return false // a circle: nothing can be reached through it
		}
		at = at[:len(at)-1]
		parts := strings.Split(target, "/")
		slices.Reverse(parts)
		todo = append(todo, parts...)
	}
	return false
}
