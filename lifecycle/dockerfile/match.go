package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"s2i/lifecycle/listing"
)

// match gives the names in a tree that a source pattern of COPY or ADD means: path.Match's wildcards, each within one
// path element. A pattern without wildcards means one name, whether it exists or not. Links on the way are followed.
// With deep, the element ** stands for any number of directories; otherwise it is like *.
func match(tree files, pattern string, deep bool) ([]string, error) {
	elements := strings.Split(listing.Clean(pattern), "/")
	found := []string{""}
	for i, el := range elements {
		if el == "" {
			continue
		}
		var next []string
		if deep && el == "**" && i < len(elements)-1 {
			for _, dir := range found {
				if err := descend(tree, dir, &next); err != nil {
					return nil, err
				}
			}
			slices.Sort(next)
			found = slices.Compact(next)
			continue
		}
		for _, dir := range found {
			names, err := matchIn(tree, dir, el)
			if err != nil {
				return nil, err
			}
			next = append(next, names...)
		}
		found = next
	}
	return found, nil
}

// descend adds a directory and all directories below it.
func descend(tree files, dir string, out *[]string) error {
	at, err := tree.resolve(dir)
	if err != nil {
		return err
	}
	e, err := tree.lstat(at)
	if err != nil || e == nil || !e.IsDir() {
		return err
	}
	if len(*out) >= maxGathered {
		return fmt.Errorf("there are more than %d directories in %q", maxGathered, "/"+dir)
	}
	*out = append(*out, dir)
	entries, err := tree.list(at)
	if err != nil {
		return err
	}
	for i := range entries {
		if entries[i].IsDir() {
			if err := descend(tree, path.Join(dir, path.Base(entries[i].Name)), out); err != nil {
				return err
			}
		}
	}
	return nil
}

func hasWildcard(s string) bool { return strings.ContainsAny(s, `*?[\`) }

func matchIn(tree files, dir, element string) ([]string, error) {
	if !hasWildcard(element) {
		return []string{path.Join(dir, element)}, nil
	}
	at, err := tree.resolve(dir)
	if err != nil {
		return nil, err
	}
	e, err := tree.lstat(at)
	if err != nil || e == nil || !e.IsDir() {
		return nil, err
	}
	entries, err := tree.list(at)
	if err != nil {
		return nil, err
	}
	element = strings.ReplaceAll(element, "**", "*")
	var out []string
	for _, e := range entries {
		n := path.Base(e.Name)
		ok, err := path.Match(element, n)
		if err != nil {
			return nil, fmt.Errorf("reading the pattern %q: %w", element, err)
		}
		if ok {
			out = append(out, path.Join(dir, n))
		}
	}
	return out, nil
}
