package deno

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// The user's settings; see the package's documentation.
const (
	envVersion = "S2I_DENO_VERSION"
	envMain    = "S2I_DENO_MAIN"
	envApp     = "S2I_APP"
)

// decision is what is known of the app before Deno runs. Detection and build both start with it and so agree.
type decision struct {
	app    *kit.App
	config *config
	// member is the configuration of the workspace's member that is started, or config.
	member *config
	// lock is nil when the app has none.
	lock  *lock
	start *start
	// rejected are candidates that are not used.
	rejected []kit.Start
	versions []kit.Constraint
}

// start is how the program is started.
type start struct {
	// Verb is run or serve; Flags are Deno's, File is the program and Args what follows it.
	Verb        string
	Flags       []string
	File        string
	Args        []string
	Env         []kit.Assignment
	Score       int
	Source      string
	Permissions string
	// Port tells that a source file reads PORT.
	Port string
}

var (
	errNothing   = errors.New("there is nothing to start: no task start, no main.ts")
	defaultFetch = regexp.MustCompile(`(?s)export\s+default\s+(\{|[A-Za-z_$][\w$.]*\s+satisfies\s+Deno\.ServeDefaultExport|app\b)`)
	listens      = regexp.MustCompile(`Deno\.serve\s*\(|\.listen\s*\(|createServer\s*\(|Deno\.listen`)
)

// decide reads the app.
func decide(app *kit.App, env kit.Env) (*decision, error) {
	d := &decision{app: app}
	var err error
	if d.config, err = readConfig(app, "."); err != nil {
		return nil, err
	}
	if d.lock, err = readLock(app); err != nil {
		return nil, err
	}
	d.member = d.config
	dir := "."
	if member := env[envApp]; member != "" {
		if dir = local(".", member); dir == "" || !app.HasDir(dir) {
			return nil, fmt.Errorf("%s is %s, which is no directory of the app", envApp, member)
		}
		if d.member, err = readConfig(app, dir); err != nil {
			return nil, err
		}
	}
	if d.start, err = d.findStart(dir, env); err != nil {
		return nil, err
	}
	d.start.Port = d.readsPort()
	d.versions = versions(app, env)
	return d, nil
}

// findStart gives the best candidate.
func (d *decision) findStart(dir string, env kit.Env) (*start, error) {
	if main := env[envMain]; main != "" {
		file := local(".", main)
		if file == "" || !d.app.Has(file) {
			return nil, fmt.Errorf("%s is %s, which is no file of the app", envMain, main)
		}
		return d.file(file, 100, envMain), nil
	}
	command, source := d.follow("start")
	if command != "" {
		s, err := d.fromTask(dir, command)
		if err == nil {
			s.Source = source
			return s, nil
		}
		d.rejected = append(d.rejected, kit.Start{Type: kit.DefaultType, Command: command, Score: 90,
			Evidence: []string{source}, Rejected: err.Error()})
	}
	if file := local(dir, d.member.exported()); d.member.exported() != "" && file != "" && d.listensIn(file) {
		return d.file(file, 80, d.member.at("exports")), nil
	}
	for i, file := range mainFiles() {
		if file = path.Join(dir, file); d.app.Has(file) {
			return d.file(file, 75-i, file), nil
		}
	}
	if len(d.rejected) > 0 {
		return nil, fmt.Errorf("the task start cannot be a process: %s (%s): %s; write it as \"deno run FLAGS FILE\", or set %s",
			d.rejected[0].Command, source, d.rejected[0].Rejected, envMain)
	}
	return nil, errNothing
}

func mainFiles() []string {
	return []string{
		"main.ts", "main.tsx", "main.js", "server.ts", "server.tsx", "server.js", "app.ts", "app.tsx", "app.js",
		"src/main.ts", "src/main.tsx", "src/server.ts", "src/app.ts", "src/index.ts", "index.ts", "index.js", "mod.ts",
	}
}

// follow gives the command of a task, going through tasks that only run another: "deno task serve".
func (d *decision) follow(name string) (command, source string) {
	seen := map[string]bool{}
	for !seen[name] {
		seen[name] = true
		command = d.member.task(name)
		source = d.member.at(name)
		fields := strings.Fields(command)
		if len(fields) != 3 || fields[0] != "deno" || fields[1] != "task" {
			return command, source
		}
		name = fields[2]
	}
	return "", ""
}

// errWatch is the reason against a task for developers.
var errWatch = errors.New("it watches files, which is for developers")

// fromTask takes a task's command apart.
func (d *decision) fromTask(dir, command string) (*start, error) {
	line, err := kit.ParseCommandLine(command)
	if err != nil {
		return nil, err
	}
	if len(line.Args) < 3 || line.Args[0] != "deno" || line.Args[1] != "run" && line.Args[1] != "serve" {
		return nil, errors.New("it is not deno run or deno serve")
	}
	s := &start{Verb: line.Args[1], Env: line.Env, Score: 90}
	for i, arg := range line.Args[2:] {
		if !strings.HasPrefix(arg, "-") {
			s.File, s.Args = local(dir, arg), line.Args[2+i+1:]
			break
		}
		if name, _, _ := strings.Cut(arg, "="); name == "--watch" || name == "--watch-hmr" || name == "--hmr" {
			return nil, errWatch
		}
		s.Flags = append(s.Flags, arg)
	}
	if s.File == "" {
		return nil, errors.New("it names no file of the app")
	}
	if !d.app.Has(s.File) && d.config.task("build") == "" {
		return nil, fmt.Errorf("there is no file %s", s.File)
	}
	s.Permissions = "those of the task"
	return s, nil
}

// file makes a start of a file without a task.
func (d *decision) file(file string, score int, source string) *start {
	s := &start{Verb: "run", File: file, Score: score, Source: source, Flags: []string{"--allow-all"},
		Permissions: "all, since nothing says less"}
	if _, ok := d.config.Permissions["default"]; ok {
		s.Flags, s.Permissions = []string{"--permission-set"}, "the default set of "+d.config.at("permissions")
	}
	text := d.source(file)
	if defaultFetch.MatchString(text) && strings.Contains(text, "fetch") && !listens.MatchString(text) {
		s.Verb = "serve"
	}
	return s
}

// listensIn tells whether a file looks like a program that serves; exports usually name a library.
func (d *decision) listensIn(file string) bool { return listens.MatchString(d.source(file)) }

// maxSource bounds how much of a source file is read.
const maxSource = 1 << 20

func (d *decision) source(file string) string {
	data, err := d.app.Read(file)
	if err != nil || len(data) > maxSource {
		return ""
	}
	return string(data)
}

// readsPort gives where the program reads PORT, as far as its main file and those beside it tell.
func (d *decision) readsPort() string {
	dir := path.Dir(d.start.File)
	files := []string{d.start.File}
	for _, name := range []string{"config.ts", "env.ts", "server.ts", "app.ts", "config/mod.ts"} {
		files = append(files, path.Join(dir, name))
	}
	for _, file := range slices.Compact(files) {
		text := d.source(file)
		for _, form := range []string{`"PORT"`, `'PORT'`, "env.PORT"} {
			if i := strings.Index(text, form); i >= 0 {
				return fmt.Sprintf("%s:%d", file, kit.Line([]byte(text), i))
			}
		}
	}
	return ""
}

// versions gives what the user and the files of version managers say about the version of Deno.
func versions(app *kit.App, env kit.Env) []kit.Constraint {
	if v := env[envVersion]; v != "" {
		return []kit.Constraint{{Value: strings.TrimPrefix(v, "v"), Source: envVersion, Kind: kit.Override}}
	}
	for _, name := range []string{".dvmrc", ".deno-version", ".tool-versions", "mise.toml", ".mise.toml"} {
		data, err := app.Read(name)
		if err != nil {
			continue
		}
		line := 0
		for text := range strings.Lines(string(data)) {
			line++
			fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("= \t\r\n\"'", r) })
			if len(fields) == 2 && fields[0] == "deno" {
				fields = fields[1:]
			}
			if len(fields) == 1 && plainVersion.MatchString(fields[0]) {
				return []kit.Constraint{{Value: strings.TrimPrefix(fields[0], "v"), Kind: kit.Hint,
					Source: fmt.Sprintf("%s:%d", name, line)}}
			}
		}
	}
	return nil
}

var plainVersion = regexp.MustCompile(`^v?[0-9]{1,6}(\.[0-9]{1,6}){0,2}$`)
