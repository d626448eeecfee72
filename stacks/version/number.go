package version

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what is read.
const (
	maxText  = 1000
	maxParts = 8
)

var errNoVersion = errors.New("that is no version")

// number is a version: numbers between dots, and what follows them in a prerelease.
type number struct {
	parts []uint64
	pre   string // "rc1"; empty for a release
}

// parseNumber reads a version. Build metadata after "+" does not count. A "-", or letters after the numbers, begin a
// prerelease; but Ruby's patch levels ("2.6.0p0") are releases.
func parseNumber(text string) (number, error) {
	s := strings.TrimSpace(text)
	s, _, _ = strings.Cut(s, "+")
	end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	digits, rest := s, ""
	if end >= 0 {
		digits, rest = s[:end], s[end:]
	}
	digits = strings.TrimSuffix(digits, ".")
	n := number{pre: strings.ToLower(strings.TrimLeft(rest, "-._"))}
	if len(n.pre) > 1 && n.pre[0] == 'p' && strings.Trim(n.pre[1:], "0123456789") == "" {
		n.pre = ""
	}
	parts := strings.Split(digits, ".")
	if digits == "" || len(parts) > maxParts || len(text) > maxText {
		return n, fmt.Errorf("reading %q: %w", clip(text), errNoVersion)
	}
	for _, p := range parts {
		v, err := strconv.ParseUint(p, 10, 53)
		if err != nil {
			return n, fmt.Errorf("reading %q: %w", clip(text), errNoVersion)
		}
		n.parts = append(n.parts, v)
	}
	return n, nil
}

// clip shortens a text for an error.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// at is a part; those that are not given are 0.
func (n number) at(i int) uint64 {
	if i < len(n.parts) {
		return n.parts[i]
	}
	return 0
}

func (n number) compare(o number) int {
	for i := range max(len(n.parts), len(o.parts)) {
		if c := cmp.Compare(n.at(i), o.at(i)); c != 0 {
			return c
		}
	}
	switch {
	case n.pre == o.pre:
		return 0
	case n.pre == "":
		return 1
	case o.pre == "":
		return -1
	default:
		return compareText(n.pre, o.pre)
	}
}

// compareText compares prereleases: runs of digits as numbers, everything else as text.
func compareText(a, b string) int {
	for a != "" && b != "" {
		x, restA := run(a)
		y, restB := run(b)
		m, errA := strconv.ParseUint(x, 10, 64)
		n, errB := strconv.ParseUint(y, 10, 64)
		c := cmp.Compare(x, y)
		if errA == nil && errB == nil {
			c = cmp.Compare(m, n)
		}
		if c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// run splits off the first run of digits, or of anything else.
func run(s string) (first, rest string) {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	i := 1
	for i < len(s) && digit(s[i]) == digit(s[0]) {
		i++
	}
	return s[:i], s[i:]
}

// hasPrefix tells whether a version agrees with the given parts of p.
func (n number) hasPrefix(p number) bool {
	for i := range p.parts {
		if n.at(i) != p.parts[i] {
			return false
		}
	}
	return true
}

// upTo is the version with the first i parts.
func (n number) upTo(i int) number { return number{parts: n.parts[:min(i, len(n.parts))]} }

// next is the smallest version after all that agree with the first i parts.
func (n number) next(i int) number {
	parts := append([]uint64{}, n.parts[:min(i, len(n.parts))]...)
	if len(parts) == 0 {
		return number{parts: []uint64{1 << 60}}
	}
	parts[len(parts)-1]++
	return number{parts: parts}
}

// test is a condition on a version.
type test func(v number) bool

func atLeast(n number) test { return func(v number) bool { return v.compare(n) >= 0 } }
func atMost(n number) test  { return func(v number) bool { return v.compare(n) <= 0 } }
func above(n number) test   { return func(v number) bool { return v.compare(n) > 0 } }
func prefix(n number) test  { return func(v number) bool { return v.hasPrefix(n) } }
func exactly(n number) test { return func(v number) bool { return v.compare(n) == 0 } }
func not(t test) test       { return func(v number) bool { return !t(v) } }

// below keeps the prereleases of n out as well.
func below(n number) test {
	return func(v number) bool {
		return v.compare(n) < 0 && (v.pre == "" || n.pre != "" || !number{parts: v.parts}.hasPrefix(n))
	}
}

// within holds from n up to the next version after those that agree with its first i parts.
func within(n number, i int) test {
	return all(atLeast(n), below(n.next(i)))
}

func all(list ...test) test {
	return func(v number) bool {
		for _, t := range list {
			if !t(v) {
				return false
			}
		}
		return true
	}
}

func oneOf(list ...test) test {
	return func(v number) bool {
		for _, t := range list {
			if t(v) {
				return true
			}
		}
		return false
	}
}
