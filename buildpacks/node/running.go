package node

import (
	"slices"
	"strings"
)

// running gives the app's own packages whose dependencies the image needs: the one that is started with those that it
// needs, and likewise every workspace package in whose directory a start command names a file.
func (d *decision) running() []*member {
	order := d.project.dependencies(d.main, false)
	for _, m := range d.project.members {
		if !d.startsIn(m.Dir) {
			continue
		}
		for _, needed := range d.project.dependencies(m, false) {
			if !slices.Contains(order, needed) {
				order = append(order, needed)
			}
		}
	}
	return order
}

// startsIn tells whether the start command of a process that runs in the app's directory names a file below dir.
func (d *decision) startsIn(dir string) bool {
	var commands []string
	for _, s := range d.starts {
		if s.Member == nil || s.Member.Dir == "." {
			commands = append(commands, s.Text)
		}
	}
	for _, e := range d.procfile {
		commands = append(commands, e.Command)
	}
	for _, command := range commands {
		for word := range strings.FieldsSeq(command) {
			if strings.HasPrefix(strings.TrimPrefix(word, "./"), dir+"/") {
				return true
			}
		}
	}
	return false
}

// runningKey names those of running that are not there for the package that is started.
func (d *decision) runningKey() []string {
	var dirs []string
	for _, m := range d.running()[len(d.project.dependencies(d.main, false)):] {
		dirs = append(dirs, m.Dir)
	}
	return dirs
}
