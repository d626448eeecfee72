package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/progress"
	"s2i/stacks"
	versions "s2i/stacks/version"
)

// several is a choice of stacks: an app is built on the first that meets what is asked for as it is written, else on the
// one that bends the least. Once it is chosen, the whole build stays with it.
type several struct {
	list   []*composed // in the order of preference
	chosen *composed
	// passedOver are the versions that the stacks have which were tried and not chosen.
	passedOver map[string][]create.PlanCandidate
}

// Identity is that of all of them: which one it will be is only known after detection.
func (s *several) Identity() string {
	var ids []string
	for _, one := range s.list {
		ids = append(ids, one.Identity())
	}
	return strings.Join(ids, ", ")
}

// Provided tells whether any of the stacks has a package.
func (s *several) Provided(name string) bool {
	return slices.ContainsFunc(s.list, func(one *composed) bool { return one.Provided(name) })
}

// Plan tells what the stack that is chosen supplies.
func (s *several) Plan(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*create.StackPlan, error) {
	one, err := s.choose(ctx, t, requires, full)
	var unobtainable *stacks.UnobtainableError
	if errors.As(err, &unobtainable) {
		return unmet(requires, unobtainable), err
	}
	if err != nil {
		return nil, err
	}
	plan, err := one.Plan(ctx, t, requires, full)
	if err == nil {
		s.addPassedOver(plan.Packages)
	}
	return plan, err
}

// Compose makes the images of the stack that is chosen.
func (s *several) Compose(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*create.Bases, error) {
	one, err := s.choose(ctx, t, requires, full)
	if err != nil {
		return nil, err
	}
	bases, err := one.Compose(ctx, t, requires, full)
	if err == nil {
		s.addPassedOver(bases.Plan.Packages)
	}
	return bases, err
}

// unmet is the plan of what no stack supplies: what was asked for, and what there is instead.
func unmet(requires []lifecycle.Require, e *stacks.UnobtainableError) *create.StackPlan {
	p := &create.StackPlan{Packages: create.PlanPackages(requires)}
	for i := range p.Packages {
		for _, tried := range e.Tried {
			for _, v := range tried.Versions {
				if p.Packages[i].Name == e.Package {
					p.Packages[i].Candidates = append(p.Packages[i].Candidates,
						create.PlanCandidate{Version: v, Rejected: "not what is asked for (stack " + tried.Stack + ")"})
				}
			}
		}
	}
	return p
}

// addPassedOver adds the versions that another stack would have had.
func (s *several) addPassedOver(packages []create.PlanPackage) {
	for i := range packages {
		p := &packages[i]
		for _, c := range s.passedOver[p.Name] {
			if !slices.ContainsFunc(p.Candidates, func(have create.PlanCandidate) bool { return have.Version == c.Version }) {
				p.Candidates = append(p.Candidates, c)
			}
		}
	}
}

// passOver remembers what a stack that was not chosen has of a package.
func (s *several) passOver(stack, name string, versions []string) {
	if s.passedOver == nil {
		s.passedOver = map[string][]create.PlanCandidate{}
	}
	for _, v := range versions {
		s.passedOver[name] = append(s.passedOver[name], create.PlanCandidate{Version: v, Rejected: "it is in the stack " + stack +
			", which does not meet everything that is asked for"})
	}
}

// Libraries asks the stack that is chosen.
func (s *several) Libraries(
	ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, sonames []string,
) (map[string]string, error) {
	one, err := s.choose(ctx, t, requires, false)
	if err != nil {
		return nil, err
	}
	return one.Libraries(ctx, t, requires, sonames)
}

// choose settles on a stack. The one that s2i.lock names is tried first.
func (s *several) choose(ctx context.Context, t lifecycle.Target, requires []lifecycle.Require, full bool) (*composed, error) {
	if s.chosen != nil {
		return s.chosen, nil
	}
	if len(requires) == 0 { // to detect in, or for an app that needs nothing: any will do
		return s.list[0], nil
	}
	quiet, done := withoutProgress(ctx)
	defer done()
	var refused []*stacks.UnobtainableError
	var tried []*stacks.Resolution
	best := versions.Level(-1)
	for _, one := range s.byLock() {
		resolution, err := one.resolve(quiet, t, requires, full)
		var unobtainable *stacks.UnobtainableError
		if errors.As(err, &unobtainable) {
			refused = append(refused, unobtainable)
			for _, tried := range unobtainable.Tried {
				s.passOver(tried.Stack, unobtainable.Package, tried.Versions)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if level := bent(resolution); s.chosen == nil || level < best {
			s.chosen, best = one, level
		}
		if best == versions.AsWritten {
			break
		}
		tried = append(tried, resolution)
	}
	if s.chosen == nil {
		return nil, together(refused)
	}
	for _, resolution := range tried {
		if resolution.Stack == s.chosen.Config.Name {
			continue
		}
		for _, c := range resolution.Choices {
			if c.Level != versions.AsWritten {
				s.passOver(resolution.Stack, c.Package, []string{c.Version})
			}
		}
	}
	if s.chosen != s.list[0] {
		progress.Note(ctx, "the stack is %s: %s does not meet everything that is asked for", s.chosen.Config.Name, s.list[0].Config.Name)
	}
	return s.chosen, nil
}

// byLock gives the stacks with the one that the app's lock names first.
func (s *several) byLock() []*composed {
	list := slices.Clone(s.list)
	slices.SortStableFunc(list, func(a, b *composed) int { return b.lockNames() - a.lockNames() })
	return list
}

// bent tells how far demands were relaxed at most.
func bent(r *stacks.Resolution) versions.Level {
	worst := versions.AsWritten
	for _, c := range r.Choices {
		worst = max(worst, c.Level)
	}
	return worst
}

// together makes one error of what all stacks say about the same package; else it is what the first one says.
func together(refused []*stacks.UnobtainableError) error {
	all := *refused[0]
	all.Tried = nil
	for _, r := range refused {
		if r.Package == all.Package {
			all.Tried = append(all.Tried, r.Tried...)
		}
	}
	return &all
}

// withoutProgress gives a context for trying things out, of which the user need not hear.
func withoutProgress(ctx context.Context) (context.Context, func()) {
	sink, err := progress.New(progress.Quiet, io.Discard)
	if err != nil {
		return ctx, func() {}
	}
	return progress.With(ctx, sink), func() { _ = sink.Close() }
}

// loadStacks loads the stacks that an app may be built on.
func loadStacks(load func(name string) (*composed, error), names []string) (*several, error) {
	s := &several{}
	for _, name := range names {
		one, err := load(name)
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, one)
	}
	for _, one := range s.list {
		for _, other := range s.list {
			if other != one {
				one.Others = append(one.Others, other.Stack)
			}
		}
	}
	return s, nil
}
