package version

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is how binding a constraint is.
type Kind string

// The kinds of constraints.
const (
	Range    Kind = ""         // must be met
	Minimum  Kind = "minimum"  // met by the version named and every later one
	Hint     Kind = "hint"     // counts as long as something meets it
	Override Kind = "override" // counts alone
)

// Constraint is one demand.
type Constraint struct {
	Value  string `json:"value"`
	Source string `json:"source,omitempty"` // file:line, or the name of a variable
	Kind   Kind   `json:"kind,omitempty"`
	// Dropped is why it did not count, or not as it is written.
	Dropped string `json:"dropped,omitempty"`
}

// String is the constraint and where it stands.
func (c Constraint) String() string {
	if c.Source == "" {
		return c.Value
	}
	return c.Value + " (" + c.Source + ")"
}

// Policy says what happens when not everything can be met.
type Policy string

// The policies.
const (
	Compatible Policy = "compatible" // give way as far as it is safe
	Strict     Policy = "strict"     // never give way
)

// Pins says how far an exact version gives way under Compatible.
type Pins string

// What exact versions give way to.
const (
	Kept    Pins = ""        // nothing
	ToLine  Pins = "line"    // any patch release of its line
	Upwards Pins = "minimum" // any later version
)

// Candidate is a version that might be chosen.
type Candidate struct {
	Version string
	Locked  bool     // pinned by the stack's lock
	Missing []string // architectures that it cannot be had for
	Wanted  bool     // it can be had for the architecture of this build
	// Rank says how the line is supported: 0 for one to choose, more for those that are not to be chosen unless asked for.
	Rank   int
	Status string // why Rank is not 0: "not a long-term supported line yet"
}

// Problem is what a version is to be chosen for.
type Problem struct {
	Grammar     Grammar
	Constraints []Constraint
	Default     string // what counts when nobody demands anything
	Policy      Policy // empty means Compatible
	Pins        Pins
	// Nearest takes the oldest line that will do instead of the newest one.
	Nearest bool
	// Aliases are other names of ranges, in lower case.
	Aliases map[string]string
	// Prefer is a version to take before all others that will do: the one that the app's lock has.
	Prefer string
}

// Level is how far a problem is relaxed.
type Level int

// The levels, in the order in which they are tried.
const (
	AsWritten Level = iota // everything as it is written
	Relaxed                // exact versions give way
	NoHints                // hints give way, too

)

// Levels lists the levels that a policy allows.
func (p Problem) Levels() []Level {
	if p.Policy == Strict {
		return []Level{AsWritten}
	}
	return []Level{AsWritten, Relaxed, NoHints}
}

// Judged is a candidate and why it was not chosen.
type Judged struct {
	Version  string `json:"version"`
	Rejected string `json:"rejected,omitempty"`
}

// Answer is a choice with its reasons.
type Answer struct {
	Index       int // of the candidate; -1 when none will do
	Level       Level
	Constraints []Constraint // as given, with what became of them
	Effective   []string     // the constraints that counted, as ranges of the grammar
	Candidates  []Judged
	Notes       []string
}

// demand is a constraint as a set.
type demand struct {
	at  int // in Problem.Constraints; -1 for the default
	set Set
}

// Solve chooses at one level. A constraint that cannot be read is an error, unless it is a hint.
func (p Problem) Solve(candidates []Candidate, level Level) (*Answer, error) {
	a := &Answer{Index: -1, Level: level, Constraints: slices.Clone(p.Constraints)}
	demands, err := p.demands(a, level)
	if err != nil {
		return nil, err
	}
	if level == NoHints {
		demands = p.withoutHints(a, demands, candidates)
	}
	locked := func(c Candidate) bool { return c.Version == p.Prefer && c.Wanted }
	if len(demands) == 0 && p.Default != "" && !slices.ContainsFunc(candidates, locked) {
		set, err := p.Grammar.Parse(p.Default)
		if err != nil {
			return nil, fmt.Errorf("reading the default: %w", err)
		}
		demands = []demand{{-1, set}}
	}
	for _, d := range demands {
		a.Effective = append(a.Effective, d.set.Text)
	}
	a.Index = p.best(candidates, demands)
	a.Candidates = p.judge(a, candidates, demands)
	if a.Index >= 0 {
		if c := candidates[a.Index]; c.Rank > 0 {
			a.Notes = append(a.Notes, fmt.Sprintf("%s: %s", c.Version, c.Status))
		}
	}
	return a, nil
}

// demands reads the constraints that count at a level.
func (p Problem) demands(a *Answer, level Level) ([]demand, error) {
	override := slices.ContainsFunc(p.Constraints, func(c Constraint) bool { return c.Kind == Override })
	var list []demand
	for i, c := range p.Constraints {
		if override && c.Kind != Override {
			a.Constraints[i].Dropped = "overridden"
			continue
		}
		set, err := p.read(c)
		if err != nil {
			if c.Kind == Hint && p.Policy != Strict {
				a.Constraints[i].Dropped = "not understood: " + err.Error()
				continue
			}
			if c.Source != "" {
				err = fmt.Errorf("%s: %w", c.Source, err)
			}
			return nil, err
		}
		if level >= Relaxed {
			set = p.relax(a, i, set)
		}
		list = append(list, demand{i, set})
	}
	return list, nil
}

func (p Problem) read(c Constraint) (Set, error) {
	value := strings.TrimSpace(c.Value)
	if alias, ok := p.Aliases[strings.ToLower(value)]; ok {
		value = alias
	}
	if c.Kind == Minimum && (p.Grammar != Java || p.Policy != Strict) {
		return p.Grammar.AtLeast(value)
	}
	return p.Grammar.Parse(value)
}

// relax widens an exact version, as far as the problem says. What the user overrides is kept as it is.
func (p Problem) relax(a *Answer, i int, set Set) Set {
	c := p.Constraints[i]
	if p.Pins == Kept || c.Kind == Override || c.Kind == Minimum {
		return set
	}
	var wide Set
	var err error
	switch {
	case p.Pins == Upwards && !strings.ContainsAny(c.Value, "<>=^~*,"):
		wide, err = p.Grammar.AtLeast(c.Value)
	case set.Exact != "":
		wide, err = p.Grammar.Line(set.Exact)
	default:
		return set
	}
	if err != nil {
		return set
	}
	a.Constraints[i].Dropped = "taken as " + wide.Text
	return wide
}

// withoutHints leaves out hints that nothing meets together with the demands that must be met. Of several hints that
// contradict each other the first one stays.
func (p Problem) withoutHints(a *Answer, demands []demand, candidates []Candidate) []demand {
	var kept, hints []demand
	for _, d := range demands {
		if p.Constraints[d.at].Kind == Hint {
			hints = append(hints, d)
		} else {
			kept = append(kept, d)
		}
	}
	for _, h := range hints {
		if p.best(candidates, append(slices.Clone(kept), h)) >= 0 {
			kept = append(kept, h)
			continue
		}
		a.Constraints[h.at].Dropped = "a hint that nothing meets that can be had"
	}
	return kept
}

// best gives the index of the candidate to take: of those that meet all demands the preferred one, else one of a
// supported line, pinned, complete, and the newest (or of the nearest line).
func (p Problem) best(candidates []Candidate, demands []demand) int {
	best := -1
	for i, c := range candidates {
		if !c.Wanted || unmet(demands, c.Version) != nil {
			continue
		}
		if best < 0 || p.better(c, candidates[best]) {
			best = i
		}
	}
	return best
}

func (p Problem) better(c, than Candidate) bool {
	for _, by := range [][2]bool{
		{p.Prefer != "" && c.Version == p.Prefer, p.Prefer != "" && than.Version == p.Prefer},
		{c.Rank < than.Rank, than.Rank < c.Rank},
		{c.Locked, than.Locked},
		{len(c.Missing) == 0, len(than.Missing) == 0},
	} {
		if by[0] != by[1] {
			return by[0]
		}
	}
	if p.Nearest && p.line(c.Version) != p.line(than.Version) {
		return p.Grammar.Compare(c.Version, than.Version) < 0
	}
	return p.Grammar.Compare(c.Version, than.Version) > 0
}

func (p Problem) line(v string) string {
	set, err := p.Grammar.Line(v)
	if err != nil {
		return v
	}
	return set.Text
}

// unmet gives the first demand that a version does not meet.
func unmet(demands []demand, v string) *demand {
	for i := range demands {
		if !demands[i].set.Contains(v) {
			return &demands[i]
		}
	}
	return nil
}

// judge says of every candidate why it was not taken.
func (p Problem) judge(a *Answer, candidates []Candidate, demands []demand) []Judged {
	var list []Judged
	for i, c := range candidates {
		j := Judged{Version: c.Version}
		d := unmet(demands, c.Version)
		switch {
		case i == a.Index:
		case !c.Wanted:
			j.Rejected = "missing on " + strings.Join(linux(c.Missing), " and ")
		case d != nil && d.at < 0:
			j.Rejected = "not the default, " + d.set.Text
		case d != nil:
			text := Constraint{Value: d.set.Text, Source: p.Constraints[d.at].Source}
			j.Rejected = "excluded by " + text.String()
		case c.Rank > 0:
			j.Rejected = c.Status
		case len(c.Missing) > 0:
			j.Rejected = "missing on " + strings.Join(linux(c.Missing), " and ")
		case a.Index < 0:
		default:
			j.Rejected = p.outranked(c, candidates[a.Index])
		}
		list = append(list, j)
	}
	slices.SortStableFunc(list, func(x, y Judged) int { return p.Grammar.Compare(y.Version, x.Version) })
	return list
}

// outranked says why a candidate that would do is not the one.
func (p Problem) outranked(c, chosen Candidate) string {
	switch {
	case chosen.Version == p.Prefer && p.Prefer != "":
		return "the app's lock has another one"
	case chosen.Locked && !c.Locked:
		return "not in the stack's lock"
	case p.Grammar.Compare(c.Version, chosen.Version) < 0:
		return "older"
	case p.Nearest:
		return "further from what is asked for"
	default:
		return "newer than needed"
	}
}

func linux(arches []string) []string {
	var list []string
	for _, a := range arches {
		list = append(list, "linux/"+a)
	}
	return list
}

// NearestTo gives the candidate that comes closest to what is demanded: the first that is newer than everything that was
// named, or else the newest. It serves error messages.
func (p Problem) NearestTo(candidates []Candidate) string {
	named := ""
	for _, c := range p.Constraints {
		if set, err := p.read(c); err == nil && set.Exact != "" {
			named = set.Exact
		}
	}
	best := ""
	for _, c := range candidates {
		if !c.Wanted || p.Grammar.Prerelease(c.Version) {
			continue
		}
		later := named == "" || p.Grammar.Compare(c.Version, named) >= 0
		bestLater := best != "" && (named == "" || p.Grammar.Compare(best, named) >= 0)
		order := p.Grammar.Compare(c.Version, best)
		switch {
		case best == "", later && !bestLater,
			later && bestLater && named != "" && order < 0,
			later == bestLater && (!later || named == "") && order > 0:
			best = c.Version
		}
	}
	return best
}
