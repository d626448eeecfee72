package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"s2i/lifecycle"
)

// Bounds on what is read from a tree's own files about the tree.
const (
	maxRulesFile = 1 << 20
	maxRules     = 10_000
)

// rule is one line of an ignore list. Its match may be called from several goroutines.
type rule struct {
	negated  bool
	match    func(path string, isDir bool) bool
	segments []string // of a pattern that is anchored at the top; nil when it may match anywhere
}

// rules decide what belongs to a tree.
type rules struct {
	ignore  []rule // .s2iignore or .dockerignore
	exclude []rule // project.toml, and Options.Ignore
	include []rule // project.toml; when set, only this
}

// ruleState is what a directory hands to its entries: which rules matched it or a directory above it.
type ruleState struct {
	ignore, exclude, include []bool
}

type verdict int

const (
	keep       verdict = iota
	leaveOut           // with everything below
	lookInside         // a directory that stays only if something in it does
)

func (r *rules) check(path string, isDir bool, parent ruleState) (verdict, ruleState) {
	var state ruleState
	ignored, m := apply(r.ignore, path, isDir, parent.ignore)
	excluded, n := apply(r.exclude, path, isDir, parent.exclude)
	included := true
	var o []bool
	if len(r.include) > 0 {
		included, o = apply(r.include, path, isDir, parent.include)
	}
	state = ruleState{m, n, o}
	switch {
	case !ignored && !excluded && included:
		return keep, state
	case !isDir:
		return leaveOut, state
	case ignored && !reaches(r.ignore, path, true), excluded && !reaches(r.exclude, path, true):
		return leaveOut, state
	case !included && !reaches(r.include, path, false):
		return leaveOut, state
	}
	return lookInside, state
}

// apply gives whether the last rule that matches path, or a directory above it, is a plain one. above and its result
// tell rule by rule what matched.
func apply(list []rule, path string, isDir bool, above []bool) (bool, []bool) {
	if len(list) == 0 {
		return false, nil
	}
	if !isDir { // nobody needs the rule by rule result: the last match decides
		for i := len(list) - 1; i >= 0; i-- {
			if above != nil && above[i] || list[i].match(path, false) {
				return !list[i].negated, nil
			}
		}
		return false, nil
	}
	matched, result := make([]bool, len(list)), false
	for i, r := range list {
		matched[i] = above != nil && above[i] || r.match(path, true)
		if matched[i] {
			result = !r.negated
		}
	}
	return result, matched
}

// reaches tells whether a rule of the given sign may match something below dir.
func reaches(list []rule, dir string, negated bool) bool {
	for _, r := range list {
		if r.negated == negated && r.mayMatchBelow(dir) {
			return true
		}
	}
	return false
}

func (r rule) mayMatchBelow(dir string) bool {
	if r.segments == nil {
		return true
	}
	parts := strings.Split(dir, "/")
	if len(r.segments) <= len(parts) {
		return false // it matches dir itself, or nothing here
	}
	for i, part := range parts {
		if ok, err := path.Match(r.segments[i], part); err != nil || !ok {
			return err != nil
		}
	}
	return true
}

// readRules collects the rules that the tree at root, its descriptor and the caller give.
func readRules(root *os.Root, d *lifecycle.ProjectDescriptor, more []string) (*rules, error) {
	out := &rules{}
	for _, name := range []string{".s2iignore", ".dockerignore"} {
		data, err := readBounded(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var patterns []string
		if err == nil {
			patterns, err = ignorefile.ReadAll(bytes.NewReader(data))
		}
		if err == nil && (name != ".dockerignore" || !forOutput(patterns)) {
			out.ignore, err = dockerRules(patterns)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the ignore rules in %s: %w", name, err)
		}
		break
	}
	var err error
	if d != nil {
		if out.exclude, err = gitRules(d.Exclude); err != nil {
			return nil, fmt.Errorf("reading exclude of project.toml: %w", err)
		}
		if out.include, err = gitRules(d.Include); err != nil {
			return nil, fmt.Errorf("reading include of project.toml: %w", err)
		}
	}
	given, err := dockerRules(more)
	if err != nil {
		return nil, fmt.Errorf("reading the patterns to ignore: %w", err)
	}
	out.exclude = append(out.exclude, given...)
	return out, nil
}

// readBounded reads a small file of the tree. Links are followed as long as they stay in the tree.
func readBounded(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, pathCause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, pathCause(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRulesFile+1))
	if err == nil && len(data) > maxRulesFile {
		err = fmt.Errorf("it is larger than %d bytes", maxRulesFile)
	}
	return data, err
}

// forOutput tells whether the patterns of a .dockerignore leave nothing but what a build has made, as Quarkus' templates
// have it: they are for a Dockerfile that packs that, and say nothing about sources.
func forOutput(patterns []string) bool {
	everything, output := false, false
	for _, p := range patterns {
		body, negated := strings.CutPrefix(strings.TrimSpace(p), "!")
		top, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(strings.TrimSpace(body)), "/"), "/")
		switch {
		case !negated:
			everything = everything || top == "*" || top == "**"
		case top != "target" && top != "build":
			return false
		default:
			output = true
		}
	}
	return everything && output
}

// dockerRules reads patterns in the syntax of .dockerignore.
func dockerRules(patterns []string) ([]rule, error) {
	if len(patterns) > maxRules {
		return nil, fmt.Errorf("there are more than %d patterns", maxRules)
	}
	out := make([]rule, 0, len(patterns))
	for _, p := range patterns {
		r, err := dockerRule(p)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func dockerRule(pattern string) (rule, error) {
	body, negated := strings.CutPrefix(strings.TrimSpace(pattern), "!")
	body = strings.TrimSpace(body)
	if body == "" {
		return rule{}, fmt.Errorf("the pattern %q is empty", pattern)
	}
	if body = path.Clean(body); len(body) > 1 {
		body = strings.TrimPrefix(body, "/")
	}
	if body[0] == '!' {
		body = `\` + body // only the first "!" negates
	}
	matcher, err := patternmatcher.New([]string{body})
	if err != nil {
		return rule{}, fmt.Errorf("the pattern %q is malformed: %w", pattern, err)
	}
	// The first use compiles the pattern, so that later ones only read it. What it gives back tells the matcher that no
	// directory above matched, which the walk knows by itself; unless the pattern matches anything at all.
	matched, info, err := matcher.MatchesUsingParentResults("\x00/\x00", patternmatcher.MatchInfo{})
	if err != nil {
		return rule{}, fmt.Errorf("the pattern %q is malformed: %w", pattern, err)
	}
	if matched {
		info = patternmatcher.MatchInfo{}
	}
	r := rule{negated: negated, match: func(path string, _ bool) bool {
		ok, _, err := matcher.MatchesUsingParentResults(path, info)
		return ok && err == nil
	}}
	if !strings.Contains(body, "**") {
		r.segments = strings.Split(body, "/")
	}
	return r, nil
}

// gitRules reads patterns in the syntax of .gitignore.
func gitRules(patterns []string) ([]rule, error) {
	if len(patterns) > maxRules {
		return nil, fmt.Errorf("there are more than %d patterns", maxRules)
	}
	var out []rule
	for _, p := range patterns {
		r, ok, err := gitRule(p)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q is malformed: %w", p, err)
		}
		if ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// gitRule reads one pattern; false for a blank line or a comment.
func gitRule(pattern string) (rule, bool, error) {
	p := trimBlanks(strings.TrimRight(pattern, "\r\n"))
	if p == "" || p[0] == '#' {
		return rule{}, false, nil
	}
	p, negated := strings.CutPrefix(p, "!")
	p, dirOnly := strings.CutSuffix(p, "/")
	anchored := strings.Contains(p, "/")
	if p = strings.TrimPrefix(p, "/"); p == "" {
		return rule{}, false, nil
	}
	expr := "^"
	if !anchored {
		expr += "(?:.*/)?"
	}
	segments := strings.Split(p, "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case segment == "**" && last:
			expr += ".+"
		case segment == "**":
			expr += "(?:.*/)?"
		default:
			glob, err := globExpr(segment)
			if err != nil {
				return rule{}, false, err
			}
			if expr += glob; !last {
				expr += "/"
			}
		}
	}
	re, err := regexp.Compile("(?s)" + expr + "$")
	if err != nil {
		return rule{}, false, err
	}
	r := rule{negated: negated, match: func(path string, isDir bool) bool {
		return (isDir || !dirOnly) && re.MatchString(path)
	}}
	if anchored && !strings.Contains(p, "**") {
		r.segments = segments
	}
	return r, true, nil
}

// trimBlanks drops trailing spaces unless a backslash protects them.
func trimBlanks(p string) string {
	for strings.HasSuffix(p, " ") && !strings.HasSuffix(p, `\ `) {
		p = p[:len(p)-1]
	}
	return p
}

// globExpr turns one component of a pattern into a regular expression.
func globExpr(glob string) (string, error) {
	if _, err := path.Match(glob, ""); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			b.WriteString("[^/]*")
		case '?':
			b.WriteString("[^/]")
		case '\\':
			i++ // path.Match has seen that something follows
			end := i + 1
			for end < len(glob) && glob[end]&0xc0 == 0x80 {
				end++
			}
			b.WriteString(regexp.QuoteMeta(glob[i:end]))
			i = end - 1
		case '[':
			class, n := bracketExpr(glob[i:])
			b.WriteString(class)
			i += n - 1
		default:
			end := i + 1
			for end < len(glob) && glob[end]&0xc0 == 0x80 {
				end++
			}
			b.WriteString(regexp.QuoteMeta(glob[i:end]))
			i = end - 1
		}
	}
	return b.String(), nil
}

// bracketExpr turns "[…]" at the start of glob into a regular expression and tells how many bytes it took.
func bracketExpr(glob string) (string, int) {
	i := 1
	open := "["
	if i < len(glob) && (glob[i] == '!' || glob[i] == '^') {
		open = "[^/"
		i++
	}
	var b strings.Builder
	b.WriteString(open)
	for start := i; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == ']' && i > start:
			b.WriteByte(']')
			return b.String(), i + 1
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteString(`\` + string(glob[i]))
		case c == '[' || c == ']' || c == '&' || c == '~' || c == '^':
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return regexp.QuoteMeta(glob), len(glob) // no closing bracket: the characters themselves
}
