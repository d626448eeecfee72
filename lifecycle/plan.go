package lifecycle

import (
	"fmt"
	"slices"
)

// Require is one thing that a buildpack needs, in a build plan and in the plan handed to bin/build
// (buildpack §Build Plan).
type Require struct {
	Name     string         `toml:"name" json:"name"`
	Metadata map[string]any `toml:"metadata,omitempty" json:"metadata,omitempty"`
}

// Provide is one thing that a buildpack offers.
type Provide struct {
	Name string `toml:"name" json:"name"`
}

// PlanSections is one alternative of a build plan.
type PlanSections struct {
	Requires []Require `toml:"requires,omitempty" json:"requires,omitempty"`
	Provides []Provide `toml:"provides,omitempty" json:"provides,omitempty"`
}

// BuildPlan is what bin/detect writes to CNB_BUILD_PLAN_PATH: its first choice and, under [[or]], the others.
type BuildPlan struct {
	PlanSections
	Or []PlanSections `toml:"or,omitempty" json:"or,omitempty"`
}

// Alternatives gives the first choice and then the others.
func (p BuildPlan) Alternatives() []PlanSections {
	return append([]PlanSections{p.PlanSections}, p.Or...)
}

// ReadBuildPlan reads a build plan. A top-level `version` of a requirement, the form of early Buildpack APIs, is taken
// as its metadata's version; giving both is an error, as in the reference.
func ReadBuildPlan(path string) (BuildPlan, error) {
	type require struct {
		Name     string         `toml:"name"`
		Version  string         `toml:"version"`
		Metadata map[string]any `toml:"metadata"`
	}
	type sections struct {
		Requires []require `toml:"requires"`
		Provides []Provide `toml:"provides"`
	}
	var f struct {
		sections
		Or []sections `toml:"or"`
	}
	if _, err := readTOML(path, &f); err != nil {
		return BuildPlan{}, err
	}
	var plan BuildPlan
	for i, from := range append([]sections{f.sections}, f.Or...) {
		to := PlanSections{Provides: from.Provides}
		for _, r := range from.Requires {
			_, twice := r.Metadata["version"]
			if r.Version != "" && twice {
				return BuildPlan{}, fmt.Errorf("reading the build plan: %q has both version and metadata.version", r.Name)
			}
			if r.Version != "" {
				r.Metadata = withKey(r.Metadata, "version", r.Version)
			}
			to.Requires = append(to.Requires, Require{Name: r.Name, Metadata: r.Metadata})
		}
		if err := to.check(); err != nil {
			return BuildPlan{}, fmt.Errorf("reading the build plan: %w", err)
		}
		if i == 0 {
			plan.PlanSections = to
		} else {
			plan.Or = append(plan.Or, to)
		}
	}
	return plan, nil
}

func withKey(m map[string]any, key string, value any) map[string]any {
	if m == nil {
		m = map[string]any{}
	}
	m[key] = value
	return m
}

func (s PlanSections) check() error {
	for _, r := range s.Requires {
		if r.Name == "" {
			return fmt.Errorf("an entry of requires has no name")
		}
	}
	for _, p := range s.Provides {
		if p.Name == "" {
			return fmt.Errorf("an entry of provides has no name")
		}
	}
	return nil
}

// Plan is plan.toml (platform §plan.toml): the resolved requirements, each entry with who may provide it.
type Plan struct {
	Entries []PlanEntry `toml:"entries" json:"entries"`
}

// PlanEntry pairs requirements of one name with the group elements that provide that name, in group order.
type PlanEntry struct {
	Providers []GroupElement `toml:"providers" json:"providers"`
	Requires  []Require      `toml:"requires" json:"requires"`
}

// ReadPlan reads plan.toml.
func ReadPlan(path string) (Plan, error) {
	var p Plan
	if _, err := readTOML(path, &p); err != nil {
		return Plan{}, err
	}
	for i, e := range p.Entries {
		if len(e.Requires) == 0 || len(e.Providers) == 0 {
			return Plan{}, fmt.Errorf("reading %s: entry %d has no providers or no requires", path, i+1)
		}
	}
	return p, nil
}

// WritePlan writes plan.toml.
func WritePlan(path string, p Plan) error { return writeTOML(path, p) }

// For gives the requirements that the buildpack or extension e may meet.
func (p Plan) For(e GroupElement) BuildpackPlan {
	var out BuildpackPlan
	for _, entry := range p.Entries {
		if slices.ContainsFunc(entry.Providers, func(by GroupElement) bool {
			return by.ID == e.ID && by.Extension == e.Extension
		}) {
			out.Entries = append(out.Entries, entry.Requires...)
		}
	}
	return out
}

// Without gives the plan without the entries of the names that were met.
func (p Plan) Without(met []string) Plan {
	var out Plan
	for _, entry := range p.Entries {
		if !slices.ContainsFunc(entry.Requires, func(r Require) bool { return slices.Contains(met, r.Name) }) {
			out.Entries = append(out.Entries, entry)
		}
	}
	return out
}

// BuildpackPlan is the file that bin/build reads at CNB_BP_PLAN_PATH (buildpack §Buildpack Plan).
type BuildpackPlan struct {
	Entries []Require `toml:"entries"`
}

// Has tells whether an entry has this name.
func (p BuildpackPlan) Has(name string) bool {
	return slices.ContainsFunc(p.Entries, func(r Require) bool { return r.Name == name })
}

// WriteBuildpackPlan writes the plan of one buildpack.
func WriteBuildpackPlan(path string, p BuildpackPlan) error { return writeTOML(path, p) }

// Unmet is an entry of build.toml that the buildpack leaves to the next provider.
type Unmet struct {
	Name string `toml:"name"`
}

// BuildTOML is build.toml (buildpack §build.toml).
type BuildTOML struct {
	Unmet []Unmet `toml:"unmet,omitempty"`
	// BOM is the bill of materials of Buildpack APIs before 0.7, still allowed afterwards.
	BOM []BOMEntry `toml:"bom,omitempty"`
}

// ReadBuildTOML reads build.toml.
func ReadBuildTOML(path string) (BuildTOML, error) {
	var f BuildTOML
	if _, err := readTOML(path, &f); err != nil {
		return BuildTOML{}, err
	}
	for _, u := range f.Unmet {
		if u.Name == "" {
			return BuildTOML{}, fmt.Errorf("reading %s: an entry of unmet has no name", path)
		}
	}
	return f, nil
}
