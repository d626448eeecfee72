package kit

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// CommandLine is a command as a Procfile or a package.json script has it, when no shell is needed to run it.
type CommandLine struct {
	// Env are the assignments before the command, in order: NODE_ENV=production node server.js. When Args refer to PORT,
	// the mark for the launcher is one of them (see Listen).
	Env []Assignment
	// Args is the command and its arguments, quotes removed.
	Args []string
}

// Assignment is one NAME=value before a command.
type Assignment struct{ Name, Value string }

// ErrNeedsShell is the error of [ParseCommandLine] for a command that only a shell can run.
var ErrNeedsShell = errors.New("it needs a shell")

// shellOnly are the characters that mean something to a shell outside quotes.
const shellOnly = "|&;<>()$`*?[]{}~#!\n"

// MaxCommandLine bounds the length of a command line, in bytes; the kernel's own limit for one argument.
const MaxCommandLine = 128 << 10

// ParseCommandLine splits a command line as a shell would, as long as there is nothing in it that a shell would act on:
// then the error wraps ErrNeedsShell and names the first such thing. References to PORT ($PORT, ${PORT}, ${PORT:-3000}) in
// arguments need no shell: they become [Port]. A leading "exec" is dropped. An empty command line is an error of its own.
func ParseCommandLine(line string) (CommandLine, error) {
	if len(line) > MaxCommandLine || !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
		return CommandLine{}, errors.New("the command is too long or no text")
	}
	words, ports, err := splitWords(strings.TrimSpace(line))
	if err != nil {
		return CommandLine{}, err
	}
	c, words, err := assignments(words)
	if err != nil {
		return CommandLine{}, err
	}
	if len(ports) > 0 {
		value, err := portDefault(ports)
		if err != nil {
			return CommandLine{}, err
		}
		if strings.Contains(line, Port) || words[0].ports {
			return CommandLine{}, fmt.Errorf("%w: it uses %q in a way that only a shell can", ErrNeedsShell, "$PORT")
		}
		c.Env = append(c.Env, Assignment{Name: ExpandVariable, Value: "PORT=" + value})
	}
	for _, w := range words {
		c.Args = append(c.Args, w.text)
	}
	if shellBuiltin(c.Args[0]) {
		return CommandLine{}, fmt.Errorf("%w: %q is a command of the shell", ErrNeedsShell, c.Args[0])
	}
	return c, nil
}

// assignments takes the assignments and "exec" from before the command.
func assignments(words []word) (CommandLine, []word, error) {
	var c CommandLine
	for len(words) > 0 {
		name, value, ok := words[0].assignment()
		if !ok {
			break
		}
		if words[0].ports {
			return c, nil, fmt.Errorf("%w: it gives %s the value of PORT", ErrNeedsShell, name)
		}
		c.Env = append(c.Env, Assignment{Name: name, Value: value})
		words = words[1:]
	}
	if len(words) > 0 && words[0].text == "exec" {
		words = words[1:]
	}
	if len(words) == 0 {
		return c, nil, errors.New("the command is empty")
	}
	return c, words, nil
}

// NeedsOneCommand tells whether a command line that needs a shell is still one command, so that the shell can be
// replaced by it: "node server.js --port $PORT", but not "a && b".
func NeedsOneCommand(line string) bool {
	if strings.ContainsAny(line, "|&;<>()`{}\n") {
		return false
	}
	first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return first != "exec" && !strings.Contains(first, "=") && !shellBuiltin(first)
}

func shellBuiltin(word string) bool {
	switch word {
	case "cd", "export", "set", "unset", "source", ".", "eval", "if", "for", "while", "case", "until", "trap", "ulimit",
		"umask", "test", "[", ":", "{", "}", "command", "alias":
		return true
	}
	return false
}

// word is a word of a command line; equals is where its first unquoted "=" stands in text, or -1.
type word struct {
	text   string
	equals int
	ports  bool // it refers to PORT
}

func (w word) assignment() (name, value string, ok bool) {
	if w.equals <= 0 {
		return "", "", false
	}
	name = w.text[:w.equals]
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return "", "", false
		}
	}
	return name, w.text[w.equals+1:], true
}

// splitter holds the word that is being read.
type splitter struct {
	words  []word
	text   strings.Builder
	inWord bool
	equals int
	// ports are the defaults that references to PORT name; inPorts is how many there were before this word.
	ports   []string
	inPorts int
}

func (s *splitter) add(text string) {
	s.text.WriteString(text)
	s.inWord = true
}

func (s *splitter) end() {
	if s.inWord {
		s.words = append(s.words, word{text: s.text.String(), equals: s.equals,
			ports: len(s.ports) > s.inPorts})
	}
	s.text.Reset()
	s.inWord, s.equals, s.inPorts = false, -1, len(s.ports)
}

// port reads a reference to PORT at the start of rest and tells how long it was, 0 when there is none.
func (s *splitter) port(rest string) int {
	n, fallback := portReference(rest)
	if n > 0 {
		s.add(Port)
		s.ports = append(s.ports, fallback)
	}
	return n
}

// splitWords gives the words of line, and the defaults that its references to PORT name.
func splitWords(line string) ([]word, []string, error) {
	s := &splitter{equals: -1}
	for i := 0; i < len(line); {
		n, err := s.step(line[i:])
		if err != nil {
			return nil, nil, err
		}
		i += n
	}
	s.end()
	return s.words, s.ports, nil
}

// step reads one character, escape or quoted string from the start of rest and tells how long it was.
func (s *splitter) step(rest string) (int, error) {
	if n := s.port(rest); n > 0 {
		return n, nil
	}
	c := rest[0]
	switch {
	case c == ' ' || c == '\t' || c == '\r':
		s.end()
		return 1, nil
	case c == '\'':
		end := strings.IndexByte(rest[1:], '\'')
		if end < 0 {
			return 0, errors.New("a single quote is not closed")
		}
		s.add(rest[1 : 1+end])
		return end + 2, nil
	case c == '"':
		return s.doubleQuoted(rest)
	case c == '\\':
		if len(rest) < 2 || rest[1] == '\n' {
			return 0, fmt.Errorf("%w: the line ends in a backslash", ErrNeedsShell)
		}
		s.add(rest[1:2])
		return 2, nil
	case strings.IndexByte(shellOnly, c) >= 0 && !harmless(c, s.inWord):
		return 0, fmt.Errorf("%w: it uses %q", ErrNeedsShell, operator(rest))
	}
	if c == '=' && s.equals < 0 {
		s.equals = s.text.Len()
	}
	s.add(rest[:1])
	return 1, nil
}

// harmless tells that a special character has no meaning where it stands: # and ~ only start words.
func harmless(c byte, inWord bool) bool { return inWord && (c == '#' || c == '~' || c == '!') }

func operator(rest string) string {
	for _, op := range []string{"&&", "||", ">>", "$("} {
		if strings.HasPrefix(rest, op) {
			return op
		}
	}
	if rest[0] == '$' {
		end := 1
		for end < len(rest) && end < 40 && rest[end] > ' ' && !strings.ContainsRune(shellOnly+`"'/:`, rune(rest[end])) {
			end++
		}
		return rest[:end]
	}
	return rest[:1]
}

func (s *splitter) doubleQuoted(rest string) (int, error) {
	s.add("")
	for i := 1; i < len(rest); i++ {
		if n := s.port(rest[i:]); n > 0 {
			i += n - 1
			continue
		}
		switch c := rest[i]; c {
		case '"':
			return i + 1, nil
		case '$', '`':
			return 0, fmt.Errorf("%w: it uses %q", ErrNeedsShell, operator(rest[i:]))
		case '\\':
			if i+1 < len(rest) && strings.IndexByte("\"\\$`", rest[i+1]) >= 0 {
				i++
			}
			s.add(rest[i : i+1])
		default:
			s.add(rest[i : i+1])
		}
	}
	return 0, errors.New("a double quote is not closed")
}
