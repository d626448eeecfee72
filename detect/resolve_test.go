package detect

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

// candidates reads lines "name plan": the name as in elements, the plan as in plan.
func candidates(lines ...string) []Candidate {
	var out []Candidate
	for _, line := range lines {
		name, p, _ := strings.Cut(line, " ")
		out = append(out, Candidate{Element: elements(name)[0], Plan: plan(p)})
	}
	return out
}

// showPlan gives "name: providers × number of requirements" for each entry.
func showPlan(p lifecycle.Plan) []string {
	var out []string
	for _, e := range p.Entries {
		var by []string
		for _, provider := range e.Providers {
			by = append(by, provider.ID)
		}
		out = append(out, fmt.Sprintf("%s: %s ×%d", e.Requires[0].Name, strings.Join(by, " "), len(e.Requires)))
	}
	return out
}

func TestResolve(t *testing.T) {
	cases := []struct {
		name       string
		candidates []string
		stack      string // names that the stack supplies
		group      string
		plan       []string
		dropped    []string
		problems   []string // when it cannot be
	}{
		{"no plans", []string{"a", "b"}, "", "a b", nil, nil, nil},
		{"provides and requires itself", []string{"a +x -x"}, "", "a", []string{"x: a ×1"}, nil, nil},
		{"provided before", []string{"a +x", "b -x"}, "", "a b", []string{"x: a ×1"}, nil, nil},
		{"required twice", []string{"a +x", "b -x", "c -x"}, "", "a b c", []string{"x: a ×2"}, nil, nil},
		{"provided twice", []string{"a +x", "b +x", "c -x"}, "", "a b c", []string{"x: a b ×1"}, nil, nil},
		{"twice by the same", []string{"a +x +x -x -x"}, "", "a", []string{"x: a ×2"}, nil, nil},
		{"provided again for the next", []string{"a +x", "b -x +x", "c -x"}, "", "a b c", []string{"x: a b ×2"}, nil, nil},
		{"sorted by name", []string{"a +z +b +m", "b -m -z -b"}, "", "a b", []string{"b: a ×1", "m: a ×1", "z: a ×1"}, nil, nil},

		{"unmet", []string{"a -x"}, "", "", nil, nil, []string{`a requires "x", which nothing at or before it provides`}},
		{"provided too late", []string{"a -x", "b +x"}, "", "", nil, nil, []string{`a requires "x", which nothing at or before it provides`}},
		{"unused", []string{"a +x"}, "", "", nil, nil, []string{`a provides "x", which nothing at or after it requires`}},
		{"unused afterwards", []string{"a +x -x", "b +x"}, "", "", nil, nil, []string{`b provides "x", which nothing at or after it requires`}},
		{"unmet, optional", []string{"a? -x", "b"}, "", "b", nil, []string{"a"}, nil},
		{"unused, optional", []string{"a? +x", "b"}, "", "b", nil, []string{"a"}, nil},
		{"dropping leaves another unmet", []string{"a? +x -gone", "b? -x +y", "c? -y", "d"}, "", "d", nil,
			[]string{"a", "b", "c"}, nil},
		{"dropping leaves another unused", []string{"a? +x", "b? -x -gone", "c"}, "", "c", nil, []string{"b", "a"}, nil},
		{"dropping leaves a required one unmet", []string{"a? +x -gone", "b -x"}, "", "", nil, nil,
			[]string{`b requires "x", which nothing at or before it provides`}},
		{"nothing is left", []string{"a? -x"}, "", "", nil, nil, []string{`a requires "x", which nothing at or before it provides`}},
		{"only an extension is left", []string{"x!?", "a? -y"}, "", "", nil, nil,
			[]string{`a requires "y", which nothing at or before it provides`}},
		{"nothing", nil, "", "", nil, nil, nil},

		{"second alternative", []string{"a +x | +y", "b -y"}, "", "a b", []string{"y: a ×1"}, nil, nil},
		{"first alternative that works", []string{"a +x | +y", "b -y | -x"}, "", "a b", []string{"x: a ×1"}, nil, nil},
		{"leftmost first", []string{"a +x | +y", "b -x | -y"}, "", "a b", []string{"x: a ×1"}, nil, nil},
		{"empty alternative", []string{"a +x | ", "b"}, "", "a b", nil, nil, nil},
		{"optional stays for an alternative", []string{"a? +x | +y", "b -y"}, "", "a b", []string{"y: a ×1"}, nil, nil},
		{"optional is dropped in its last alternative only", []string{"a? +x | +y", "b"}, "", "b", nil, []string{"a"}, nil},
		{"no alternative", []string{"a -x | -y", "b +z | +w"}, "", "", nil, nil, []string{
			`a requires "x", which nothing at or before it provides`, `a requires "y", which nothing at or before it provides`}},

		{"extension provides", []string{"e!? +x", "a -x"}, "", "e! a", []string{"x: e ×1"}, nil, nil},
		{"extension is unused", []string{"e!? +x", "a"}, "", "a", nil, []string{"e"}, nil},

		{"stack", []string{"a -go"}, "go", "a", []string{"go: s2i/stack ×1"}, nil, nil},
		{"stack, twice", []string{"a -go", "b -go"}, "go", "a b", []string{"go: s2i/stack ×2"}, nil, nil},
		{"stack does not have it", []string{"a -go"}, "node", "", nil, nil, []string{`a requires "go", which nothing at or before it provides`}},
		{"a buildpack goes before the stack", []string{"a +go", "b -go"}, "go", "a b", []string{"go: a ×1"}, nil, nil},
		{"the stack where the buildpack is too late", []string{"a -go", "b? +go"}, "go", "a", []string{"go: s2i/stack ×1"},
			[]string{"b"}, nil},
		{"the stack first, a buildpack later", []string{"a -go", "b +go", "c -go"}, "go", "a b c",
			[]string{"go: s2i/stack b ×2"}, nil, nil},
		{"the stack for one that was dropped", []string{"a? +go -gone", "b -go"}, "go", "b", []string{"go: s2i/stack ×1"},
			[]string{"a"}, nil},
		{"the stack before an alternative", []string{"a -go | -node"}, "go node", "a", []string{"go: s2i/stack ×1"}, nil, nil},
		{"the alternative that the stack has", []string{"a -jdk | -node"}, "node", "a", []string{"node: s2i/stack ×1"}, nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stack := strings.Fields(c.stack)
			r, err := Resolve(candidates(c.candidates...), func(r lifecycle.Require) bool {
				for _, s := range stack {
					if s == r.Name {
						return true
					}
				}
				return false
			})
			if c.group == "" {
				var plan *PlanError
				if !errors.As(err, &plan) {
					t.Fatalf("got %+v, %v; want a PlanError", r, err)
				}
				if d := cmp.Diff(c.problems, plan.Problems); d != "" {
					t.Errorf("problems (-want +got):\n%s", d)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(show(r.Group), "?", ""); got != c.group {
				t.Errorf("got the group %q, want %q", got, c.group)
			}
			if d := cmp.Diff(c.plan, showPlan(r.Plan)); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			var dropped []string
			for _, d := range r.Dropped {
				dropped = append(dropped, d.Element.ID)
				if d.Reason == "" {
					t.Errorf("%s was dropped without a reason", d.Element)
				}
			}
			if d := cmp.Diff(c.dropped, dropped); d != "" {
				t.Errorf("dropped (-want +got):\n%s", d)
			}
		})
	}
}

func TestResolveKeepsMetadataAndPlainProviders(t *testing.T) {
	cs := candidates("a +x", "b -x")
	cs[0].Element.API, cs[0].Element.Homepage = "0.10", "https://example.com"
	cs[1].Plan.Requires[0].Metadata = map[string]any{"version": "1"}
	r, err := Resolve(cs, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := lifecycle.Plan{Entries: []lifecycle.PlanEntry{{
		Providers: []lifecycle.GroupElement{{ID: "a", Version: "1"}},
		Requires:  []lifecycle.Require{{Name: "x", Metadata: map[string]any{"version": "1"}}},
	}}}
	if d := cmp.Diff(want, r.Plan); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Two alternatives in each of many buildpacks are too many combinations to try; a required one that cannot be met
// must cut them all off, and otherwise the search must end.
func TestResolveEnds(t *testing.T) {
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("b%d +u%d | +v%d", i, i, i))
	}
	if _, err := Resolve(candidates(append([]string{"a -gone"}, lines...)...), nil); err == nil {
		t.Error("no error")
	}
	_, err := Resolve(candidates(lines...), nil)
	if err == nil || !strings.Contains(err.Error(), "combinations") {
		t.Errorf("got %v", err)
	}
}
