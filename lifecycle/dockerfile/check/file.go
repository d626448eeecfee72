package check

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stageNames applies the rules on the names of stages: no word that means something else, none twice.
func (c *checker) stageNames() {
	seen := map[string]bool{}
	for _, s := range c.stages {
		lint := c.lint.WithMergedConfigFromComments(s.Comments)
		if s.Name == "scratch" || s.Name == "context" {
			lint.Run(&linter.RuleReservedStageName, s.Location, linter.RuleReservedStageName.Format(s.Name))
		}
		if s.Name != "" && seen[s.Name] {
			lint.Run(&linter.RuleDuplicateStageName, s.Location, linter.RuleDuplicateStageName.Format(s.Name))
		}
		seen[s.Name] = true
	}
}

// word is an instruction's name as it is written.
type word struct {
	text     string
	where    []parser.Range
	comments []string
}

// casing wants all instructions in upper or all in lower case, whichever most of them are; upper when as many are.
func (c *checker) casing() {
	var words []word
	for _, s := range c.stages {
		words = append(words, word{s.OrigCmd, s.Location, s.Comments})
		for _, i := range s.Commands {
			words = append(words, word{i.Name(), i.Location(), i.Comments()})
		}
	}
	balance := 0
	for _, w := range words {
		switch w.text {
		case strings.ToLower(w.text):
			balance--
		case strings.ToUpper(w.text):
			balance++
		}
	}
	rule := &linter.RuleConsistentInstructionCasing
	to, called := strings.ToUpper, "uppercase"
	if balance < 0 {
		to, called = strings.ToLower, "lowercase"
	}
	for _, w := range words {
		if to(w.text) != w.text {
			c.lint.WithMergedConfigFromComments(w.comments).Run(rule, w.where, rule.Format(w.text, called))
		}
	}
}

// defaultBases wants the names of base images to be possible when no build argument is given.
func (c *checker) defaultBases() {
	defaults := scope{vars: append([]string(nil), c.Predefined...)}
	for _, a := range c.args {
		for _, kv := range a.Args {
			if kv.Value == nil {
				continue
			}
			value, _, err := c.lex.ProcessWord(*kv.Value, &defaults)
			if err != nil {
				return
			}
			defaults.set(kv.Key, value)
		}
	}
	for _, s := range c.stages {
		base, _, err := c.lex.ProcessWord(s.BaseName, &defaults)
		if err != nil {
			return
		}
		if !possibleName(base) {
			c.lint.WithMergedConfigFromComments(s.Comments).Run(&linter.RuleInvalidDefaultArgInFrom, s.Location,
				linter.RuleInvalidDefaultArgInFrom.Format(s.BaseName))
		}
	}
}

// possibleName tells whether a text can be the name of an image.
func possibleName(text string) bool {
	if strings.HasSuffix(text, ":") {
		return false
	}
	_, err := name.ParseReference(strings.TrimPrefix(text, "store:"), name.WeakValidation) // store: is ours
	return err == nil
}
