package kit

import (
	"bytes"
	"fmt"

	"github.com/BurntSushi/toml"
)

// Record is what a buildpack decided about an app and why. It is pure data: whoever shows it (s2i plan, s2i explain,
// the image's label) needs to know nothing of the language. Every statement names its source as file:line, or as the
// name of an environment variable.
type Record struct {
	// Summary is the decision in one line: "Python 3.13 (pyproject.toml:6), uv sync; web starts gunicorn".
	Summary string `toml:"summary"`
	// Facts are the statements about the app that decided, in reading order.
	Facts []Fact `toml:"facts,omitempty"`
	// Starts are the candidates for processes, the best of every type first.
	Starts []Start `toml:"starts,omitempty"`
	// Hosts are machines that the build asks for beyond the registries of packages that are configured.
	Hosts []Host `toml:"hosts,omitempty"`
	// Warnings are what the user should change, one sentence each, with the way out.
	Warnings []string `toml:"warnings,omitempty"`
}

// Fact is one statement about the app.
type Fact struct {
	// Topic groups facts: "framework", "packages", "lock", "build", "native", "files".
	Topic string `toml:"topic"`
	// Text is the statement: "npm ci: package-lock.json, lockfileVersion 3".
	Text string `toml:"text"`
	// Source is where it stands.
	Source string `toml:"source,omitempty"`
}

// Start is one candidate for a process.
type Start struct {
	// Type is the process type, "web" for the default one.
	Type string `toml:"type"`
	// Command is the command line, for reading.
	Command string `toml:"command"`
	// Score ranks candidates of one type, 0 to 100.
	Score int `toml:"score"`
	// Evidence is what speaks for it.
	Evidence []string `toml:"evidence,omitempty"`
	// Rejected is why it is not used; empty for the one that is, and for one that was only outranked.
	Rejected string `toml:"rejected,omitempty"`
	Chosen   bool   `toml:"chosen"`
}

// Host is a machine that a step of the build asks.
type Host struct {
	Name string `toml:"name"` // "fonts.googleapis.com"
	// Why is what asks for it: "next/font/google downloads fonts".
	Why    string `toml:"why"`
	Source string `toml:"source,omitempty"`
}

// metadata gives the record as a build plan has it: {record = {...}}.
func (r Record) metadata() (map[string]any, error) {
	var text bytes.Buffer
	if err := toml.NewEncoder(&text).Encode(map[string]any{"record": r}); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	meta := map[string]any{}
	if _, err := toml.Decode(text.String(), &meta); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	return meta, nil
}
