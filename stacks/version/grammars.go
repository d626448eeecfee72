package version

import (
	"errors"
	"fmt"
	goversion "go/version"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"

	"s2i/stacks/npm"
)

func parseNPM(text string) (Set, error) {
	r, err := npm.ParseRange(text)
	if err != nil {
		return Set{}, err
	}
	set := Set{has: func(v string) bool {
		sv, err := semver.NewVersion(v)
		return err == nil && r.Contains(sv)
	}}
	set.Exact, _ = r.Exact()
	return set, nil
}

// parseGo reads "1.25.4" (exactly that), "1.25" (that line), ">=1.24" (at least), and "go" before any of them.
func parseGo(text string) (Set, error) {
	s := text
	least := false
	if rest, ok := strings.CutPrefix(s, ">="); ok {
		least, s = true, strings.TrimSpace(rest)
	} else {
		s = strings.TrimLeft(s, "=v ")
	}
	s = strings.TrimPrefix(s, "go")
	s = strings.TrimSuffix(strings.TrimSuffix(s, ".x"), ".*")
	v := "go" + s
	if !goversion.IsValid(v) {
		return Set{}, fmt.Errorf("reading the Go version %q: it is none; write 1.25.4, 1.25 or >=1.25", clip(text))
	}
	switch {
	case least:
		return Set{has: func(x string) bool { return goversion.Compare("go"+x, v) >= 0 }}, nil
	case goversion.Lang(v) == v && goversion.Compare(v, "go1.21") >= 0: // since 1.21 a release has three numbers
		return Set{has: func(x string) bool { return goversion.Lang("go"+x) == v }}, nil
	default:
		return Set{Exact: s, has: func(x string) bool { return goversion.Compare("go"+x, v) == 0 }}, nil
	}
}

func compareGo(a, b string) int { return goversion.Compare("go"+a, "go"+b) }

// pythonRelease takes the name of the interpreter from a version: "python-3.11.4", "cpython@3.12", "3.13t".
func pythonRelease(text string) string {
	s := strings.ToLower(strings.TrimSpace(text))
	for _, name := range []string{"cpython", "python"} {
		s = strings.TrimPrefix(s, name)
	}
	return strings.TrimLeft(s, "-@ ")
}

// parsePEP440 reads specifiers joined by commas (and) and || (or). Without an operator, "3.11" means all of it.
func parsePEP440(text string) (Set, error) {
	return parseAlternatives(pythonRelease(text), "||", func(word string) (test, *number, error) {
		op, rest := operator(word, "===", "==", "~=", "!=", ">=", "<=", ">", "<", "^", "~")
		if rest == "*" && op != "!=" {
			return atLeast(number{}), nil, nil
		}
		rest, wild := strings.CutSuffix(strings.TrimSuffix(rest, ".x"), ".*")
		n, err := parseNumber(rest)
		if err != nil {
			return nil, nil, err
		}
		switch op {
		case "===", "==":
			if wild {
				return prefix(n), nil, nil
			}
			return exactly(n), &n, nil
		case "!=":
			if wild {
				return not(prefix(n)), nil, nil
			}
			return not(exactly(n)), nil, nil
		case "~=":
			if len(n.parts) < 2 {
				return nil, nil, fmt.Errorf("reading %q: ~= needs two numbers", clip(word))
			}
			return within(n, len(n.parts)-1), nil, nil
		default:
			return compared(op, n)
		}
	})
}

// compared is a test by an operator that most grammars have. Without one, a version of less than three numbers means
// its line.
func compared(op string, n number) (test, *number, error) {
	switch op {
	case ">=":
		return atLeast(n), nil, nil
	case "<=":
		return atMost(n), nil, nil
	case ">":
		return all(above(n), not(exactly(n))), nil, nil
	case "<":
		return below(n), nil, nil
	case "!=":
		return not(exactly(n)), nil, nil
	case "^":
		i := 0
		for i < len(n.parts)-1 && n.parts[i] == 0 {
			i++
		}
		return within(n, i+1), nil, nil
	case "~":
		return within(n, min(2, len(n.parts))), nil, nil
	case "=", "":
		if len(n.parts) < 3 && n.pre == "" {
			return prefix(n), nil, nil
		}
		return exactly(n), &n, nil
	default:
		return nil, nil, fmt.Errorf("operator %q is not known", op)
	}
}

// operator splits off the first of the operators that a text begins with.
func operator(text string, ops ...string) (op, rest string) {
	for _, o := range ops {
		if rest, ok := strings.CutPrefix(text, o); ok {
			return o, strings.TrimSpace(rest)
		}
	}
	return "", strings.TrimSpace(text)
}

// parseAlternatives reads conditions joined by commas or blanks (and) and by or. one reads a single condition, and
// gives its version when it is met by that version only.
func parseAlternatives(text, or string, one func(word string) (test, *number, error)) (Set, error) {
	var options []test
	var single *number
	alternatives := strings.Split(text, or)
	for _, alt := range alternatives {
		var conditions []test
		list := words(alt)
		for _, word := range list {
			t, n, err := one(word)
			if err != nil {
				return Set{}, fmt.Errorf("reading the version %q: %w", clip(text), err)
			}
			conditions = append(conditions, t)
			if len(list) == 1 && len(alternatives) == 1 {
				single = n
			}
		}
		if len(conditions) == 0 {
			return Set{}, fmt.Errorf("reading the version %q: it is empty", clip(text))
		}
		options = append(options, all(conditions...))
	}
	if single != nil {
		return exact(*single), nil
	}
	return Set{has: onNumbers(oneOf(options...))}, nil
}

// words splits at commas and blanks, and joins an operator with the version after it.
func words(text string) []string {
	var list []string
	pending := ""
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		if strings.Trim(f, "<>=~^!") == "" {
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

// parseMaven reads "[1.0,2.0)", "(,3.9]", several of them joined by commas, and a plain version, which means just that.
func parseMaven(text string) (Set, error) {
	if strings.HasPrefix(text, ">=") {
		text = "[" + strings.TrimSpace(text[2:]) + ",)"
	}
	if !strings.ContainsAny(text, "[(") {
		n, err := parseNumber(strings.TrimPrefix(text, "v"))
		if err != nil {
			return Set{}, fmt.Errorf("reading the version %q: %w", clip(text), err)
		}
		if len(n.parts) < 3 && n.pre == "" {
			return Set{has: onNumbers(prefix(n))}, nil
		}
		return exact(n), nil
	}
	var options []test
	for rest := text; rest != ""; {
		end := strings.IndexAny(rest, "])")
		if end < 0 || rest[0] != '[' && rest[0] != '(' {
			return Set{}, fmt.Errorf("reading the version range %q: its brackets do not match", clip(text))
		}
		t, err := mavenRange(rest[:end+1])
		if err != nil {
			return Set{}, fmt.Errorf("reading the version range %q: %w", clip(text), err)
		}
		options = append(options, t)
		rest = strings.TrimLeft(rest[end+1:], ", ")
	}
	return Set{has: onNumbers(oneOf(options...))}, nil
}

func mavenRange(text string) (test, error) {
	from, to, two := strings.Cut(text[1:len(text)-1], ",")
	if !two {
		n, err := parseNumber(from)
		return exactly(n), err
	}
	var list []test
	if from = strings.TrimSpace(from); from != "" {
		n, err := parseNumber(from)
		if err != nil {
			return nil, err
		}
		if text[0] == '[' {
			list = append(list, atLeast(n))
		} else {
			list = append(list, above(n))
		}
	}
	if to = strings.TrimSpace(to); to != "" {
		n, err := parseNumber(to)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(text, "]") {
			list = append(list, atMost(n))
		} else {
			list = append(list, below(n))
		}
	}
	return all(list...), nil
}

// javaNumber finds the release in the names that tools have for Javas: "temurin-21.0.2", "17.0.9-tem", "openjdk64-17".
var javaNumber = regexp.MustCompile(`(?:^|[-_@ v])(\d+(?:\.\d+)*)`)

// javaRelease gives a release of Java as it is counted today: 1.8 is 8. "" is any one.
func javaRelease(text string) (string, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	if s == "lts" || s == "latest" || s == "stable" {
		return "", nil
	}
	found := javaNumber.FindStringSubmatch(s)
	if found == nil {
		return "", fmt.Errorf("reading the Java version %q: %w", clip(text), errNoVersion)
	}
	v := found[1]
	if rest, ok := strings.CutPrefix(v, "1."); ok {
		v = rest
	}
	return v, nil
}

// parseJava reads a release, which means all of its line, or a range of Maven's. A full version is exact.
func parseJava(text string) (Set, error) {
	if strings.HasPrefix(text, ">=") {
		text = "[" + strings.TrimSpace(text[2:]) + ",)"
	}
	if strings.ContainsAny(text, "[(") {
		return parseMaven(oldJava.ReplaceAllString(text, "$1$2"))
	}
	v, err := javaRelease(strings.TrimLeft(text, "=^~ "))
	if err != nil {
		return Set{}, err
	}
	if v == "" {
		return Set{has: onNumbers(atLeast(number{}))}, nil
	}
	n, err := parseNumber(v)
	if err != nil {
		return Set{}, err
	}
	if len(n.parts) < 2 {
		return Set{has: onNumbers(prefix(n))}, nil
	}
	return exact(n), nil
}

// oldJava is a release of Java before 9 in a range: 1.8.
var oldJava = regexp.MustCompile(`(^|[\[(, ])1\.(\d)`)

var (
	errNightly = errors.New("only stable releases of Rust are to be had")
	// rustTriple is the machine after a toolchain's name: stable-x86_64-unknown-linux-gnu.
	rustTriple = regexp.MustCompile(`-[a-z0-9_]+-[a-z]+-[a-z]+(-[a-z0-9]+)?$`)
)

// rustRelease gives the version of a toolchain; "" for the stable channel.
func rustRelease(text string) (string, error) {
	s := rustTriple.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
	channel, _, _ := strings.Cut(s, "-")
	switch channel {
	case "stable":
		return "", nil
	case "nightly", "beta", "dev", "miri":
		return "", fmt.Errorf("reading the Rust toolchain %q: %w", clip(text), errNightly)
	}
	return s, nil
}

// parseCargo reads a channel, "1.70" (that line), "1.70.1" (just that), and requirements as Cargo writes them.
func parseCargo(text string) (Set, error) {
	s := text
	if !strings.ContainsAny(s, "<>=^~*,") {
		v, err := rustRelease(s)
		if err != nil {
			return Set{}, err
		}
		if s = v; s == "" {
			return Set{has: onNumbers(atLeast(number{}))}, nil
		}
	}
	return parseAlternatives(s, "||", func(word string) (test, *number, error) {
		op, rest := operator(word, ">=", "<=", ">", "<", "=", "^", "~")
		if rest == "*" {
			return atLeast(number{}), nil, nil
		}
		n, err := parseNumber(strings.TrimSuffix(rest, ".*"))
		if err != nil {
			return nil, nil, err
		}
		return compared(op, n)
	})
}

// parseGem reads requirements joined by commas. "~> 3.2" allows 3.3, "~> 3.2.1" does not.
func parseGem(text string) (Set, error) {
	return parseAlternatives(strings.TrimPrefix(text, "ruby-"), "||", func(word string) (test, *number, error) {
		op, rest := operator(word, "~>", ">=", "<=", "!=", ">", "<", "=")
		n, err := parseNumber(strings.Trim(rest, `"'`))
		if err != nil {
			return nil, nil, err
		}
		if op == "~>" {
			return within(n, max(1, len(n.parts)-1)), nil, nil
		}
		return compared(op, n)
	})
}

// composerHyphen is a range written "7.4 - 8.1".
var composerHyphen = regexp.MustCompile(`(\S+)\s+-\s+(\S+)`)

// parseComposer reads constraints joined by commas or blanks (and) and by | or || (or).
func parseComposer(text string) (Set, error) {
	s := strings.ReplaceAll(text, "||", "|")
	s = composerHyphen.ReplaceAllString(s, ">=$1 <=$2.*")
	return parseAlternatives(s, "|", func(word string) (test, *number, error) {
		word, _, _ = strings.Cut(word, "@") // a stability flag
		op, rest := operator(word, ">=", "<=", "!=", "<>", "==", ">", "<", "=", "^", "~")
		rest, wild := strings.CutSuffix(strings.TrimPrefix(rest, "v"), ".*")
		if rest == "*" || rest == "" && op == "" {
			return atLeast(number{}), nil, nil
		}
		n, err := parseNumber(rest)
		switch {
		case err != nil:
			return nil, nil, err
		case op == "<=" && wild && len(n.parts) < 3:
			return below(n.next(len(n.parts))), nil, nil
		case op == "~":
			return within(n, max(1, len(n.parts)-1)), nil, nil
		case op == "<>":
			op = "!="
		case op == "==":
			op = "="
		case wild && op == "":
			return prefix(n), nil, nil
		}
		return compared(op, n)
	})
}
