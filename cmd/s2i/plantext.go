package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/docker/go-units"

	"s2i/lifecycle/create"
)

// sheet is text in two columns: what it is about, and what there is to say. It is plain text wherever it goes.
type sheet struct{ text bytes.Buffer }

// labelWidth is where the second column begins.
const labelWidth = 14

// head begins something new.
func (s *sheet) head(label, format string, args ...any) { s.row(label, fmt.Sprintf(format, args...)) }

// line says one more thing about it, when there is anything to say.
func (s *sheet) line(label, value string) {
	if value != "" {
		s.row("  "+label, value)
	}
}

// list says one thing a line.
func (s *sheet) list(label string, values []string) {
	for i, v := range values {
		if i > 0 {
			label = ""
		}
		s.row("  "+label, v)
	}
}

func (s *sheet) row(label, value string) {
	pad := max(1, labelWidth-utf8.RuneCountInString(label))
	s.text.WriteString(strings.TrimRight(label+strings.Repeat(" ", pad)+value, " ") + "\n")
}

// gap separates what belongs together from the rest.
func (s *sheet) gap() {
	if s.text.Len() > 0 && !bytes.HasSuffix(s.text.Bytes(), []byte("\n\n")) {
		s.text.WriteByte('\n')
	}
}

func (s *sheet) writeTo(w io.Writer) error {
	_, err := w.Write(append(bytes.TrimRight(s.text.Bytes(), "\n"), '\n'))
	return err
}

// writePlan writes the decisions of a plan, one a line.
func writePlan(out io.Writer, p *create.Plan) error {
	s := &sheet{}
	s.head("plan", "%s", p.Summary)
	label := "buildpacks"
	for _, b := range p.Buildpacks {
		s.head(label, "%s %s %s  %s", mark(b.Outcome == create.OutcomeChosen), b.ID, b.Outcome, b.Reason)
		label = ""
	}
	s.alternatives(p)
	label = "packages"
	for _, g := range p.Packages {
		s.head(label, "%s", strings.Join(nonEmpty(strings.TrimSpace(g.Name+" "+g.Version), images(g), constraints(g)), "  "))
		label = ""
	}
	for _, start := range p.Starts {
		if start.Chosen {
			s.head(start.Type, "%s", start.Command)
		}
	}
	s.hosts(p)
	s.image(p)
	s.warnings(p)
	return s.writeTo(out)
}

func mark(chosen bool) string {
	if chosen {
		return "+"
	}
	return "-"
}

// images says where a package goes.
func images(g create.PlanPackage) string {
	switch {
	case g.Build && g.Launch:
		return "build+run"
	case g.Launch:
		return "run"
	default:
		return "build"
	}
}

// constraints says what was asked for, by whom.
func constraints(g create.PlanPackage) string {
	var parts []string
	for _, c := range g.Constraints {
		note := ""
		if c.Kind != "range" {
			note = c.Kind
		}
		if c.Dropped != "" {
			note = strings.TrimPrefix(note+", dropped: "+c.Dropped, ", ")
		}
		text := strings.TrimSpace(c.Source + fmt.Sprintf(" %q", c.Value))
		if note != "" {
			text += " (" + note + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ∩ ")
}

func (s *sheet) alternatives(p *create.Plan) {
	label := "or instead"
	for _, a := range p.Alternatives {
		s.head(label, "%s would build it, too: choose it by %s", strings.Join(a.Buildpacks, " + "), a.Choose)
		label = ""
	}
}

func (s *sheet) hosts(p *create.Plan) {
	text := "the configured registries of packages"
	if len(p.Hosts) == 0 {
		s.head("network", "%s; nothing else is asked for", text)
		return
	}
	s.head("network", "%s, and", text)
	for _, h := range p.Hosts {
		s.head("", "%s", strings.Join(nonEmpty(h.Name, h.Source, h.Why), "  "))
	}
}

// image says what the image stands on.
func (s *sheet) image(p *create.Plan) {
	if p.Image.Stack == "" && p.Image.Base == "" {
		return // it is not known: see the problem
	}
	s.head("image", "%s, %s on the stack %s, as user %s", p.Target, cmp.Or(p.Image.Base, "nothing"), p.Image.Stack, p.Image.User)
	for _, l := range p.Image.Layers {
		size := ""
		if l.Bytes > 0 {
			size = units.HumanSize(float64(l.Bytes)) + " to download"
		}
		debs := ""
		if l.Debs > 0 {
			debs = fmt.Sprintf("%d Debian packages", l.Debs)
		}
		s.head("", "%s", strings.Join(nonEmpty(strings.TrimSpace(l.Name+" "+l.Version), debs, size), "  "))
	}
}

func (s *sheet) warnings(p *create.Plan) {
	for _, w := range p.Warnings {
		s.head("warning", "%s", w)
	}
	if p.Problem != "" {
		s.head("problem", "%s", p.Problem)
	}
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return strings.TrimSpace(s) == "" })
}
