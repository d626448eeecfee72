package other

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// envApp names the script to start.
const envApp = "S2I_APP"

// script is a shell script that starts an app which is nothing else.
type script struct {
	// File is relative to the app; Source is why it is this one.
	File, Source string
	// Shell is what runs it, which is also the name of its package.
	Shell string
	// Packages are what the commands in it come from.
	Packages []kit.Need
}

// startNames are names of scripts that start something, the most telling first.
func startNames() []string {
	return []string{"start.sh", "run.sh", "serve.sh", "server.sh", "entrypoint.sh", "main.sh", "app.sh"}
}

// findScript gives the script to start: the one that the user names, or one with a usual name. It is nil when there is
// none, and when a Dockerfile tells how the app is built; the error tells why one cannot be run, or that nothing tells
// which.
func findScript(app *kit.App, env kit.Env) (*script, error) {
	if named := env[envApp]; strings.HasSuffix(named, ".sh") {
		name := path.Clean(filepath.ToSlash(named))
		if !filepath.IsLocal(filepath.FromSlash(name)) || !app.Has(name) {
			return nil, fmt.Errorf("%s is %s, which is no file of the app", envApp, named)
		}
		return readScript(app, name, envApp)
	}
	if app.First("Dockerfile", "Containerfile") != "" {
		return nil, nil
	}
	for _, name := range startNames() {
		if app.Has(name) {
			return readScript(app, name, name)
		}
	}
	all, err := fs.Glob(app.FS(), "*.sh")
	if err != nil || len(all) == 0 {
		return nil, nil //nolint:nilerr // the pattern is a good one
	}
	return nil, fmt.Errorf("nothing tells which shell script starts the app: name %s with --app, or add a Procfile: "+
		"`web: sh %s`", strings.Join(all[:min(len(all), maxNamed)], " or "), all[0])
}

// maxScript bounds how much of a script is read.
const maxScript = 1 << 20

// readScript finds out what a script needs.
func readScript(app *kit.App, name, source string) (*script, error) {
	data, err := app.Read(name)
	if err != nil {
		return nil, err
	}
	text := string(data[:min(len(data), maxScript)])
	s := &script{File: name, Source: source, Shell: "dash"}
	if head, ok := strings.CutPrefix(text, "#!"); ok {
		line, _, _ := strings.Cut(head, "\n")
		words := strings.Fields(line)
		if len(words) > 1 && path.Base(words[0]) == "env" {
			words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") })
		}
		if len(words) == 0 {
			return nil, fmt.Errorf("%s:1 names no shell", name)
		}
		switch shell := path.Base(words[0]); shell {
		case "sh", "dash", "ash":
		case "bash", "zsh", "ksh", "mksh", "fish":
			s.Shell = shell
		default:
			return nil, fmt.Errorf("%s:1: %s is no shell that s2i knows: start it with a Procfile", name, shell)
		}
	}
	s.Packages = append(s.Packages, kit.Need{Name: s.Shell, Launch: true, Version: kit.Constraint{Source: name + ":1"}},
		kit.Need{Name: "coreutils", Launch: true, Version: kit.Constraint{Source: name}})
	s.addCommands(text)
	return s, nil
}

// commandPackages are packages of commands that scripts take for granted, and that a base image does not have.
func commandPackages() map[string]string {
	return map[string]string{
		"find": "findutils", "xargs": "findutils", "grep": "grep", "egrep": "grep", "fgrep": "grep", "sed": "sed",
		"awk": "mawk", "tar": "tar", "gzip": "gzip", "gunzip": "gzip", "zcat": "gzip", "curl": "curl", "wget": "wget",
		"jq": "jq", "ps": "procps", "pkill": "procps", "pgrep": "procps", "free": "procps", "hostname": "hostname",
		"nc": "netcat-openbsd", "socat": "socat", "diff": "diffutils", "cmp": "diffutils", "envsubst": "gettext-base",
		"openssl": "openssl", "psql": "postgresql-client", "redis-cli": "redis-tools", "sqlite3": "sqlite3",
		"python3": "python3", "perl": "perl", "busybox": "busybox", "bc": "bc", "git": "git", "ffmpeg": "ffmpeg",
	}
}

// addCommands adds the packages of the commands that a script calls, as far as they stand where commands stand.
func (s *script) addCommands(text string) {
	known := commandPackages()
	for number, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, " #")
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		parts := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("|&;()`{}!\"", r) })
		for _, part := range parts {
			words := strings.Fields(part)
			for len(words) > 1 && slices.Contains([]string{"exec", "if", "then", "else", "elif", "while", "until", "do", "time"}, words[0]) {
				words = words[1:]
			}
			if len(words) == 0 || known[words[0]] == "" {
				continue
			}
			need := kit.Need{Name: known[words[0]], Launch: true,
				Version: kit.Constraint{Source: fmt.Sprintf("%s:%d", s.File, number+1)}}
			if !slices.ContainsFunc(s.Packages, func(n kit.Need) bool { return n.Name == need.Name }) {
				s.Packages = append(s.Packages, need)
			}
		}
	}
}

// command is the command line of the process.
func (s *script) command() []string {
	shell := s.Shell
	if shell == "dash" {
		shell = "sh"
	}
	return []string{shell, s.File}
}

// match gives the detection's result.
func (s *script) match(extra []kit.Need) (libcnb.DetectResult, error) {
	command := strings.Join(s.command(), " ")
	record := kit.Record{Summary: "a shell script; web starts " + command, Starts: []kit.Start{{Type: kit.DefaultType,
		Command: command, Score: 40, Evidence: []string{s.Source}, Chosen: true}}}
	for _, n := range s.Packages {
		record.Facts = append(record.Facts, kit.Fact{Topic: "packages", Text: "needs " + n.Name, Source: n.Version.Source})
	}
	return kit.Match{ID: ID, Record: record, Needs: append(s.Packages, extra...)}.Pass()
}

// Build contributes the process of a script.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	app, err := kit.OpenApp(bc.ApplicationPath)
	if err != nil {
		return result, err
	}
	defer app.Close()
	s, err := findScript(app, kit.BuildEnv(bc.Platform))
	if err != nil {
		return result, err
	}
	if s == nil {
		return result, errors.New("starting the app: there is no script in it any more")
	}
	layer, err := bc.Layers.Layer("env")
	if err != nil {
		return result, fmt.Errorf("reading layer env: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return result, err
	}
	layer.LaunchEnvironment = libcnb.Environment{}
	kit.Listen(layer.LaunchEnvironment, kit.DefaultType)
	result.Layers = append(result.Layers, layer)
	result.Processes = append(result.Processes,
		libcnb.Process{Type: kit.DefaultType, Command: s.command(), Default: true})
	return result, nil
}
