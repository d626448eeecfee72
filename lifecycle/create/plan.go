package create

import (
	"context"

	"s2i/lifecycle"
)

// Plan is what a build would do: which buildpacks, and what they need from the stack.
type Plan struct {
	Group    []lifecycle.GroupElement `json:"group"`
	Outcomes []PlanOutcome            `json:"outcomes"`
	Requires []lifecycle.Require      `json:"requires"`
}

// PlanOutcome is what one buildpack said.
type PlanOutcome struct {
	Buildpack string `json:"buildpack"`
	Status    string `json:"status"`
	Reason    string `json:"reason"`
}

// MakePlan detects and stops there. It needs no network unless a third-party buildpack must run to detect.
func MakePlan(ctx context.Context, o Options) (*Plan, error) {
	o.NoCache = true // nothing is built, so the app's cache is left alone
	w, err := o.begin(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer w.close(ctx)
	if err := w.detect(ctx); err != nil {
		return nil, err
	}
	p := &Plan{Group: w.detected.Group.Group, Requires: append(stackRequires(w.detected.Plan), o.App.Packages...)}
	for _, out := range w.detected.Outcomes {
		p.Outcomes = append(p.Outcomes, PlanOutcome{
			Buildpack: out.Element.ID, Status: out.Status.String(), Reason: out.Reason,
		})
	}
	return p, nil
}
