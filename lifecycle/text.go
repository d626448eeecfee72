package lifecycle

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// PlainLine makes text that somebody else wrote fit to be shown as one line of a terminal: valid UTF-8 without control
// sequences and characters that are not printed, white space run together, and at most about most bytes long.
func PlainLine(s string, most int) string {
	cut := false
	if limit := 4*most + 64; len(s) > limit { // escape sequences are cut out below; they are no reason to read all of it
		s, cut = s[:limit], true
	}
	s = strings.ToValidUTF8(withoutEscapes(s), "")
	s = strings.Join(strings.Fields(strings.Map(printable, s)), " ")
	if len(s) > most {
		end := most
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s, cut = strings.TrimSpace(s[:end]), true
	}
	if cut {
		s += "…"
	}
	return s
}

func printable(r rune) rune {
	if unicode.IsSpace(r) {
		return ' '
	}
	if !unicode.IsPrint(r) {
		return -1
	}
	return r
}

// withoutEscapes cuts terminal control sequences: ESC [ … letter, ESC ] … up to BEL or ESC \, and ESC with one character.
func withoutEscapes(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		s = after[sequence(after):]
	}
}

// sequence gives how much of what follows an ESC belongs to it.
func sequence(s string) int {
	if s == "" {
		return 0
	}
	var end int
	switch s[0] {
	case '[':
		end = strings.IndexFunc(s[1:], func(r rune) bool { return r >= '@' && r <= '~' })
	case ']', 'P', '_', '^':
		end = strings.IndexAny(s[1:], "\a\x1b")
		if end >= 0 && s[1+end] == '\x1b' {
			return 1 + end // its "\" goes with the next ESC
		}
	default:
		_, size := utf8.DecodeRuneInString(s)
		return size
	}
	if end < 0 {
		return len(s)
	}
	return end + 2
}
