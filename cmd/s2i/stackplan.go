package main

import (
	"cmp"
	"fmt"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/stacks"
)

// stackPlan tells what a stack chose, as plans have it.
func stackPlan(res *stacks.Resolution, requires []lifecycle.Require) create.StackPlan {
	p := create.StackPlan{
		Packages: create.PlanPackages(requires),
		Image:    create.PlanImage{Stack: res.Stack, Base: res.RunSet},
		Warnings: res.Notes,
	}
	for i := range p.Packages {
		describePackage(&p.Packages[i], res)
	}
	for _, part := range res.Run {
		layer := create.PlanLayer{Name: part.Name, Version: part.Version, Debs: len(part.Debs)}
		for _, d := range part.Debs {
			layer.Bytes += d.Size
		}
		if part.Tool != nil {
			layer.Bytes += part.Tool.Size
		}
		p.Image.Layers = append(p.Image.Layers, layer)
	}
	return p
}

// describeChoice fills in how a version was chosen.
func describeChoice(p *create.PlanPackage, c stacks.Choice) {
	p.Version, p.Why, p.From, p.Integrity, p.Live = c.Version, c.Why, c.From, c.Integrity, c.Live
	p.Constraints = nil
	for _, con := range c.Constraints {
		p.Constraints = append(p.Constraints, create.PlanConstraint{Value: con.Value, Source: con.Source,
			Kind: cmp.Or(string(con.Kind), "range"), Dropped: con.Dropped})
	}
	p.Candidates = nil
	for _, j := range c.Candidates {
		p.Candidates = append(p.Candidates, create.PlanCandidate{Version: j.Version, Rejected: j.Rejected})
	}
}

// describePackage fills in what was chosen for a package.
func describePackage(p *create.PlanPackage, res *stacks.Resolution) {
	for _, c := range res.Choices {
		if c.Package == p.Name {
			describeChoice(p, c)
		}
	}
	for _, part := range append(append([]stacks.Part{}, res.Build...), res.Run...) {
		if part.Package != p.Name || p.Version != "" && p.From != "" {
			continue
		}
		p.Version, p.Live = cmp.Or(p.Version, part.Version), p.Live || part.Live
		switch {
		case part.Tool != nil:
			p.From = fmt.Sprintf("%s %s@%s", part.Provider, part.Tool.Name, part.Tool.Version)
			p.Integrity = part.Tool.Integrity
		case len(part.Debs) == 1:
			p.From = fmt.Sprintf("Debian %s %s", part.Debs[0].Name, part.Debs[0].Version)
		default:
			p.From = fmt.Sprintf("Debian: %d packages", len(part.Debs))
		}
	}
	if p.From == "" {
		p.From = "part of the base"
	}
}
