package lifecycle

import (
	"encoding/json"
	"fmt"
	"slices"
)

// RecordKey is the key of a requirement's metadata that holds a [Record]. The requirement is the one that a buildpack
// makes of itself: its name is the buildpack's ID.
const RecordKey = "record"

// Record is what a buildpack decided about an app and why, as far as it says so. It is no part of the specification: our
// own buildpacks put it into their build plans, and others may.
type Record struct {
	// Summary is the decision in one line.
	Summary string `json:"summary,omitempty"`
	// Facts are the statements about the app that decided, in reading order.
	Facts []Fact `json:"facts,omitempty"`
	// Starts are the candidates for processes.
	Starts []Start `json:"starts,omitempty"`
	// Hosts are machines that the build asks for beyond the configured registries of packages.
	Hosts []Host `json:"hosts,omitempty"`
	// Warnings are what the user should change.
	Warnings []string `json:"warnings,omitempty"`
}

// Fact is one statement about the app: on what topic, and where it stands.
type Fact struct {
	Topic  string `json:"topic,omitempty"`
	Text   string `json:"text"`
	Source string `json:"source,omitempty"`
}

// Start is one candidate for a process.
type Start struct {
	// Type is the process type, and Command the command line for reading.
	Type    string `json:"type"`
	Command string `json:"command"`
	// Score ranks the candidates of a type, 0 to 100.
	Score    int      `json:"score"`
	Evidence []string `json:"evidence,omitempty"`
	// Rejected is why it is not used.
	Rejected string `json:"rejected,omitempty"`
	Chosen   bool   `json:"chosen"`
}

// Host is a machine that a step of the build asks, and what asks for it.
type Host struct {
	Name   string `json:"name"`
	Why    string `json:"why,omitempty"`
	Source string `json:"source,omitempty"`
}

// What is kept of a record: it may come from anybody's buildpack, or from the label of anybody's image.
const (
	maxRecord     = 1 << 20 // bytes as JSON
	maxRecordLine = 400     // bytes of a text
	maxRecordList = 60      // entries of a list
)

// RecordOf finds the record that the buildpack id makes in its alternatives of a build plan; the first one counts. A
// record that cannot be read is an error, and so is one that is too large.
func RecordOf(id string, requires []Require) (Record, error) {
	i := slices.IndexFunc(requires, func(r Require) bool { return r.Name == id && r.Metadata[RecordKey] != nil })
	if i < 0 {
		return Record{}, nil
	}
	data, err := json.Marshal(requires[i].Metadata[RecordKey])
	if err != nil {
		return Record{}, fmt.Errorf("reading the record of %s: %w", id, err)
	}
	if len(data) > maxRecord {
		return Record{}, fmt.Errorf("reading the record of %s: it has %d bytes, more than %d", id, len(data), maxRecord)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("reading the record of %s: %w", id, err)
	}
	return r.Plain(), nil
}

// Plain gives the record with every text fit for a terminal, and with texts and lists cut to what anybody reads.
func (r Record) Plain() Record {
	out := Record{Summary: plain(r.Summary)}
	for _, f := range first(r.Facts) {
		out.Facts = append(out.Facts, Fact{plain(f.Topic), plain(f.Text), plain(f.Source)})
	}
	for _, s := range first(r.Starts) {
		out.Starts = append(out.Starts, s.Plain())
	}
	for _, h := range first(r.Hosts) {
		out.Hosts = append(out.Hosts, Host{plain(h.Name), plain(h.Why), plain(h.Source)})
	}
	for _, w := range first(r.Warnings) {
		out.Warnings = append(out.Warnings, plain(w))
	}
	return out
}

// Plain is the candidate with every text fit for a terminal.
func (s Start) Plain() Start {
	out := Start{Type: plain(s.Type), Command: plain(s.Command), Score: min(max(s.Score, 0), 100),
		Rejected: plain(s.Rejected), Chosen: s.Chosen}
	for _, e := range first(s.Evidence) {
		out.Evidence = append(out.Evidence, plain(e))
	}
	return out
}

func plain(s string) string { return PlainLine(s, maxRecordLine) }

func first[T any](list []T) []T { return list[:min(len(list), maxRecordList)] }
