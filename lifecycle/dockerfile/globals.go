package dockerfile

import (
	"cmp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"s2i/lifecycle"
)

// globals evaluates the ARG instructions before the first FROM. The platform's variables are among them.
func (b *builder) globals() error {
	b.args = platformVars(b.Platform)
	b.args.set("TARGETSTAGE", b.targetName())
	lex := shell.NewLex(b.File.Escape)
	for _, a := range b.File.Args {
		if err := b.declare(&b.args, &a, lex); err != nil {
			return located(b.File.Name, err, a.Location())
		}
	}
	b.use(epochArg)
	return nil
}

// declare sets what an ARG declares: what was given, or its default.
func (b *builder) declare(args *vars, c *instructions.ArgCommand, lex *shell.Lex) error {
	for _, kv := range c.Args {
		value, given := b.Args[kv.Key]
		if given {
			b.use(kv.Key)
		}
		if !given && kv.Value != nil {
			var err error
			if value, _, err = lex.ProcessWord(*kv.Value, *args); err != nil {
				return err
			}
			given = true
		}
		if given {
			args.set(kv.Key, value)
		}
	}
	return nil
}

// hostname is the name that commands see, which an argument can change.
func (b *builder) hostname() string {
	const arg = "BUILDKIT_SANDBOX_HOSTNAME"
	declared, _ := b.args.Get(arg)
	return cmp.Or(b.Hostname, b.Args[arg], declared, "buildkitsandbox")
}

// proxies are the variables for proxies that were given, which every RUN gets, in both of the usual spellings.
func (b *builder) proxies() []string {
	var env vars
	for _, name := range proxyArgs {
		if value, ok := b.Args[name]; ok {
			env.set(strings.ToUpper(name), value)
			env.set(strings.ToLower(name), value)
		}
	}
	return env.list
}

func (b *builder) targetName() string {
	if b.Target != "" {
		return b.Target
	}
	if name := b.File.Stages[len(b.File.Stages)-1].Name; name != "" {
		return name
	}
	return "default"
}

// platformVars are the variables that describe where the build runs and what it is for.
func platformVars(target lifecycle.Target) vars {
	var v vars
	for _, p := range []struct {
		prefix string
		lifecycle.Target
	}{{"BUILD", lifecycle.HostTarget()}, {"TARGET", target}} {
		v.set(p.prefix+"PLATFORM", p.String())
		v.set(p.prefix+"OS", p.OS)
		v.set(p.prefix+"OSVERSION", "")
		v.set(p.prefix+"ARCH", p.Arch)
		v.set(p.prefix+"VARIANT", p.Variant)
	}
	return v
}
