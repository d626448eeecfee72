package launch

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// maxFile bounds metadata.toml and the output of exec.d programs, in bytes.
const maxFile = 10 << 20

// metadata is the part of metadata.toml that matters at launch.
type metadata struct {
	buildpacks []buildpack
	processes  []process
}

// buildpack is one that took part in the build.
type buildpack struct{ id, api string }

// process is a way to start the app.
type process struct {
	name       string // its type; empty for a command of the user
	command    []string
	args       []string
	own        int // how many of args are the image's; the user's come after them
	direct     bool
	buildpack  string // ID of who contributed it
	workingDir string
	execEnv    []string
}

// isFor tells whether the process may run in an execution environment.
func (p process) isFor(env string) bool {
	return len(p.execEnv) == 0 || slices.Contains(p.execEnv, "*") || slices.Contains(p.execEnv, env)
}

func readMetadata(path string) (metadata, error) {
	f, err := os.Open(path)
	if err != nil {
		return metadata{}, doing("reading what the image can start", err)
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return metadata{}, doing("reading "+path, err)
	}
	m, err := parseMetadata(data)
	if err != nil {
		return metadata{}, doing("reading "+path, err)
	}
	return m, nil
}

func readAll(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("it is larger than 10 MiB")
	}
	return string(data), err
}

func parseMetadata(data string) (metadata, error) {
	root, err := parseTOML(data)
	if err != nil {
		return metadata{}, err
	}
	var m metadata
	f := fields{}
	for _, t := range f.tables(root, "buildpacks") {
		m.buildpacks = append(m.buildpacks, buildpack{id: f.string(t, "id"), api: f.string(t, "api")})
	}
	for _, t := range f.tables(root, "processes") {
		m.processes = append(m.processes, process{
			name: f.string(t, "type"), command: f.strings(t, "command"), args: f.strings(t, "args"),
			direct: f.bool(t, "direct"), buildpack: f.string(t, "buildpack-id"),
			workingDir: f.string(t, "working-dir"), execEnv: f.strings(t, "exec-env"),
		})
	}
	if f.err != nil {
		return metadata{}, f.err
	}
	for _, bp := range m.buildpacks {
		if strings.Trim(bp.id, ".") == "" {
			return metadata{}, errors.New("a buildpack has the id " + strconv.Quote(bp.id))
		}
	}
	return m, nil
}

// fields takes typed values out of tables and keeps the first error. A missing key gives the zero value.
type fields struct{ err error }

func (f *fields) want(what, key string) {
	if f.err == nil {
		f.err = errors.New(key + " is not " + what)
	}
}

func (f *fields) tables(t table, key string) []table {
	var out []table
	items, ok := t[key].([]any)
	if !ok && t[key] != nil {
		f.want("a list of tables", key)
	}
	for _, item := range items {
		sub, ok := item.(table)
		if !ok {
			f.want("a list of tables", key)
			return nil
		}
		out = append(out, sub)
	}
	return out
}

func (f *fields) string(t table, key string) string {
	s, ok := t[key].(string)
	if !ok && t[key] != nil {
		f.want("a string", key)
	}
	return s
}

func (f *fields) bool(t table, key string) bool {
	b, ok := t[key].(bool)
	if !ok && t[key] != nil {
		f.want("true or false", key)
	}
	return b
}

// strings gives a list of strings; a single string is a list of one, as commands of Platform APIs before 0.10 are.
func (f *fields) strings(t table, key string) []string {
	switch v := t[key].(type) {
	case nil:
		return nil
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				f.want("a list of strings", key)
				return nil
			}
			out = append(out, s)
		}
		return out
	}
	f.want("a list of strings", key)
	return nil
}
