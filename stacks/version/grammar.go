package version

import (
	"cmp"
	"fmt"
	"strings"
)

// Grammar is how an ecosystem writes versions and constraints on them.
type Grammar string

// The grammars.
const (
	NPM      Grammar = "npm"      // semantic version ranges of npm
	Go       Grammar = "go"       // go and toolchain lines
	PEP440   Grammar = "pep440"   // Python's specifiers, and poetry's ^ and ~
	Maven    Grammar = "maven"    // Maven's ranges
	Java     Grammar = "java"     // releases of Java: 1.8, 17, temurin-21.0.2; ranges as Maven writes them
	Cargo    Grammar = "cargo"    // channels and versions of Rust
	Gem      Grammar = "gem"      // RubyGems' requirements
	Composer Grammar = "composer" // Composer's constraints
)

// Set is a set of versions.
type Set struct {
	// Text is what describes it.
	Text string
	// Exact is the version, when it is a set of one.
	Exact string
	has   func(version string) bool
}

// Contains tells whether a version is in the set.
func (s Set) Contains(v string) bool { return s.has != nil && s.has(v) }

// Known tells whether there is such a grammar.
func (g Grammar) Known() bool {
	switch g {
	case NPM, Go, PEP440, Maven, Java, Cargo, Gem, Composer:
		return true
	default:
		return false
	}
}

// Parse reads a constraint.
func (g Grammar) Parse(text string) (Set, error) {
	if len(text) > maxText {
		return Set{}, fmt.Errorf("reading the version %q: it is longer than %d bytes", clip(text), maxText)
	}
	set, err := g.parse(strings.TrimSpace(text))
	if err != nil {
		return Set{}, err
	}
	set.Text = strings.TrimSpace(text)
	return set, nil
}

func (g Grammar) parse(text string) (Set, error) {
	switch g {
	case NPM:
		return parseNPM(text)
	case Go:
		return parseGo(text)
	case PEP440:
		return parsePEP440(text)
	case Maven:
		return parseMaven(text)
	case Java:
		return parseJava(text)
	case Cargo:
		return parseCargo(text)
	case Gem:
		return parseGem(text)
	case Composer:
		return parseComposer(text)
	default:
		return Set{}, fmt.Errorf("reading the version %q: grammar %q is not known", clip(text), string(g))
	}
}

// AtLeast reads a version as the least of a set.
func (g Grammar) AtLeast(text string) (Set, error) {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "<>=^~*,|[(") {
		return g.Parse(text)
	}
	v, err := g.clean(text)
	if err != nil {
		return Set{}, err
	}
	if v == "" { // a channel, or an alias of any version
		return g.Parse(text)
	}
	least := ">=" + v
	if g == Maven || g == Java {
		least = "[" + v + ",)"
	}
	return g.Parse(least)
}

// clean gives the version in a text with the marks of its ecosystem around it; "" for one that names no number.
func (g Grammar) clean(text string) (string, error) {
	switch g {
	case Java:
		return javaRelease(text)
	case Cargo:
		return rustRelease(text)
	case PEP440:
		return pythonRelease(text), nil
	case Gem:
		return strings.TrimPrefix(text, "ruby-"), nil
	case Go:
		return strings.TrimPrefix(text, "go"), nil
	case NPM, Maven, Composer:
		return strings.TrimPrefix(text, "v"), nil
	}
	return text, nil
}

// Line relaxes a version to all of its line (its first two numbers; for Java, the first).
func (g Grammar) Line(exact string) (Set, error) {
	n, err := parseNumber(exact)
	if err != nil {
		return Set{}, err
	}
	count := 2
	if g == Java {
		count = 1
	}
	p := n.upTo(count)
	return Set{Text: p.String(), has: onNumbers(prefix(p))}, nil
}

// Compare orders two versions. What is no version comes first.
func (g Grammar) Compare(a, b string) int {
	if g == Go {
		return compareGo(a, b)
	}
	x, errX := parseNumber(a)
	y, errY := parseNumber(b)
	switch {
	case errX != nil && errY != nil:
		return cmp.Compare(a, b)
	case errX != nil:
		return -1
	case errY != nil:
		return 1
	default:
		return x.compare(y)
	}
}

// Prerelease tells whether a version is one.
func (g Grammar) Prerelease(v string) bool {
	if g == Go {
		return strings.ContainsAny(v, "abcdefghijklmnopqrstuvwxyz")
	}
	n, err := parseNumber(v)
	return err != nil || n.pre != ""
}

// InLine tells whether a version belongs to a line, which is named by its first numbers.
func (g Grammar) InLine(v, line string) bool {
	n, err := parseNumber(v)
	p, lineErr := parseNumber(line)
	return err == nil && lineErr == nil && n.hasPrefix(p)
}

// String writes the numbers of a version.
func (n number) String() string {
	var parts []string
	for _, p := range n.parts {
		parts = append(parts, fmt.Sprint(p))
	}
	return strings.Join(parts, ".")
}

// onNumbers makes a condition on versions one on their texts.
func onNumbers(t test) func(string) bool {
	return func(v string) bool {
		n, err := parseNumber(v)
		return err == nil && t(n)
	}
}

// exact is the set of one version.
func exact(n number) Set {
	text := n.String()
	if n.pre != "" {
		text += "-" + n.pre
	}
	return Set{Exact: text, has: onNumbers(exactly(n))}
}
