package version_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/stacks/version"
)

func TestGrammars(t *testing.T) {
	for _, c := range []struct {
		grammar       version.Grammar
		text, in, out string
	}{
		{version.NPM, ">=18 <20 || 22", "18.0.0 19.1.0 22.3.4", "20.0.0 21.0.0"},
		{version.Go, "1.25", "1.25.0 1.25.9", "1.26.0 1.24.9"},
		{version.Go, "go1.25.4", "1.25.4", "1.25.5"},
		{version.Go, ">=1.24", "1.24.0 1.30.1", "1.23.9"},
		{version.PEP440, ">=3.11,<4", "3.11.0 3.13.5", "3.10.9 4.0.0"},
		{version.PEP440, ">= 3.11, != 3.12.*", "3.11.2 3.13.0", "3.12.1"},
		{version.PEP440, "~=3.11", "3.11.0 3.13.5", "3.10.0 4.0.0"},
		{version.PEP440, "~=3.11.2", "3.11.2 3.11.9", "3.11.1 3.12.0"},
		{version.PEP440, "==3.11.*", "3.11.0", "3.12.0"},
		{version.PEP440, "==3.11", "3.11", "3.11.2"},
		{version.PEP440, "3.11", "3.11.2", "3.12.0"},
		{version.PEP440, "^3.11", "3.11.0 3.13.0", "4.0.0 3.10.0"},
		{version.PEP440, "~3.11", "3.11.9", "3.12.0"},
		{version.PEP440, "python-3.11.4", "3.11.4", "3.11.5"},
		{version.PEP440, "cpython@3.12", "3.12.1", "3.13.0"},
		{version.PEP440, "<3.13", "3.12.9", "3.13.0 3.13.0rc1"},
		{version.PEP440, ">3.12", "3.13.0 3.12.1", "3.12 3.11.0"},
		{version.PEP440, "*", "3.1.0", ""},
		{version.PEP440, "3.x", "3.13.5", "4.0.0"},
		{version.Maven, "[3.6,4)", "3.6.0 3.9.9", "4.0.0 4.0.0-rc-1 3.5.4"},
		{version.Maven, "(,3.8],[3.9.5,)", "3.8 3.1 3.9.5", "3.9.0 3.8.1"},
		{version.Maven, "3.9", "3.9.1", "3.10.0"},
		{version.Maven, "3.9.6", "3.9.6", "3.9.7"},
		{version.Java, "1.8", "8.0.400", "11.0.1 17.0.1"},
		{version.Java, "17", "17.0.21", "21.0.1"},
		{version.Java, "temurin-21.0.2", "21.0.2", "21.0.3"},
		{version.Java, "21.0.1-open", "21.0.1", "21.0.3"},
		{version.Java, "openjdk64-17", "17.0.1", "21.0.1"},
		{version.Java, "[1.8,18)", "8.0.1 17.0.1", "21.0.1"},
		{version.Java, ">=17", "17.0.0 25.0.1", "11.0.2"},
		{version.Java, "lts", "25.0.1", ""},
		{version.Cargo, "stable", "1.96.0", ""},
		{version.Cargo, "stable-x86_64-unknown-linux-gnu", "1.96.0", ""},
		{version.Cargo, "1.70", "1.70.1", "1.71.0"},
		{version.Cargo, "1.70.1", "1.70.1", "1.70.2"},
		{version.Cargo, "1.70.0-x86_64-unknown-linux-gnu", "1.70.0", "1.70.1"},
		{version.Cargo, ">=1.70", "1.96.0", "1.69.0"},
		{version.Gem, "~> 3.2", "3.2.0 3.9.0", "4.0.0 3.1.9"},
		{version.Gem, "~> 3.2.1", "3.2.1 3.2.9", "3.3.0 3.2.0"},
		{version.Gem, ">= 2.7, < 3.4", "2.7.0 3.3.13", "3.4.0"},
		{version.Gem, "3.3.0", "3.3.0", "3.3.1"},
		{version.Gem, "ruby-3.3.0", "3.3.0", "3.3.1"},
		{version.Gem, "3.2.2p53", "3.2.2", "3.2.3"},
		{version.Gem, "3.3", "3.3.13", "3.4.0"},
		{version.Composer, "^8.1", "8.1.0 8.4.27", "9.0.0 8.0.9"},
		{version.Composer, "~8.1.0", "8.1.5", "8.2.0"},
		{version.Composer, "~8.1", "8.1.5 8.4.0", "9.0.0"},
		{version.Composer, ">=7.4 <8.3", "8.2.0", "8.3.0 7.3.0"},
		{version.Composer, "^7.4 || ^8.0", "7.4.1 8.4.0", "7.3.0 9.0.0"},
		{version.Composer, "^7.4|^8.0", "7.4.1 8.4.0", "7.3.0"},
		{version.Composer, "7.4 - 8.1", "7.4.0 8.1.9", "8.2.0 7.3.0"},
		{version.Composer, "8.*", "8.4.0", "9.0.0"},
		{version.Composer, "8.2.*@stable", "8.2.1", "8.3.0"},
	} {
		set, err := c.grammar.Parse(c.text)
		if err != nil {
			t.Errorf("%s %q: %v", c.grammar, c.text, err)
			continue
		}
		for _, v := range strings.Fields(c.in) {
			if !set.Contains(v) {
				t.Errorf("%s %q does not contain %s", c.grammar, c.text, v)
			}
		}
		for _, v := range strings.Fields(c.out) {
			if set.Contains(v) {
				t.Errorf("%s %q contains %s", c.grammar, c.text, v)
			}
		}
	}
}

func TestUnreadable(t *testing.T) {
	for grammar, texts := range map[version.Grammar][]string{
		version.NPM:      {"latest!", "1.2.3.4"},
		version.Go:       {"", "latest", "1.x.y"},
		version.PEP440:   {"", "pypy3.9", "~=3", ">=", "3.11 and up"},
		version.Maven:    {"[1.0", "1.0]", "[a,b]", "(", "LATEST"},
		version.Java:     {"", "java", "[x,)"},
		version.Cargo:    {"nightly", "nightly-2024-01-01", "beta", "latest"},
		version.Gem:      {"", "jruby", "~>"},
		version.Composer: {"dev-master", "^"},
		"nothing":        {"1"},
	} {
		for _, text := range append(texts, strings.Repeat("1.", 600), "1."+strings.Repeat("9", 400)) {
			if set, err := grammar.Parse(text); err == nil && (set.Contains("1.0.0") || text == "") {
				t.Errorf("%s %q was read", grammar, text)
			}
		}
	}
}

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		grammar       version.Grammar
		text, in, out string
	}{
		{version.Java, "1.8", "8.0.1 21.0.1", "7.0.1"},
		{version.Java, "17", "17.0.1 25.0.1", "11.0.1"},
		{version.Go, "1.24", "1.24.0 1.27.3", "1.23.0"},
		{version.Go, "go1.24.5", "1.24.5", "1.24.4"},
		{version.Cargo, "1.70", "1.70.0 1.96.0", "1.69.9"},
		{version.Cargo, "stable", "1.0.0", ""},
		{version.PEP440, "3.9", "3.9.0 3.13.5", "3.8.9"},
		{version.PEP440, ">=3.9,<3.12", "3.11.0", "3.12.0"},
		{version.NPM, "18", "18.0.0 24.0.0", "17.9.9"},
		{version.Maven, "3.6.3", "3.9.9", "3.6.2"},
		{version.Gem, "3.1", "3.3.0", "3.0.9"},
		{version.Composer, "8.1", "8.4.0", "8.0.9"},
	} {
		set, err := c.grammar.AtLeast(c.text)
		if err != nil {
			t.Errorf("%s %q: %v", c.grammar, c.text, err)
			continue
		}
		for _, v := range strings.Fields(c.in) {
			if !set.Contains(v) {
				t.Errorf("%s at least %q does not contain %s", c.grammar, c.text, v)
			}
		}
		for _, v := range strings.Fields(c.out) {
			if set.Contains(v) {
				t.Errorf("%s at least %q contains %s", c.grammar, c.text, v)
			}
		}
		again, err := c.grammar.Parse(set.Text)
		if err != nil {
			t.Errorf("%s: %q does not read back: %v", c.grammar, set.Text, err)
		}
		for _, v := range strings.Fields(c.in) {
			if !again.Contains(v) {
				t.Errorf("%s: %q read back does not contain %s", c.grammar, set.Text, v)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		grammar version.Grammar
		older   string
		newer   string
	}{
		{version.NPM, "9.9.9", "10.0.0"},
		{version.NPM, "1.0.0-rc.2", "1.0.0-rc.10"},
		{version.NPM, "1.0.0-rc.1", "1.0.0"},
		{version.Go, "1.26rc1", "1.26.0"},
		{version.Maven, "4.0.0-beta-5", "4.0.0-rc-1"},
		{version.Gem, "3.3.9", "3.3.13"},
		{version.Java, "whatever", "8"},
	} {
		if c.grammar.Compare(c.older, c.newer) >= 0 || c.grammar.Compare(c.newer, c.older) <= 0 {
			t.Errorf("%s: %s is not older than %s", c.grammar, c.older, c.newer)
		}
	}
}

func candidates(texts ...string) []version.Candidate {
	var list []version.Candidate
	for _, text := range texts {
		words := strings.Fields(text)
		c := version.Candidate{Version: words[0], Wanted: true, Locked: true}
		for _, w := range words[1:] {
			switch w {
			case "live":
				c.Locked = false
			case "eol", "early":
				c.Rank, c.Status = 1, w
			case "missing":
				c.Missing, c.Wanted = []string{"amd64"}, false
			case "partly":
				c.Missing = []string{"arm64"}
			}
		}
		list = append(list, c)
	}
	return list
}

func TestSolve(t *testing.T) {
	node := candidates("20.20.2 eol", "22.23.3", "24.21.0", "24.22.0 missing", "26.10.0 early")
	java := candidates("17.0.21", "21.0.13", "25.0.5")
	con := func(value string, kind version.Kind) version.Constraint {
		return version.Constraint{Value: value, Source: "file:1", Kind: kind}
	}
	for _, c := range []struct {
		name       string
		problem    version.Problem
		candidates []version.Candidate
		want       string
		level      version.Level
	}{
		{"the newest supported line", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con(">=20.9", "")}}, node, "24.21.0", 0},
		{"the default", version.Problem{Grammar: version.NPM, Default: "22"}, node, "22.23.3", 0},
		{"an alias", version.Problem{Grammar: version.NPM, Aliases: map[string]string{"lts/*": "24"},
			Constraints: []version.Constraint{con("LTS/*", version.Hint)}}, node, "24.21.0", 0},
		{"a line that has ended, when it is demanded", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con("^20", "")}}, node, "20.20.2", 0},
		{"the intersection", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con(">=20", ""), con("<24", "")}}, node, "22.23.3", 0},
		{"a hint counts", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con(">=20", ""), con("22", version.Hint)}}, node, "22.23.3", 0},
		{"a hint gives way", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con(">=22", ""), con("18.1.0", version.Hint)}}, node, "24.21.0", version.NoHints},
		{"a hint that cannot be read gives way", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con("!!", version.Hint)}, Default: "24"}, node, "24.21.0", 0},
		{"of two hints the one that can be met", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con("18", version.Hint), con("22", version.Hint)}}, node, "22.23.3", version.NoHints},
		{"not when strict", version.Problem{Grammar: version.NPM, Policy: version.Strict, Constraints: []version.Constraint{con(">=22", ""), con("18", version.Hint)}}, node, "", 0},
		{"an override alone", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con(">=24", ""), con("22", version.Override)}}, node, "22.23.3", 0},
		{"nothing", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con("18", "")}}, node, "", version.NoHints},
		{"only early", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con(">=25", "")}}, node, "26.10.0", 0},
		{"the app's lock", version.Problem{Grammar: version.NPM, Prefer: "22.23.3", Constraints: []version.Constraint{con(">=20", "")}}, node, "22.23.3", 0},
		{"the app's lock before the default", version.Problem{Grammar: version.NPM, Prefer: "20.20.2", Default: "24"}, node, "20.20.2", 0},
		{"the default, when the app's lock cannot be had", version.Problem{Grammar: version.NPM, Prefer: "24.22.0", Default: "22"}, node, "22.23.3", 0},
		{"the app's lock out of bounds", version.Problem{Grammar: version.NPM, Prefer: "22.23.3", Constraints: []version.Constraint{con(">=24", "")}}, node, "24.21.0", 0},
		{"a pinned patch goes to its line", version.Problem{Grammar: version.PEP440, Pins: version.ToLine, Constraints: []version.Constraint{con("3.13.1", "")}},
			candidates("3.13.5"), "3.13.5", version.Relaxed},
		{"and not further", version.Problem{Grammar: version.PEP440, Pins: version.ToLine, Constraints: []version.Constraint{con("3.12.1", "")}},
			candidates("3.13.5"), "", version.NoHints},
		{"nor when strict", version.Problem{Grammar: version.PEP440, Pins: version.ToLine, Policy: version.Strict, Constraints: []version.Constraint{con("3.13.1", "")}},
			candidates("3.13.5"), "", 0},
		{"a pinned toolchain goes up", version.Problem{Grammar: version.Cargo, Pins: version.Upwards, Constraints: []version.Constraint{con("1.59", "")}},
			candidates("1.96.0"), "1.96.0", version.Relaxed},
		{"an override does not", version.Problem{Grammar: version.Cargo, Pins: version.Upwards, Constraints: []version.Constraint{con("1.59", version.Override)}},
			candidates("1.96.0"), "", version.NoHints},
		{"the nearest Java", version.Problem{Grammar: version.Java, Nearest: true, Pins: version.ToLine, Constraints: []version.Constraint{con("1.8", version.Minimum)}}, java, "17.0.21", 0},
		{"the next one", version.Problem{Grammar: version.Java, Nearest: true, Constraints: []version.Constraint{con("18", version.Minimum)}}, java, "21.0.13", 0},
		{"just this one", version.Problem{Grammar: version.Java, Nearest: true, Policy: version.Strict, Constraints: []version.Constraint{con("18", version.Minimum)}}, java, "", 0},
		{"a patch of Java", version.Problem{Grammar: version.Java, Pins: version.ToLine, Constraints: []version.Constraint{con("temurin-21.0.2", "")}}, java, "21.0.13", version.Relaxed},
		{"complete before newest", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con("22", "")}},
			candidates("22.1.0 live", "22.2.0 live partly"), "22.1.0", 0},
		{"incomplete when it is all there is", version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{con("22.2.0", "")}},
			candidates("22.1.0 live", "22.2.0 live partly"), "22.2.0", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var answer *version.Answer
			for _, level := range c.problem.Levels() {
				var err error
				if answer, err = c.problem.Solve(c.candidates, level); err != nil {
					t.Fatal(err)
				}
				if answer.Index >= 0 {
					break
				}
			}
			got := ""
			if answer.Index >= 0 {
				got = c.candidates[answer.Index].Version
			}
			if got != c.want || answer.Level != c.level {
				t.Errorf("%s at level %d, want %s at level %d", got, answer.Level, c.want, c.level)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	p := version.Problem{Grammar: version.NPM, Constraints: []version.Constraint{
		{Value: ">=20.9", Source: "package.json:12"}, {Value: "18", Source: ".nvmrc:1", Kind: version.Hint}}}
	a, err := p.Solve(candidates("18.1.0", "20.20.2 eol", "22.23.3", "24.21.0", "24.22.0 missing", "26.10.0 early"), version.NoHints)
	if err != nil {
		t.Fatal(err)
	}
	want := []version.Judged{
		{Version: "26.10.0", Rejected: "early"}, {Version: "24.22.0", Rejected: "missing on linux/amd64"},
		{Version: "24.21.0"}, {Version: "22.23.3", Rejected: "older"}, {Version: "20.20.2", Rejected: "eol"},
		{Version: "18.1.0", Rejected: "excluded by >=20.9 (package.json:12)"},
	}
	if diff := cmp.Diff(want, a.Candidates); diff != "" {
		t.Error(diff)
	}
	if a.Constraints[1].Dropped == "" || a.Constraints[0].Dropped != "" {
		t.Errorf("constraints: %+v", a.Constraints)
	}
	if diff := cmp.Diff([]string{">=20.9"}, a.Effective); diff != "" {
		t.Error(diff)
	}
}

func TestNearest(t *testing.T) {
	list := candidates("3.11.2", "3.13.5", "3.14.1")
	for value, want := range map[string]string{"==3.12.1": "3.13.5", "==3.15.0": "3.14.1", "==3.9.1": "3.11.2", "<3": "3.14.1"} {
		p := version.Problem{Grammar: version.PEP440, Constraints: []version.Constraint{{Value: value}}}
		if got := p.NearestTo(list); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{">=3.11,<4", "[1.8,18)", "~> 3.2", "^7.4 || ^8.0", "nightly-2024", "1.99999999999999999999", "7 - 8"} {
		f.Add(text, "1.2.3")
	}
	grammars := []version.Grammar{version.NPM, version.Go, version.PEP440, version.Maven, version.Java, version.Cargo,
		version.Gem, version.Composer}
	f.Fuzz(func(t *testing.T, text, v string) {
		for _, g := range grammars {
			set, err := g.Parse(text)
			if err == nil {
				set.Contains(v)
			}
			if set.Exact != "" && !set.Contains(set.Exact) {
				t.Errorf("%s %q is exactly %s and does not contain it", g, text, set.Exact)
			}
			if least, err := g.AtLeast(text); err == nil {
				least.Contains(v)
			}
			g.Compare(text, v)
			_, _ = g.Line(text) // it must only not panic
		}
	})
}
