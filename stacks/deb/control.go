package deb

import (
	"fmt"
	"strings"
)

// Field is one field of a control paragraph. Value holds continuation lines with their newlines, as they are.
type Field struct{ Name, Value string }

// Paragraph is one stanza of a control file (deb-control(5)). Package lists hold tens of thousands of them, so this
// is a slice that is searched, not a map.
type Paragraph []Field

// Get gives the value of a field, "" when it is absent. Names compare without regard to case.
func (p Paragraph) Get(name string) string {
	for _, f := range p {
		if len(f.Name) == len(name) && strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// NextParagraph reads the first paragraph of s into p, whose memory it uses, and returns what follows it. At the end
// it returns an empty paragraph. The fields are parts of s: nothing is copied.
func NextParagraph(s string, p Paragraph) (Paragraph, string, error) {
	p = p[:0]
	all, start := s, 0 // start: where in all the value of the last field begins
	for len(s) > 0 {
		line, rest := cutLine(s)
		at := len(all) - len(s)
		s = rest
		switch {
		case strings.TrimSpace(line) == "":
			if len(p) > 0 {
				return p, s, nil
			}
		case line[0] == ' ' || line[0] == '\t':
			if len(p) == 0 {
				return nil, "", fmt.Errorf("%w: a control paragraph begins with a continuation line", ErrFormat)
			}
			p[len(p)-1].Value = strings.TrimSpace(all[start : at+len(line)])
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok || name == "" {
				return nil, "", fmt.Errorf("%w: control line %q has no colon", ErrFormat, line[:min(len(line), 80)])
			}
			start = at + len(name) + 1
			p = append(p, Field{name, strings.TrimSpace(value)})
		}
	}
	return p, "", nil
}

func cutLine(s string) (line, rest string) {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
