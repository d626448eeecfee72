package python

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// version is a version number of the version specification (PEP 440).
type version struct {
	epoch   int
	release []int
	// pre is the kind of a pre-release ('a', 'b' or 'r') and its number; kind 0 is none.
	pre struct{ kind, n int }
	// post and dev are -1 when there is none.
	post, dev int
	local     string
}

// versionPattern is the grammar of PEP 440, appendix B, without the anchors of a search.
var versionPattern = regexp.MustCompile(`(?i)^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)` +
	`(?:[-_.]?(a|alpha|b|beta|c|rc|pre|preview)[-_.]?([0-9]*))?` +
	`(?:(-)([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]*))?` +
	`(?:[-_.]?(dev)[-_.]?([0-9]*))?` +
	`(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)

// maxVersion bounds the length of a version number that is looked at.
const maxVersion = 256

// parseVersion parses a version number.
func parseVersion(text string) (version, error) {
	v := version{post: -1, dev: -1}
	text = strings.TrimSpace(text)
	m := versionPattern.FindStringSubmatch(text)
	if m == nil || len(text) > maxVersion {
		return v, fmt.Errorf("%.80q is no version number", text)
	}
	v.epoch = number(m[1])
	for part := range strings.SplitSeq(m[2], ".") {
		v.release = append(v.release, number(part))
	}
	if m[3] != "" {
		v.pre.kind, v.pre.n = preKind(m[3]), number(m[4])
	}
	if m[5] != "" {
		v.post = number(m[6])
	} else if m[7] != "" {
		v.post = number(m[8])
	}
	if m[9] != "" {
		v.dev = number(m[10])
	}
	v.local = strings.ToLower(strings.NewReplacer("-", ".", "_", ".").Replace(m[11]))
	return v, nil
}

func preKind(word string) int {
	switch strings.ToLower(word)[0] {
	case 'a':
		return 'a'
	case 'b':
		return 'b'
	}
	return 'r'
}

// number reads digits; what does not fit is as large as can be.
func number(digits string) int {
	if digits == "" {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return int(^uint(0) >> 1)
	}
	return n
}

// compare orders versions as PEP 440 does, local versions aside.
func (v version) compare(w version) int {
	if c := cmp.Compare(v.epoch, w.epoch); c != 0 {
		return c
	}
	if c := compareRelease(v.release, w.release); c != 0 {
		return c
	}
	return slices.Compare(v.suffix(), w.suffix())
}

// suffix gives what follows the release as numbers that compare as the suffixes do: 1.dev0 < 1a0 < 1 < 1.post0.
func (v version) suffix() []int {
	const last = int(^uint(0) >> 1)
	pre, dev := v.pre.kind, v.dev
	if pre == 0 {
		pre = last
		if v.post < 0 && v.dev >= 0 {
			pre = -1
		}
	}
	if dev < 0 {
		dev = last
	}
	return []int{pre, v.pre.n, v.post, dev}
}

func compareRelease(a, b []int) int {
	for i := range max(len(a), len(b)) {
		var x, y int
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// clause is one part of a version specifier: ">=3.9", "==3.*".
type clause struct {
	op string
	// v is the version, text what was written; prefix tells that it ended in .*.
	v      version
	text   string
	prefix bool
}

// specifier is a set of versions: all its clauses hold. The zero value holds for every version.
type specifier []clause

var clausePattern = regexp.MustCompile(`^(===|~=|==|!=|<=|>=|<|>)?\s*([^\s]+)$`)

// maxClauses bounds the length of a specifier.
const maxClauses = 64

// parseSpecifier parses a version specifier (PEP 440, version specifiers).
func parseSpecifier(text string) (specifier, error) {
	var s specifier
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" || part == "*" {
			continue
		}
		m := clausePattern.FindStringSubmatch(part)
		if m == nil || len(s) >= maxClauses {
			return nil, fmt.Errorf("%.80q is no version specifier", text)
		}
		c := clause{op: m[1], text: m[2]}
		if c.op == "" {
			c.op = "=="
		}
		if rest, ok := strings.CutSuffix(m[2], ".*"); ok && (c.op == "==" || c.op == "!=") {
			c.prefix, m[2] = true, rest
		}
		var err error
		if c.v, err = parseVersion(m[2]); err != nil && c.op != "===" {
			return nil, err
		}
		s = append(s, c)
	}
	return s, nil
}

// has tells whether a version is in the set.
func (s specifier) has(v version) bool {
	return !slices.ContainsFunc(s, func(c clause) bool { return !c.has(v) })
}

func (c clause) has(v version) bool {
	if c.prefix {
		n := len(c.v.release)
		padded := append(slices.Clone(v.release), make([]int, n)...)
		same := v.epoch == c.v.epoch && slices.Equal(padded[:n], c.v.release)
		return same == (c.op == "==")
	}
	order := v.compare(c.v)
	switch c.op {
	case "===":
		return order == 0
	case "==":
		return order == 0 && (c.v.local == "" || c.v.local == v.local)
	case "!=":
		return order != 0
	case ">=":
		return order >= 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case "<":
		return order < 0
	}
	// ~=1.4.2 is >=1.4.2, ==1.4.*
	n := max(len(c.v.release)-1, 1)
	padded := append(slices.Clone(v.release), make([]int, n)...)
	return order >= 0 && slices.Equal(padded[:n], c.v.release[:n])
}

// fromPoetry writes a constraint of Poetry's grammar as PEP 440 has it: ^1.2, ~1.2, 1.2.* and 1.2. Alternatives (||)
// cannot be written there.
func fromPoetry(text string) (string, error) {
	if strings.Contains(text, "|") {
		return "", fmt.Errorf("%.80q has alternatives", text)
	}
	var parts []string
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
		part = strings.TrimSpace(part)
		switch {
		case part == "" || part == "*":
		case strings.HasPrefix(part, "^"), strings.HasPrefix(part, "~") && !strings.HasPrefix(part, "~="):
			bound, err := upTo(part[0], strings.TrimSpace(part[1:]))
			if err != nil {
				return "", err
			}
			parts = append(parts, bound)
		case part[0] >= '0' && part[0] <= '9':
			parts = append(parts, "=="+part)
		default:
			// ">=1.2 <2" is written without a comma, too.
			parts = append(parts, strings.Join(strings.Fields(operatorSpace.ReplaceAllString(part, "$1")), ","))
		}
	}
	joined := strings.Join(parts, ",")
	_, err := parseSpecifier(joined)
	return joined, err
}

var operatorSpace = regexp.MustCompile(`([<>=!~])\s+`)

// upTo gives the range of ^ (up to the next change of the leftmost number that is not 0) and ~ (of the second).
func upTo(op byte, text string) (string, error) {
	v, err := parseVersion(text)
	if err != nil {
		return "", err
	}
	at := 0
	if op == '~' {
		at = min(1, len(v.release)-1)
	} else {
		for at < len(v.release)-1 && v.release[at] == 0 {
			at++
		}
	}
	var next []string
	for i := range at {
		next = append(next, strconv.Itoa(v.release[i]))
	}
	next = append(next, strconv.Itoa(v.release[at]+1))
	return ">=" + text + ",<" + strings.Join(next, "."), nil
}
