package launch

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const bash = "/bin/bash"

// shell makes the command of a process that bash starts (Buildpack APIs before 0.9, and commands of the user): one bash
// reads the profile scripts, then another, in its place, runs the command.
//
// A command without arguments is a script. With arguments, each word is expanded on its own, so that "$PORT" works in
// them; a user's command with arguments stays a script, which finds them as $1 and so on.
func (l *launcher) shell(p process, layers []string) (*command, error) {
	profiles, err := l.profiles(layers, p.name)
	if err != nil {
		return nil, doing("listing profile scripts", err)
	}
	if err := executable(bash); err != nil {
		return nil, doing("starting process "+strconv.Quote(orDefault(p.name, p.command[0]))+", which needs a shell (put "+
			"\"--\" before a command that needs none, or build on a run image that has bash)", err)
	}
	var script strings.Builder
	for _, path := range profiles {
		script.WriteString("source " + quote(path) + "\n")
	}
	script.WriteString("cd " + quote(l.workingDir(p)) + " || exit\n")
	if len(p.args) == 0 || p.buildpack == "" {
		script.WriteString(`exec bash -c "$@"`)
	} else {
		script.WriteString(`exec bash -c ` + quote(expandWords(len(p.args))) + ` "$@"`)
	}
	argv := append([]string{"bash", "-c", script.String(), l.self, strings.Join(p.command, " ")}, p.args...)
	return &command{path: bash, argv: argv, env: l.env.List(), dir: l.appDir}, nil
}

// expandWords is a script that expands its own name and its n arguments, each as one word, and runs the result. (The
// reference lifecycle uses echo and leaves the word unquoted, which loses "-n" and double blanks.)
func expandWords(n int) string {
	var b strings.Builder
	for i := range n + 1 {
		b.WriteString(`"$(eval printf %s "\"${` + strconv.Itoa(i) + `}\"")" `)
	}
	return b.String()
}

// quote makes s one word for the shell, whatever is in it.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// profiles gives the scripts to read: those of the layers, those for the process type, the app's own.
func (l *launcher) profiles(layers []string, processType string) ([]string, error) {
	var out []string
	for _, layer := range layers {
		dirs := []string{filepath.Join(layer, "profile.d")}
		if processType != "" {
			dirs = append(dirs, filepath.Join(layer, "profile.d", processType))
		}
		for _, dir := range dirs {
			files, err := list(dir, false)
			if err != nil {
				return nil, err
			}
			out = append(out, files...)
		}
	}
	own := filepath.Join(l.appDir, ".profile")
	info, err := os.Stat(own)
	switch {
	case err == nil && !info.IsDir():
		out = append(out, own)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	return out, nil
}
