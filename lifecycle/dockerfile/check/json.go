package check

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Location is a place in a Dockerfile as BuildKit's subrequests write it.
type Location struct {
	Ranges []Range `json:"ranges,omitempty"`
}

// Range is the first and the last position of an instruction.
type Range struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Position is a line, from 1, and a character in it.
type Position struct {
	Line      int `json:"line,omitempty"`
	Character int `json:"character,omitempty"`
}

// LocationOf gives the place of an instruction; nil when that is not known.
func LocationOf(where []parser.Range) *Location {
	if len(where) == 0 {
		return nil
	}
	l := &Location{}
	for _, r := range where {
		l.Ranges = append(l.Ranges, Range{Position(r.Start), Position(r.End)})
	}
	return l
}

// line is the first line of a place.
func (l *Location) line() int {
	if l == nil {
		return 0
	}
	return l.Ranges[0].Start.Line
}

// ByLine compares two places by their lines.
func ByLine(a, b *Location) int { return a.line() - b.line() }

// The answer to BuildKit's subrequest frontend.lint.
type (
	lintResult struct {
		Warnings []warning   `json:"warnings"`
		Sources  []source    `json:"sources"`
		Error    *buildError `json:"buildError,omitempty"`
	}
	warning struct {
		RuleName    string    `json:"ruleName"`
		Description string    `json:"description,omitempty"`
		URL         string    `json:"url,omitempty"`
		Detail      string    `json:"detail,omitempty"`
		Location    *Location `json:"location,omitempty"`
	}
	source struct {
		Filename string `json:"filename"`
		Language string `json:"language"`
		Data     []byte `json:"data"`
	}
	buildError struct {
		Message  string   `json:"message"`
		Location Location `json:"location"`
	}
)

// WriteJSON writes the findings for programs, in the form of BuildKit's subrequest frontend.lint. failed is what ended
// the check early.
func (r *Report) WriteJSON(w io.Writer, failed error) error {
	out := lintResult{Warnings: []warning{}, Sources: []source{{r.name, "Dockerfile", r.text}}}
	for _, f := range r.Findings {
		out.Warnings = append(out.Warnings, warning{f.Rule, f.Description, f.URL, f.Detail, LocationOf(f.Where)})
	}
	if failed != nil {
		out.Error = &buildError{Message: failed.Error()}
		var at *parser.LocationError
		if errors.As(failed, &at) && len(at.Locations) > 0 {
			out.Error.Location = *LocationOf(at.Locations[0])
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
