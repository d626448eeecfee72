package ruby

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

const (
	fileGemfile = "Gemfile"
	fileLock    = "Gemfile.lock"
)

// gemfile is what of a Gemfile can be read without running it.
type gemfile struct {
	// Ruby is the constraint of the line "ruby ...", with its place; File is the file that the line names instead.
	Ruby kit.Constraint
	File string
	// Gems are the gems that it names, with their lines; Order is the order in which they stand.
	Gems  map[string]int
	Order []string
	// Paths are the gems that are part of the app.
	Paths []string
	// Uncertain tells that it decides what it asks for when it is run.
	Uncertain bool
}

var (
	rubyLine  = regexp.MustCompile(`^ruby[ (]+(.*)$`)
	rubyFile  = regexp.MustCompile(`\bfile:\s*["']([^"']+)["']|:file\s*=>\s*["']([^"']+)["']`)
	gemLine   = regexp.MustCompile(`^gem[ (]+["']([A-Za-z0-9_.-]+)["']`)
	localGem  = regexp.MustCompile(`\bpath:|:path\s*=>`)
	quoted    = regexp.MustCompile(`^\s*,?\s*["']([^"']*)["']`)
	condition = regexp.MustCompile(`\b(if|unless|case|eval_gemfile|gemspec|instance_eval)\b`)
)

// parseGemfile reads a Gemfile line by line.
func parseGemfile(data []byte) *gemfile {
	g := &gemfile{Gems: map[string]int{}}
	n := 0
	for text := range strings.Lines(string(data)) {
		n++
		line := strings.TrimSpace(text)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if condition.MatchString(line) {
			g.Uncertain = true
		}
		if m := gemLine.FindStringSubmatch(line); m != nil {
			if g.Gems[m[1]] == 0 {
				g.Order = append(g.Order, m[1])
			}
			g.Gems[m[1]] = n
			if localGem.MatchString(line) {
				g.Paths = append(g.Paths, m[1])
			}
		}
		m := rubyLine.FindStringSubmatch(line)
		if m == nil || g.Ruby.Value != "" || g.File != "" {
			continue
		}
		if f := rubyFile.FindStringSubmatch(m[1]); f != nil {
			g.File = f[1] + f[2]
			continue
		}
		var parts []string
		rest := m[1]
		for q := quoted.FindStringSubmatch(rest); q != nil; q = quoted.FindStringSubmatch(rest) {
			parts = append(parts, strings.TrimSpace(q[1]))
			rest = rest[len(q[0]):]
		}
		if len(parts) > 0 {
			g.Ruby = kit.Constraint{Value: strings.Join(parts, ", "), Source: fileGemfile + ":" + strconv.Itoa(n)}
		}
	}
	return g
}

// lockFile is what a Gemfile.lock says.
type lockFile struct {
	// Gems are the versions by name, Lines where they stand.
	Gems  map[string]string
	Lines map[string]int
	// Remotes are the sources of gems, Local and Git how many gems come from the app and from repositories.
	Remotes    []string
	Local, Git int
	Platforms  []string
	// Dependencies are the gems that the Gemfile asked for.
	Dependencies map[string]bool
	Ruby         kit.Constraint
	Bundler      string
}

// maxGems bounds the number of gems.
const maxGems = 50_000

var (
	specLine   = regexp.MustCompile(`^    ([A-Za-z0-9_.-]+) \(([^)]*)\)$`)
	rubyLocked = regexp.MustCompile(`^   ?ruby ([0-9]+(?:\.[0-9]+)*)`)
)

// parseLock parses a Gemfile.lock.
func parseLock(data []byte) (*lockFile, error) {
	l := &lockFile{Gems: map[string]string{}, Lines: map[string]int{}, Dependencies: map[string]bool{}}
	if bytes.Contains(data, []byte("\n<<<<<<< ")) || bytes.HasPrefix(data, []byte("<<<<<<< ")) {
		return nil, fmt.Errorf("parsing %s: it has marks of a conflict: resolve it and run `bundle lock`", fileLock)
	}
	section, n := "", 0
	for text := range strings.Lines(string(data)) {
		n++
		line := strings.TrimRight(text, "\r\n ")
		switch {
		case line == "":
		case line[0] != ' ':
			section = line
		default:
			if err := l.line(section, line, n); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

// forLinux tells whether the lock holds for Linux. One that was written on another system does not, unless it says so.
func (l *lockFile) forLinux() bool {
	return len(l.Platforms) == 0 || slices.ContainsFunc(l.Platforms, func(p string) bool {
		return p == "ruby" || strings.Contains(p, "linux")
	})
}

// line reads one indented line.
func (l *lockFile) line(section, line string, n int) error {
	value := strings.TrimSpace(line)
	switch section {
	case "GEM", "PATH", "GIT", "PLUGIN SOURCE":
		if remote, ok := strings.CutPrefix(line, "  remote: "); ok && section == "GEM" {
			l.Remotes = append(l.Remotes, remote)
		}
		m := specLine.FindStringSubmatch(line)
		if m == nil {
			return nil
		}
		if len(l.Gems) == maxGems {
			return fmt.Errorf("parsing %s: it has more than %d gems", fileLock, maxGems)
		}
		if l.Gems[m[1]] == "" {
			l.Gems[m[1]], l.Lines[m[1]] = m[2], n
			switch section {
			case "PATH":
				l.Local++
			case "GIT":
				l.Git++
			}
		}
	case "PLATFORMS":
		l.Platforms = append(l.Platforms, value)
	case "DEPENDENCIES":
		name, _, _ := strings.Cut(value, " ")
		l.Dependencies[strings.TrimSuffix(name, "!")] = true
	case "RUBY VERSION":
		if m := rubyLocked.FindStringSubmatch(line); m != nil {
			l.Ruby = kit.Constraint{Value: m[1], Source: fileLock + ":" + strconv.Itoa(n), Kind: kit.Hint}
		}
	case "BUNDLED WITH":
		l.Bundler = value
	}
	return nil
}

// drift gives the gems that the Gemfile names and the lock does not know.
func drift(g *gemfile, l *lockFile) []string {
	var missing []string
	for _, name := range g.Order {
		if !l.Dependencies[name] {
			missing = append(missing, fmt.Sprintf("%s (%s:%d)", name, fileGemfile, g.Gems[name]))
		}
	}
	return missing
}

// toolVersion finds the version of Ruby in .ruby-version, .tool-versions or mise.toml.
func toolVersion(app *kit.App, file string) kit.Constraint {
	data, err := app.Read(file)
	if err != nil {
		return kit.Constraint{}
	}
	n := 0
	for text := range strings.Lines(string(data)) {
		n++
		line, _, _ := strings.Cut(text, "#")
		fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n=\"'", r) })
		switch {
		case len(fields) == 0:
			continue
		case file == ".tool-versions" || strings.HasSuffix(file, ".toml"):
			if fields[0] != "ruby" || len(fields) == 1 {
				continue
			}
			fields = fields[1:]
		}
		version := strings.TrimPrefix(fields[0], "ruby-")
		if version == "" || version[0] < '0' || version[0] > '9' {
			return kit.Constraint{}
		}
		version, _, _ = strings.Cut(version, "-p")
		return kit.Constraint{Value: version, Source: file + ":" + strconv.Itoa(n), Kind: kit.Hint}
	}
	return kit.Constraint{}
}
