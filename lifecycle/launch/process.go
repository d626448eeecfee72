package launch

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// choose decides what to start (platform §launcher): the process that the launcher was called as, with the user's
// arguments, or else the user's own command.
func (l *launcher) choose(name string, args []string) (process, error) {
	var others []string
	for _, p := range l.metadata.processes {
		if p.name != name {
			continue
		}
		if l.api >= 15 && !p.isFor(l.execEnv) {
			others = append(others, p.execEnv...)
			continue
		}
		return l.withArgs(p, args)
	}
	if len(others) > 0 {
		return process{}, errors.New("process " + strconv.Quote(name) + " is for the execution environment " +
			strings.Join(others, ", ") + ", and this is " + l.execEnv)
	}
	return userCommand(args, l.types())
}

func (l *launcher) types() string {
	var out []string
	for _, p := range l.metadata.processes {
		out = append(out, p.name)
	}
	return strings.Join(out, ", ")
}

// userCommand is a command that the user gave: direct after "--", else for a shell.
func userCommand(args []string, types string) (process, error) {
	switch {
	case len(args) == 1 && args[0] == "--":
		return process{}, errors.New("there is no command after \"--\"")
	case len(args) > 1 && args[0] == "--":
		return process{command: args[1:2], args: args[2:], direct: true}, nil
	case len(args) > 0:
		return process{command: args[:1], args: args[1:]}, nil
	case types == "":
		return process{}, errors.New("the image has no process; say which command to start")
	}
	return process{}, errors.New("the image has no default process; start one of " + types +
		" as entrypoint, or say which command to start")
}

// withArgs gives p with the user's arguments. From Buildpack API 0.9 on they replace p's default arguments, and what
// follows the program in command stays; before, and at Platform APIs before 0.10, they come after p's own.
func (l *launcher) withArgs(p process, args []string) (process, error) {
	if len(p.command) == 0 || p.command[0] == "" {
		return p, errors.New("process " + strconv.Quote(p.name) + " has no command")
	}
	own := p.args
	if len(args) > 0 {
		replace, err := l.replacesArgs(p)
		if err != nil {
			return p, err
		}
		if replace {
			own = nil
		}
	}
	p.args = slices.Concat(p.command[1:], own, args)
	p.own = len(p.command) - 1 + len(own)
	p.command = p.command[:1]
	return p, nil
}

func (l *launcher) replacesArgs(p process) (bool, error) {
	if l.api < 10 {
		return false, nil
	}
	if len(p.command) > 1 {
		return true, nil // only newer buildpacks can write that
	}
	for _, bp := range l.metadata.buildpacks {
		if bp.id == p.buildpack {
			api, err := buildpackAPI(bp)
			return api >= 9, err
		}
	}
	return false, errors.New("process " + strconv.Quote(p.name) + " is of buildpack " + strconv.Quote(p.buildpack) +
		", which is not in the image")
}
