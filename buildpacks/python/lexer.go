package python

import (
	"errors"
	"strings"
)

// kind is the kind of a token.
type kind int

const (
	kindName kind = iota
	kindString
	kindNumber
	kindOp
)

// token is one token of a Python file. The text of a string is its content, escapes left as they are; that of an
// f-string is empty, since it is none that can be known.
type token struct {
	kind kind
	text string
}

// statement is one logical line: line breaks inside brackets do not end it.
type statement struct {
	// indent is its column, line its number from 1.
	indent, line int
	tokens       []token
}

// Bounds of a Python file that is looked at.
const (
	maxSource = 2 << 20
	maxTokens = 400_000
	maxNested = 200
)

// errSource is the error of a file that is not Python as we know it.
var errSource = errors.New("it does not parse")

// lexer splits Python into logical lines (language reference §2).
type lexer struct {
	text       string
	at, line   int
	depth      int
	tokens     int
	statements []statement
	current    statement
}

// lex gives the logical lines of a file.
func lex(data []byte) ([]statement, error) {
	if len(data) > maxSource {
		return nil, errSource
	}
	l := &lexer{text: strings.TrimPrefix(string(data), "\ufeff"), line: 1}
	for l.at < len(l.text) {
		if err := l.step(); err != nil {
			return nil, err
		}
	}
	if l.depth != 0 {
		return nil, errSource
	}
	l.end()
	return l.statements, nil
}

// end ends the current logical line.
func (l *lexer) end() {
	if len(l.current.tokens) > 0 {
		l.statements = append(l.statements, l.current)
	}
	l.current = statement{}
}

// step reads a token, white space, a comment or a line break.
func (l *lexer) step() error {
	rest := l.text[l.at:]
	c := rest[0]
	switch {
	case c == '\n':
		l.at++
		l.line++
		if l.depth == 0 {
			l.end()
		}
	case c == ' ' || c == '\t' || c == '\r' || c == '\f':
		l.at++
	case c == '\\' && (strings.HasPrefix(rest, "\\\n") || strings.HasPrefix(rest, "\\\r\n")):
		l.at += strings.IndexByte(rest, '\n') + 1
		l.line++
	case c == '#':
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			l.at += n
		} else {
			l.at = len(l.text)
		}
	default:
		return l.token(rest)
	}
	return nil
}

func (l *lexer) token(rest string) error {
	if l.tokens++; l.tokens > maxTokens {
		return errSource
	}
	if len(l.current.tokens) == 0 {
		l.current.indent, l.current.line = l.column(), l.line
	}
	c := rest[0]
	if n := stringPrefix(rest); n >= 0 {
		return l.str(n)
	}
	switch {
	case nameStart(c):
		n := prefixLen(rest, func(c byte) bool { return nameStart(c) || c >= '0' && c <= '9' })
		l.emit(kindName, rest[:n], n)
	case c >= '0' && c <= '9':
		n := prefixLen(rest, func(c byte) bool { return nameStart(c) || c >= '0' && c <= '9' || c == '.' })
		l.emit(kindNumber, rest[:n], n)
	case strings.IndexByte("([{", c) >= 0:
		if l.depth++; l.depth > maxNested {
			return errSource
		}
		l.emit(kindOp, rest[:1], 1)
	case strings.IndexByte(")]}", c) >= 0:
		if l.depth--; l.depth < 0 {
			return errSource
		}
		l.emit(kindOp, rest[:1], 1)
	case c == ';' && l.depth == 0:
		indent := l.current.indent
		l.at++
		l.end()
		l.current.indent = indent
	case len(rest) > 1 && strings.Contains("== != <= >= := -> += -= *= /= **", rest[:2]) && rest[1] != ' ':
		l.emit(kindOp, rest[:2], 2)
	case c < ' ' || c == '$' || c == '?' || c == '`' || c == '\\':
		return errSource
	default:
		l.emit(kindOp, rest[:1], 1)
	}
	return nil
}

// column gives the column of the current position, tabs as eight.
func (l *lexer) column() int {
	start := strings.LastIndexByte(l.text[:l.at], '\n') + 1
	column := 0
	for _, c := range []byte(l.text[start:l.at]) {
		switch c {
		case '\t':
			column += 8 - column%8
		case ' ':
			column++
		case '\f':
			column = 0
		default: // after a semicolon
			return column
		}
	}
	return column
}

func (l *lexer) emit(k kind, text string, n int) {
	l.current.tokens = append(l.current.tokens, token{k, text})
	l.at += n
}

func nameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// stringPrefix gives the length of what stands before the quote when rest begins with a string, else -1.
func stringPrefix(rest string) int {
	for i := 0; i < len(rest) && i < 3; i++ {
		switch c := rest[i]; {
		case c == '\'' || c == '"':
			return i
		case strings.IndexByte("rRbBuUfFtT", c) < 0:
			return -1
		}
	}
	return -1
}

// str reads a string that has a prefix of n bytes.
func (l *lexer) str(n int) error {
	prefix := strings.ToLower(l.text[l.at : l.at+n])
	formatted := strings.ContainsAny(prefix, "ft")
	end, err := endOfString(l.text, l.at+n, formatted, 0)
	if err != nil {
		return err
	}
	whole := l.text[l.at+n : end]
	l.line += strings.Count(whole, "\n")
	content := strings.TrimSuffix(strings.TrimPrefix(whole, whole[:1]), whole[:1])
	if len(whole) >= 6 && whole[:3] == strings.Repeat(whole[:1], 3) {
		content = whole[3 : len(whole)-3]
	}
	if formatted {
		content = ""
	}
	l.at = end
	l.current.tokens = append(l.current.tokens, token{kindString, content})
	return nil
}

// endOfString finds the end of the string whose quote is at start. In a formatted string, strings inside of replacement
// fields may use the same quotes (language reference §2.4.3, since 3.12).
func endOfString(text string, start int, formatted bool, depth int) (int, error) {
	if depth > 8 {
		return 0, errSource
	}
	quote := text[start : start+1]
	if strings.HasPrefix(text[start:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	for i := start + len(quote); i < len(text); {
		switch c := text[i]; {
		case c == '\\': // in raw strings, too, it keeps the quote after it
			i += 2
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote), nil
		case c == '\n' && len(quote) == 1:
			return 0, errSource
		case formatted && strings.HasPrefix(text[i:], "{{"):
			i += 2
		case formatted && c == '{':
			end, err := endOfField(text, i+1, depth)
			if err != nil {
				return 0, err
			}
			i = end
		default:
			i++
		}
	}
	return 0, errSource
}

// endOfField finds the end of a replacement field that begins before start.
func endOfField(text string, start, depth int) (int, error) {
	open := 1
	for i := start; i < len(text); {
		if n := stringPrefix(text[i:]); n >= 0 && (i == 0 || !nameStart(text[i-1])) {
			prefix := strings.ToLower(text[i : i+n])
			end, err := endOfString(text, i+n, strings.ContainsAny(prefix, "ft"), depth+1)
			if err != nil {
				return 0, err
			}
			i = end
			continue
		}
		switch text[i] {
		case '{', '[', '(':
			open++
		case ']', ')':
			open--
		case '}':
			if open--; open == 0 {
				return i + 1, nil
			}
		}
		if open < 1 || open > maxNested {
			return 0, errSource
		}
		i++
	}
	return 0, errSource
}
