package launch

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds nested values and the parts of a dotted key.
const maxDepth = 32

// table is a TOML table. Its values are string, bool, []any, table, or literal for numbers and times, whose value
// nothing here needs.
type table map[string]any

type literal string

// parseTOML reads a TOML document. A library for it would double the size of the launcher and of its start; what is
// left out here is only what the launcher has no use for: it does not check the form of numbers and times, and not
// whether a table is defined twice.
func parseTOML(data string) (table, error) {
	if !utf8.ValidString(data) {
		return nil, errors.New("it is not UTF-8")
	}
	p := &parser{strings.TrimPrefix(data, "\ufeff")}
	root := table{}
	current := root
	for {
		p.skip(" \t\r\n")
		var err error
		switch {
		case p.rest == "":
			return root, nil
		case p.rest[0] == '[':
			current, err = p.header(root)
		default:
			err = p.keyValue(current, 0)
		}
		if err == nil {
			err = p.endOfLine()
		}
		if err != nil {
			line := 1 + strings.Count(data[:len(data)-len(p.rest)], "\n")
			return nil, doing("line "+strconv.Itoa(line), err)
		}
	}
}

type parser struct{ rest string }

// skip passes over the characters of set and over comments.
func (p *parser) skip(set string) {
	for {
		p.rest = strings.TrimLeft(p.rest, set)
		if !strings.HasPrefix(p.rest, "#") {
			return
		}
		if end := strings.IndexByte(p.rest, '\n'); end >= 0 {
			p.rest = p.rest[end:]
		} else {
			p.rest = ""
		}
	}
}

// accept passes over token when it comes next.
func (p *parser) accept(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return ok
}

func (p *parser) endOfLine() error {
	p.skip(" \t")
	p.accept("\r")
	if p.rest != "" && !p.accept("\n") {
		return errors.New("unexpected " + strconv.Quote(firstRune(p.rest)))
	}
	return nil
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// header reads [key] or [[key]] and gives the table that the lines below it fill.
func (p *parser) header(root table) (table, error) {
	p.accept("[")
	list := p.accept("[")
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	if !p.accept("]") || list && !p.accept("]") {
		return nil, errors.New("a table's name is not closed")
	}
	at, err := root.descend(key[:len(key)-1])
	if err != nil {
		return nil, err
	}
	last := key[len(key)-1]
	if !list {
		return at.descend([]string{last})
	}
	items, ok := at[last].([]any)
	if !ok && at[last] != nil {
		return nil, errors.New(last + " is no list of tables")
	}
	t := table{}
	at[last] = append(items, t)
	return t, nil
}

// descend gives the table that key leads to; of a list of tables the last one counts.
func (t table) descend(key []string) (table, error) {
	for _, k := range key {
		next := t[k]
		if next == nil {
			next = table{}
			t[k] = next
		}
		if items, ok := next.([]any); ok && len(items) > 0 {
			next = items[len(items)-1]
		}
		var ok bool
		if t, ok = next.(table); !ok {
			return nil, errors.New(k + " is no table")
		}
	}
	return t, nil
}

// key reads a bare, quoted or dotted key and the blanks around it.
func (p *parser) key() ([]string, error) {
	var key []string
	for {
		p.rest = strings.TrimLeft(p.rest, " \t")
		var part string
		switch {
		case strings.HasPrefix(p.rest, `"`), strings.HasPrefix(p.rest, `'`):
			var err error
			if part, err = p.string(false); err != nil {
				return nil, err
			}
		default:
			n := len(p.rest) - len(strings.TrimLeft(p.rest,
				"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"))
			if n == 0 {
				return nil, errors.New("a key is missing")
			}
			part, p.rest = p.rest[:n], p.rest[n:]
		}
		if key = append(key, part); len(key) > maxDepth {
			return nil, errors.New("a key has too many parts")
		}
		p.rest = strings.TrimLeft(p.rest, " \t")
		if !p.accept(".") {
			return key, nil
		}
	}
}

func (p *parser) keyValue(into table, depth int) error {
	key, err := p.key()
	if err != nil {
		return err
	}
	if !p.accept("=") {
		return errors.New(strings.Join(key, ".") + " has no value")
	}
	value, err := p.value(depth)
	if err != nil {
		return err
	}
	at, err := into.descend(key[:len(key)-1])
	if err != nil {
		return err
	}
	last := key[len(key)-1]
	if _, twice := at[last]; twice {
		return errors.New(last + " is set twice")
	}
	at[last] = value
	return nil
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("values are nested too deep")
	}
	p.rest = strings.TrimLeft(p.rest, " \t")
	switch {
	case p.rest == "":
		return nil, errors.New("a value is missing")
	case p.rest[0] == '"', p.rest[0] == '\'':
		return p.string(true)
	case p.accept("["):
		return p.list(depth)
	case p.accept("{"):
		return p.inlineTable(depth)
	}
	n := len(p.rest) - len(strings.TrimLeft(p.rest, "+-.:_0123456789abcdefghijklmnopqrstuvwxyzTZEABCDF"))
	if n == 0 {
		return nil, errors.New("unexpected " + strconv.Quote(firstRune(p.rest)))
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	switch {
	case word == "true", word == "false":
		return word == "true", nil
	case strings.IndexByte("+-0123456789", word[0]) >= 0, word == "inf", word == "nan":
		return literal(word), nil
	}
	return nil, errors.New("unexpected " + strconv.Quote(word))
}

func (p *parser) list(depth int) (any, error) {
	items := []any{}
	for {
		p.skip(" \t\r\n")
		if p.accept("]") {
			return items, nil
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		p.skip(" \t\r\n")
		if !p.accept(",") && !strings.HasPrefix(p.rest, "]") {
			return nil, errors.New("a list is not closed")
		}
	}
}

func (p *parser) inlineTable(depth int) (any, error) {
	t := table{}
	p.rest = strings.TrimLeft(p.rest, " \t")
	if p.accept("}") {
		return t, nil
	}
	for {
		if err := p.keyValue(t, depth+1); err != nil {
			return nil, err
		}
		p.rest = strings.TrimLeft(p.rest, " \t")
		if p.accept("}") {
			return t, nil
		}
		if !p.accept(",") {
			return nil, errors.New("a table is not closed")
		}
	}
}

// string reads any of the four kinds of strings; keys can only have those of one line.
func (p *parser) string(multiline bool) (string, error) {
	quote := p.rest[:1]
	if triple := strings.Repeat(quote, 3); multiline && strings.HasPrefix(p.rest, triple) {
		p.rest = p.rest[3:]
		if !p.accept("\r\n") {
			p.accept("\n")
		}
		return p.untilTriple(triple)
	}
	p.rest = p.rest[1:]
	if quote == "'" {
		s, rest, ok := strings.Cut(p.rest, "'")
		if !ok || strings.ContainsAny(s, "\n") {
			return "", errors.New("a string is not closed")
		}
		p.rest = rest
		return s, nil
	}
	var b strings.Builder
	for {
		i := strings.IndexAny(p.rest, "\"\\\n")
		if i < 0 || p.rest[i] == '\n' {
			return "", errors.New("a string is not closed")
		}
		b.WriteString(p.rest[:i])
		p.rest = p.rest[i:]
		if p.accept(`"`) {
			return b.String(), nil
		}
		if err := p.escape(&b); err != nil {
			return "", err
		}
	}
}

// untilTriple reads a string of several lines. Up to two quotes may stand before the three that close it.
func (p *parser) untilTriple(triple string) (string, error) {
	var b strings.Builder
	stop := triple[:1] + "\\"
	if triple[0] == '\'' {
		stop = "'"
	}
	for {
		i := strings.IndexAny(p.rest, stop)
		if i < 0 {
			return "", errors.New("a string is not closed")
		}
		b.WriteString(p.rest[:i])
		p.rest = p.rest[i:]
		switch {
		case p.rest[0] == '\\':
			if err := p.multilineEscape(&b); err != nil {
				return "", err
			}
		case p.accept(triple):
			for n := 0; n < 2 && p.accept(triple[:1]); n++ {
				b.WriteByte(triple[0])
			}
			return b.String(), nil
		default:
			b.WriteByte(triple[0])
			p.rest = p.rest[1:]
		}
	}
}

// multilineEscape reads an escape, or a backslash at the end of a line, which joins the lines.
func (p *parser) multilineEscape(b *strings.Builder) error {
	after := strings.TrimLeft(p.rest[1:], " \t\r")
	if strings.HasPrefix(after, "\n") {
		p.rest = strings.TrimLeft(after, " \t\r\n")
		return nil
	}
	return p.escape(b)
}

func (p *parser) escape(b *strings.Builder) error {
	if len(p.rest) < 2 {
		return errors.New("a string is not closed")
	}
	c := p.rest[1]
	p.rest = p.rest[2:]
	if i := strings.IndexByte(`btnfre"\`, c); i >= 0 {
		b.WriteByte("\b\t\n\f\r\x1b\"\\"[i])
		return nil
	}
	digits := 0
	switch c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	}
	if digits == 0 || len(p.rest) < digits {
		return errors.New("unknown escape \\" + string(rune(c)))
	}
	n, err := strconv.ParseUint(p.rest[:digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return errors.New("unknown escape \\" + string(rune(c)) + p.rest[:digits])
	}
	p.rest = p.rest[digits:]
	b.WriteRune(rune(n))
	return nil
}
