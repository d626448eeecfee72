package kit

import (
	"fmt"

	"github.com/buildpacks/libcnb/v2"
)

// Match is a successful detection: what the buildpack needs of the stack, what it has for other buildpacks and wants
// of them, and the record of its decision.
type Match struct {
	// ID is the buildpack's; the record travels in the build plan under this name.
	ID     string
	Record Record
	// Needs are packages of the stack.
	Needs []Need
	// Provides are names that other buildpacks may want. When there are any and nobody wants them, the buildpack takes
	// no part, unless it wants them itself.
	Provides []string
	// Wants are what other buildpacks provide, or this one itself.
	Wants []Want
}

// Want is something that another buildpack of the group is to provide.
type Want struct {
	Name string
	// Metadata tells the provider what exactly; it finds it in its buildpack plan. Values are strings, numbers, booleans,
	// lists and maps of them.
	Metadata map[string]any
	// Optional wants are left out when nobody provides them.
	Optional bool
}

// Pass ends detection with a match: one build plan, and when there are optional wants a second one without them.
func (m Match) Pass() (libcnb.DetectResult, error) {
	full, err := m.plan(true)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	result := libcnb.DetectResult{Pass: true, Plans: []libcnb.BuildPlan{full}}
	for _, w := range m.Wants {
		if w.Optional {
			least, err := m.plan(false)
			result.Plans = append(result.Plans, least)
			return result, err
		}
	}
	return result, nil
}

func (m Match) plan(optional bool) (libcnb.BuildPlan, error) {
	var plan libcnb.BuildPlan
	for _, n := range m.Needs {
		plan.Requires = append(plan.Requires, n.Require())
	}
	for _, name := range m.Provides {
		plan.Provides = append(plan.Provides, libcnb.BuildPlanProvide{Name: name})
	}
	for _, w := range m.Wants {
		if optional || !w.Optional {
			plan.Requires = append(plan.Requires, libcnb.BuildPlanRequire{Name: w.Name, Metadata: w.Metadata})
		}
	}
	record, err := m.Record.metadata()
	if err != nil {
		return plan, fmt.Errorf("recording the decision of %s: %w", m.ID, err)
	}
	plan.Provides = append(plan.Provides, libcnb.BuildPlanProvide{Name: m.ID})
	plan.Requires = append(plan.Requires, libcnb.BuildPlanRequire{Name: m.ID, Metadata: record})
	return plan, nil
}

// Wanted gives what the buildpack plan holds under a name that this buildpack provides: the metadata of every want,
// nil when there is none.
func Wanted(plan libcnb.BuildpackPlan, name string) []map[string]any {
	var all []map[string]any
	for _, e := range plan.Entries {
		if e.Name == name {
			all = append(all, e.Metadata)
		}
	}
	return all
}
