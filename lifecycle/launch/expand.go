package launch

import "strings"

// expandVariable is the mark by which a buildpack asks for expansion, an extension of s2i to the specification: a
// process that needs $PORT would otherwise need a shell. A launch layer sets it for a process type
// (env.launch/<type>/S2I_EXPAND) to lines NAME=VALUE:
//
//	PORT=8080
//	ROCKET_PORT=$(PORT)
//
// Line by line, NAME gets VALUE unless it has a value already. Then $(NAME) stands for its value, in the lines that
// follow and in the command and arguments that the image gives the process. Nothing else is touched: no other
// $(NAME), no program name, no argument of the user's, no variable that is not named here, and nothing at all for a
// type without the mark. What comes in is never looked at again. The process itself does not see the variable.
const expandVariable = "S2I_EXPAND"

// expansion are the names that may be referred to.
type expansion struct{ pairs []string }

// expand acts on the mark: it sets the variables and gives p with its own arguments expanded.
func (l *launcher) expand(p process) process {
	mark := l.env.Get(expandVariable)
	l.env.Unset(expandVariable)
	if p.name == "" || mark == "" {
		return p
	}
	var known expansion
	for line := range strings.Lines(mark) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || name == "" {
			continue
		}
		if l.env.Get(name) == "" {
			l.env.Set(name, known.in(value))
		}
		known.pairs = append(known.pairs, "$("+name+")", l.env.Get(name))
	}
	if !p.direct {
		return p // a shell does that
	}
	args := make([]string, len(p.args))
	copy(args, p.args)
	for i := range p.own {
		args[i] = known.in(args[i])
	}
	p.args = args
	return p
}

// in replaces the references in s, in one pass.
func (e expansion) in(s string) string {
	if !strings.Contains(s, "$(") {
		return s
	}
	return strings.NewReplacer(e.pairs...).Replace(s)
}
