package progress

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxLine is where a line that does not end is cut, in bytes.
const maxLine = 16 << 10

// lineWriter cuts what is written to it into lines.
type lineWriter struct {
	mu   sync.Mutex
	rest []byte // begin of a line that has not ended
	emit func(line string)
}

// Write emits every line that p completes; it never fails.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	total := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.put(p[:i])
		l.done()
		p = p[i+1:]
	}
	l.put(p)
	return total, nil
}

// put appends to the line, cutting it where it is too long.
func (l *lineWriter) put(p []byte) {
	for len(l.rest)+len(p) > maxLine {
		n := maxLine - len(l.rest)
		l.rest = append(l.rest, p[:n]...)
		p = p[n:]
		l.done()
	}
	l.rest = append(l.rest, p...)
}

// done ends the line. Of a line that overwrote itself, as progress bars do, the last state counts.
func (l *lineWriter) done() {
	line := bytes.TrimRight(l.rest, "\r")
	line = line[bytes.LastIndexByte(line, '\r')+1:]
	l.emit(string(line))
	l.rest = l.rest[:0]
}

// flush ends a line that has not ended.
func (l *lineWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.done()
	}
}

// clean takes away what could do something to a terminal other than show text: control characters and escape
// sequences, except those that set colours. Programs that run in a build are not trusted.
func clean(s string) string {
	if !strings.ContainsFunc(s, suspicious) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if s[0] == 0x1b {
			n, keep := escape(s)
			if keep {
				b.WriteString(s[:n])
			}
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		if !suspicious(r) {
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return b.String()
}

func suspicious(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }

// escape gives the length of the escape sequence that s starts with, and whether it only sets colours.
func escape(s string) (n int, keep bool) {
	if len(s) < 2 {
		return len(s), false
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1, s[i] == 'm' && strings.Trim(s[2:i], "0123456789;:") == ""
			}
			if s[i] < 0x20 {
				return i, false
			}
		}
		return len(s), false
	case ']', 'P', 'X', '^', '_': // up to BEL or ESC \
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1, false
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2, false
			}
		}
		return len(s), false
	}
	return 1, false // the rest is harmless text
}
