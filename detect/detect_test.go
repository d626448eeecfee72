package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

// elements reads "a b? x!": names, "?" for optional, "!" for extension, "@v" for the version (else 1).
func elements(s string) []lifecycle.GroupElement {
	var out []lifecycle.GroupElement
	for _, f := range strings.Fields(s) {
		e := lifecycle.GroupElement{Version: "1"}
		f, e.Optional = strings.CutSuffix(f, "?")
		f, e.Extension = strings.CutSuffix(f, "!")
		var versioned bool
		var version string
		if e.ID, version, versioned = strings.Cut(f, "@"); versioned {
			e.Version = version
		}
		out = append(out, e)
	}
	return out
}

// order reads groups separated by "|".
func order(s string) lifecycle.Order {
	var out lifecycle.Order
	for g := range strings.SplitSeq(s, "|") {
		out = append(out, lifecycle.Group{Elements: elements(g)})
	}
	return out
}

// module makes an installed buildpack from its name, as in elements, and the order of a composite one.
func module(name, composite string) lifecycle.Buildpack {
	e := elements(name)[0]
	info := lifecycle.BuildpackInfo{ID: e.ID, Version: e.Version}
	b := lifecycle.Buildpack{API: "0.10", Dir: "/" + e.ID}
	if e.Extension {
		b.Extension = info
	} else {
		b.Info = info
	}
	if composite != "" {
		b.Order = order(composite)
	}
	return b
}

func modules(names string) []lifecycle.Buildpack {
	var out []lifecycle.Buildpack
	for _, n := range strings.Fields(names) {
		out = append(out, module(n, ""))
	}
	return out
}

func show(es []lifecycle.GroupElement) string {
	var out []string
	for _, e := range es {
		s := e.ID
		if e.Version != "1" {
			s += "@" + e.Version
		}
		if e.Extension {
			s += "!"
		}
		if e.Optional {
			s += "?"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestGroups(t *testing.T) {
	cases := []struct {
		name              string
		order, extensions string
		installed         []lifecycle.Buildpack
		want              []string
	}{
		{"as it is", "a b | c", "", modules("a b c"), []string{"a b", "c"}},
		{"the reference's table", "E", "", append(modules("A B C D A@2 B@2 C@2 D@2"),
			module("E", "A F B"), module("F", "C | G? | D"), module("G", "A@2 B@2 | C@2 D@2")),
			[]string{"A C B", "A B@2", "A C@2 D@2 B", "A B", "A D B"}},
		{"specification: E O F", "E O F", "", append(modules("A B C D E F"), module("O", "A B | C D")),
			[]string{"E A B F", "E C D F"}},
		{"specification: O P", "O P", "",
			append(modules("A B C D E F G H"), module("O", "A B | C D"), module("P", "E F | G H")),
			[]string{"A B E F", "A B G H", "C D E F", "C D G H"}},
		{"optional composite", "a O? b", "", append(modules("a b c d"), module("O", "c | d")),
			[]string{"a c b", "a d b", "a b"}},
		{"optional composite at the end", "a O?", "", append(modules("a c"), module("O", "c")),
			[]string{"a c", "a"}},
		{"optional members stay in the group", "a b?", "", modules("a b"), []string{"a b?"}},
		{"only the first of an ID", "a@2 O", "", append(modules("a a@2 b"), module("O", "a b")),
			[]string{"a@2 b"}},
		{"same composite twice", "O O", "", append(modules("a b"), module("O", "a | b")),
			[]string{"a", "a b", "b a", "b"}},
		{"extensions", "a | b", "x y | z", modules("a b x! y! z!"),
			[]string{"x!? y!? a", "z!? a", "a", "x!? y!? b", "z!? b", "b"}},
		{"an extension may share an ID", "a", "a", modules("a a!"), []string{"a!? a", "a"}},
		{"empty group", "", "", nil, []string{""}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			installed, err := newCatalog(c.installed)
			if err != nil {
				t.Fatal(err)
			}
			var ext lifecycle.Order
			if c.extensions != "" {
				ext = order(c.extensions)
			}
			if err := installed.check(order(c.order), ext); err != nil {
				t.Fatal(err)
			}
			var got []string
			for g := range installed.groups(order(c.order), ext) {
				var es []lifecycle.GroupElement
				for _, m := range g {
					es = append(es, m.element)
				}
				got = append(got, show(es))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for range installed.groups(order(c.order), ext) {
				break // stopping early must be possible everywhere
			}
		})
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	cases := []struct {
		name, order, extensions string
		installed               []lifecycle.Buildpack
		want                    string
	}{
		{"not installed", "a b", "", modules("a"), `buildpack b@1, which the order names, is not installed`},
		{"other version", "a@2", "", modules("a"), `buildpack a@2`},
		{"ambiguous version", "a@", "", modules("a a@2"), `buildpack a, which`},
		{"not installed, deep", "O", "", []lifecycle.Buildpack{module("O", "p")}, "p@1, which O@1 names"},
		{"own cycle", "O", "", []lifecycle.Buildpack{module("O", "O")}, "O@1 → O@1"},
		{"cycle", "a O", "", append(modules("a"), module("O", "a P"), module("P", "Q? a"), module("Q", "P")),
			"P@1 → Q@1 → P@1"},
		{"extension not installed", "a", "x", modules("a x"), "extension x@1 is not installed"},
		{"twice", "a", "", modules("a a"), "a@1 is there twice"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Order: order(c.order), Buildpacks: c.installed, Detect: pass(nil)}
			if c.extensions != "" {
				o.Extensions = order(c.extensions)
			}
			_, err := Run(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) || lifecycle.ExitCode(err) != lifecycle.ExitDetect {
				t.Errorf("got %v (code %d), want %q", err, lifecycle.ExitCode(err), c.want)
			}
		})
	}
}

func TestTooManyGroups(t *testing.T) {
	var installed []lifecycle.Buildpack
	var names []string
	for i := range 20 {
		a, b, o := fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i), fmt.Sprintf("o%d", i)
		installed = append(installed, module(a, ""), module(b, ""), module(o, a+" | "+b))
		names = append(names, o)
	}
	_, err := Run(context.Background(), Options{Order: order(strings.Join(names, " ")), Buildpacks: installed,
		Detect: func(context.Context, lifecycle.Buildpack) Outcome { return Outcome{} }})
	if err == nil || !strings.Contains(err.Error(), "more than 20000 groups") {
		t.Errorf("got %v", err)
	}
}

// pass makes a detection in which every buildpack passes, except those with an outcome of their own.
func pass(own map[string]Outcome) func(context.Context, lifecycle.Buildpack) Outcome {
	return func(_ context.Context, b lifecycle.Buildpack) Outcome {
		if o, ok := own[b.About().ID]; ok {
			return o
		}
		return Outcome{Status: Passed}
	}
}

func plan(s string) lifecycle.BuildPlan {
	var p lifecycle.BuildPlan
	for i, alternative := range strings.Split(s, "|") {
		var sections lifecycle.PlanSections
		for _, f := range strings.Fields(alternative) {
			switch name := f[1:]; f[0] {
			case '+':
				sections.Provides = append(sections.Provides, lifecycle.Provide{Name: name})
			case '-':
				sections.Requires = append(sections.Requires, lifecycle.Require{Name: name})
			}
		}
		if i == 0 {
			p.PlanSections = sections
		} else {
			p.Or = append(p.Or, sections)
		}
	}
	return p
}

func TestRun(t *testing.T) {
	cases := []struct {
		name              string
		order, extensions string
		installed         []lifecycle.Buildpack
		outcomes          map[string]Outcome
		execEnv           string
		group             string
		asked             string
	}{
		{"first group", "a b | c", "", modules("a b c"), nil, "", "a b", "a b"},
		{"required fails", "a b | c", "", modules("a b c"), map[string]Outcome{"b": {Status: Failed}}, "", "c", "a b c"},
		{"optional fails", "a b?", "", modules("a b"), map[string]Outcome{"b": {Status: Failed}}, "", "a", "a b"},
		{"optional errs", "a b?", "", modules("a b"), map[string]Outcome{"b": {Status: Errored}}, "", "a", "a b"},
		{"asked once", "a b | a c | a d", "", modules("a b c d"),
			map[string]Outcome{"b": {}, "c": {}}, "", "a d", "a b c d"},
		{"plan does not resolve", "a | b", "", modules("a b"),
			map[string]Outcome{"a": {Status: Passed, Plan: plan("-x")}}, "", "b", "a b"},
		{"only extensions pass", "a? | b", "x", modules("a b x!"), map[string]Outcome{"a": {}}, "", "x! b", "a b x"},
		{"extension that nobody needs", "a", "x", modules("a x!"),
			map[string]Outcome{"x": {Status: Passed, Plan: plan("+n")}}, "", "a", "a x"},
		{"extension that requires", "a", "x", modules("a x!"),
			map[string]Outcome{"x": {Status: Passed, Plan: plan("+a | -b")}}, "", "a", "a x"},
		{"unsupported API", "a? b", "", []lifecycle.Buildpack{withAPI(module("a", ""), "0.6"), module("b", "")},
			nil, "", "b", "b"},
		{"required, other target", "a | b", "", []lifecycle.Buildpack{onArm(module("a", "")), module("b", "")},
			nil, "", "b", "b"},
		{"optional, other target", "a? b", "", []lifecycle.Buildpack{onArm(module("a", "")), module("b", "")},
			nil, "", "b", "b"},
		{"other execution environment", "a b", "", []lifecycle.Buildpack{forTests(module("a", "")), module("b", "")},
			nil, "", "b", "b"},
		{"this execution environment", "a b", "", []lifecycle.Buildpack{forTests(module("a", "")), module("b", "")},
			nil, "test", "a b", "a b"},
		{"execution environment before its API", "a b", "",
			[]lifecycle.Buildpack{withAPI(forTests(module("a", "")), "0.11"), module("b", "")}, nil, "", "a b", "a b"},
		{"version left open", "a@", "", modules("a@7"), nil, "", "a@7", "a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			detect := pass(c.outcomes)
			o := Options{Order: order(c.order), Buildpacks: c.installed, ExecEnv: c.execEnv,
				Target: lifecycle.Target{OS: "linux", Arch: "amd64"},
				Detect: func(ctx context.Context, b lifecycle.Buildpack) Outcome {
					mu.Lock()
					defer mu.Unlock()
					asked = append(asked, b.About().ID)
					return detect(ctx, b)
				}}
			if c.extensions != "" {
				o.Extensions = order(c.extensions)
			}
			r, err := Run(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(asked)
			if got := strings.Join(asked, " "); got != c.asked {
				t.Errorf("asked %q, want %q", got, c.asked)
			}
			for _, e := range slices.Concat(r.Group.Group, r.Group.Extensions) {
				if e.API == "" || e.Optional {
					t.Errorf("element %+v of the group lacks its API or is optional", e)
				}
			}
			if got := show(slices.Concat(r.Group.Extensions, r.Group.Group)); got != c.group {
				t.Errorf("chose %q, want %q", got, c.group)
			}
		})
	}
}

func withAPI(b lifecycle.Buildpack, api string) lifecycle.Buildpack {
	b.API = api
	return b
}

func onArm(b lifecycle.Buildpack) lifecycle.Buildpack {
	b.Targets = []lifecycle.Target{{OS: "linux", Arch: "arm64"}}
	return b
}

func forTests(b lifecycle.Buildpack) lifecycle.Buildpack {
	b.Info.ExecEnv = lifecycle.ExecEnvs{"test"}
	return withAPI(b, "0.12")
}

func TestRunInParallel(t *testing.T) {
	var together atomic.Int32
	all := make(chan struct{})
	_, err := Run(context.Background(), Options{Order: order("a b c"), Buildpacks: modules("a b c"), Jobs: 3,
		Detect: func(context.Context, lifecycle.Buildpack) Outcome {
			if together.Add(1) == 3 {
				close(all)
			}
			<-all // ends only when all three are in here
			return Outcome{Status: Passed}
		}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the user went home")
	_, err := Run(ctx, Options{Order: order("a | b"), Buildpacks: modules("a b"),
		Detect: func(context.Context, lifecycle.Buildpack) Outcome {
			cancel(why)
			return Outcome{}
		}})
	if !errors.Is(err, why) || lifecycle.ExitCode(err) != lifecycle.ExitDetect {
		t.Errorf("got %v", err)
	}
}

func TestNoGroup(t *testing.T) {
	boom := errors.New("bin/detect ended with exit status 1: boom")
	cases := []struct {
		name     string
		order    string
		outcomes map[string]Outcome
		code     int
		parts    []string
	}{
		{"nothing fits", "a | b",
			map[string]Outcome{"a": {Reason: "no go.mod"}, "b": {}}, 20, []string{"  a@1  no go.mod\n", "  b@1  gives no reason\n"}},
		{"optional only", "a?", map[string]Outcome{"a": {Reason: "no go.mod"}}, 20, []string{"a@1  no go.mod"}},
		{"an error", "a | b", map[string]Outcome{"a": {Reason: "no"}, "b": {Status: Errored, Reason: "boom", Err: boom}},
			21, []string{"b@1  error: boom", "Look into the errors first."}},
		{"plan", "a b", map[string]Outcome{"a": {Status: Passed, Plan: plan("-x")}}, 20,
			[]string{"a@1  fits", `a requires "x", which nothing at or before it provides`}},
		{"empty order", "", nil, 20, []string{"no buildpacks"}},
		{"API", "old", nil, 12, []string{"old@1  error: checking buildpack old@1: its Buildpack API 0.2 is not supported"}},
		{"target", "arm", nil, 20, []string{"arm@1  does not support linux/amd64 (it supports linux/arm64)"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(context.Background(), Options{Order: order(c.order), Detect: pass(c.outcomes),
				Buildpacks: append(modules("a b"), withAPI(module("old", ""), "0.2"), onArm(module("arm", ""))),
				Target:     lifecycle.Target{OS: "linux", Arch: "amd64"}})
			if !errors.Is(err, ErrNoGroup) || lifecycle.ExitCode(err) != c.code {
				t.Fatalf("got %v with code %d, want ErrNoGroup with %d", err, lifecycle.ExitCode(err), c.code)
			}
			for _, part := range append(c.parts, "Procfile", "--buildpack") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in:\n%v", part, err)
				}
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"a\nb\n\n  \n":              "b",
		"a\r\nb\tc\r\n":             "b c",
		"\x1b[31mred\x1b[0m\x07":    "red",
		"\x1b[31":                   "",
		"half \x1b":                 "half",
		"x\xffy":                    "xy",
		strings.Repeat("é", 200):    strings.Repeat("é", 150) + "…",
		"first\n\x1b]0;title\x07\n": "first",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	refusal := Outcome{Status: Refused, Err: errors.New("pom.xml:12: it asks for Java 8\nstacks have \x1b[1m17, 21")}
	options := Options{Order: order("a | b c? | c"), Buildpacks: modules("a b c"), Target: lifecycle.Target{OS: "linux"},
		Detect: pass(map[string]Outcome{"a": refusal, "b": {Reason: "no go.mod"}, "c": {}})}
	_, err := Run(t.Context(), options)
	var none *NoGroupError
	if !errors.As(err, &none) || lifecycle.ExitCode(err) != lifecycle.ExitDetectErrored {
		t.Fatalf("got %v", err)
	}
	const want = "this app cannot be built\na: pom.xml:12: it asks for Java 8\n  stacks have 17, 21"
	if none.Error() != want {
		t.Errorf("got %q, want %q", none.Error(), want)
	}
	none.Verbose = true
	if text := none.Error(); !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "\n  b@1  no go.mod\n  c@1  gives no reason") {
		t.Errorf("with everything it says %q", text)
	}
	options.Detect = pass(map[string]Outcome{"a": refusal, "b": {Status: Passed}, "c": refusal})
	r, err := Run(t.Context(), options)
	if err != nil || show(r.Group.Group) != "b" || len(r.Refusals()) != 2 {
		t.Errorf("another group: %+v, %v", r, err)
	}
}

func TestHints(t *testing.T) {
	e := &NoGroupError{Hints: []string{"the directory is empty"}, Outcomes: []Outcome{{Reason: "no go.mod"}}}
	if got, want := e.Error(), "there is nothing to build in this directory: the directory is empty"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAlternatives(t *testing.T) {
	for _, c := range []struct{ order, passing, group, alternatives string }{
		{"a | b", "a b", "a", "b"},
		{"a p? | b p? | p", "a b p", "a p", "b p"},
		{"a p? | b p? | p", "a p", "a p", ""},
		{"a b? | b | a c | d", "a c d", "a", "a c/d"},
		{"a | b | c b | c", "a b c", "a", "b/c b"},
	} {
		outcomes := map[string]Outcome{"a": {}, "b": {}, "c": {}, "d": {}, "p": {}}
		for _, name := range strings.Fields(c.passing) {
			outcomes[name] = Outcome{Status: Passed}
		}
		r, err := Run(t.Context(), Options{Order: order(c.order), Buildpacks: modules("a b c d p"), Detect: pass(outcomes),
			Target: lifecycle.Target{OS: "linux"}, Alternatives: true})
		if err != nil {
			t.Fatal(err)
		}
		var others []string
		for _, g := range r.Alternatives {
			others = append(others, show(g))
		}
		if got := strings.Join(others, "/"); show(r.Group.Group) != c.group || got != c.alternatives {
			t.Errorf("%s: %s or %s, want %s or %s", c.order, show(r.Group.Group), got, c.group, c.alternatives)
		}
	}
}
