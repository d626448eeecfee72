package create

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"s2i/detect/source"
	"s2i/lifecycle"
)

// recorded is a buildpack that says what it saw.
func recorded(id string, record map[string]any, requires ...lifecycle.Require) Buildpack {
	return Buildpack{
		Buildpack: lifecycle.Buildpack{API: "0.10", Info: lifecycle.BuildpackInfo{ID: id, Version: "1"}},
		Detect: func(_ context.Context, app, _ string, out io.Writer) (lifecycle.BuildPlan, bool, error) {
			fmt.Fprintf(out, "%s looked into %s\n", id, app)
			return lifecycle.BuildPlan{PlanSections: lifecycle.PlanSections{
				Provides: []lifecycle.Provide{{Name: id}},
				Requires: append(requires, lifecycle.Require{Name: id, Metadata: map[string]any{"record": record}}),
			}}, true, nil
		},
	}
}

// refusing is a buildpack that recognises the app and cannot build it.
func refusing(id string) Buildpack {
	b := recorded(id, nil)
	b.Detect = func(_ context.Context, app, _ string, _ io.Writer) (lifecycle.BuildPlan, bool, error) {
		return lifecycle.BuildPlan{}, false, fmt.Errorf("%s/pom.xml:3: it needs \x1b[1mwhat is not there", app)
	}
	return b
}

// explained is a world in which everything is explained.
func explained(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	python := recorded("test/python", map[string]any{
		"summary": "Python 3.13 (pyproject.toml:6), uv sync; web starts gunicorn",
		"facts": []any{
			map[string]any{"topic": "framework", "text": "Flask 3.1", "source": "pyproject.toml:9"},
			map[string]any{"topic": "packages", "text": "uv sync: uv.lock, in sync", "source": "uv.lock:1"},
		},
		"starts": []any{
			map[string]any{"type": "worker", "command": "celery worker", "score": 80, "chosen": true},
			map[string]any{"type": "web", "command": "gunicorn app:app", "score": 80, "chosen": true, "evidence": []any{"app.py:3 app = Flask()"}},
			map[string]any{"type": "web", "command": "python app.py", "score": 20, "rejected": "gunicorn is there"},
		},
		"hosts":    []any{map[string]any{"name": "fonts.example.com", "why": "fonts", "source": "app/layout.tsx:2"}},
		"warnings": []any{"there is no lock file"},
	}, lifecycle.Require{Name: "python", Metadata: map[string]any{
		"version": ">=3.12", "version-source": "pyproject.toml:6", "build": true, "launch": true}},
		lifecycle.Require{Name: "python", Metadata: map[string]any{
			"version": "3.13", "version-source": ".python-version:1", "version-kind": "hint", "build": true, "launch": true}},
		lifecycle.Require{Name: "uv", Metadata: map[string]any{"build": true}})
	procfile := recorded("test/procfile", map[string]any{"starts": []any{
		map[string]any{"type": "web", "command": "gunicorn -w 4 app:app", "score": 95, "chosen": true, "evidence": []any{"Procfile:1"}}}})
	w.Builder.Buildpacks = []Buildpack{refusing("test/java"), python, procfile, recorded("test/node", nil), fakeBuildpack()}
	w.Builder.Order = nil
	for _, group := range []string{"test/java", "test/python test/procfile", "test/bp", "test/node"} {
		var g lifecycle.Group
		for id := range strings.FieldsSeq(group) {
			g.Elements = append(g.Elements, lifecycle.GroupElement{ID: id})
		}
		w.Builder.Order = append(w.Builder.Order, g)
	}
	w.stack.plan = StackPlan{
		Packages: []PlanPackage{
			{Name: "python", Version: "3.13.5", Build: true, Launch: true, From: "Debian: 26 packages", Why: "newest that meets all",
				Constraints: []PlanConstraint{{Value: ">=3.12", Source: "pyproject.toml:6", Kind: "range"}},
				Candidates:  []PlanCandidate{{Version: "3.11.2", Rejected: "not >=3.12"}, {Version: "3.13.5"}}},
			{Name: "uv", Version: "0.9.1", Build: true, Live: true, Candidates: []PlanCandidate{{Version: "0.9.1"}}},
		},
		Image: PlanImage{Stack: "trixie", Base: "base", Layers: []PlanLayer{{Name: "base", Debs: 13, Bytes: 7}}},
	}
	return w
}

// open opens the world's source.
func (w *world) open(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.src, "README"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tree, err := source.Open(t.Context(), w.src, source.Options{TempDir: t.TempDir(), Records: w.Store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	w.Tree = tree
}

// TestPlan holds the form of a plan as JSON: it is a promise (PlanSchema).
func TestPlan(t *testing.T) {
	w := explained(t)
	w.open(t)
	p, err := MakePlan(t.Context(), w.Options)
	if err != nil {
		t.Fatal(err)
	}
	if w.box.builds != 0 {
		t.Errorf("%d builds", w.box.builds)
	}
	got, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/plan.json", append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/plan.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := ParsePlan(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("reading it back (-want +got):\n%s", diff)
	}
}

func TestPlanWithoutStack(t *testing.T) {
	w := explained(t)
	w.open(t)
	w.stack.fail = errors.New("python 3.12: nobody has it")
	p, err := MakePlan(t.Context(), w.Options)
	if !errors.Is(err, w.stack.fail) || p == nil || p.Problem != w.stack.fail.Error() {
		t.Fatalf("got %+v, %v", p, err)
	}
	if len(p.Packages) != 2 || len(p.Packages[0].Constraints) != 2 || p.Packages[0].Version != "" {
		t.Errorf("packages are %+v", p.Packages)
	}
	if want := "python >=3.12 · uv sync · web: gunicorn -w 4 app:app · worker: celery worker"; p.Summary != want {
		t.Errorf("got %q, want %q", p.Summary, want)
	}
}

// TestPlanLabel looks at what of the plan gets into an image: nothing of this machine, and nothing of the day.
func TestPlanLabel(t *testing.T) {
	w := explained(t)
	w.App.Labels = map[string]string{lifecycle.LabelPlan: "mine", "mine": "too"}
	r, err := w.build(t, "x")
	if err != nil {
		t.Fatal(err)
	}
	config, err := r.Images[0].Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	label := config.Config.Labels[lifecycle.LabelPlan]
	p, err := ParsePlan([]byte(label))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(label, w.Store.Dir()) || strings.Contains(label, w.src) || config.Config.Labels["mine"] != "too" {
		t.Errorf("the label is %s", label)
	}
	for _, b := range p.Buildpacks {
		if b.Outcome == OutcomeFailed {
			t.Errorf("%s is in it", b.ID)
		}
	}
	if len(p.Packages) != 2 || len(p.Packages[0].Candidates) != 2 || len(p.Packages[1].Candidates) != 0 {
		t.Errorf("packages are %+v", p.Packages)
	}
}

func TestPlanLabelIsBounded(t *testing.T) {
	long := strings.Repeat("x", 400)
	p := Plan{Schema: PlanSchema, Summary: "s"}
	for range 300 {
		p.Warnings = append(p.Warnings, long)
		p.Packages = append(p.Packages, PlanPackage{Name: "n", Candidates: []PlanCandidate{{Version: long}, {Version: long}}})
		p.Buildpacks = append(p.Buildpacks, PlanBuildpack{ID: "x", Outcome: OutcomeChosen,
			Facts: []lifecycle.Fact{{Text: long}, {Text: long}, {Text: long}}})
	}
	label, err := p.label()
	if err != nil || len(label) > maxLabel {
		t.Fatalf("%d bytes, %v", len(label), err)
	}
	if parsed, err := ParsePlan([]byte(label)); err != nil || parsed.Summary != "s" {
		t.Errorf("got %+v, %v", parsed, err)
	}
	if len(p.Buildpacks) != 300 || len(p.Buildpacks[0].Facts) != 3 || len(p.Packages[0].Candidates) != 2 {
		t.Error("the plan itself was cut")
	}
}

func TestParsePlanRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "x", "a newer form": `{"schema":2}`, "no form": `{}`, "another type": `{"schema":1,"packages":3}`,
		"too large": `{"schema":1,"summary":"` + strings.Repeat("x", maxPlan) + `"}`,
	} {
		if _, err := ParsePlan([]byte(text)); err == nil || len(err.Error()) > 300 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzPlan(f *testing.F) {
	golden, err := os.ReadFile("testdata/plan.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"schema":1,"summary":"\u001b[2J","image":{"layers":[{"bytes":-1}]},"warnings":["a\u202eb\nc"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePlan(data)
		if err != nil {
			return
		}
		p.texts(func(s *string) {
			if strings.ContainsFunc(*s, func(r rune) bool { return !unicode.IsPrint(r) }) || len(*s) > maxPlanLine+len("…") {
				t.Fatalf("%q came through", *s)
			}
		})
		label, err := p.label()
		if err != nil || len(label) > maxLabel {
			t.Fatalf("%d bytes, %v", len(label), err)
		}
	})
}
