package export

import (
	"path"
	"slices"
	"strings"

	"s2i/lifecycle"
)

// divide distributes the paths of an app among its slices, in order, and puts what is left into one part more
// (buildpack §Slice Layers). paths are slash paths relative to the app, "" is the app itself; place is the app's path in
// the image. A matching directory brings everything below it, and each part names the directories above its files.
// What an earlier slice took is gone for later ones. Patterns are matched against paths below the app only, so one that
// leaves the app matches nothing.
func divide(paths []string, place string, wanted []lifecycle.Slice) [][]string {
	d := &divider{place: place, paths: slices.Clone(paths), taken: map[string]bool{}, children: map[string][]string{}}
	slices.Sort(d.paths)
	if len(wanted) == 0 {
		return [][]string{d.paths}
	}
	for _, p := range d.paths {
		if p != "" {
			d.children[parent(p)] = append(d.children[parent(p)], p)
		}
	}
	parts := make([][]string, 0, len(wanted)+1)
	for _, slice := range wanted {
		parts = append(parts, d.slice(slice.Paths))
	}
	return append(parts, slices.DeleteFunc(d.paths, func(p string) bool { return d.taken[p] }))
}

type divider struct {
	place    string
	paths    []string
	children map[string][]string
	taken    map[string]bool
}

// slice takes what the globs match and gives it with the directories above it, sorted.
func (d *divider) slice(globs []string) []string {
	matched := map[string]bool{}
	for _, glob := range globs {
		for _, p := range d.paths {
			if p != "" && d.matches(glob, p) {
				d.take(p, matched)
			}
		}
	}
	part := map[string]bool{}
	for p := range matched {
		part[p] = true
		for p != "" {
			p = parent(p)
			part[p] = true
		}
	}
	d.finish(part, matched)
	out := make([]string, 0, len(part))
	for p := range part {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// matches tells whether a path of the app matches a glob, which is relative to the app or an absolute path in the image.
func (d *divider) matches(glob, p string) bool {
	glob = path.Clean(glob)
	if path.IsAbs(glob) {
		p = d.place + "/" + p
	}
	ok, err := path.Match(glob, p)
	return err == nil && ok
}

// take takes p and what is below it, as far as nobody has it yet.
func (d *divider) take(p string, matched map[string]bool) {
	if d.taken[p] {
		return
	}
	d.taken[p], matched[p] = true, true
	for _, child := range d.children[p] {
		d.take(child, matched)
	}
}

// finish takes the directories of part that have nothing left in them, the deepest first.
func (d *divider) finish(part, matched map[string]bool) {
	var dirs []string
	for p := range part {
		if !matched[p] {
			dirs = append(dirs, p)
		}
	}
	slices.SortFunc(dirs, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	if i := slices.Index(dirs, ""); i >= 0 { // the app itself is above those without a slash
		dirs = append(slices.Delete(dirs, i, i+1), "")
	}
	for _, dir := range dirs {
		d.taken[dir] = !slices.ContainsFunc(d.children[dir], func(c string) bool { return !d.taken[c] })
	}
}

// parent is the directory that holds p; the app itself is "".
func parent(p string) string {
	if dir := path.Dir(p); dir != "." {
		return dir
	}
	return ""
}
