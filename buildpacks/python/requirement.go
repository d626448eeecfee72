package python

import (
	"fmt"
	"regexp"
	"strings"
)

// requirement is a dependency specifier (PEP 508): what a project says it needs.
type requirement struct {
	// Name is normalised.
	Name   string
	Extras []string
	// Specifier is the version specifier, URL the direct reference instead of it.
	Specifier, URL string
	Marker         string
	// Source is where it stands, as file:line.
	Source string
}

var separators = regexp.MustCompile(`[-_.]+`)

// normal gives the normalised form of a project's or an extra's name (PEP 503, PEP 685).
func normal(name string) string {
	return separators.ReplaceAllString(strings.ToLower(strings.TrimSpace(name)), "-")
}

var requirementPattern = regexp.MustCompile(
	`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(.*)$`)

// maxRequirement bounds the length of one dependency specifier.
const maxRequirement = 64 << 10

// parseRequirement parses a dependency specifier.
func parseRequirement(text string) (requirement, error) {
	text = strings.TrimSpace(text)
	m := requirementPattern.FindStringSubmatch(text)
	if m == nil || len(text) > maxRequirement {
		return requirement{}, fmt.Errorf("%.80q is no dependency specifier", text)
	}
	r := requirement{Name: normal(m[1])}
	for extra := range strings.SplitSeq(m[2], ",") {
		if extra = normal(extra); extra != "" {
			r.Extras = append(r.Extras, extra)
		}
	}
	rest := m[3]
	if url, ok := strings.CutPrefix(rest, "@"); ok {
		// A marker after a URL needs white space before its semicolon.
		url, marker, _ := strings.Cut(strings.TrimSpace(url), " ;")
		r.URL, r.Marker = strings.TrimSpace(url), strings.TrimSpace(marker)
		return r, nil
	}
	spec, marker, _ := strings.Cut(rest, ";")
	spec = strings.TrimSpace(spec)
	if strings.HasPrefix(spec, "(") && strings.HasSuffix(spec, ")") {
		spec = spec[1 : len(spec)-1]
	}
	if _, err := parseSpecifier(spec); err != nil {
		return r, fmt.Errorf("%.80q is no dependency specifier: %w", text, err)
	}
	r.Specifier, r.Marker = strings.TrimSpace(spec), strings.TrimSpace(marker)
	return r, nil
}

// String writes the requirement as uv reads it.
func (r requirement) String() string {
	s := r.Name
	if len(r.Extras) > 0 {
		s += "[" + strings.Join(r.Extras, ",") + "]"
	}
	if r.URL != "" {
		s += " @ " + r.URL
	} else {
		s += r.Specifier
	}
	if r.Marker != "" {
		s += " ; " + r.Marker
	}
	return s
}
