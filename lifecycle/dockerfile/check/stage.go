package check

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"
	"github.com/moby/patternmatcher"
)

// instructions applies the rules on the instructions of a stage.
func (c *checker) instructions(at *scope, s instructions.Stage) error {
	for _, i := range s.Commands {
		one := &instruction{checker: c, at: at, Command: i, lint: c.lint.WithMergedConfigFromComments(i.Comments())}
		err := one.expand()
		if err == nil {
			err = one.check()
		}
		if err != nil {
			return parser.WithLocation(err, i.Location())
		}
	}
	return nil
}

// instruction is one that is being checked.
type instruction struct {
	*checker
	instructions.Command
	at   *scope
	lint *linter.Linter
}

// expand expands the variables in an instruction, and wants them to exist. An ARG is expanded when its value counts.
func (i *instruction) expand() error {
	if _, arg := i.Command.(*instructions.ArgCommand); arg {
		return nil
	}
	if x, ok := i.Command.(instructions.SupportsSingleWordExpansion); ok {
		if err := x.Expand(func(text string) (string, error) { return i.word(i.lex, text) }); err != nil {
			return err
		}
	}
	if x, ok := i.Command.(instructions.SupportsSingleWordExpansionRaw); ok {
		lex := shell.NewLex('\\')
		lex.SkipProcessQuotes = true
		return x.ExpandRaw(func(text string) (string, error) { return i.word(lex, text) })
	}
	return nil
}

// unset are arguments that never are variables.
func unset(name string) bool {
	return name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE"
}

func (i *instruction) word(lex *shell.Lex, text string) (string, error) {
	out, unmatched, err := lex.ProcessWord(text, i.at)
	for _, name := range slices.Sorted(maps.Keys(unmatched)) {
		if i.at.unknown || unset(name) || slices.Contains(i.at.declared, name) {
			continue
		}
		similar, _ := suggest.Search(name, i.at.Keys(), true)
		i.lint.Run(&linter.RuleUndefinedVar, i.Location(), linter.RuleUndefinedVar.Format(name, similar))
	}
	return out, err
}

func (i *instruction) check() error {
	switch c := i.Command.(type) {
	case *instructions.ArgCommand:
		return i.arg(c)
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			i.legacy(kv)
			i.secret("ENV", kv.Key)
			i.at.set(kv.Key, kv.Value)
		}
	case *instructions.LabelCommand:
		for _, kv := range c.Labels {
			i.legacy(kv)
		}
	case *instructions.CmdCommand:
		i.onlyLast()
		i.json(c.ShellDependantCmdLine)
	case *instructions.EntrypointCommand:
		i.onlyLast()
		i.json(c.ShellDependantCmdLine)
	case *instructions.HealthCheckCommand:
		i.onlyLast()
	case *instructions.ShellCommand:
		i.at.shell = true
	case *instructions.WorkdirCommand:
		if !i.at.workdir && !path.IsAbs(c.Path) {
			i.lint.Run(&linter.RuleWorkdirRelativePath, i.Location(), linter.RuleWorkdirRelativePath.Format(c.Path))
		}
		i.at.workdir = true
	case *instructions.ExposeCommand:
		return i.expose(c)
	case *instructions.CopyCommand:
		if c.From == "" {
			return i.ignored("Copy", c.SourcePaths)
		}
	case *instructions.AddCommand:
		return i.ignored("Add", c.SourcePaths)
	}
	return nil
}

// arg declares build arguments.
func (i *instruction) arg(c *instructions.ArgCommand) error {
	for _, a := range c.Args {
		i.secret("ARG", a.Key)
		value, given := i.Args[a.Key]
		if !given && a.Value != nil {
			expanded, err := i.word(i.lex, *a.Value)
			if err != nil {
				return err
			}
			value, given = expanded, true
		}
		if !given {
			value, given = i.globals.Get(a.Key)
		}
		i.at.declared = append(i.at.declared, a.Key)
		if given && !unset(a.Key) {
			i.at.set(a.Key, value)
		}
	}
	return nil
}

// legacy wants NAME=value in place of "NAME value".
func (i *instruction) legacy(kv instructions.KeyValuePair) {
	if kv.NoDelim {
		i.lint.Run(&linter.RuleLegacyKeyValueFormat, i.Location(), linter.RuleLegacyKeyValueFormat.Format(i.Name()))
	}
}

// secret wants no variable whose name says that it is secret. A word for that counts only as a whole one.
func (i *instruction) secret(instruction, name string) {
	secret := false
	for word := range strings.SplitSeq(strings.ToLower(name), "_") {
		switch word {
		case "public", "file", "version":
			return // PUBLIC_KEY, PASSWORD_FILE, TOKEN_VERSION
		case "apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token":
			secret = true
		}
	}
	if secret {
		rule := &linter.RuleSecretsUsedInArgOrEnv
		i.lint.Run(rule, i.Location(), rule.Format(instruction, name))
	}
}

// onlyLast wants an instruction only once. The one before is what is reported: it is the one without effect.
func (i *instruction) onlyLast() {
	name := strings.ToUpper(i.Name())
	if before, ok := i.at.last[name]; ok {
		rule := &linter.RuleMultipleInstructionsDisallowed
		i.lint.Run(rule, before, rule.Format(i.Name()))
	}
	i.at.last[name] = i.Location()
}

// json wants a command line in JSON, unless a shell was chosen on purpose.
func (i *instruction) json(line instructions.ShellDependantCmdLine) {
	if line.PrependShell && !i.at.shell && !i.at.unknown {
		i.lint.Run(&linter.RuleJSONArgsRecommended, i.Location(), linter.RuleJSONArgsRecommended.Format(i.Name()))
	}
}

// expose wants ports with lower-case protocols, without addresses and ports of the host.
func (i *instruction) expose(c *instructions.ExposeCommand) error {
	for _, text := range c.Ports {
		words, err := i.lex.ProcessWords(text, i.at)
		if err != nil {
			return err
		}
		for _, w := range words {
			port, proto, _ := strings.Cut(w, "/")
			if proto != strings.ToLower(proto) {
				i.lint.Run(&linter.RuleExposeProtoCasing, i.Location(), linter.RuleExposeProtoCasing.Format(w))
			}
			if strings.Contains(port, ":") {
				i.lint.Run(&linter.RuleExposeInvalidFormat, i.Location(), linter.RuleExposeInvalidFormat.Format(w))
			}
		}
	}
	return nil
}

// ignored wants no source that the context leaves out. With exceptions among the patterns nothing can be said: they
// may take back something below.
func (i *instruction) ignored(verb string, sources []string) error {
	if i.ignore.Exclusions() {
		return nil
	}
	for _, src := range sources {
		if strings.Contains(src, "://") || strings.HasPrefix(src, "git@") {
			continue
		}
		src = path.Clean(src)
		if (src == "." || src == "/") && !i.everything() {
			continue
		}
		out, err := i.ignore.MatchesOrParentMatches(strings.TrimPrefix(src, "/"))
		if err != nil {
			return err
		}
		if out {
			i.lint.Run(&linter.RuleCopyIgnoredFile, i.Location(), linter.RuleCopyIgnoredFile.Format(verb, src))
		}
	}
	return nil
}

// everything tells whether one of the patterns leaves all of the context out.
func (i *instruction) everything() bool {
	return slices.ContainsFunc(i.ignore.Patterns(), func(p *patternmatcher.Pattern) bool {
		return p.String() == "*" || p.String() == "**" || p.String() == "**/*"
	})
}
