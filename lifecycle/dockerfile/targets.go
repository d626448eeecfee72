package dockerfile

import (
	"fmt"
	"io"
	"text/tabwriter"

	"s2i/lifecycle/dockerfile/check"
)

// Targets are the stages that can be built: the answer to BuildKit's subrequest frontend.targets, in its JSON.
type Targets struct {
	Targets []TargetStage `json:"targets"`
	// Sources are the text of the Dockerfile.
	Sources [][]byte `json:"sources"`
}

// TargetStage is a stage that can be built.
type TargetStage struct {
	Name    string `json:"name,omitempty"`
	Default bool   `json:"default,omitempty"`
	// Description is what the comment above the FROM says after the stage's name.
	Description string          `json:"description,omitempty"`
	Base        string          `json:"base,omitempty"`
	Platform    string          `json:"platform,omitempty"`
	Location    *check.Location `json:"location,omitempty"`
}

// Targets lists the stages.
func (f *File) Targets() *Targets {
	t := &Targets{Sources: [][]byte{f.text}}
	for i, s := range f.Stages {
		t.Targets = append(t.Targets, TargetStage{Name: s.Name, Default: i == len(f.Stages)-1, Description: s.DocComment,
			Base: s.BaseName, Platform: s.Platform, Location: check.LocationOf(s.Location)})
	}
	return t
}

// Write writes the stages for people, as docker does.
func (t *Targets) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "TARGET\tDESCRIPTION\n")
	for _, s := range t.Targets {
		name := s.Name
		switch {
		case s.Default && name == "":
			name = "(default)"
		case s.Default:
			name += " (default)"
		}
		fmt.Fprintf(table, "%s\t%s\n", name, s.Description)
	}
	return table.Flush()
}
