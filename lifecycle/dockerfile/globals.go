package dockerfile

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"s2i/lifecycle"
)

// globals evaluates the ARG instructions before the first FROM. The platform's variables are among them.
func (b *builder) globals() error {
	b.args = platformVars(b.Platform)
	b.args.set("TARGETSTAGE", b.targetName())
	lex := shell.NewLex(b.File.Escape)
	for _, a := range b.File.Args {
		for _, kv := range a.Args {
			value, given := b.Args[kv.Key]
			if given {
				b.use(kv.Key)
			}
			if !given && kv.Value != nil {
				expanded, _, err := lex.ProcessWord(*kv.Value, b.args)
				if err != nil {
					return located(b.File.Name, err, a.Location())
				}
				value, given = expanded, true
			}
			if given {
				b.args.set(kv.Key, value)
			}
		}
	}
	return b.epoch()
}

// epoch takes the image's time of creation from the argument for it, unless the caller has said one.
func (b *builder) epoch() error {
	const arg = "SOURCE_DATE_EPOCH"
	declared, _ := b.args.Get(arg)
	value := cmp.Or(b.Args[arg], declared)
	b.use(arg)
	if value == "" || !b.Created.IsZero() {
		return nil
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %s is %q, and only seconds since 1970 are supported", b.File.Name, arg, value)
	}
	b.Created = time.Unix(seconds, 0).UTC()
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
