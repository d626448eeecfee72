package sandbox

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// runtimeNames are the OCI runtimes that are looked for, the faster one first.
var runtimeNames = [...]string{"crun", "runc"}

// sbinPath are the places of runc that an ordinary user's PATH may lack.
var sbinPath = [...]string{"/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/sbin"}

// findRuntimes gives the paths of the runtimes to try, in this order: the asked one only, or all that are installed.
// look finds a program.
func findRuntimes(asked string, look func(name string) (string, error)) ([]string, error) {
	if asked != "" {
		path, err := look(asked)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrNoRuntime, asked, err)
		}
		return []string{path}, nil
	}
	var found []string
	for _, name := range runtimeNames {
		if path, err := look(name); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: install one (apt-get install crun, or runc), name one with --runtime, "+
			"or build in place inside a container (--isolation direct)", ErrNoRuntime)
	}
	return found, nil
}

// lookRuntime finds a program in PATH, then where system programs are.
func lookRuntime(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil && !strings.Contains(name, "/") {
		for _, dir := range sbinPath {
			if p, err2 := exec.LookPath(filepath.Join(dir, name)); err2 == nil {
				return p, nil
			}
		}
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// runtimeKind is what has to be known of a runtime to use it well.
type runtimeKind struct {
	// global are flags before the command.
	global []string
	// detach says that "run --detach" leaves the process to its parent with the standard streams that were given.
	// Others stay in the foreground and end with the exit status of the process.
	detach bool
}

// kindOf knows runtimes by their names. Cgroups are made by us, for limits, and by no runtime.
func kindOf(path string, n Network) runtimeKind {
	switch name := filepath.Base(path); {
	case strings.HasPrefix(name, "runc"):
		return runtimeKind{global: []string{"--rootless=true"}, detach: true}
	case strings.HasPrefix(name, "crun"):
		return runtimeKind{global: []string{"--cgroup-manager=disabled"}, detach: true}
	case strings.HasPrefix(name, "runsc"):
		if n == "" {
			n = NetworkHost
		}
		return runtimeKind{global: []string{"--ignore-cgroups", "--network=" + string(n)}}
	}
	return runtimeKind{}
}
