package kit

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"
)

// How a process honours $PORT without a shell. Our launcher replaces references such as $(PORT) in the arguments of a
// process that is marked for it by a variable of its launch environment, ExpandVariable; nothing else is expanded
// (package lifecycle/launch, expand.go). Listen sets the mark:
//
//	process := libcnb.Process{Type: "web", Command: []string{"uvicorn", "main:app", "--port", kit.Port}}
//	kit.Listen(layer.LaunchEnvironment, "web")
//
// A server that takes its port from a variable of its own gets it too:
//
//	kit.Listen(layer.LaunchEnvironment, "web", kit.Assignment{Name: "ROCKET_PORT", Value: kit.Port})
const (
	// Port stands for the value of PORT in the arguments of a process that Listen marks. It must not be the program.
	Port = "$(PORT)"
	// DefaultPort is the value of PORT when the platform sets none.
	DefaultPort = "8080"
	// ExpandVariable is the mark: lines NAME=VALUE, see Listen.
	ExpandVariable = "S2I_EXPAND"
)

// Listen makes the processes of one type honour PORT. In a launch layer's environment it sets PORT to DefaultPort unless
// the platform sets it, lets Port stand for it in the command's arguments, and gives the variables in more their values,
// in which Port may stand too, unless they have one. Names of more may be referred to in the same way: $(NAME).
func Listen(env libcnb.Environment, processType string, more ...Assignment) {
	env.ProcessDefault(processType, "PORT", DefaultPort) // for launchers that do not know the mark
	mark := path.Join(processType, ExpandVariable)
	lines := []string{"PORT=" + DefaultPort}
	if old, ok := env[mark+".override"]; ok {
		lines = strings.Split(old, "\n")
	}
	for _, a := range more {
		if line := a.Name + "=" + strings.ReplaceAll(a.Value, "\n", " "); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	env.ProcessOverride(processType, ExpandVariable, strings.Join(lines, "\n"))
}

// portReference reads a reference to PORT at the start of rest, as a shell has it: $PORT, ${PORT} or ${PORT:-3000}. It
// gives its length, 0 when there is none, and the default that it names.
func portReference(rest string) (n int, fallback string) {
	if after, ok := strings.CutPrefix(rest, "$PORT"); ok {
		if after != "" && isNameByte(after[0]) {
			return 0, ""
		}
		return len("$PORT"), ""
	}
	inner, _, closed := strings.Cut(rest, "}")
	inner, ok := strings.CutPrefix(inner, "${PORT")
	if !ok || !closed {
		return 0, ""
	}
	n = len("${PORT") + len(inner) + len("}")
	fallback, ok = strings.CutPrefix(inner, ":-")
	switch {
	case inner == "":
		return n, ""
	case ok && fallback != "" && strings.Trim(fallback, "0123456789") == "":
		return n, fallback
	}
	return 0, ""
}

func isNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// portDefault is the one default of the references in a command line.
func portDefault(fallbacks []string) (string, error) {
	fallbacks = slices.Compact(slices.Sorted(slices.Values(fallbacks)))
	named := slices.DeleteFunc(fallbacks, func(s string) bool { return s == "" })
	switch len(named) {
	case 0:
		return DefaultPort, nil
	case 1:
		return named[0], nil
	}
	return "", fmt.Errorf("%w: it gives PORT more than one default", ErrNeedsShell)
}
