package node

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// start is how a process of the app is started.
type start struct {
	// Member is the package that it belongs to, and in whose directory it runs.
	Member *member
	// Text is the command as the app has it, Source where.
	Text, Source string
	// Env are the assignments before the command.
	Env []kit.Assignment
	// Args is the command when no shell is needed: "node" and so on, or the name of a package's command.
	Args []string
	// Shell tells that a shell has to run Text.
	Shell bool
	// File is the file that node runs, relative to the app, "" when it is not known.
	File string
	// Before is a script that the package manager would run first; it is run at the end of the build.
	Before string
}

// maxScripts bounds how many scripts may call each other.
const maxScripts = 10

// rejection is a reason for not using a start candidate.
type rejection struct{ reason string }

// Error gives the reason.
func (r *rejection) Error() string { return r.reason }

func reject(format string, a ...any) error { return &rejection{fmt.Sprintf(format, a...)} }

// module resolves a file as node does for its argument: the file itself, with .js, or a directory's index.js.
func (p *project) module(m *member, name string) string {
	for _, file := range []string{name, name + ".js", path.Join(name, "index.js")} {
		if p.app.Has(path.Join(m.Dir, file)) {
			return file
		}
	}
	return ""
}

// script resolves a script of m into the command that it comes down to.
func (p *project) script(m *member, name string, depth int) (*start, error) {
	text := m.Scripts[name]
	source := m.at("scripts", name)
	if depth == 0 {
		return nil, reject("%s: scripts call each other without end", source)
	}
	s, err := p.command(m, text, source, depth)
	if err != nil {
		return nil, err
	}
	if s.Before == "" && m.Scripts["pre"+name] != "" {
		s.Before = "pre" + name
	}
	return s, nil
}

// command resolves a command line.
func (p *project) command(m *member, text, source string, depth int) (*start, error) {
	s := &start{Member: m, Text: text, Source: source}
	line, err := kit.ParseCommandLine(text)
	switch {
	case errors.Is(err, kit.ErrNeedsShell):
		if tool := inShell(text); tool != "" {
			return nil, reject("%s: %q is run by a shell (%s), and %s is not in the run image: start node directly",
				source, text, strings.TrimPrefix(err.Error(), kit.ErrNeedsShell.Error()+": "), tool)
		}
		s.Shell = true
		return s, nil
	case err != nil:
		return nil, reject("%s: %q: %s", source, text, err)
	}
	s.Env, s.Args = line.Env, line.Args
	if err := s.unwrap(); err != nil {
		return nil, err
	}
	if why := development(s.Args); why != "" {
		return nil, reject("%s: %q starts %s", source, text, why)
	}
	switch s.Args[0] {
	case "npm", "pnpm", "yarn":
		return p.managed(s, depth)
	case "bun":
		return p.bun(s, depth)
	case "node", "nodejs":
		s.Args[0] = "node"
		if i := nodeFile(s.Args); i > 0 {
			file := path.Clean(filepath.ToSlash(s.Args[i]))
			if found := p.module(m, file); found != "" {
				file = found
			}
			s.File = path.Join(m.Dir, file)
		}
	}
	return s, nil
}

// inShell gives a package manager that a shell command calls, or "".
func inShell(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t&|;()", r) })
	for _, w := range words {
		switch w {
		case "npm", "npx", "pnpm", "yarn", "bunx":
			return w
		}
	}
	return ""
}

// unwrap removes programs that only set variables or find the next program: cross-env, env, npx.
func (s *start) unwrap() error {
	for len(s.Args) > 0 {
		if dir, command := path.Split(s.Args[0]); path.Clean("/"+dir) == "/node_modules/.bin" {
			s.Args[0] = command
		}
		switch s.Args[0] {
		case "cross-env", "env":
			s.Args = s.Args[1:]
			for len(s.Args) > 0 {
				name, value, ok := strings.Cut(s.Args[0], "=")
				if !ok || strings.HasPrefix(name, "-") {
					break
				}
				s.Env = append(s.Env, kit.Assignment{Name: name, Value: value})
				s.Args = s.Args[1:]
			}
		case "npx", "bunx":
			s.Args = dropFlags(s.Args[1:])
		default:
			return nil
		}
	}
	return reject("%s: %q names no program", s.Source, s.Text)
}

func dropFlags(args []string) []string {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	return args
}

// development tells of a command that serves developers, or compiles first: what it is, "" when it is none.
func development(args []string) string {
	rest := strings.Join(args[1:], " ")
	first := ""
	if words := dropFlags(args[1:]); len(words) > 0 {
		first = words[0]
	}
	const server = " (a development server)"
	switch name := path.Base(args[0]); name {
	case "nodemon", "vite", "react-scripts", "webpack-dev-server", "expo", "ts-node-dev", "parcel", "supervisor",
		"live-server", "browser-sync", "craco", "snowpack", "concurrently", "vite-node", "react-app-rewired":
		return name + server
	case "next", "nuxt", "nuxi", "astro", "remix", "gatsby", "ng", "ember", "vue-cli-service", "webpack", "nx", "turbo",
		"rsbuild", "react-router", "svelte-kit", "gulp", "grunt", "nest", "tsx", "medusa", "strapi", "docusaurus":
		switch {
		case name == "gulp" || name == "grunt" || name == "nest" || name == "turbo" || name == "nx":
			return name + " (a build tool)"
		case first == "dev" || first == "develop" || first == "serve" || first == "watch", name == "docusaurus",
			name == "vue-cli-service", name == "ng", name == "webpack", name == "rsbuild", name == "ember",
			name == "nuxt" && first == "", name == "next" && first == "":
			return strings.TrimSpace(name+" "+first) + server
		}
	case "bun":
		if slices.Contains(args[1:], "--watch") || slices.Contains(args[1:], "--hot") {
			return "bun with " + args[1] + server
		}
	case "node", "nodejs":
		if slices.Contains(args[1:], "--watch") {
			return "node --watch" + server
		}
		if strings.Contains(rest, "ts-node/register") {
			return "node with ts-node (a compiler)"
		}
	}
	return ""
}

// managed resolves "npm start", "yarn run x", "pnpm --filter a start" into the script that it runs.
func (p *project) managed(s *start, depth int) (*start, error) {
	m, words, extra := s.Member, []string{}, []string{}
	args := s.Args[1:]
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--":
			extra = args[i+1:]
			i = len(args)
		case a == "-w" || a == "--workspace" || a == "--filter" || a == "-F" || a == "workspace":
			if i++; i == len(args) {
				return nil, reject("%s: %q names no workspace", s.Source, s.Text)
			}
			next, err := p.find(args[i])
			if err != nil {
				return nil, reject("%s: %q: there is no workspace %s", s.Source, s.Text, args[i])
			}
			m = next
		case strings.HasPrefix(a, "--workspace=") || strings.HasPrefix(a, "--filter="):
			_, name, _ := strings.Cut(a, "=")
			next, err := p.find(name)
			if err != nil {
				return nil, reject("%s: %q: there is no workspace %s", s.Source, s.Text, name)
			}
			m = next
		case strings.HasPrefix(a, "-") && len(words) == 0:
		case a == "run" || a == "run-script" || a == "exec" || a == "dlx":
			if len(words) > 0 {
				words = append(words, a)
			}
		default:
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return nil, reject("%s: %q runs no script", s.Source, s.Text)
	}
	return p.scriptOrCommand(s, m, words, append(words[1:], extra...), depth)
}

func (p *project) scriptOrCommand(s *start, m *member, words, extra []string, depth int) (*start, error) {
	if m.Scripts[words[0]] != "" {
		inner, err := p.script(m, words[0], depth-1)
		if err != nil {
			return nil, err
		}
		if len(extra) > 0 && inner.Shell {
			return nil, reject("%s: %q passes arguments to a script that needs a shell", s.Source, s.Text)
		}
		inner.Args = append(inner.Args, extra...)
		inner.Env = append(slices.Clone(s.Env), inner.Env...)
		return inner, nil
	}
	switch words[0] {
	case "start", "test", "install", "build", "dev":
		return nil, reject("%s: %q runs the script %s, which %s does not have", s.Source, s.Text, words[0], m.file())
	}
	// The package managers run commands of packages as if they were scripts.
	return p.command(m, strings.Join(quoteAll(append(words, extra[len(words)-1:]...)), " "), s.Source, depth-1)
}

func quoteAll(words []string) []string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return quoted
}

// nodeFile gives the index of the argument of node that is the program, 0 when there is none.
func nodeFile(args []string) int {
	for i := 1; i < len(args); i++ {
		switch a := args[i]; a {
		case "-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--title",
			"--env-file", "--env-file-if-exists", "--icu-data-dir", "--openssl-config", "--diagnostic-dir", "--max-http-header-size":
			i++
		case "-e", "--eval", "-p", "--print", "-i", "--interactive", "-":
			return 0
		default:
			if !strings.HasPrefix(a, "-") {
				return i
			}
		}
	}
	return 0
}

func itoa(n int) string { return strconv.Itoa(n) }
