package launch

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

// plain turns what either parser gives into the same types, without the values that the launcher's does not read.
func plain(v any) any {
	switch v := v.(type) {
	case table:
		return plain(map[string]any(v))
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, plain(e))
		}
		return out
	case []map[string]any:
		out := []any{}
		for _, e := range v {
			out = append(out, plain(e))
		}
		return out
	case string, bool:
		return v
	}
	return "number or time"
}

func TestParseTOML(t *testing.T) {
	for name, doc := range map[string]string{
		"empty": "", "blank": " \t\r\n\n", "comment": "# a\n#b", "BOM": "\ufeffa = 1",
		"basic":            `a = "x\t\"y\" \\ \u00e9 \U0001F600 # no comment"`,
		"literal":          `a = 'x\t"y"'`,
		"both empty":       "a = \"\"\nb = ''",
		"multiline":        "a = \"\"\"\nx \"\"y\"\" \\\n   z\\t\n\"\"\"",
		"multiline ends":   "a = \"\"\"x\"\"\"\"\"\nb = '''y''''\nc = \"\"\"\"\"\"",
		"multiline CRLF":   "a = '''\r\nx\ny'''\r\nb = 1\r\n",
		"multiline lit":    "a = '''\n'x' \\ \"\"\"\n'''",
		"bools":            "a = true\nb = false # yes",
		"numbers":          "a = 1\nb = -2.5e10\nc = 0xdead_BEEF\nd = inf\ne = -nan\nf = 1979-05-27T07:32:00Z\ng = 07:32:00",
		"list":             "a = [ 'x', \"y\", # c\n\n 'z', ]\nb = []\nc = [['x'], [true]]",
		"inline":           "a = { b = 'x', c.d = [ { e = 1 } ], \"f g\" = {} }",
		"keys":             "a-b_1 = 1\n\"a b\" = 2\n'c.d' = 3\ne . \"f\" .g = 4\n1 = 5",
		"tables":           "[a]\nx = 1\n[ b . 'c d' ]\ny = 2\n[a.z]\nw = 3",
		"lists of tables":  "[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2\n[[a.c]]\nz = 3\n[[a.c]]",
		"indented":         "  [[a]]\n    x = 1\n  [a.b]\n    y = 2",
		"no final newline": "[a]\nx = 'y'",
	} {
		var want map[string]any
		if _, err := toml.Decode(doc, &want); err != nil {
			t.Fatalf("%s: the library says: %v", name, err)
		}
		got, err := parseTOML(doc)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(plain(want), plain(got)); d != "" {
			t.Errorf("%s (-library +got):\n%s", name, d)
		}
	}
}

func TestParseTOMLRefuses(t *testing.T) {
	for name, c := range map[string]struct{ doc, part string }{
		"no value":           {"a", "line 1: a has no value"},
		"line number":        {"a = 1\n\nb = \n", "line 3"},
		"open string":        {"a = \"x\nb = 1", "line 1: a string is not closed"},
		"open literal":       {"a = 'x\n'", "not closed"},
		"open multiline":     {"a = '''x", "not closed"},
		"open list":          {"a = [1, 2\nb = 3", "not closed"},
		"open table":         {"a = {b = 1", "not closed"},
		"open header":        {"[a", "not closed"},
		"half list header":   {"[[a]", "not closed"},
		"two values":         {"a = 1 2", "unexpected"},
		"twice":              {"a = 1\na = 2", "set twice"},
		"word":               {"a = yes", `unexpected "yes"`},
		"bad escape":         {`a = "\y"`, "unknown escape"},
		"surrogate":          {`a = "\ud800"`, "unknown escape"},
		"short escape":       {`a = "\u12"`, "unknown escape"},
		"too large escape":   {`a = "\Uffffffff"`, "unknown escape"},
		"no key":             {"= 1", "a key is missing"},
		"empty header":       {"[]", "a key is missing"},
		"table over value":   {"a = 1\n[a.b]", "a is no table"},
		"list over value":    {"a = 1\n[[a]]", "a is no list"},
		"value over table":   {"a.b = 1\na = 2", "set twice"},
		"deep list":          {"a = " + strings.Repeat("[", 1e6), "too deep"},
		"deep table":         {"a = " + strings.Repeat("{a=", 1e6), "too deep"},
		"deep key":           {strings.Repeat("a.", 1e6) + "a = 1", "too many parts"},
		"not UTF-8":          {"a = \"\xff\"", "UTF-8"},
		"backslash at end":   {`a = "\`, "not closed"},
		"backslash at end 2": {`a = """\`, "not closed"},
	} {
		if got, err := parseTOML(c.doc); err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: got %v, %v; want %q", name, got, err, c.part)
		}
	}
}

// Whatever the library accepts and this parser accepts too must mean the same.
func FuzzParseTOML(f *testing.F) {
	for _, seed := range []string{"a = 1", "[[a]]\nb = 'c'\n[a.d]\n", "a = \"\"\"\\\n x\"\"\"", "a = {b=[1,'2']}", twoAPIs,
		"a.b.c = true\n", "'a' = '''b'''", "a = [\n1,\n]#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		got, err := parseTOML(doc)
		if err != nil || strings.Count(doc, "[")+strings.Count(doc, "{") > 50 {
			return
		}
		var want map[string]any
		if _, err := toml.Decode(doc, &want); err != nil {
			return
		}
		if d := cmp.Diff(plain(want), plain(got)); d != "" {
			t.Errorf("(-library +got):\n%s", d)
		}
	})
}

func FuzzParseMetadata(f *testing.F) {
	f.Add(twoAPIs + proc("web", "command = \"a\"\nexec-env = [\"test\"]"))
	f.Fuzz(func(t *testing.T, doc string) {
		m, err := parseMetadata(doc)
		if err != nil {
			return
		}
		for _, p := range m.processes {
			l := launcher{api: 15, metadata: m, execEnv: defaultExecEnv}
			if c, err := l.choose(p.name, []string{"x"}); err == nil && (len(c.command) == 0 || c.command[0] == "") {
				t.Errorf("process without a command: %+v", c)
			}
		}
		parseExecD(doc)
	})
}

// What the builder writes is what the launcher reads.
func TestReadsWhatTheBuilderWrites(t *testing.T) {
	path := t.TempDir() + "/metadata.toml"
	text := "quote \" back \\ tab \t newline \n é 'single' \x01 \u007f"
	err := lifecycle.WriteBuildMetadata(path, lifecycle.BuildMetadata{
		Buildpacks: []lifecycle.GroupElement{{ID: "a/b", Version: "1", API: "0.10", Homepage: "https://example.com"}},
		Extensions: []lifecycle.GroupElement{{ID: "x", Version: "1", API: "0.10"}},
		Labels:     []lifecycle.Label{{Key: "k", Value: text}}, Slices: []lifecycle.Slice{{Paths: []string{"a", "b"}}},
		Processes: []lifecycle.Process{{Type: "web", Command: lifecycle.Command{text, "b"}, Args: []string{text}, Direct: true,
			BuildpackID: "a/b", WorkingDir: text, ExecEnv: lifecycle.ExecEnvs{"test"}}, {Type: "t", Command: lifecycle.Command{"c"}}},
		BuildpackDefaultProcessType: "web",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := readMetadata(path)
	if err != nil {
		t.Fatal(err)
	}
	want := metadata{
		buildpacks: []buildpack{{"a/b", "0.10"}},
		processes: []process{
			{name: "web", command: []string{text, "b"}, args: []string{text}, direct: true, buildpack: "a/b", workingDir: text,
				execEnv: []string{"test"}},
			{name: "t", command: []string{"c"}},
		},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(metadata{}, buildpack{}, process{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
