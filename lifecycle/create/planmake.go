package create

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"s2i/detect"
	"s2i/lifecycle"
)

// plan puts together what the buildpacks recorded and what the stack supplies.
func (w *work) plan(supplied *StackPlan) *Plan {
	p := &Plan{
		Schema: PlanSchema, Target: w.App.Target.String(), Packages: supplied.Packages, Image: supplied.Image,
		Warnings: slices.Clone(supplied.Warnings),
	}
	p.Image.User = fmt.Sprintf("%d:%d", lifecycle.UserID, lifecycle.GroupID)
	outcomes := w.inOrder()
	var chosen []lifecycle.Record
	for _, o := range outcomes {
		record, err := lifecycle.RecordOf(o.Element.ID, o.Plan.Requires)
		b := PlanBuildpack{ID: o.Element.ID, Version: o.Element.Version, Outcome: w.outcome(o), Facts: record.Facts,
			Reason: cmp.Or(record.Summary, o.Reason)}
		if b.Outcome == OutcomeChosen {
			chosen = append(chosen, record)
			p.addRecord(b.ID, record)
			if err != nil {
				p.Warnings = append(p.Warnings, err.Error())
			}
		} else {
			b.Facts, b.Reason = nil, cmp.Or(o.Reason, record.Summary)
		}
		p.Buildpacks = append(p.Buildpacks, b)
	}
	p.userStart(w.App.Start)
	p.sortStarts()
	for _, group := range w.detected.Alternatives {
		p.Alternatives = append(p.Alternatives, alternative(group))
	}
	w.scrub(p)
	p.Summary = summary(p, outcomes, chosen)
	return p
}

// inOrder gives the outcomes of the group in its order, and then the others.
func (w *work) inOrder() []detect.Outcome {
	var first, rest []detect.Outcome
	for _, e := range w.detected.Group.Group {
		for _, o := range w.detected.Outcomes {
			if o.Element.Key() == e.Key() {
				first = append(first, o)
			}
		}
	}
	for _, o := range w.detected.Outcomes {
		if !slices.ContainsFunc(first, func(f detect.Outcome) bool { return f.Element.Key() == o.Element.Key() }) {
			rest = append(rest, o)
		}
	}
	return append(first, rest...)
}

// outcome gives what became of a buildpack in one word.
func (w *work) outcome(o detect.Outcome) string {
	inGroup := func(group []lifecycle.GroupElement) bool {
		return slices.ContainsFunc(group, func(e lifecycle.GroupElement) bool { return e.Key() == o.Element.Key() })
	}
	switch o.Status {
	case detect.Passed:
		switch {
		case inGroup(w.detected.Group.Group):
			return OutcomeChosen
		case slices.ContainsFunc(w.detected.Alternatives, inGroup):
			return OutcomeAlternative
		}
		return OutcomeSkipped
	case detect.Refused:
		return OutcomeRefused
	case detect.Errored:
		return OutcomeErrored
	case detect.Skipped:
		return OutcomeSkipped
	default:
		return OutcomeFailed
	}
}

// addRecord takes in what a buildpack of the group recorded.
func (p *Plan) addRecord(id string, r lifecycle.Record) {
	for _, s := range r.Starts {
		if s.Chosen {
			p.overrule(id, s)
		}
		p.Starts = append(p.Starts, PlanStart{Buildpack: id, Start: s})
	}
	p.Hosts = append(p.Hosts, r.Hosts...)
	p.Warnings = append(p.Warnings, r.Warnings...)
}

// overrule takes the choice from the buildpacks before: for each process type the last buildpack counts. Where it says
// the same, it says it in their place.
func (p *Plan) overrule(id string, by lifecycle.Start) {
	p.Starts = slices.DeleteFunc(p.Starts, func(s PlanStart) bool {
		return s.Type == by.Type && s.Chosen && s.Command == by.Command && s.Buildpack != id
	})
	for i := range p.Starts {
		if s := &p.Starts[i]; s.Type == by.Type && s.Chosen && s.Buildpack != id {
			s.Chosen, s.Rejected = false, id+" comes later and has the last word"
		}
	}
}

// userStart says where the web process really comes from when the user chose it: buildpacks find it in the Procfile.
func (p *Plan) userStart(command string) {
	for i := range p.Starts {
		s := &p.Starts[i]
		if command == "" || s.Type != "web" || !s.Chosen || len(s.Evidence) == 0 || s.Evidence[0] != procfile+":1" {
			continue
		}
		s.Score, s.Evidence = 100, append([]string{"--start"}, s.Evidence[1:]...)
	}
}

// sortStarts puts the web process first, then the others by name; of each the chosen one, then the better ones.
func (p *Plan) sortStarts() {
	rank := func(s PlanStart) int {
		if s.Type == "web" {
			return 0
		}
		return 1
	}
	unused := func(s PlanStart) int {
		if s.Chosen {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(p.Starts, func(a, b PlanStart) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Type, b.Type), cmp.Compare(unused(a), unused(b)),
			cmp.Compare(b.Score, a.Score))
	})
}

func alternative(group []lifecycle.GroupElement) PlanAlternative {
	var a PlanAlternative
	var flags []string
	for _, e := range group {
		a.Buildpacks = append(a.Buildpacks, e.ID)
		flags = append(flags, "--buildpack "+e.ID)
	}
	a.Choose = strings.Join(flags, " ")
	return a
}

// PlanPackages gives what is asked of the stack, before the stack has said anything.
func PlanPackages(requires []lifecycle.Require) []PlanPackage {
	var list []PlanPackage
	for _, r := range requires {
		i := slices.IndexFunc(list, func(p PlanPackage) bool { return p.Name == r.Name })
		if i < 0 {
			i = len(list)
			list = append(list, PlanPackage{Name: r.Name})
		}
		p := &list[i]
		build, _ := r.Metadata["build"].(bool)
		launch, _ := r.Metadata["launch"].(bool)
		p.Build = p.Build || build || !launch
		p.Launch = p.Launch || launch
		if sonames, ok := r.Metadata[metaLibrary].(string); ok {
			p.Why = "the app needs " + sonames
		}
		if library, _ := r.Metadata[metaLibrary].(string); library != "" {
			p.Why = "files of the app need " + library
		}
		if c, ok := constraint(r); ok && !slices.Contains(p.Constraints, c) {
			p.Constraints = append(p.Constraints, c)
		}
	}
	slices.SortStableFunc(list, func(a, b PlanPackage) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func constraint(r lifecycle.Require) (PlanConstraint, bool) {
	value, _ := r.Metadata["version"].(string)
	source, _ := r.Metadata["version-source"].(string)
	kind, _ := r.Metadata["version-kind"].(string)
	return PlanConstraint{Value: value, Source: source, Kind: cmp.Or(kind, "range")}, value != ""
}

// summary is the plan in one line: the versions of what was asked for first, how packages are installed, what is
// started. Without any of it, it is what the first buildpack says.
func summary(p *Plan, outcomes []detect.Outcome, records []lifecycle.Record) string {
	var parts []string
	for i, r := range records {
		parts = append(parts, p.mainPackage(outcomes[i].Plan.Requires, i == 0)...)
		for _, f := range r.Facts {
			if f.Topic == "packages" {
				parts = append(parts, upTo(f.Text, ": ", " (", "; ", ", "))
				break
			}
		}
	}
	for _, s := range p.Starts {
		if s.Chosen {
			parts = append(parts, s.Type+": "+s.Command)
		}
	}
	if len(parts) == 0 || len(records) > 0 && records[0].Summary == "" && len(p.Starts) == 0 {
		return cmp.Or(p.Buildpacks[0].Reason, p.Buildpacks[0].ID)
	}
	return lifecycle.PlainLine(strings.Join(slices.Compact(parts), " · "), maxPlanLine)
}

// mainPackage gives the package that a buildpack asks for first, with its version. What the buildpacks after the first
// one ask of Debian without a choice of versions are small things, such as a shell.
func (p *Plan) mainPackage(requires []lifecycle.Require, first bool) []string {
	for _, r := range requires {
		i := slices.IndexFunc(p.Packages, func(have PlanPackage) bool { return have.Name == r.Name })
		if i < 0 || !first && len(p.Packages[i].Candidates) == 0 && strings.HasPrefix(p.Packages[i].From, "Debian") {
			continue
		}
		version := p.Packages[i].Version
		if version == "" && len(p.Packages[i].Constraints) > 0 {
			version = p.Packages[i].Constraints[0].Value
		}
		return []string{strings.TrimSpace(r.Name + " " + version)}
	}
	return nil
}

// upTo cuts text before the first of the separators that is in it.
func upTo(text string, separators ...string) string {
	for _, s := range separators {
		text, _, _ = strings.Cut(text, s)
	}
	return text
}
