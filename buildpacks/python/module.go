package python

import (
	"strings"
)

// module is what is known of a Python file: its names at the top.
type module struct {
	// file is its path in the app, name what it is imported as.
	file, name string
	// imports maps a name to what it stands for: "Flask" to "flask.Flask".
	imports map[string]string
	// stars are the modules of which everything is imported.
	stars []string
	// values are the assignments, the last one of a name counts.
	values map[string]*value
	// functions are the definitions.
	functions map[string]*function
	// order keeps names in the order of the file.
	order []string
	// guard are the tokens of the block under if __name__ == "__main__", nil when there is none.
	guard []token
	// classes are the names of classes.
	classes map[string]bool
	// methods are the names of what is called anywhere in the file, without what stands before a point; bounded.
	methods map[string]bool
	// strings are the constants of the file, for hints such as "0.0.0.0"; bounded.
	strings map[string]bool
	// acts tells that the file does more, when it is run, than define names.
	acts bool
}

// value is an assignment: its target's value as tokens.
type value struct {
	tokens []token
	line   int
	// before is the assignment of the same name before it.
	before *value
}

// function is a definition at the top of a file.
type function struct {
	line int
	// names are the parameters' names.
	names []string
	// needs is the number of its parameters without a default, all of them with those.
	needs, all int
	// body are its tokens, bounded.
	body []token
}

// maxBody bounds how much of a function is kept.
const maxBody = 4000

// parseModule reads a Python file.
func parseModule(file, name string, data []byte) (*module, error) {
	statements, err := lex(data)
	if err != nil {
		return nil, err
	}
	m := &module{file: file, name: name, imports: map[string]string{}, values: map[string]*value{},
		functions: map[string]*function{}, strings: map[string]bool{}, classes: map[string]bool{}, methods: map[string]bool{}}
	for i := 0; i < len(statements); {
		i = m.statement(statements, i)
	}
	for _, s := range statements {
		m.note(s.tokens)
	}
	return m, nil
}

// maxNotes bounds how many strings and methods of a file are kept.
const maxNotes = 4096

// note keeps the strings and the names of methods of a statement.
func (m *module) note(words []token) {
	for i, t := range words {
		switch {
		case t.kind == kindString && len(t.text) < 64 && len(m.strings) < maxNotes:
			m.strings[t.text] = true
		case t.kind == kindOp && t.text == "(" && i > 0 && words[i-1].kind == kindName && len(m.methods) < maxNotes:
			m.methods[words[i-1].text] = true
		}
	}
}

// statement reads the statement at i and gives the index of the one to go on with. The blocks of if, try, with and so on
// belong to the top of the file; those of def and class do not.
func (m *module) statement(all []statement, i int) int {
	s := all[i]
	words := s.tokens
	if words[0].text == "async" && len(words) > 1 {
		words = words[1:]
	}
	switch {
	case words[0].kind != kindName:
	case words[0].text == "def":
		return m.def(all, i, words)
	case words[0].text == "class":
		if len(words) > 1 {
			m.classes[words[1].text] = true
		}
		return blockEnd(all, i)
	case words[0].text == "import":
		m.imported(words[1:])
	case words[0].text == "from":
		m.importedFrom(words[1:])
	case isGuard(words):
		end := blockEnd(all, i)
		_, rest := splitColon(words)
		m.guard = append([]token{}, rest...)
		for _, inner := range all[i+1 : end] {
			m.guard = append(m.guard, inner.tokens...)
		}
		return end
	default:
		if !m.assignment(s) && s.tokens[0].kind == kindName {
			m.acts = true
		}
	}
	return i + 1
}

// blockEnd gives the index after the block that the statement at i opens.
func blockEnd(all []statement, i int) int {
	end := i + 1
	for end < len(all) && all[end].indent > all[i].indent {
		end++
	}
	return end
}

// isGuard recognises if __name__ == "__main__".
func isGuard(words []token) bool {
	if len(words) < 5 || words[0].text != "if" {
		return false
	}
	a, op, b := words[1], words[2], words[3]
	if a.kind == kindString {
		a, b = b, a
	}
	return a.text == "__name__" && op.text == "==" && b.kind == kindString && b.text == "__main__"
}

// splitColon splits at the first colon outside of brackets.
func splitColon(words []token) (head, rest []token) {
	depth := 0
	for i, t := range words {
		if t.kind != kindOp {
			continue
		}
		depth += nesting(t)
		if t.text == ":" && depth == 0 {
			return words[:i], words[i+1:]
		}
	}
	return words, nil
}

func nesting(t token) int {
	if t.kind != kindOp {
		return 0
	}
	switch t.text {
	case "(", "[", "{":
		return 1
	case ")", "]", "}":
		return -1
	}
	return 0
}

func (m *module) def(all []statement, i int, words []token) int {
	end := blockEnd(all, i)
	if len(words) < 4 || words[1].kind != kindName {
		return end
	}
	head, rest := splitColon(words)
	f := &function{line: all[i].line, body: rest}
	f.needs, f.all, f.names = parameters(head)
	for _, inner := range all[i+1 : end] {
		if len(f.body)+len(inner.tokens) > maxBody {
			break
		}
		f.body = append(f.body, inner.tokens...)
		f.body = append(f.body, token{kindOp, "\n"})
	}
	name := words[1].text
	if m.functions[name] == nil {
		m.order = append(m.order, name)
	}
	m.functions[name] = f
	return end
}

// parameters counts the parameters in the head of a definition, and gives their names.
func parameters(head []token) (needs, all int, names []string) {
	depth := 0
	var first, hasDefault, any bool
	count := func() {
		if any && !first {
			all++
			if !hasDefault {
				needs++
			}
		}
		first, hasDefault, any = false, false, false
	}
	for _, t := range head {
		switch n := nesting(t); {
		case n > 0:
			depth++
			if depth == 1 {
				continue
			}
		case n < 0:
			depth--
			if depth == 0 {
				count()
				return needs, all, names
			}
		case depth == 1 && t.kind == kindOp && t.text == ",":
			count()
			continue
		case depth == 1 && t.kind == kindOp && t.text == "=":
			hasDefault = true
		case depth == 1 && !any && t.kind == kindOp: // *args, **kwargs, the bare * and /
			first = true
		}
		if depth == 1 && !any && t.kind == kindName {
			names = append(names, t.text)
		}
		if depth >= 1 {
			any = true
		}
	}
	return needs, all, names
}

// imported reads "a.b as c, d".
func (m *module) imported(words []token) {
	for _, part := range splitTop(words, ",") {
		name, alias := dotted(part)
		switch {
		case alias != "":
			m.imports[alias] = name
		case name != "":
			top, _, _ := strings.Cut(name, ".")
			m.imports[top] = top
		}
	}
}

// importedFrom reads ".a import b as c, d".
func (m *module) importedFrom(words []token) {
	at := -1
	for i, t := range words {
		if t.kind == kindName && t.text == "import" {
			at = i
			break
		}
	}
	if at < 0 {
		return
	}
	var path strings.Builder
	for _, t := range words[:at] {
		path.WriteString(t.text)
	}
	from := m.absolute(path.String())
	var names []token
	for _, t := range words[at+1:] {
		if t.kind != kindOp || t.text != "(" && t.text != ")" {
			names = append(names, t)
		}
	}
	for _, part := range splitTop(names, ",") {
		if len(part) == 1 && part[0].text == "*" {
			m.stars = append(m.stars, from)
			continue
		}
		name, alias := dotted(part)
		if name == "" {
			continue
		}
		if alias == "" {
			alias = name
		}
		m.imports[alias] = strings.TrimPrefix(from+"."+name, ".")
		m.order = append(m.order, alias)
	}
}

// absolute resolves a relative import.
func (m *module) absolute(path string) string {
	rest := strings.TrimLeft(path, ".")
	up := len(path) - len(rest)
	if up == 0 {
		return path
	}
	parts := strings.Split(m.name, ".")
	if !strings.HasSuffix(m.file, "__init__.py") {
		up++
	}
	parts = parts[:max(0, len(parts)-up+1)]
	if rest != "" {
		parts = append(parts, rest)
	}
	return strings.Join(parts, ".")
}

// splitTop splits tokens at an operator outside of brackets.
func splitTop(words []token, op string) [][]token {
	var parts [][]token
	start, depth := 0, 0
	for i, t := range words {
		depth += nesting(t)
		if depth == 0 && t.kind == kindOp && t.text == op {
			parts = append(parts, words[start:i])
			start = i + 1
		}
	}
	return append(parts, words[start:])
}

// dotted reads "a.b as c".
func dotted(words []token) (name, alias string) {
	for i, t := range words {
		if t.kind == kindName && t.text == "as" && i+1 < len(words) {
			return name, words[i+1].text
		}
		name += t.text
	}
	return name, ""
}

// assignment reads "a = b = value", "a: T = value" and "a, b = value", and tells whether it is one.
func (m *module) assignment(s statement) bool {
	parts := splitTop(s.tokens, "=")
	if len(parts) < 2 {
		return false
	}
	v := &value{tokens: parts[len(parts)-1], line: s.line}
	for _, target := range parts[:len(parts)-1] {
		target, _ = splitColon(target)
		for _, one := range splitTop(target, ",") {
			if len(one) == 1 && one[0].kind == kindName {
				if m.values[one[0].text] == nil {
					m.order = append(m.order, one[0].text)
				}
				own := *v
				own.before = m.values[one[0].text]
				m.values[one[0].text] = &own
			}
			break // of several names the first is the app: app, rt = fast_app()
		}
	}
	return true
}

// callee gives the full name of what an expression calls first: "flask.Flask" for Flask(__name__).
func (m *module) callee(words []token) string {
	name := ""
	for _, t := range words {
		switch {
		case t.kind == kindName && (name == "" || strings.HasSuffix(name, ".")):
			name += t.text
		case t.kind == kindOp && t.text == "." && name != "" && !strings.HasSuffix(name, "."):
			name += "."
		case t.kind == kindOp && t.text == "(" && name != "" && !strings.HasSuffix(name, "."):
			return m.resolve(name)
		default:
			return ""
		}
	}
	return ""
}

// resolve replaces the first part of a dotted name by what it was imported as.
func (m *module) resolve(name string) string {
	top, rest, more := strings.Cut(name, ".")
	full, ok := m.imports[top]
	if !ok {
		return name
	}
	if more {
		return full + "." + rest
	}
	return full
}

// text gives the value of a name when it is a plain string.
func (m *module) text(name string) string {
	if v := m.values[name]; v != nil && len(v.tokens) == 1 && v.tokens[0].kind == kindString {
		return v.tokens[0].text
	}
	return ""
}
