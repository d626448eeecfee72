package stacks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"s2i/stacks/npm"
	"s2i/stacks/version"
)

// option is a version that a package can have, and what it is made of.
type option struct {
	version.Candidate
	files map[string]ToolFile // of a registry, by architecture
	line  string              // of Debian packages
}

// chosen is a version that was settled on.
type chosen struct {
	Version   string
	File      ToolFile
	Line      string
	Live      bool     // it is not in the lock
	Effective []string // the constraints that counted
}

// grammar is how versions of a package are asked for.
func (p Catalog) grammar() version.Grammar {
	switch {
	case p.Grammar != "":
		return version.Grammar(p.Grammar)
	case p.Provider == providerNPM:
		return version.NPM
	case p.Provider == providerGoProxy:
		return version.Go
	case p.Provider == providerPyPI:
		return version.PEP440
	case p.Provider == providerMaven:
		return version.Maven
	default:
		return ""
	}
}

// problem is what a version of a package is to be chosen for.
func (x *resolver) problem(w want, p Catalog) version.Problem {
	return version.Problem{Grammar: p.grammar(), Constraints: w.constraints, Default: p.Default, Policy: x.policy,
		Pins: version.Pins(p.Pins), Nearest: p.Nearest, Aliases: p.Aliases, Prefer: x.app.version(w.name)}
}

// choose settles on a version: the least relaxed that the lock allows, or else the registry, as far as it may be asked.
func (x *resolver) choose(ctx context.Context, w want, p Catalog) (*chosen, error) {
	problem := x.problem(w, p)
	options := x.s.lockedOptions(w.name, p, x.res.Target.Arch)
	options = x.app.addTo(options, w.name, x.res.Target.Arch)
	asked, reason := x.s.Locked || p.Provider == "", error(nil)
	var answer *version.Answer
	for _, level := range problem.Levels() {
		var err error
		if answer, err = problem.Solve(candidates(options), level); err != nil {
			return nil, fmt.Errorf("choosing a version of %s: %w", w.name, err)
		}
		if answer.Index < 0 && !asked {
			if asked = true; x.s.Offline {
				if kept, ok := x.s.keptChoice(x.choiceKey(w)); ok {
					x.decide(w, p, problem, answer, kept)
					return kept, nil
				}
				reason = errors.New("--offline forbids to ask the registry")
				continue
			}
			live, err := x.s.liveOptions(ctx, w, p, x.res.Target.Arch)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			reason = err
			options = withLive(options, live)
			if answer, err = problem.Solve(candidates(options), level); err != nil {
				return nil, fmt.Errorf("choosing a version of %s: %w", w.name, err)
			}
		}
		if answer.Index >= 0 {
			return x.settle(ctx, w, p, problem, answer, options[answer.Index])
		}
	}
	return nil, x.unobtainable(w, p, problem, answer, options, reason)
}

// settle gives an option its files' digests and writes the decision down.
func (x *resolver) settle(ctx context.Context, w want, p Catalog, problem version.Problem, a *version.Answer,
	o option) (*chosen, error) {
	if x.s.Locked && problem.Prefer != "" && problem.Prefer != o.Version {
		return nil, fmt.Errorf("choosing a version of %s: %s has %s, and what is asked for now, %s, gives %s; build with "+
			"--write-lock to bring it up to date, or without --locked", w.name, AppLockFile, problem.Prefer, w.text(), o.Version)
	}
	c := &chosen{Version: o.Version, Line: o.line, Live: !o.Locked, Effective: a.Effective}
	if len(w.constraints) == 0 {
		c.Effective = nil
	}
	if p.Provider != "" {
		c.File, _ = fileFor(o.files, x.res.Target.Arch)
		if c.File.Integrity == "" && c.File.H1 == "" {
			var err error
			if c.File, err = x.s.pinFile(ctx, p, c.File); err != nil {
				return nil, fmt.Errorf("getting %s %s, which is not in the lock: %w", w.name, o.Version, err)
			}
		}
	}
	if c.Live && x.s.Store != nil {
		if err := x.s.Store.SetRecord("choice", x.choiceKey(w), c); err != nil {
			return nil, err
		}
	}
	x.decide(w, p, problem, a, c)
	return c, nil
}

// pinFile finds out the digest of a file that only its registry knows.
func (s *Stack) pinFile(ctx context.Context, p Catalog, f ToolFile) (ToolFile, error) {
	if p.Provider == providerGoProxy {
		proxy, src, err := s.proxy(ctx)
		if err != nil {
			return f, err
		}
		return s.goFile(ctx, proxy, src, moduleOf(f))
	}
	reg, err := s.registryOf(ctx, p.Provider)
	if err != nil {
		return f, err
	}
	f, err = reg.pin(ctx, f)
	if f.Integrity == "" && errors.Is(err, npm.ErrNotConfigured) {
		return f, nil // it is the maker's site that has it: see sitePublished
	}
	return f, err
}

// choiceKey identifies what was asked for.
func (x *resolver) choiceKey(w want) string {
	return fmt.Sprintf("%s %s %s %s", w.name, x.res.Target.Arch, x.policy, w.text())
}

// keptChoice is what was chosen for the same demands when the network was there.
func (s *Stack) keptChoice(key string) (*chosen, bool) {
	var kept chosen
	if s.Store == nil || s.Store.Record("choice", key, &kept) != nil {
		return nil, false
	}
	return &kept, kept.Version != ""
}

// decide records a choice with its reasons, and notes what the user should know.
func (x *resolver) decide(w want, p Catalog, problem version.Problem, a *version.Answer, c *chosen) {
	choice := Choice{Package: w.name, Version: c.Version, Constraints: a.Constraints, Candidates: a.Candidates,
		Provider: p.Provider, Live: c.Live, Level: a.Level, Why: why(problem, a, c.Live)}
	if p.Provider == "" {
		choice.Provider = "deb"
	} else {
		choice.From = fmt.Sprintf("%s %s@%s", p.Provider, c.File.Name, c.File.Version)
		choice.Integrity = c.File.Integrity
		if choice.Integrity == "" {
			choice.Integrity = c.File.H1
		}
	}
	for _, skipped := range x.s.Lock.Skipped[w.name] {
		has := func(j version.Judged) bool { return j.Version == skipped.Version }
		if !slices.ContainsFunc(choice.Candidates, has) {
			choice.Candidates = append(choice.Candidates, version.Judged{Version: skipped.Version, Rejected: skipped.Why})
		}
	}
	choice.Candidates = append(choice.Candidates, x.elsewhere(w, p, problem)...)
	slices.SortStableFunc(choice.Candidates, func(a, b version.Judged) int {
		return problem.Grammar.Compare(b.Version, a.Version)
	})
	choice.Candidates = ofInterest(choice.Candidates, c.Version)
	x.res.Choices = append(x.res.Choices, choice)
	for _, con := range a.Constraints {
		if con.Dropped != "" && con.Dropped != "overridden" {
			x.note("%s %s was chosen although %s is asked for: %s", w.name, c.Version, con, con.Dropped)
		}
	}
	for _, n := range a.Notes {
		x.note("%s %s", w.name, n)
	}
	if c.Live {
		x.note("%s %s is not in the lock; it was chosen from the registry for %s", w.name, c.Version, w.text())
	}
	if problem.Prefer != "" && problem.Prefer != c.Version {
		x.note("s2i.lock has %s %s, which cannot be used any more; it is now %s (--write-lock brings it up to date)",
			w.name, problem.Prefer, c.Version)
	}
}

// maxJudged bounds how many candidates a choice tells about.
const maxJudged = 12

// ofInterest keeps of many candidates, sorted, the chosen one and the newest of every major version.
func ofInterest(list []version.Judged, chosen string) []version.Judged {
	if len(list) <= maxJudged {
		return list
	}
	var kept []version.Judged
	seen := map[string]bool{}
	for _, j := range list {
		major, _, _ := strings.Cut(j.Version, ".")
		if j.Version != chosen && (seen[major] || len(kept) >= maxJudged-1) {
			continue
		}
		seen[major] = true
		kept = append(kept, j)
	}
	return kept
}

// elsewhere lists the versions that other stacks have of a package of Debian packages.
func (x *resolver) elsewhere(w want, p Catalog, problem version.Problem) []version.Judged {
	var list []version.Judged
	for _, other := range x.s.Others {
		theirs, ok := other.Config.Packages[w.name]
		if p.Provider != "" || !ok || theirs.Provider != "" {
			continue
		}
		a, err := problem.Solve(candidates(other.lockedOptions(w.name, theirs, x.res.Target.Arch)), version.AsWritten)
		if err != nil {
			continue
		}
		for _, j := range a.Candidates {
			where := "in stack " + other.Config.Name
			if j.Rejected != "" && !strings.HasPrefix(j.Rejected, "not the default") {
				where += ", " + j.Rejected
			}
			list = append(list, version.Judged{Version: j.Version, Rejected: where})
		}
	}
	return list
}

func (x *resolver) unobtainable(w want, p Catalog, problem version.Problem, a *version.Answer, options []option,
	reason error) error {
	e := &UnobtainableError{Package: w.name, Constraints: a.Constraints, Nearest: problem.NearestTo(candidates(options)),
		Variable: variable(w.name, p), Strict: x.policy == version.Strict && p.Provider == "", Reason: reason}
	t := Tried{Stack: x.s.Config.Name, Locked: x.s.Locked && p.Provider != ""}
	for _, o := range options {
		if o.Wanted && !problem.Grammar.Prerelease(o.Version) {
			t.Versions = append(t.Versions, o.Version)
		}
	}
	slices.SortFunc(t.Versions, func(a, b string) int { return problem.Grammar.Compare(b, a) })
	e.Tried = []Tried{t}
	return e
}

// lockedOptions lists the versions of a package that the lock has.
func (s *Stack) lockedOptions(name string, p Catalog, arch string) []option {
	var list []option
	for _, t := range s.Lock.Tools[name] {
		o := s.toolOption(p, t.Version, t.Files, arch)
		o.Locked = true
		list = append(list, o)
	}
	if p.Provider != "" {
		return list
	}
	for _, line := range sortedKeys(p.lines()) {
		of := p.lines()[line].VersionOf
		o := option{line: line}
		for _, a := range s.Config.Arches {
			lock := s.Lock.Arches[a]
			if lock == nil {
				continue
			}
			d, ok := lock.byName()[of]
			switch {
			case !ok:
				o.Missing = append(o.Missing, a)
			case a == arch || o.Version == "":
				o.Version = release(d.Version)
			}
		}
		if o.Version == "" {
			continue
		}
		o.Locked, o.Wanted = true, !slices.Contains(o.Missing, arch)
		o.Rank, o.Status = p.standing(o.Version)
		list = append(list, o)
	}
	return list
}

// toolOption is a version of a registry as an option.
func (s *Stack) toolOption(p Catalog, v string, files map[string]ToolFile, arch string) option {
	o := option{files: files}
	o.Version = v
	for _, a := range s.Config.Arches {
		if _, ok := fileFor(files, a); !ok {
			o.Missing = append(o.Missing, a)
		}
	}
	_, o.Wanted = fileFor(files, arch)
	o.Rank, o.Status = p.standing(v)
	return o
}

// standing says how the line of a version is supported: 0 for one to choose.
func (p Catalog) standing(v string) (rank int, status string) {
	g := p.grammar()
	in := func(lines []string) bool {
		return slices.ContainsFunc(lines, func(line string) bool { return g.InLine(v, line) })
	}
	major, _, _ := strings.Cut(v, ".")
	odd := p.EvenMajors && major != "" && strings.ContainsAny(major[len(major)-1:], "13579")
	switch {
	case g.Prerelease(v):
		return 4, "a prerelease"
	case in(p.EndOfLife):
		return 3, "past its end of life"
	case odd:
		return 2, "not a long-term supported line"
	case in(p.NotYet):
		return 1, "not a long-term supported line yet"
	default:
		return 0, ""
	}
}

// liveOptions asks a registry what it has.
func (s *Stack) liveOptions(ctx context.Context, w want, p Catalog, arch string) ([]option, error) {
	if p.Provider == providerGoProxy {
		return s.goOptions(ctx, w, p, arch)
	}
	list, err := s.published(ctx, p)
	if errors.Is(err, npm.ErrNotConfigured) && p.HTTPS != "" {
		list, err = s.sitePublished(ctx, w.name, p)
	}
	if err != nil {
		return nil, err
	}
	var options []option
	for _, v := range list {
		options = append(options, s.toolOption(p, v.version.Original(), v.files, arch))
	}
	return options, nil
}

// withLive adds what the lock does not have.
func withLive(options, live []option) []option {
	have := map[string]bool{}
	for _, o := range options {
		have[o.Version] = true
	}
	for _, o := range live {
		if !have[o.Version] {
			options = append(options, o)
		}
	}
	return options
}

func candidates(options []option) []version.Candidate {
	list := make([]version.Candidate, len(options))
	for i, o := range options {
		list[i] = o.Candidate
	}
	return list
}
