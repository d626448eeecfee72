package dockerfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// target gives the index of the stage that is asked for: by name or number, the last one when name is empty.
func (f *File) target(name string) (int, error) {
	if name == "" {
		return len(f.Stages) - 1, nil
	}
	if i, ok := f.stageNamed(name, len(f.Stages)); ok {
		return i, nil
	}
	var names []string
	for _, s := range f.Stages {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return 0, &Error{File: f.Name, Err: fmt.Errorf("there is no stage %q to build; there are %d stages, named: %s",
		name, len(f.Stages), strings.Join(names, ", "))}
}

// stageNamed finds a stage before the given one by name, in any case, or by number. Of several with one name it is the
// last.
func (f *File) stageNamed(name string, before int) (int, bool) {
	for i := before - 1; i >= 0; i-- {
		if s := f.Stages[i].Name; s != "" && strings.EqualFold(s, name) {
			return i, true
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < before {
		return n, true
	}
	return 0, false
}

// base finds the stage that a stage begins with; false when its base is an image. A number is an image's name here.
func (f *File) baseStage(i int, base string) (int, bool) {
	for j := i - 1; j >= 0; j-- {
		if s := f.Stages[j].Name; s != "" && strings.EqualFold(s, base) {
			return j, true
		}
	}
	return 0, false
}

// errCycle says that a stage copies from itself or from one that comes later.
var errCycle = errors.New("a stage can copy only from stages before it")

// from resolves the name in --from or from=: a stage before this one, or something else (false). A name that is that
// of this stage or a later one is an error.
func (f *File) from(i int, name string) (int, bool, error) {
	if j, ok := f.stageNamed(name, i); ok {
		return j, true, nil
	}
	if n, err := strconv.Atoi(name); err == nil {
		return 0, false, fmt.Errorf("--from=%d: %w, and this is stage %d", n, errCycle, i)
	}
	if _, ok := f.stageNamed(name, len(f.Stages)); ok {
		return 0, false, fmt.Errorf("--from=%s: %w", name, errCycle)
	}
	if strings.Contains(name, "$") {
		return 0, false, fmt.Errorf("--from=%s: there is no variable expansion here; make a stage with FROM %s AS a-name, "+
			"with the ARG before the first FROM, and copy from that", name, name)
	}
	return 0, false, nil
}

// command gives an instruction's name in upper case.
func command(c instructions.Command) string { return strings.ToUpper(c.Name()) }
