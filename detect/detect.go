// Package detect is the detect phase of the specification (buildpack §Phase #1): it finds the group of buildpacks that
// builds an app and resolves what they require and provide into a plan.
//
//	result, err := detect.Run(ctx, detect.Options{
//		Order: order, Buildpacks: installed, Target: target,
//		Detect: func(ctx context.Context, bp lifecycle.Buildpack) detect.Outcome {
//			return detect.Exec(ctx, bp, detect.ExecOptions{AppDir: dir})
//		},
//	})
//
// Run expands the order into groups, asks every buildpack of a group at once (and none of them twice), and takes the
// first group whose plan resolves. Resolve is the pure part. A requirement that no buildpack provides can be met by the
// stack, which takes the place of an image extension that every group begins with.
package detect

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"s2i/lifecycle"
)

// StackID is the provider in a plan of everything that the stack supplies.
const StackID = "s2i/stack"

// Status is how one buildpack's detection went.
type Status int

// The ways that a detection goes.
const (
	// Failed means that the buildpack does not fit the app.
	Failed Status = iota
	// Passed means that it does.
	Passed
	// Errored means that it could not tell.
	Errored
	// Skipped means that it was not asked, or that it fits but is not needed.
	Skipped
	// Refused means that the buildpack recognises the app and knows that it cannot build it. Only buildpacks that are
	// asked in-process can say so; the specification has no word for it.
	Refused
)

// String gives the status in one word.
func (s Status) String() string {
	switch s {
	case Passed:
		return "passed"
	case Errored:
		return "errored"
	case Skipped:
		return "skipped"
	case Refused:
		return "refused"
	default:
		return "failed"
	}
}

// Outcome is what became of one buildpack.
type Outcome struct {
	Element lifecycle.GroupElement
	Status  Status
	// Reason says in one line why, for the user. It may be empty when the status is Passed.
	Reason string
	// Output is what bin/detect printed, as far as it was kept.
	Output []byte
	// Plan is what it requires and provides, when it passed.
	Plan lifecycle.BuildPlan
	// Err is why the status is Errored or Refused.
	Err error
}

// errored makes the outcome of a detection that could not be done.
func errored(e lifecycle.GroupElement, output []byte, err error) Outcome {
	return Outcome{Element: e, Status: Errored, Reason: oneLine(err.Error()), Output: output, Err: err}
}

// Options says what to detect with. Order, Buildpacks and Detect are required.
type Options struct {
	// Order is tried in turn. An element without a version means the one that is installed.
	Order lifecycle.Order
	// Extensions is the order of image extensions; each of its groups is tried before each group of Order.
	Extensions lifecycle.Order
	// Buildpacks are the installed modules, extensions among them.
	Buildpacks []lifecycle.Buildpack
	// Target is what the image is for.
	Target lifecycle.Target
	// ExecEnv is the execution environment; empty means lifecycle.DefaultExecEnv.
	ExecEnv string
	// Provided tells whether the stack meets a requirement. It is asked once for each name that is required for an image
	// (metadata build or launch), and once for each that is required without saying so. Nil means that there is no stack.
	Provided func(r lifecycle.Require) bool
	// Detect asks one buildpack. It is called from several goroutines.
	Detect func(ctx context.Context, bp lifecycle.Buildpack) Outcome
	// Jobs bounds how many are asked at once; 0 means the number of CPUs.
	Jobs int
	// Alternatives asks for the groups after the first one, too: which of them could build the app as well.
	Alternatives bool
}

// Result is the group that builds the app.
type Result struct {
	Group lifecycle.GroupFile
	Plan  lifecycle.Plan
	// Outcomes has every buildpack that was asked, in the order of the groups.
	Outcomes []Outcome
	// Alternatives are the other groups that could build the app, as far as they have a buildpack that Group has not.
	Alternatives [][]lifecycle.GroupElement
}

// Refusals gives the outcomes of the buildpacks that recognise the app and cannot build it.
func (r *Result) Refusals() []Outcome { return refusals(r.Outcomes) }

func refusals(outcomes []Outcome) []Outcome {
	return slices.DeleteFunc(slices.Clone(outcomes), func(o Outcome) bool { return o.Status != Refused })
}

// Run finds the first group that can build the app. When there is none the error is a *NoGroupError, which carries
// lifecycle.ExitNoneDetected or, when a buildpack had an error, ExitDetectErrored; every other error carries
// lifecycle.ExitDetect.
func Run(ctx context.Context, o Options) (*Result, error) {
	r, err := run(ctx, o)
	return r, lifecycle.WithCode(lifecycle.ExitDetect, err)
}

func run(ctx context.Context, o Options) (*Result, error) {
	installed, err := newCatalog(o.Buildpacks)
	if err != nil {
		return nil, err
	}
	if err := installed.check(o.Order, o.Extensions); err != nil {
		return nil, err
	}
	d := &detection{Options: o, memo: map[string]int{}}
	none := &NoGroupError{}
	var found []*Resolution
	tried := 0
	for group := range installed.groups(o.Order, o.Extensions) {
		if tried++; tried > maxGroups {
			return nil, fmt.Errorf("expanding the order: it stands for more than %d groups", maxGroups)
		}
		if adds(group, found) {
			if err := d.ask(ctx, group); err != nil {
				return nil, err
			}
			resolution, err := d.resolve(group)
			if err != nil {
				none.addProblem(err)
			} else if resolution != nil && adds(needed(resolution), found) {
				found = append(found, resolution)
			}
		}
		if len(found) > 0 && !o.Alternatives {
			break
		}
	}
	if len(found) > 0 {
		return d.result(found), nil
	}
	none.Outcomes = d.outcomes
	return nil, lifecycle.WithCode(none.code(), none)
}

// resolve makes a plan of the group, or gives nil when one of its buildpacks does not fit the app.
func (d *detection) resolve(group []member) (*Resolution, error) {
	candidates, ok := d.candidates(group)
	if !ok {
		return nil, nil
	}
	return Resolve(candidates, d.Provided)
}

// adds tells whether a group has a required buildpack that the groups found so far have not.
func adds(group []member, found []*Resolution) bool {
	if len(found) == 0 {
		return true
	}
	return slices.ContainsFunc(group, func(m member) bool {
		return !m.element.Optional && !m.element.Extension && !slices.ContainsFunc(found, func(r *Resolution) bool {
			return slices.ContainsFunc(r.Group, func(e lifecycle.GroupElement) bool { return e.Key() == m.element.Key() })
		})
	})
}

// needed gives a resolved group in the form in which it was tried.
func needed(r *Resolution) []member {
	var group []member
	for _, e := range r.Group {
		group = append(group, member{element: e})
	}
	return group
}

// maxGroups and maxTrials bound what composite buildpacks and alternatives can multiply to.
const (
	maxGroups = 20_000
	maxTrials = 20_000
)

// detection remembers every outcome, since a buildpack is usually in several groups.
type detection struct {
	Options
	outcomes []Outcome
	memo     map[string]int // element key → index in outcomes
}

// ask detects with the members of group that were not asked before, in parallel.
func (d *detection) ask(ctx context.Context, group []member) error {
	jobs := d.Jobs
	if jobs <= 0 {
		jobs = runtime.NumCPU()
	}
	first := len(d.outcomes)
	var fresh []member
	for _, m := range group {
		if _, ok := d.memo[m.key(d.Target)]; !ok {
			d.memo[m.key(d.Target)] = len(d.outcomes)
			d.outcomes = append(d.outcomes, Outcome{})
			fresh = append(fresh, m)
		}
	}
	var g errgroup.Group
	g.SetLimit(jobs)
	for i, m := range fresh {
		g.Go(func() error {
			d.outcomes[first+i] = d.askOne(ctx, m)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (d *detection) askOne(ctx context.Context, m member) Outcome {
	skip := func(status Status, reason string) Outcome {
		return Outcome{Element: m.element, Status: status, Reason: reason}
	}
	api, err := lifecycle.CheckBuildpackAPI(m.element.String(), m.buildpack.API)
	switch {
	case err != nil:
		return errored(m.element, nil, err)
	case api.AtLeast(0, 12) && !m.buildpack.About().ExecEnv.Has(d.ExecEnv):
		return skip(Skipped, fmt.Sprintf("is only for the execution environments %q", m.buildpack.About().ExecEnv))
	case !m.buildpack.Supports(d.Target):
		status := Failed
		if m.element.Optional {
			status = Skipped
		}
		return skip(status, fmt.Sprintf("does not support %v (it supports %v)",
			describe(d.Target), describe(m.buildpack.SupportedTargets()...)))
	}
	out := d.Detect(ctx, m.buildpack)
	out.Element = m.element
	if out.Status == Passed && m.element.Extension && requiresAnything(out.Plan) {
		return errored(m.element, out.Output, fmt.Errorf("an extension cannot require anything, and it does"))
	}
	return out
}

func requiresAnything(p lifecycle.BuildPlan) bool {
	for _, s := range p.Alternatives() {
		if len(s.Requires) > 0 {
			return true
		}
	}
	return false
}

// candidates gives the members that passed. ok is false when the group cannot be: a required member did not pass, or
// no buildpack at all did.
func (d *detection) candidates(group []member) (passed []Candidate, ok bool) {
	any := false
	for _, m := range group {
		out := d.outcomes[d.memo[m.key(d.Target)]]
		switch {
		case out.Status == Passed:
			passed = append(passed, Candidate{Element: m.element, Plan: out.Plan})
			any = any || !m.element.Extension
		case out.Status == Skipped: // not for this execution environment: as if it were not in the group
		case !m.element.Optional:
			return nil, false
		}
	}
	return passed, any
}

// result describes the first group found, and names the others.
func (d *detection) result(found []*Resolution) *Result {
	for _, dropped := range found[0].Dropped {
		for i := range d.outcomes {
			if out := &d.outcomes[i]; out.Element.Key() == dropped.Element.Key() {
				out.Status, out.Reason = Skipped, dropped.Reason
			}
		}
	}
	out := &Result{Plan: found[0].Plan, Outcomes: d.outcomes}
	for _, e := range chosen(found[0]) {
		if e.Extension {
			out.Group.Extensions = append(out.Group.Extensions, e)
		} else {
			out.Group.Group = append(out.Group.Group, e)
		}
	}
	for _, r := range found[1:] {
		group := slices.DeleteFunc(chosen(r), func(e lifecycle.GroupElement) bool { return e.Extension })
		out.Alternatives = append(out.Alternatives, group)
	}
	return out
}

// chosen gives a group without what mattered only while it was chosen.
func chosen(r *Resolution) []lifecycle.GroupElement {
	group := slices.Clone(r.Group)
	for i := range group {
		group[i].Optional = false
	}
	return group
}
