package python

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// environment is what markers are evaluated for: the interpreter and the machine, and what was chosen of a project.
type environment struct {
	// Python is the full version of the interpreter: "3.13.5".
	Python string
	// Arch is the machine's architecture as Go names it.
	Arch string
	// Extras and Groups are those that are installed.
	Extras, Groups []string
}

// errMarker is wrapped by the errors of markers that do not follow the grammar.
var errMarker = errors.New("is no environment marker")

// Bounds of a marker: locks of large projects have markers of some kilobytes.
const (
	maxMarker = 64 << 10
	maxDepth  = 64
)

// applies tells whether a marker (dependency specifiers, PEP 508 and PEP 751) holds. The empty marker always does.
func (e environment) applies(marker string) (bool, error) {
	if strings.TrimSpace(marker) == "" {
		return true, nil
	}
	if len(marker) > maxMarker {
		return false, fmt.Errorf("%.40q… %w: it is too long", marker, errMarker)
	}
	p := &markerParser{env: e, text: marker}
	p.next()
	ok := p.or(0)
	if p.err == nil && p.token != "" {
		p.fail("unexpected " + p.token)
	}
	return ok, p.err
}

// markerParser evaluates while it parses.
type markerParser struct {
	env  environment
	text string
	// token is the next one; a string constant begins with its quote.
	token string
	err   error
}

func (p *markerParser) fail(why string) {
	if p.err == nil {
		p.err = fmt.Errorf("%.80q %w: %s", strings.TrimSpace(p.text), errMarker, why)
	}
	p.text, p.token = "", ""
}

// next reads a token.
func (p *markerParser) next() {
	p.text = strings.TrimLeft(p.text, " \t\r\n")
	if p.text == "" {
		p.token = ""
		return
	}
	n := 1
	switch c := p.text[0]; {
	case c == '(' || c == ')':
	case c == '\'' || c == '"':
		end := strings.IndexByte(p.text[1:], c)
		if end < 0 {
			p.fail("a string does not end")
			return
		}
		p.token, p.text = p.text[:end+1], p.text[end+2:]
		return
	case strings.IndexByte("<>=!~", c) >= 0:
		n = prefixLen(p.text, func(c byte) bool { return strings.IndexByte("<>=!~", c) >= 0 })
	case wordByte(c):
		n = prefixLen(p.text, wordByte)
	default:
		p.fail("unexpected " + p.text[:1])
		return
	}
	p.token, p.text = p.text[:n], p.text[n:]
}

func wordByte(c byte) bool {
	return c == '_' || c == '.' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func prefixLen(text string, in func(byte) bool) int {
	for i := range len(text) {
		if !in(text[i]) {
			return i
		}
	}
	return len(text)
}

func (p *markerParser) or(depth int) bool {
	result := p.and(depth)
	for p.token == "or" {
		p.next()
		right := p.and(depth)
		result = result || right
	}
	return result
}

func (p *markerParser) and(depth int) bool {
	result := p.atom(depth)
	for p.token == "and" {
		p.next()
		right := p.atom(depth)
		result = result && right
	}
	return result
}

func (p *markerParser) atom(depth int) bool {
	if p.token == "(" {
		if depth >= maxDepth {
			p.fail("too deep")
			return false
		}
		p.next()
		result := p.or(depth + 1)
		if p.token != ")" {
			p.fail("a bracket is not closed")
			return false
		}
		p.next()
		return result
	}
	left := p.operand()
	op := p.token
	p.next()
	if op == "not" {
		op = "not " + p.token
		p.next()
	}
	return p.compare(left, op, p.operand())
}

// operand is a side of a comparison: a constant, or a variable with its value.
type operand struct {
	name, value string
	set         []string
}

func (p *markerParser) operand() operand {
	token := p.token
	p.next()
	if token == "" {
		p.fail("it ends early")
		return operand{}
	}
	if token[0] == '\'' || token[0] == '"' {
		return operand{value: token[1:]}
	}
	name := strings.ReplaceAll(strings.TrimPrefix(token, "os."), ".", "_")
	o := operand{name: name}
	switch name {
	case "extra", "extras":
		o.set = p.env.Extras
	case "dependency_groups":
		o.set = p.env.Groups
	default:
		value, ok := p.env.variables()[name]
		if !ok && name != "name" {
			p.fail("there is no variable " + token)
		}
		o.value = value
		if name == "name" { // os.name
			o.name, o.value = "os_name", "posix"
		}
	}
	return o
}

// variables gives the marker variables.
func (e environment) variables() map[string]string {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "": "x86_64"}[e.Arch]
	if machine == "" {
		machine = e.Arch
	}
	return map[string]string{
		"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": machine,
		"platform_python_implementation": "CPython", "python_implementation": "CPython", "implementation_name": "cpython",
		"python_version": minor(e.Python), "python_full_version": e.Python, "implementation_version": e.Python,
		"platform_release": "", "platform_version": "",
	}
}

// minor gives the first two numbers of a version.
func minor(v string) string {
	parts := strings.SplitN(v, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func (p *markerParser) compare(left operand, op string, right operand) bool {
	if p.err != nil {
		return false
	}
	for _, o := range []operand{left, right} {
		if o.name == "extra" || o.name == "extras" || o.name == "dependency_groups" {
			return p.compareSet(left, op, right)
		}
	}
	switch op {
	case "in":
		return strings.Contains(right.value, left.value)
	case "not in":
		return !strings.Contains(right.value, left.value)
	case "==", "!=", "<", "<=", ">", ">=", "~=", "===":
	default:
		p.fail("unexpected " + op)
		return false
	}
	if isVersion(left.name) || isVersion(right.name) {
		return p.compareVersions(left, op, right)
	}
	return compareText(left.value, op, right.value)
}

func isVersion(name string) bool {
	return name == "python_version" || name == "python_full_version" || name == "implementation_version"
}

// compareSet compares with a set of names: extra == "x", "x" in extras.
func (p *markerParser) compareSet(left operand, op string, right operand) bool {
	constant, set := right, left.set
	if left.name == "" {
		constant, set = left, right.set
	}
	has := slices.ContainsFunc(set, func(s string) bool { return normal(s) == normal(constant.value) })
	switch op {
	case "==", "in":
		return has
	case "!=", "not in":
		return !has
	}
	p.fail("unexpected " + op)
	return false
}

func (p *markerParser) compareVersions(left operand, op string, right operand) bool {
	if !isVersion(left.name) { // "3.9" <= python_version
		left, right = right, left
		op = mirrored(op)
	}
	v, err := parseVersion(left.value)
	if err != nil {
		return compareText(left.value, op, right.value)
	}
	s, err := parseSpecifier(op + right.value)
	if err != nil {
		return compareText(left.value, op, right.value)
	}
	return s.has(v)
}

// mirrored gives the operator that says the same with the sides exchanged.
func mirrored(op string) string {
	if other, ok := map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}[op]; ok {
		return other
	}
	return op
}

func compareText(a, op, b string) bool {
	c := strings.Compare(a, b)
	switch op {
	case "==", "===":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}
