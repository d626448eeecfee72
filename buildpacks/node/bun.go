package node

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// bunRuns tells whether the app is one of bun's: its lock file is there and nobody else's.
func (p *project) bunRuns() bool {
	return p.app.First("bun.lock", "bun.lockb") != "" && p.app.First("package-lock.json", "yarn.lock", "pnpm-lock.yaml") == ""
}

// bun resolves "bun run start" into the script, and "bun index.ts" into a process that bun runs itself.
func (p *project) bun(s *start, depth int) (*start, error) {
	args := s.Args[1:]
	flags := len(args) - len(dropFlags(args))
	words := args[flags:]
	run := len(words) > 0 && words[0] == "run"
	if run {
		words = dropFlags(words[1:])
	}
	if len(words) == 0 {
		return nil, reject("%s: %q runs no file and no script", s.Source, s.Text)
	}
	if words[0] == "x" {
		return p.command(s.Member, strings.Join(quoteAll(dropFlags(words[1:])), " "), s.Source, depth-1)
	}
	file := path.Clean(filepath.ToSlash(words[0]))
	if s.Member.Scripts[words[0]] != "" && (run || !p.app.Has(path.Join(s.Member.Dir, file))) {
		return p.scriptOrCommand(s, s.Member, words, words[1:], depth)
	}
	switch words[0] {
	case "install", "add", "test", "build", "dev", "start":
		return nil, reject("%s: %q runs no server", s.Source, s.Text)
	}
	s.Args = append([]string{"bun"}, append(slices.Clone(args[:flags]), words...)...)
	s.File = path.Join(s.Member.Dir, file)
	return s, nil
}
