// Package check holds Dockerfiles against BuildKit's build checks (docs.docker.com/reference/build-checks): the rules'
// names and texts are those of BuildKit's package linter; a few of them BuildKit's parser applies itself, the others
// are applied here.
//
//	report, err := check.Run(ctx, text, check.Options{Name: "Dockerfile"})
//	report.Write(os.Stdout)
//
// Rules are chosen as for BuildKit: by "# check=skip=RULE,…;error=true;experimental=RULE" among the first lines, by
// the build argument BUILDKIT_DOCKERFILE_CHECK, which replaces that line, and for one instruction by "# check=skip=RULE"
// in the comment above it.
package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/patternmatcher"
)

// Options says what a Dockerfile is held against. The zero value works.
type Options struct {
	// Name is what findings call the Dockerfile.
	Name string
	// Args are the build arguments.
	Args map[string]string
	// Predefined are the variables that exist before the first FROM, as NAME=value: those of the platforms.
	Predefined []string
	// Platform is what stages are for that name none, as os/arch; empty when that is not known.
	Platform string
	// Ignore are the patterns of what the build context leaves out.
	Ignore []string
	// Stage tells whether the instructions of a stage count; nil means that those of all do.
	Stage func(index int) bool
	// Base gives the configuration of an image that a stage stands on. Where it is nil or fails, the rules that depend
	// on the image do not apply.
	Base func(ctx context.Context, name, platform string) (*v1.ConfigFile, error)
}

// Finding is a place where a rule is violated.
type Finding struct {
	Rule, Description, URL string
	// Detail says what is wrong.
	Detail string
	// Where is the instruction.
	Where []parser.Range
}

// Line is the first line of the instruction, from 1.
func (f Finding) Line() int {
	if len(f.Where) == 0 {
		return 0
	}
	return f.Where[0].Start.Line
}

// Report is what was found.
type Report struct {
	// Findings are in the order of their lines.
	Findings []Finding
	// Fatal says that the Dockerfile wants findings to be errors (error=true).
	Fatal bool
	// Unread are the images that could not be read, so that less was checked.
	Unread []string

	name string
	text []byte
}

// BuildArg is the build argument that replaces the Dockerfile's own choice of rules.
const BuildArg = "BUILDKIT_DOCKERFILE_CHECK"

// Run checks a Dockerfile. What is found before an error is in the report.
func Run(ctx context.Context, text []byte, o Options) (*Report, error) {
	r := &Report{name: cmp.Or(o.Name, "Dockerfile"), text: text}
	lint, err := r.rules(o)
	if err != nil {
		return r, err
	}
	defer r.sort()
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return r, err
	}
	for _, w := range parsed.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			lint.Run(&linter.RuleNoEmptyContinuation, []parser.Range{*w.Location}, linter.RuleNoEmptyContinuation.Format())
		}
	}
	stages, args, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		return r, err
	}
	c := &checker{Options: o, report: r, lint: lint, stages: stages, args: args, lex: shell.NewLex(parsed.EscapeToken)}
	if c.ignore, err = patternmatcher.New(o.Ignore); err != nil {
		return r, fmt.Errorf("reading the ignore patterns: %w", err)
	}
	return r, c.run(ctx)
}

// rules makes what collects the findings of the rules that are chosen.
func (r *Report) rules(o Options) (*linter.Linter, error) {
	chosen, given := o.Args[BuildArg]
	var where []parser.Range
	if !given {
		chosen, _, where, _ = parser.ParseDirective("check", r.text)
	}
	config, err := linter.ParseLintOptions(chosen)
	if err != nil {
		return nil, parser.WithLocation(fmt.Errorf("reading the choice of checks %q: %w", chosen, err), where)
	}
	r.Fatal = config.ReturnAsError
	config.Warn = func(rule, description, url, detail string, where []parser.Range) {
		r.Findings = append(r.Findings, Finding{rule, description, url, detail, where})
	}
	return linter.New(config), nil
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line(), b.Line()), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Detail, b.Detail))
	})
}

// Err is an error when findings are to be errors, naming the rules.
func (r *Report) Err() error {
	if !r.Fatal || len(r.Findings) == 0 {
		return nil
	}
	var rules []string
	for _, f := range r.Findings {
		if !slices.Contains(rules, f.Rule) {
			rules = append(rules, f.Rule)
		}
	}
	return fmt.Errorf("the Dockerfile wants its checks to be errors, and violates %v", rules)
}

// checker is the state of one check.
type checker struct {
	Options
	report *Report
	lint   *linter.Linter
	stages []instructions.Stage
	args   []instructions.ArgCommand
	lex    *shell.Lex
	ignore *patternmatcher.PatternMatcher

	globals scope
	done    []scope // what every stage ends with
}

func (c *checker) run(ctx context.Context) error {
	c.stageNames()
	c.casing()
	c.defaultBases()
	if err := c.evaluateGlobals(); err != nil {
		return err
	}
	for i, s := range c.stages {
		if err := c.stage(ctx, i, s); err != nil {
			var located *parser.LocationError
			if !errors.As(err, &located) {
				err = parser.WithLocation(err, s.Location)
			}
			return err
		}
	}
	return nil
}
