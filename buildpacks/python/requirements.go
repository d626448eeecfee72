package python

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"s2i/buildpacks/kit"
)

// requirementsFile is what is known of a requirements.txt and the files that it includes.
type requirementsFile struct {
	// direct are its requirements, those that can be read.
	direct []requirement
	// files are the files, the first one first: the rest are included.
	files []string
	// local are directories and files of the app that are installed, such as "." of "-e .".
	local []string
	// hashed tells that every requirement has a hash, so the file is a lock.
	hashed bool
	// options are the lines that say where packages come from and of what kind they are.
	options []string
	// git tells that something comes from a repository.
	git bool
	// bad are lines that are none, as file:line.
	bad []string
}

// Bounds of a requirements.txt.
const (
	maxIncludes = 32
	maxLines    = 200_000
)

// readRequirements reads a requirements.txt as pip has it, with what it includes.
func readRequirements(app *kit.App, name string) (*requirementsFile, error) {
	f := &requirementsFile{hashed: true}
	if err := f.read(app, name, true); err != nil {
		return nil, err
	}
	if len(f.direct)+len(f.local) == 0 {
		f.hashed = false
	}
	return f, nil
}

func (f *requirementsFile) read(app *kit.App, name string, install bool) error {
	for _, seen := range f.files {
		if seen == name {
			return nil
		}
	}
	if len(f.files) >= maxIncludes {
		return fmt.Errorf("reading %s: more than %d files include each other", name, maxIncludes)
	}
	data, err := app.Read(name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	f.files = append(f.files, name)
	for _, l := range logicalLines(string(data)) {
		if err := f.line(app, name, l, install); err != nil {
			return err
		}
	}
	return nil
}

// logicalLine is a line with its continuations, comments removed.
type logicalLine struct {
	text   string
	number int
}

var comment = regexp.MustCompile(`(^|\s+)#.*$`)

func logicalLines(text string) []logicalLine {
	var lines []logicalLine
	var joined strings.Builder
	start, n := 0, 0
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if n++; n > maxLines {
			break
		}
		line = strings.TrimRight(line, "\r")
		if joined.Len() == 0 {
			start = n
		}
		if head, ok := strings.CutSuffix(line, `\`); ok && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			joined.WriteString(head + " ")
			continue
		}
		joined.WriteString(line)
		if t := strings.TrimSpace(comment.ReplaceAllString(joined.String(), "")); t != "" {
			lines = append(lines, logicalLine{t, start})
		}
		joined.Reset()
	}
	if t := strings.TrimSpace(joined.String()); t != "" {
		lines = append(lines, logicalLine{t, start})
	}
	return lines
}

// line reads one logical line.
func (f *requirementsFile) line(app *kit.App, file string, l logicalLine, install bool) error {
	flag, value := optionOf(l.text)
	switch flag {
	case "-r", "--requirement", "-c", "--constraint":
		included := path.Join(path.Dir(file), value)
		if !filepath.IsLocal(included) {
			return fmt.Errorf("%s:%d: %s is outside the app: build the directory that holds both", file, l.number, value)
		}
		if !app.Has(included) {
			return fmt.Errorf("%s:%d: %s is not in the app", file, l.number, value)
		}
		return f.read(app, included, install && flag[len(flag)-1] != 'c' && flag != "--constraint")
	case "-e", "--editable":
		f.add(app, file, value, l, install)
		return nil
	case "":
		f.add(app, file, l.text, l, install)
	case "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-binary", "--only-binary", "--no-index":
		f.options = append(f.options, l.text)
	}
	return nil
}

// optionOf splits a line into an option and its value; the option is empty for a requirement.
func optionOf(line string) (flag, value string) {
	if !strings.HasPrefix(line, "-") {
		return "", line
	}
	end := strings.IndexAny(line, "= \t")
	if end < 0 {
		if len(line) > 2 && line[1] != '-' { // -rother.txt
			return line[:2], line[2:]
		}
		return line, ""
	}
	return line[:end], strings.TrimSpace(line[end+1:])
}

var hashOption = regexp.MustCompile(`\s--hash[= ]\S+`)

// add adds a requirement, or something of the app that is to be installed.
func (f *requirementsFile) add(app *kit.App, file, text string, l logicalLine, install bool) {
	if !install {
		return
	}
	if !hashOption.MatchString(text) {
		f.hashed = false
	}
	text, _, _ = strings.Cut(text, " --")
	text = strings.TrimSpace(text)
	if strings.Contains(text, "git+") {
		f.git = true
	}
	if local := localTarget(app, path.Dir(file), text); local != "" {
		f.local = append(f.local, local)
		return
	}
	if _, fragment, ok := strings.Cut(text, "#egg="); ok { // git+https://…#egg=name
		name, _, _ := strings.Cut(fragment, "&")
		if r, err := parseRequirement(name); err == nil {
			r.Source = fmt.Sprintf("%s:%d", file, l.number)
			f.direct = append(f.direct, r)
		}
		return
	}
	r, err := parseRequirement(text)
	if err != nil {
		if !strings.Contains(text, "://") {
			f.bad = append(f.bad, fmt.Sprintf("%s:%d", file, l.number))
		}
		return
	}
	r.Source = fmt.Sprintf("%s:%d", file, l.number)
	f.direct = append(f.direct, r)
}

// localTarget gives the path in the app that a requirement names, or "".
func localTarget(app *kit.App, dir, text string) string {
	target, _, _ := strings.Cut(text, "[")
	target = strings.TrimPrefix(strings.TrimPrefix(target, "file://"), "file:")
	looks := strings.HasPrefix(target, ".") || strings.Contains(target, "/") && !strings.Contains(text, "://") &&
		!strings.Contains(text, "@") || strings.HasSuffix(target, ".whl") && !strings.Contains(text, "://")
	if !looks {
		return ""
	}
	at := path.Join(dir, target)
	if filepath.IsLocal(at) && (app.HasDir(at) || app.Has(at)) {
		return at
	}
	return ""
}
