package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"s2i/lifecycle"
)

// Candidate is a buildpack that passed detection, with what it wants.
type Candidate struct {
	Element lifecycle.GroupElement
	Plan    lifecycle.BuildPlan
}

// Resolution is a group whose requirements are all met.
type Resolution struct {
	// Group has the candidates that take part, in their order.
	Group []lifecycle.GroupElement
	Plan  lifecycle.Plan
	// Dropped has the optional candidates that passed but do not take part.
	Dropped []Dropped
}

// Dropped is a candidate that does not take part, and why.
type Dropped struct {
	Element lifecycle.GroupElement
	Reason  string
}

// PlanError tells why the candidates cannot build together.
type PlanError struct{ Problems []string }

// Error lists the problems.
func (e *PlanError) Error() string { return strings.Join(e.Problems, "; ") }

// Resolve finds the first combination of the candidates' alternatives in which every requirement has a provider at or
// before the candidate that has it, and everything provided is required at or after (buildpack §Phase #1). Optional
// candidates that spoil it are dropped, in their last alternative. A requirement without any such provider is met by
// the stack when provided says so; provided may be nil. The plan's entries are sorted by name. The error is a
// *PlanError.
func Resolve(candidates []Candidate, provided func(r lifecycle.Require) bool) (*Resolution, error) {
	type question struct {
		name     string
		forImage bool
	}
	known := map[question]bool{} // the stack may have to look into an index to know
	s := &search{offered: map[string]int{}, provided: func(r lifecycle.Require) bool {
		q := question{r.Name, ForImage(r)}
		answer, asked := known[q]
		if !asked {
			answer = provided != nil && provided(r)
			known[q] = answer
		}
		return answer
	}}
	if r := s.from(candidates, nil); r != nil {
		return r, nil
	}
	return nil, &PlanError{Problems: s.problems}
}

// ForImage tells whether a requirement says which image it is for. What buildpacks want of each other does not.
func ForImage(r lifecycle.Require) bool {
	for _, image := range []string{"build", "launch"} {
		if on := r.Metadata[image]; on == true || on == "true" {
			return true
		}
	}
	return false
}

// choice is a candidate with one of its alternatives.
type choice struct {
	element  lifecycle.GroupElement
	optional bool
	lifecycle.PlanSections
}

// search walks the alternatives, depth first and left to right.
type search struct {
	provided func(lifecycle.Require) bool
	offered  map[string]int // names that the prefix provides, and how often
	problems []string       // of the required candidates, each once
	trials   int
}

func (s *search) from(candidates []Candidate, prefix []choice) *Resolution {
	if s.trials >= maxTrials {
		s.note(fmt.Sprintf("there are more than %d combinations of alternatives", maxTrials))
		return nil
	}
	if len(candidates) == 0 {
		s.trials++
		return s.try(prefix)
	}
	alternatives := candidates[0].Plan.Alternatives()
	for i, sections := range alternatives {
		e := candidates[0].Element
		c := choice{e, e.Optional && i == len(alternatives)-1, sections}
		if r := s.with(c, candidates[1:], prefix); r != nil {
			return r
		}
	}
	return nil
}

// with goes on after choosing c, unless c already cannot be: what a required candidate requires must come from itself,
// from before it or from the stack, whatever is chosen later.
func (s *search) with(c choice, rest []Candidate, prefix []choice) *Resolution {
	for _, p := range c.Provides {
		s.offered[p.Name]++
		defer func() { s.offered[p.Name]-- }()
	}
	for _, r := range c.Requires {
		if !c.optional && s.offered[r.Name] == 0 && !s.provided(r) {
			s.note(requiresUnmet(c.element, r.Name))
			return nil
		}
	}
	return s.from(rest, append(slices.Clip(prefix), c))
}

func (s *search) note(problem string) {
	if !slices.Contains(s.problems, problem) {
		s.problems = append(s.problems, problem)
	}
}

func requiresUnmet(e lifecycle.GroupElement, name string) string {
	return fmt.Sprintf("%s requires %q, which nothing at or before it provides", e.ID, name)
}

func providesUnused(e lifecycle.GroupElement, name string) string {
	return fmt.Sprintf("%s provides %q, which nothing at or after it requires", e.ID, name)
}

// try resolves one combination. Dropping a candidate can leave others unmet or unused, so it repeats until nothing
// changes.
func (s *search) try(trial []choice) *Resolution {
	var dropped []Dropped
	for {
		needs := s.match(trial)
		bad := unresolved(trial, needs)
		if len(bad) == 0 {
			return s.finish(trial, needs, dropped)
		}
		var kept []choice
		for i, c := range trial {
			reason, isBad := bad[i]
			switch {
			case !isBad:
				kept = append(kept, c)
			case !c.optional:
				s.note(reason)
				return nil
			default:
				dropped = append(dropped, Dropped{c.element, reason})
			}
		}
		trial = kept
	}
}

// need is everything about one name. Candidates are meant by their index in the trial.
type need struct {
	fromStack bool
	providers []int
	requires  []lifecycle.Require
	early     []int // who requires it before anyone provides it
	unused    []int // who provides it with nobody requiring it since
}

// match pairs what is provided with what is required.
func (s *search) match(trial []choice) map[string]*need {
	needs := map[string]*need{}
	named := func(name string) *need {
		if needs[name] == nil {
			needs[name] = &need{}
		}
		return needs[name]
	}
	for i, c := range trial {
		for _, p := range c.Provides {
			if n := named(p.Name); !slices.Contains(n.unused, i) {
				n.unused = append(n.unused, i)
			}
		}
		for _, r := range c.Requires {
			n := named(r.Name)
			for _, by := range n.unused {
				if !slices.Contains(n.providers, by) {
					n.providers = append(n.providers, by)
				}
			}
			n.unused = nil
			if len(n.providers) == 0 && !n.fromStack {
				n.fromStack = s.provided(r)
			}
			if len(n.providers) == 0 && !n.fromStack {
				n.early = append(n.early, i)
				continue
			}
			n.requires = append(n.requires, r)
		}
	}
	return needs
}

// unresolved gives the candidates with an unmet requirement or an unused provision, and the first reason of each.
func unresolved(trial []choice, needs map[string]*need) map[int]string {
	bad := map[int]string{}
	add := func(i int, reason string) {
		if _, ok := bad[i]; !ok {
			bad[i] = reason
		}
	}
	names := slices.Sorted(maps.Keys(needs))
	for _, name := range names {
		for _, i := range needs[name].early {
			add(i, requiresUnmet(trial[i].element, name))
		}
	}
	for _, name := range names {
		for _, i := range needs[name].unused {
			add(i, providesUnused(trial[i].element, name))
		}
	}
	return bad
}

func (s *search) finish(trial []choice, needs map[string]*need, dropped []Dropped) *Resolution {
	r := &Resolution{Dropped: dropped}
	isBuildpack := false
	for _, c := range trial {
		r.Group = append(r.Group, c.element)
		isBuildpack = isBuildpack || !c.element.Extension
	}
	if !isBuildpack {
		for _, d := range dropped {
			s.note(d.Reason)
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		n := needs[name]
		entry := lifecycle.PlanEntry{Requires: n.requires}
		if n.fromStack {
			entry.Providers = append(entry.Providers, lifecycle.GroupElement{ID: StackID, Extension: true})
		}
		for _, i := range n.providers {
			e := trial[i].element
			entry.Providers = append(entry.Providers,
				lifecycle.GroupElement{ID: e.ID, Version: e.Version, Extension: e.Extension})
		}
		r.Plan.Entries = append(r.Plan.Entries, entry)
	}
	return r
}
