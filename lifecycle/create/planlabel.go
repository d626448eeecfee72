package create

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"s2i/lifecycle"
)

// What is kept of a plan.
const (
	maxPlan     = 1 << 20    // bytes of JSON that are read
	maxLabel    = 48 << 10   // bytes of JSON in an image
	maxPlanLine = 500        // bytes of a text
	maxPlanList = 200        // entries of a list
	noMoreRoom  = "left out" // in place of what did not fit into a label
)

// ParsePlan reads a plan as JSON. It may come from the label of anybody's image, so texts are made fit for a terminal,
// and texts and lists are cut to what anybody reads.
func ParsePlan(data []byte) (*Plan, error) {
	if len(data) > maxPlan {
		return nil, fmt.Errorf("reading the plan: it has %d bytes, more than %d", len(data), maxPlan)
	}
	var p Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	if p.Schema != PlanSchema {
		return nil, fmt.Errorf("reading the plan: it has the form %d, and this s2i knows %d", p.Schema, PlanSchema)
	}
	p.cut(maxPlanList)
	p.texts(func(s *string) { *s = lifecycle.PlainLine(*s, maxPlanLine) })
	for i := range p.Image.Layers {
		l := &p.Image.Layers[i]
		l.Debs, l.Bytes = max(l.Debs, 0), max(l.Bytes, 0)
	}
	return &p, nil
}

// cut bounds every list.
func (p *Plan) cut(most int) {
	p.Buildpacks = head(p.Buildpacks, most)
	p.Alternatives = head(p.Alternatives, most)
	p.Packages = head(p.Packages, most)
	p.Starts = head(p.Starts, most)
	p.Hosts = head(p.Hosts, most)
	p.Warnings = head(p.Warnings, most)
	p.Image.Layers = head(p.Image.Layers, most)
	for i := range p.Buildpacks {
		p.Buildpacks[i].Facts = head(p.Buildpacks[i].Facts, most)
	}
	for i := range p.Alternatives {
		p.Alternatives[i].Buildpacks = head(p.Alternatives[i].Buildpacks, most)
	}
	for i := range p.Packages {
		p.Packages[i].Constraints = head(p.Packages[i].Constraints, most)
		p.Packages[i].Candidates = head(p.Packages[i].Candidates, most)
	}
	for i := range p.Starts {
		p.Starts[i].Evidence = head(p.Starts[i].Evidence, most)
	}
}

// head gives a copy of the first entries of a list.
func head[T any](list []T, most int) []T { return slices.Clone(list[:min(len(list), most)]) }

// texts lets do change every text of the plan.
func (p *Plan) texts(do func(*string)) {
	each := func(list ...*string) {
		for _, s := range list {
			do(s)
		}
	}
	each(&p.Target, &p.Summary, &p.Problem, &p.Image.Stack, &p.Image.Base, &p.Image.User)
	for i := range p.Buildpacks {
		b := &p.Buildpacks[i]
		each(&b.ID, &b.Version, &b.Outcome, &b.Reason)
		for j := range b.Facts {
			each(&b.Facts[j].Topic, &b.Facts[j].Text, &b.Facts[j].Source)
		}
	}
	for i := range p.Alternatives {
		each(&p.Alternatives[i].Choose)
		eachOf(p.Alternatives[i].Buildpacks, do)
	}
	for i := range p.Packages {
		g := &p.Packages[i]
		each(&g.Name, &g.Version, &g.Why, &g.From, &g.Integrity)
		for j := range g.Constraints {
			c := &g.Constraints[j]
			each(&c.Value, &c.Source, &c.Kind, &c.Dropped)
		}
		for j := range g.Candidates {
			each(&g.Candidates[j].Version, &g.Candidates[j].Rejected)
		}
	}
	for i := range p.Starts {
		s := &p.Starts[i]
		each(&s.Buildpack, &s.Type, &s.Command, &s.Rejected)
		eachOf(s.Evidence, do)
	}
	for i := range p.Hosts {
		each(&p.Hosts[i].Name, &p.Hosts[i].Why, &p.Hosts[i].Source)
	}
	eachOf(p.Warnings, do)
	for i := range p.Image.Layers {
		each(&p.Image.Layers[i].Name, &p.Image.Layers[i].Version)
	}
}

func eachOf(list []string, do func(*string)) {
	for i := range list {
		do(&list[i])
	}
}

// scrub names the build's directories as they are inside the sandbox: where they are on this machine is nobody's
// business, and differs from build to build.
func (w *work) scrub(p *Plan) {
	places := strings.NewReplacer(w.dirs.app, lifecycle.AppDir, w.dirs.layers, lifecycle.LayersDir,
		w.dirs.platform, lifecycle.PlatformDir, w.dirs.cnb, "/cnb", w.dirs.root, "")
	p.cut(maxPlanList)
	p.texts(func(s *string) { *s = lifecycle.PlainLine(places.Replace(*s), maxPlanLine) })
}

// label gives the plan as an image has it. What depends on the day (which versions a registry happened to have) is left
// out, and so are the buildpacks that had nothing to do with the app. A plan that is too large loses first what
// matters least.
func (p *Plan) label() (string, error) {
	l := *p
	l.cut(maxPlanList)
	l.Buildpacks = slices.DeleteFunc(l.Buildpacks, func(b PlanBuildpack) bool {
		return b.Outcome == OutcomeFailed || b.Outcome == OutcomeSkipped || b.Outcome == OutcomeErrored
	})
	for i := range l.Packages {
		if l.Packages[i].Live {
			l.Packages[i].Candidates = nil
		}
	}
	lessen := []func(){
		func() {},
		func() {
			for i := range l.Packages {
				l.Packages[i].Candidates = nil
			}
		},
		func() { l.cut(20) },
		func() {
			for i := range l.Buildpacks {
				l.Buildpacks[i].Facts = nil
			}
		},
		func() { l.cut(5) },
		func() {
			l = Plan{Schema: PlanSchema, Target: l.Target, Summary: l.Summary, Image: l.Image, Warnings: []string{noMoreRoom}}
		},
	}
	for _, less := range lessen {
		less()
		data, err := json.Marshal(l)
		if err != nil {
			return "", fmt.Errorf("encoding the plan: %w", err)
		}
		if len(data) <= maxLabel {
			return string(data), nil
		}
	}
	return "", fmt.Errorf("encoding the plan: it does not fit into %d bytes", maxLabel)
}
