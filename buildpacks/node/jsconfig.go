package node

import (
	"strings"
	"unicode/utf8"

	"s2i/buildpacks/kit"
)

// script is the source of a configuration file in JavaScript, as far as it can be understood without running it: its
// words, strings and signs, without comments.
type script struct {
	// Name is the file's, relative to the app.
	Name   string
	tokens []token
}

// token is one word, string or sign. A template literal counts as a string when nothing is computed in it.
type token struct {
	kind byte // 'w' word or number, 's' string, 'p' sign
	text string
	line int
}

// maxConfig bounds how much of a configuration file is read, in bytes. People write these by hand.
const maxConfig = 1 << 20

// readScript reads a configuration file; nil when it cannot be read.
func readScript(app *kit.App, name string) *script {
	if name == "" {
		return nil
	}
	data, err := app.Read(name)
	if err != nil {
		return nil
	}
	return &script{Name: name, tokens: tokens(string(data[:min(len(data), maxConfig)]))}
}

// tokens splits JavaScript source. Regular expressions are not recognised as such: in the worst case a value is not
// found.
func tokens(src string) []token {
	var list []token
	line := 1
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(src[i:], "//"):
			i += until(src[i:], "\n")
		case strings.HasPrefix(src[i:], "/*"):
			n := until(src[i+2:], "*/") + 2
			line += strings.Count(src[i:min(len(src), i+n)], "\n")
			i += min(n+2, len(src)-i)
		case c == '\'' || c == '"' || c == '`':
			text, n := quoted(src[i:])
			list = append(list, token{'s', text, line})
			line += strings.Count(src[i:i+n], "\n")
			i += n
		case wordByte(c):
			n := 1
			for i+n < len(src) && wordByte(src[i+n]) {
				n++
			}
			list = append(list, token{'w', src[i : i+n], line})
			i += n
		default:
			list = append(list, token{'p', src[i : i+1], line})
			i++
		}
	}
	return list
}

func until(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i
	}
	return len(s)
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c >= utf8.RuneSelf
}

// quoted reads the string that s begins with: its text, and how many bytes it takes. What a template literal computes
// is left in the text, as "${".
func quoted(s string) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), i + 1
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '\n' && s[0] != '`':
			return b.String(), i // it was no string, but a regular expression with a quote in it
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), len(s)
}

// value gives the literal that a property is set to: the first "name: literal" of the file whose literal is a string, a
// number, true or false.
func (s *script) value(name string) (text string, line int, ok bool) {
	if s == nil {
		return "", 0, false
	}
	for i := 0; i+2 < len(s.tokens); i++ {
		key, colon, v := s.tokens[i], s.tokens[i+1], s.tokens[i+2]
		if key.kind == 'p' || key.text != name || colon.kind != 'p' || colon.text != ":" {
			continue
		}
		if v.kind == 's' && !strings.Contains(v.text, "${") || v.kind == 'w' && literal(v.text) {
			return v.text, v.line, true
		}
	}
	return "", 0, false
}

func literal(word string) bool {
	return word == "true" || word == "false" || word != "" && word[0] >= '0' && word[0] <= '9'
}

// has tells whether a property of this name is set at all.
func (s *script) has(name string) bool {
	if s == nil {
		return false
	}
	for i := 0; i+1 < len(s.tokens); i++ {
		key, next := s.tokens[i], s.tokens[i+1]
		if key.kind != 'p' && key.text == name && next.kind == 'p' && next.text == ":" {
			return true
		}
	}
	return false
}

// mentions gives the line on which a string of exactly this text stands: an import, mostly.
func (s *script) mentions(text string) (line int, ok bool) {
	if s == nil {
		return 0, false
	}
	for _, t := range s.tokens {
		if t.kind == 's' && t.text == text {
			return t.line, true
		}
	}
	return 0, false
}

// at gives a place in the file, as file:line.
func (s *script) at(line int) string { return s.Name + ":" + itoa(line) }
