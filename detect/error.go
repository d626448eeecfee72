package detect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"s2i/lifecycle"
)

// ErrNoGroup is what every *NoGroupError is.
var ErrNoGroup = errors.New("no group of buildpacks can build this app")

// NoGroupError tells why no group can build the app.
type NoGroupError struct {
	// Outcomes has every buildpack that was asked.
	Outcomes []Outcome
	// Problems has what kept groups whose buildpacks all passed from working together.
	Problems []string
}

// Unwrap gives ErrNoGroup.
func (e *NoGroupError) Unwrap() error { return ErrNoGroup }

// Error gives a table of the buildpacks and their reasons, and what to do.
func (e *NoGroupError) Error() string {
	var b strings.Builder
	b.WriteString(ErrNoGroup.Error() + ":\n")
	width := 0
	for _, o := range e.Outcomes {
		width = max(width, len(o.Element.String()))
	}
	failed := false
	for _, o := range e.Outcomes {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, o.Element, o.explain())
		failed = failed || o.Status == Errored
	}
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	if len(e.Outcomes) == 0 {
		b.WriteString("  there are no buildpacks in the order\n")
	}
	if failed {
		b.WriteString("Look into the errors first. ")
	}
	b.WriteString("Check that this is the app's own directory and that one of the files above is in it; " +
		"or add a Procfile (\"web: how to start it\"); " +
		"or choose a buildpack with --buildpack ID or DIRECTORY")
	return b.String()
}

func (o Outcome) explain() string {
	reason := o.Reason
	if reason == "" && o.Err != nil {
		reason = o.Err.Error()
	}
	if reason == "" {
		reason = "gives no reason"
	}
	switch {
	case o.Status == Passed && o.Reason == "":
		return "fits"
	case o.Status == Passed:
		return "fits: " + reason
	case o.Status == Errored:
		return "error: " + reason
	case o.Status == Skipped:
		return "skipped: " + reason
	}
	return reason
}

// code gives the exit code: an unusable buildpack is worse than one that failed, which is worse than none fitting.
func (e *NoGroupError) code() int {
	code := lifecycle.ExitNoneDetected
	for _, o := range e.Outcomes {
		if o.Status != Errored {
			continue
		}
		if lifecycle.ExitCode(o.Err) == lifecycle.ExitBuildpackAPI {
			return lifecycle.ExitBuildpackAPI
		}
		code = lifecycle.ExitDetectErrored
	}
	return code
}

// addProblem keeps the problems of a group whose plan did not resolve.
func (e *NoGroupError) addProblem(err error) {
	problems := []string{err.Error()}
	var plan *PlanError
	if errors.As(err, &plan) {
		problems = plan.Problems
	}
	for _, p := range problems {
		if !slices.Contains(e.Problems, p) {
			e.Problems = append(e.Problems, p)
		}
	}
}

// maxReason bounds a reason, in bytes.
const maxReason = 300

// oneLine makes text from a buildpack fit for one line of a terminal: its last line that is not empty, without control
// characters and escape sequences.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		line = strings.TrimSpace(strings.Map(printable, withoutEscapes(line)))
		if line == "" {
			continue
		}
		if len(line) > maxReason {
			line = strings.ToValidUTF8(line[:maxReason], "") + "…"
		}
		return line
	}
	return ""
}

func printable(r rune) rune {
	if r == '\t' {
		return ' '
	}
	if !unicode.IsPrint(r) {
		return -1
	}
	return r
}

// withoutEscapes cuts terminal control sequences of the form ESC [ … letter.
func withoutEscapes(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			return b.String()
		}
		s = after[end+1:]
	}
}
