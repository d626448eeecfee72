package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"
)

// evaluateGlobals evaluates the ARGs before the first FROM.
func (c *checker) evaluateGlobals() error {
	c.globals.vars = append([]string(nil), c.Predefined...)
	c.globals.declared = c.globals.Keys()
	for _, a := range c.args {
		for _, kv := range a.Args {
			c.globals.declared = append(c.globals.declared, kv.Key)
			value, given := c.Args[kv.Key]
			if !given && kv.Value != nil {
				expanded, _, err := c.lex.ProcessWord(*kv.Value, &c.globals)
				if err != nil {
					return parser.WithLocation(err, a.Location())
				}
				value, given = expanded, true
			}
			if given {
				c.globals.set(kv.Key, value)
			}
		}
	}
	return nil
}

// stage applies the rules on a FROM, and those on the instructions after it.
func (c *checker) stage(ctx context.Context, i int, s instructions.Stage) error {
	lint := c.lint.WithMergedConfigFromComments(s.Comments)
	base, err := c.fromWord(lint, s, s.BaseName)
	if err != nil {
		return err
	}
	if base.Result == "" {
		return fmt.Errorf("FROM %s: the name of the base is empty", s.BaseName)
	}
	platform := c.Platform
	if s.Platform != "" {
		asked, err := c.fromWord(lint, s, s.Platform)
		if err != nil {
			return err
		}
		if asked.Result == "" {
			return fmt.Errorf("FROM --platform=%s: the platform is empty", s.Platform)
		}
		c.platform(lint, s, asked)
		platform = asked.Result
	}
	if c.Stage != nil && !c.Stage(i) {
		c.done = append(c.done, scope{unknown: true})
		return nil
	}
	at := c.begin(ctx, lint, i, base.Result, platform)
	if err := c.instructions(&at, s); err != nil {
		return err
	}
	c.done = append(c.done, at)
	return nil
}

// fromWord expands a word of a FROM, where only the ARGs before the first FROM exist.
func (c *checker) fromWord(lint *linter.Linter, s instructions.Stage, text string) (shell.ProcessWordResult, error) {
	out, err := c.lex.ProcessWordWithMatches(text, &c.globals)
	for _, name := range slices.Sorted(maps.Keys(out.Unmatched)) {
		if slices.Contains(c.globals.declared, name) {
			continue
		}
		similar, _ := suggest.Search(name, c.globals.declared, true)
		lint.Run(&linter.RuleUndefinedArgInFrom, s.Location, linter.RuleUndefinedArgInFrom.Format(name, similar))
	}
	return out, err
}

// platform applies the rules on --platform: not what is the default anyway, and no constant, unless the stage's name
// says that it is meant.
func (c *checker) platform(lint *linter.Linter, s instructions.Stage, asked shell.ProcessWordResult) {
	if len(asked.Matched) == 1 && len(asked.Unmatched) == 0 {
		target, ok := c.globals.Get("TARGETPLATFORM")
		if _, used := asked.Matched["TARGETPLATFORM"]; used && ok && asked.Result == target {
			lint.Run(&linter.RuleRedundantTargetPlatform, s.Location, linter.RuleRedundantTargetPlatform.Format(s.Platform))
		}
	}
	if len(asked.Matched) > 0 || len(asked.Unmatched) > 0 {
		return
	}
	named := slices.ContainsFunc(strings.SplitN(asked.Result, "/", 3)[:min(2, strings.Count(asked.Result, "/")+1)],
		func(part string) bool { return part != "" && strings.Contains(s.Name, part) })
	if !named {
		rule := &linter.RuleFromPlatformFlagConstDisallowed
		lint.Run(rule, s.Location, rule.Format(asked.Result))
	}
}

// begin gives the scope that a stage begins with: that of the stage or of the image that it stands on.
func (c *checker) begin(ctx context.Context, lint *linter.Linter, i int, base, platform string) scope {
	for j := i - 1; j >= 0; j-- {
		if name := c.stages[j].Name; name != "" && strings.EqualFold(name, base) {
			return c.done[j].child()
		}
	}
	at := scope{}.child()
	at.set("PATH", "")
	if base == "scratch" {
		return at
	}
	config := c.config(ctx, base, platform)
	if config == nil {
		at.unknown = true
		return at
	}
	for _, kv := range config.Config.Env {
		key, value, _ := strings.Cut(kv, "=")
		at.set(key, value)
	}
	at.shell = len(config.Config.Shell) > 0
	if is := config.OS + "/" + config.Architecture; platform != "" && !samePlatform(is, platform) {
		rule := &linter.RuleInvalidBaseImagePlatform
		lint.Run(rule, c.stages[i].Location, rule.Format(base, is, platform))
	}
	return at
}

// samePlatform compares os and architecture.
func samePlatform(a, b string) bool {
	x, y := strings.SplitN(a, "/", 3), strings.SplitN(b, "/", 3)
	return len(x) > 1 && len(y) > 1 && x[0] == y[0] && x[1] == y[1]
}

// config reads the configuration of a base; nil when it cannot be read.
func (c *checker) config(ctx context.Context, base, platform string) *v1.ConfigFile {
	if c.Base == nil {
		return nil
	}
	config, err := c.Base(ctx, base, platform)
	if err != nil {
		c.report.Unread = append(c.report.Unread, base)
		return nil
	}
	return config
}
