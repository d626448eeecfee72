package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/stacks"
)

// explanation is a plan, and what of it is asked for.
type explanation struct {
	topic, place string
	plan         *create.Plan
	// image is what the plan became; nil for a plan that was not carried out.
	image *description
}

// sheet writes about the topic, or about all of them.
func (e explanation) sheet() (*sheet, error) {
	s := &sheet{}
	switch e.topic {
	case "":
		s.head("plan", "%s", e.plan.Summary)
		for _, write := range []func(*sheet){e.builders, e.versions, e.starts, e.facts, e.network, e.layers} {
			s.gap()
			write(s)
		}
	case "buildpacks":
		e.buildpacks(s)
	case "start":
		e.starts(s)
	case "packages":
		e.facts(s)
		s.gap()
		e.versions(s)
	case "files":
		e.files(s)
	case "network":
		e.network(s)
	case "image":
		e.layers(s)
	default:
		if err := e.onePackage(s); err != nil {
			return nil, err
		}
	}
	s.gap()
	s.warnings(e.plan)
	return s, nil
}

// onePackage writes about the package that the topic names.
func (e explanation) onePackage(s *sheet) error {
	var names []string
	for _, g := range e.plan.Packages {
		if g.Name == e.topic {
			e.version(s, g)
			return nil
		}
		names = append(names, g.Name)
	}
	return usageError("explaining %s: there is no such topic, and no package of that name in the plan; topics are %s; packages are %s",
		e.topic, strings.Join(topics(), ", "), cmp.Or(strings.Join(names, ", "), "none"))
}

// buildpacks tells which ones build the app, and what the others said.
func (e explanation) buildpacks(s *sheet) { e.outcomes(s, true) }

// builders is buildpacks without those that do not fit.
func (e explanation) builders(s *sheet) { e.outcomes(s, false) }

func (e explanation) outcomes(s *sheet, all bool) {
	label := "buildpacks"
	for _, b := range e.plan.Buildpacks {
		if b.Outcome == create.OutcomeChosen {
			s.head(label, "%s %s  %s", b.ID, b.Version, b.Reason)
			label = ""
		}
	}
	unfit := 0
	for _, b := range e.plan.Buildpacks {
		switch b.Outcome {
		case create.OutcomeChosen:
			continue
		case create.OutcomeFailed, create.OutcomeSkipped:
			if unfit++; !all {
				continue
			}
		}
		s.line(b.Outcome, strings.TrimSpace(b.ID+"  "+b.Reason))
	}
	if unfit > 0 && !all {
		s.line("not fitting", fmt.Sprintf("%d others; `s2i explain buildpacks` tells why", unfit))
	}
	s.alternatives(e.plan)
}

// versions tells about all packages: at length where a version was chosen among several, in one line of the rest.
func (e explanation) versions(s *sheet) {
	var rest []string
	for _, g := range e.plan.Packages {
		if len(g.Constraints)+len(g.Candidates) == 0 {
			rest = append(rest, strings.Join(nonEmpty(strings.TrimSpace(g.Name+" "+g.Version)+" ("+images(g)+")", g.Why), "  "))
			continue
		}
		s.gap()
		e.version(s, g)
	}
	if len(rest) > 0 {
		s.gap()
		s.list("also", rest)
	}
}

// version tells why a package has its version.
func (e explanation) version(s *sheet, g create.PlanPackage) {
	s.head(g.Name, "%s", cmp.Or(g.Version, "in a version that is not known")+"  "+images(g))
	for i, c := range g.Constraints {
		label := "asked for"
		if i > 0 {
			label = "and"
		}
		s.line(label, constraints(create.PlanPackage{Constraints: []create.PlanConstraint{c}}))
	}
	if len(g.Constraints) == 0 {
		s.line("asked for", "in any version")
	}
	var versions []string
	for _, c := range g.Candidates {
		versions = append(versions, c.Version)
	}
	s.line("candidates", strings.Join(versions, " "))
	for _, c := range g.Candidates {
		if c.Rejected != "" {
			s.line("rejected", c.Version+": "+c.Rejected)
		}
	}
	s.line("why", g.Why)
	s.line("rebased", e.rebased(g))
	where := "(in the stack's lock)"
	if g.Live {
		where = "(not in the stack's lock: chosen from the registry)"
	}
	if g.From != "" {
		s.line("from", strings.Join(nonEmpty(g.From, short(g.Integrity), where), " "))
	}
	if e.image == nil && !strings.HasPrefix(g.From, "Debian") {
		s.line("override", fmt.Sprintf("--set %s.version=%s", g.Name, otherVersion(g)))
	}
}

// rebased tells which version an image has now, when its base was exchanged since it was built.
func (e explanation) rebased(g create.PlanPackage) string {
	if e.image == nil || !g.Launch {
		return ""
	}
	contents, err := stacks.ReadContents(e.image.Labels)
	if err != nil || contents == nil {
		return "" // it is no base of ours
	}
	for _, c := range contents.Packages {
		if c.Name == g.Name && c.Version != "" && c.Version != g.Version {
			return "the base has " + lifecycle.PlainLine(c.Version, 100) + " now"
		}
	}
	return ""
}

// short is the beginning of a digest, by which one tells it from another.
func short(integrity string) string {
	if len(integrity) > 20 {
		return integrity[:20] + "…"
	}
	return integrity
}

// otherVersion is an example of a version that could be chosen instead.
func otherVersion(g create.PlanPackage) string {
	for _, c := range g.Candidates {
		if strings.HasPrefix(c.Rejected, "missing") || c.Version == g.Version {
			continue
		}
		if m := major(c.Version); g.Version != "" && m != major(g.Version) {
			return m
		}
		return line(c.Version)
	}
	return cmp.Or(line(g.Version), "VERSION")
}

// line is the first two parts of a version.
func line(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

// major is the first part of a version.
func major(version string) string {
	version, _, _ = strings.Cut(version, ".")
	return version
}

// starts tells what each process starts, why, and what else there was.
func (e explanation) starts(s *sheet) {
	if len(e.plan.Starts) == 0 {
		s.head("start", "the buildpacks do not say what the image starts")
		e.processes(s)
		return
	}
	last := ""
	for _, start := range e.plan.Starts {
		what := fmt.Sprintf("%s  (%s", start.Command, start.Buildpack)
		if start.Score > 0 {
			what += fmt.Sprintf(", score %d", start.Score)
		}
		what += ")"
		if start.Type != last {
			last = start.Type
			s.gap()
			if !start.Chosen {
				s.head(start.Type, "nothing is chosen")
			}
		}
		if start.Chosen {
			s.head(start.Type, "%s", what)
			s.list("because", start.Evidence)
			continue
		}
		s.line("rejected", what+": "+cmp.Or(start.Rejected, "another one is better"))
	}
	e.processes(s)
	if e.image == nil {
		s.line("override", `--start "COMMAND", or a Procfile (web: COMMAND)`)
	}
}

// processes tells what the image really has.
func (e explanation) processes(s *sheet) {
	if e.image == nil {
		return
	}
	for _, p := range e.image.Processes {
		s.line("in the image", lifecycle.PlainLine(fmt.Sprintf("%s: %q", p.Type, append(slices.Clone(p.Command), p.Args...)), 500))
	}
}

// facts tells what the buildpacks saw, by topic.
func (e explanation) facts(s *sheet) {
	for _, b := range e.plan.Buildpacks {
		topic := ""
		for _, f := range b.Facts {
			label := ""
			if f.Topic != topic {
				label, topic = f.Topic, f.Topic
			}
			text := f.Text
			if f.Source != "" {
				text += "  (" + f.Source + ")"
			}
			s.head(label, "%s", text)
		}
	}
}

// files tells what each file of the app decided.
func (e explanation) files(s *sheet) {
	type entry struct{ source, text string }
	var all []entry
	for _, b := range e.plan.Buildpacks {
		for _, f := range b.Facts {
			all = append(all, entry{f.Source, f.Text})
		}
	}
	for _, g := range e.plan.Packages {
		for _, c := range g.Constraints {
			all = append(all, entry{c.Source, fmt.Sprintf("%s %q", g.Name, c.Value)})
		}
	}
	for _, start := range e.plan.Starts {
		for _, evidence := range start.Evidence {
			all = append(all, entry{"", start.Type + ": " + evidence})
		}
	}
	for _, h := range e.plan.Hosts {
		all = append(all, entry{h.Source, "asks " + h.Name})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return compareSources(a.source, b.source) })
	width := 0
	for _, one := range all {
		width = max(width, len(one.source))
	}
	if len(all) == 0 {
		s.head("files", "the buildpacks do not say which files decided")
	}
	for _, one := range all {
		if one.source != "" {
			s.head("", "%-*s  %s", width, one.source, one.text)
		}
	}
	s.list("also", others(all, func(one entry) string {
		if one.source != "" {
			return ""
		}
		return one.text
	}))
}

// others gives the texts of what is left.
func others[T any](all []T, text func(T) string) []string {
	var list []string
	for _, one := range all {
		if t := text(one); t != "" {
			list = append(list, t)
		}
	}
	return list
}

// compareSources orders file:line by file and then by number.
func compareSources(a, b string) int {
	fileA, lineA, _ := strings.Cut(a, ":")
	fileB, lineB, _ := strings.Cut(b, ":")
	return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(len(lineA), len(lineB)), cmp.Compare(lineA, lineB))
}

// network tells whom the build asks.
func (e explanation) network(s *sheet) { s.hosts(e.plan) }

// layers tells what the image consists of.
func (e explanation) layers(s *sheet) {
	s.image(e.plan)
	if e.image == nil {
		return
	}
	var total int64
	for _, l := range e.image.Layers {
		kind := "app"
		if l.Base {
			kind = "base"
		}
		total += l.Size
		s.line("layer", fmt.Sprintf("%-4s  %8s  %s", kind, units.HumanSize(float64(l.Size)), lifecycle.PlainLine(l.CreatedBy, 120)))
	}
	s.line("total", units.HumanSize(float64(total))+" compressed")
}
