package kit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/buildpacks/libcnb/v2"
)

// Procfile is the name of the file that lists an app's processes.
const Procfile = "Procfile"

// DefaultType is the process that an image starts when nothing else is said.
const DefaultType = "web"

// ProcfileEntry is one process of a Procfile.
type ProcfileEntry struct {
	Type, Command string
	// Line is the line number, from 1.
	Line int
}

var procfileLine = regexp.MustCompile(`^([A-Za-z0-9_-]{1,63})\s*:\s*(.*\S)\s*$`)

// ParseProcfile parses a Procfile. Any line that is neither a process nor a comment is an error, and so are a process
// that stands twice and a file without processes.
func ParseProcfile(data []byte) ([]ProcfileEntry, error) {
	var entries []ProcfileEntry
	seen := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	lines.Buffer(nil, MaxCommandLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "//") {
			continue
		}
		match := procfileLine.FindStringSubmatch(line)
		if match == nil {
			return nil, fmt.Errorf("%s:%d: no process: write `type: command`", Procfile, n)
		}
		if first, twice := seen[match[1]]; twice {
			return nil, fmt.Errorf("%s:%d: the process %s stands on line %d too", Procfile, n, match[1], first)
		}
		seen[match[1]] = n
		entries = append(entries, ProcfileEntry{Type: match[1], Command: match[2], Line: n})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", Procfile, err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s names no process: write `web: command`", Procfile)
	}
	return entries, nil
}

// Process makes a process of a command line: in exec form when a shell has nothing to do in it, else run by sh. The
// assignments before the command are returned to be set in the process's environment.
func Process(processType, command string) (libcnb.Process, []Assignment, error) {
	line, err := ParseCommandLine(command)
	if errors.Is(err, ErrNeedsShell) {
		if NeedsOneCommand(command) {
			command = "exec " + command
		}
		return libcnb.Process{Type: processType, Command: []string{"sh", "-c", command}}, nil, nil
	}
	if err != nil {
		return libcnb.Process{}, nil, err
	}
	return libcnb.Process{Type: processType, Command: line.Args}, line.Env, nil
}

// LeftToNode tells whether a Procfile's command is one that s2i/node makes the process of: it starts with a JavaScript
// package manager and the app has a package.json.
func LeftToNode(app *App, command string) bool {
	line, err := ParseCommandLine(command)
	if err != nil || !app.Has("package.json") {
		return false
	}
	switch line.Args[0] {
	case "npm", "npx", "yarn", "pnpm":
		return true
	}
	return false
}
