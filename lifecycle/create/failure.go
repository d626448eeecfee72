package create

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"s2i/lifecycle"
	"s2i/lifecycle/sandbox"
)

// What is kept of a build's output for the error, should it fail.
const (
	maxWatchedLine = 4 << 10
	maxError       = 1000 // bytes of a line of the error
	maxReasonLines = 20
	maxFacts       = 12
)

// buildOutput looks at what the buildpacks print, while it goes on to the user: what the last error was, and which of
// the hosts that the plan knows were mentioned.
type buildOutput struct {
	hosts []lifecycle.Host

	mu        sync.Mutex
	line      []byte
	reason    []string
	inReason  bool
	mentioned map[string]bool
}

// Write never fails.
func (o *buildOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		o.line = append(o.line, part[:min(len(part), maxWatchedLine-len(o.line))]...)
		if end < 0 {
			break
		}
		o.take(string(o.line))
		o.line, rest = o.line[:0], rest[end+1:]
	}
	return len(p), nil
}

// take looks at one line. Our buildpacks say why they fail in a line that begins with "error: "; the builder's own word
// comes after it.
func (o *buildOutput) take(line string) {
	text, isError := strings.CutPrefix(line, "error: ")
	switch {
	case isError:
		o.reason, o.inReason = []string{lifecycle.PlainLine(text, maxError)}, true
	case strings.HasPrefix(line, "s2i: "):
		o.inReason = false
	case o.inReason && len(o.reason) < maxReasonLines:
		o.reason = append(o.reason, lifecycle.PlainLine(line, maxError))
	}
	for _, h := range o.hosts {
		if strings.Contains(line, h.Name) {
			if o.mentioned == nil {
				o.mentioned = map[string]bool{}
			}
			o.mentioned[h.Name] = true
		}
	}
}

// unreached is how our buildpacks name the hosts that a tool could not reach: "could not reach a (why), b (why)".
var (
	unreached     = regexp.MustCompile(`could not reach (.*\))`)
	unreachedHost = regexp.MustCompile(`([a-z0-9.:-]+) \(([^()]*)\)`)
)

// failed gives the error of a build that ended with err: what failed, the decision that led there, and the hosts that
// could not be reached. It keeps the exit code of the builder phase, so that a failed buildpack (51) is told apart from
// a failed build (52).
func (w *work) failed(err error, out *buildOutput) error {
	var exit *sandbox.ExitError
	if !errors.As(err, &exit) || exit.Code != lifecycle.ExitBuildpackFailed {
		return lifecycle.WithCode(lifecycle.ExitBuild, fmt.Errorf("building: %w", err))
	}
	failure, readErr := lifecycle.ReadFailure(w.dirs.layers)
	if readErr != nil { // it could not be written, or something else was put in its place: the build has failed anyway
		failure = lifecycle.Failure{}
	}
	plan := w.plan(&w.bases.Plan)
	var b strings.Builder
	fmt.Fprintf(&b, "building with %s failed; the buildpack's own output above says why",
		cmp.Or(lifecycle.PlainLine(failure.Buildpack, 100), "the buildpacks"))
	out.mu.Lock()
	defer out.mu.Unlock()
	out.take(string(out.line))
	for _, line := range out.reason {
		if line != "" {
			b.WriteString("\n  " + line)
		}
	}
	b.WriteString(decision(plan, failure.Buildpack))
	b.WriteString(blocked(plan.Hosts, out))
	b.WriteString("\n`s2i explain` tells all of it")
	return lifecycle.WithCode(lifecycle.ExitBuildpackFailed, errors.New(b.String()))
}

// decision gives what the buildpack that failed went by; all of the group when it is not known which one that is.
func decision(p *Plan, failed string) string {
	var b strings.Builder
	for _, bp := range p.Buildpacks {
		if bp.Outcome != OutcomeChosen || failed != "" && bp.ID != failed {
			continue
		}
		fmt.Fprintf(&b, "\nit was decided: %s", bp.Reason)
		for _, f := range bp.Facts[:min(len(bp.Facts), maxFacts)] {
			source := ""
			if f.Source != "" {
				source = " (" + f.Source + ")"
			}
			fmt.Fprintf(&b, "\n  %s: %s%s", f.Topic, f.Text, source)
		}
	}
	return b.String()
}

// blocked gives the hosts that could not be reached, and who asked for them; and, as a guess, those which the app asks
// for and the output mentions.
func blocked(known []lifecycle.Host, out *buildOutput) string {
	var b strings.Builder
	var told []string
	for _, line := range out.reason {
		for _, list := range unreached.FindAllStringSubmatch(line, -1) {
			for _, m := range unreachedHost.FindAllStringSubmatch(list[1], 20) {
				if slices.Contains(told, m[1]) {
					continue
				}
				told = append(told, m[1])
				fmt.Fprintf(&b, "\nnot reached: %s: %s%s", m[1], lifecycle.PlainLine(m[2], maxReason), askedBy(known, m[1]))
			}
		}
	}
	for _, h := range known {
		if slices.Contains(told, h.Name) {
			continue
		}
		told = append(told, h.Name)
		mentioned := ""
		if out.mentioned[h.Name] {
			mentioned = ", and the output speaks of it"
		}
		fmt.Fprintf(&b, "\nthe build asks %s%s%s", h.Name, mentioned, askedBy(known, h.Name))
	}
	return b.String()
}

// askedBy says what asks for a host.
func askedBy(known []lifecycle.Host, name string) string {
	for _, h := range known {
		if h.Name == name {
			return strings.TrimSuffix("; "+cmp.Or(h.Source, "the app")+" asks for it: "+h.Why, ": ")
		}
	}
	return ""
}
