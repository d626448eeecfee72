package launch

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// runExecD runs the exec.d programs of the layers, and of the process type, and sets the variables that they give
// (buildpack §Exec.d).
func (l *launcher) runExecD(layers [][]string, processType string) error {
	for _, layer := range slices.Concat(layers...) {
		dirs := []string{filepath.Join(layer, "exec.d")}
		if processType != "" {
			dirs = append(dirs, filepath.Join(layer, "exec.d", processType))
		}
		for _, dir := range dirs {
			programs, err := list(dir, false)
			if err != nil {
				return doing("listing exec.d programs", err)
			}
			for _, program := range programs {
				if err := l.execD(program); err != nil {
					return doing("running the exec.d program "+program, err)
				}
			}
		}
	}
	return nil
}

// execD runs one program, whose file descriptor 3 takes a TOML document of NAME = "value". Its other output is the
// container's.
func (l *launcher) execD(program string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	child, err := os.StartProcess(program, []string{program}, &os.ProcAttr{
		Dir: l.appDir, Env: l.env.List(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, w}})
	_ = w.Close()
	if err != nil {
		return err
	}
	out, readErr := readAll(r)
	_ = r.Close() // whatever is still writing shall not block
	state, err := child.Wait()
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return doing("reading its output", readErr)
	case !state.Success():
		return errors.New("it ended with " + state.String())
	}
	vars, err := parseExecD(out)
	if err != nil {
		return doing("reading its output", err)
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		l.env.Set(name, vars[name])
	}
	return nil
}

func parseExecD(data string) (map[string]string, error) {
	root, err := parseTOML(data)
	if err != nil {
		return nil, err
	}
	vars := map[string]string{}
	for name, value := range root {
		s, ok := value.(string)
		if !ok {
			return nil, errors.New(name + " is not a string")
		}
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(s, "\x00") {
			return nil, errors.New(strconv.Quote(name) + " cannot be a variable")
		}
		vars[name] = s
	}
	return vars, nil
}
