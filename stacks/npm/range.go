package npm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Range is a set of versions as npm writes it: comparators, hyphen and x-ranges, ~ and ^, joined by spaces (and) and
// "||" (or). Prereleases are never part of a range, except the exact one that it names.
type Range struct {
	sets [][]comparator
}

type comparator struct {
	op  string // "<", "<=", ">", ">=", "="
	ver *semver.Version
}

// partial is a version of which parts may be missing or "x".
type partial struct {
	parts [3]uint64
	n     int // how many parts are given
	pre   string
}

// maxRange bounds the text of a range.
const maxRange = 1000

// ParseRange reads a range. The empty range, "*" and "x" mean every version.
func ParseRange(text string) (*Range, error) {
	if len(text) > maxRange {
		return nil, fmt.Errorf("reading a version range: it is longer than %d bytes", maxRange)
	}
	r := &Range{}
	for _, alt := range strings.Split(text, "||") {
		set, err := parseSet(alt)
		if err != nil {
			return nil, fmt.Errorf("reading the version range %q: %w", strings.TrimSpace(text), err)
		}
		r.sets = append(r.sets, set)
	}
	return r, nil
}

// Exact gives the version when the range names exactly one.
func (r *Range) Exact() (string, bool) {
	if len(r.sets) == 1 && len(r.sets[0]) == 1 && r.sets[0][0].op == "=" {
		return r.sets[0][0].ver.String(), true
	}
	return "", false
}

// Contains tells whether v is in the range.
func (r *Range) Contains(v *semver.Version) bool {
	for _, set := range r.sets {
		if inSet(set, v) {
			return true
		}
	}
	return false
}

func inSet(set []comparator, v *semver.Version) bool {
	named := v.Prerelease() == ""
	for _, c := range set {
		d := v.Compare(c.ver)
		ok := c.op == "=" && d == 0 || c.op == "<" && d < 0 || c.op == "<=" && d <= 0 ||
			c.op == ">" && d > 0 || c.op == ">=" && d >= 0
		if !ok {
			return false
		}
		named = named || c.op == "=" && d == 0
	}
	return named
}

func parseSet(text string) ([]comparator, error) {
	if lo, hi, ok := strings.Cut(strings.TrimSpace(text), " - "); ok {
		return hyphen(lo, hi)
	}
	set := []comparator{}
	for _, word := range words(text) {
		list, err := parseComparator(word)
		if err != nil {
			return nil, err
		}
		set = append(set, list...)
	}
	return set, nil
}

// words splits at blanks and joins an operator with the version after it (">= 18").
func words(text string) []string {
	var list []string
	pending := ""
	for _, f := range strings.Fields(text) {
		if strings.Trim(f, "<>=~^") == "" {
			pending += f
			continue
		}
		list = append(list, pending+f)
		pending = ""
	}
	if pending != "" {
		list = append(list, pending)
	}
	return list
}

func hyphen(lo, hi string) ([]comparator, error) {
	from, err := parsePartial(lo)
	if err != nil {
		return nil, err
	}
	to, err := parsePartial(hi)
	if err != nil {
		return nil, err
	}
	set := []comparator{{">=", from.floor()}}
	if to.n == 3 {
		return append(set, comparator{"<=", to.floor()}), nil
	}
	return append(set, to.below(to.n)...), nil
}

func parseComparator(word string) ([]comparator, error) {
	op := word[:len(word)-len(strings.TrimLeft(word, "<>=~^"))]
	p, err := parsePartial(word[len(op):])
	if err != nil {
		return nil, err
	}
	atLeast := comparator{">=", p.floor()}
	switch op {
	case "^":
		return append([]comparator{atLeast}, p.below(p.caret())...), nil
	case "~", "~>":
		return append([]comparator{atLeast}, p.below(min(p.n, 2))...), nil
	case "", "=", "==":
		if p.n == 3 {
			return []comparator{{"=", p.floor()}}, nil
		}
		return append([]comparator{atLeast}, p.below(p.n)...), nil
	case ">=":
		return []comparator{atLeast}, nil
	case "<":
		return []comparator{{"<", p.floor()}}, nil
	case "<=":
		if p.n == 3 {
			return []comparator{{"<=", p.floor()}}, nil
		}
		return p.below(p.n), nil
	case ">":
		if p.n == 3 {
			return []comparator{{">", p.floor()}}, nil
		}
		if p.n == 0 {
			return []comparator{{"<", semver.New(0, 0, 0, "", "")}}, nil // nothing is greater than everything
		}
		return []comparator{{">=", p.next(p.n)}}, nil
	default:
		return nil, fmt.Errorf("operator %q is not known", op)
	}
}

func parsePartial(s string) (partial, error) {
	s = strings.TrimLeft(strings.TrimSpace(s), "vV=")
	s, _, _ = strings.Cut(s, "+")
	s, pre, _ := strings.Cut(s, "-")
	p := partial{pre: pre}
	if s == "" {
		return partial{}, nil
	}
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return p, fmt.Errorf("%q is no version", s)
	}
	for i, part := range parts {
		if part == "x" || part == "X" || part == "*" {
			break
		}
		n, err := strconv.ParseUint(part, 10, 53)
		if err != nil {
			return p, fmt.Errorf("%q is no version", s)
		}
		p.parts[i], p.n = n, i+1
	}
	if p.n < 3 {
		p.pre = ""
	}
	if _, err := semver.NewVersion(p.floor().String()); err != nil {
		return p, fmt.Errorf("%q is no version", s)
	}
	return p, nil
}

// floor is the smallest version that p stands for.
func (p partial) floor() *semver.Version {
	return semver.New(p.parts[0], p.parts[1], p.parts[2], p.pre, "")
}

// next is the smallest version after all those that agree with p in the first n parts.
func (p partial) next(n int) *semver.Version {
	parts := p.parts
	parts[n-1]++
	for i := n; i < 3; i++ {
		parts[i] = 0
	}
	return semver.New(parts[0], parts[1], parts[2], "", "")
}

// below bounds versions to those that agree with p in the first n parts; n = 0 bounds nothing.
func (p partial) below(n int) []comparator {
	if n == 0 {
		return nil
	}
	// "-0" keeps the prereleases of the next version out.
	v := p.next(n)
	return []comparator{{"<", semver.New(v.Major(), v.Minor(), v.Patch(), "0", "")}}
}

// caret is how many parts ^ holds fixed: up to the first that is not zero.
func (p partial) caret() int {
	for i := range p.n {
		if p.parts[i] != 0 {
			return i + 1
		}
	}
	return p.n
}
