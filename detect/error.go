package detect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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
	// Hints say in one sentence each what the directory seems to be instead.
	Hints []string
	// Verbose adds what every buildpack said, also when the refusals or the hints tell enough.
	Verbose bool
}

// Unwrap gives ErrNoGroup.
func (e *NoGroupError) Unwrap() error { return ErrNoGroup }

// Error begins with what says most: the buildpacks that recognise the app and cannot build it; else what is known of the
// directory; else a table of the buildpacks and their reasons, and what to do.
func (e *NoGroupError) Error() string {
	var b strings.Builder
	refused := refusals(e.Outcomes)
	switch {
	case len(refused) > 0:
		b.WriteString("this app cannot be built")
		for _, o := range refused {
			fmt.Fprintf(&b, "\n%s: %s", o.Element.ID, strings.Join(o.lines(), "\n  "))
		}
		for _, hint := range e.Hints {
			b.WriteString("\n" + hint)
		}
	case len(e.Hints) > 0:
		b.WriteString("there is nothing to build in this directory: " + strings.Join(e.Hints, "; "))
	default:
		b.WriteString(ErrNoGroup.Error() + ":\n" + e.table() + e.advice())
		return b.String()
	}
	if e.Verbose {
		b.WriteString("\nwhat every buildpack said:\n" + strings.TrimSuffix(e.table(), "\n"))
	}
	return b.String()
}

// table has a line for every buildpack, and for every problem that those which fit have with each other.
func (e *NoGroupError) table() string {
	var b strings.Builder
	width := 0
	for _, o := range e.Outcomes {
		width = max(width, len(o.Element.String()))
	}
	for _, o := range e.Outcomes {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, o.Element, o.explain())
	}
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	if len(e.Outcomes) == 0 {
		b.WriteString("  there are no buildpacks in the order\n")
	}
	return b.String()
}

func (e *NoGroupError) advice() string {
	first := ""
	if slices.ContainsFunc(e.Outcomes, func(o Outcome) bool { return o.Status == Errored }) {
		first = "Look into the errors first. "
	}
	return first + "Check that this is the app's own directory and that one of the files above is in it; " +
		"or add a Procfile (\"web: how to start it\"); " +
		"or choose a buildpack with --buildpack ID or DIRECTORY"
}

// What is shown of a refusal: it quotes files of the app.
const (
	maxRefusalLines = 40
	maxRefusalLine  = 500
)

// lines gives the whole reason, fit for a terminal.
func (o Outcome) lines() []string {
	text := o.Reason
	if o.Err != nil {
		text = o.Err.Error()
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = lifecycle.PlainLine(line, maxRefusalLine); line != "" && len(lines) < maxRefusalLines {
			lines = append(lines, line)
		}
	}
	return lines
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
	case o.Status == Refused:
		return "refuses: " + reason
	case o.Status == Skipped:
		return "skipped: " + reason
	}
	return reason
}

// code gives the exit code: an unusable buildpack is worse than one that failed, which is worse than none fitting.
func (e *NoGroupError) code() int {
	code := lifecycle.ExitNoneDetected
	for _, o := range e.Outcomes {
		if o.Status != Errored && o.Status != Refused {
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

// oneLine makes text from a buildpack fit for one line of a terminal: its last line that is not empty.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		if line = lifecycle.PlainLine(line, maxReason); line != "" {
			return line
		}
	}
	return ""
}
