package dockerfile

import (
	"errors"
	"fmt"
	"runtime"

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
	return nil
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
	}{{"BUILD", lifecycle.Target{OS: "linux", Arch: runtime.GOARCH}}, {"TARGET", target}} {
		name := p.OS + "/" + p.Arch
		variant := p.Variant
		if p.Arch == "arm64" {
			variant = "" // v8 is what arm64 means
		}
		if variant != "" {
			name += "/" + variant
		}
		v.set(p.prefix+"PLATFORM", name)
		v.set(p.prefix+"OS", p.OS)
		v.set(p.prefix+"ARCH", p.Arch)
		v.set(p.prefix+"VARIANT", variant)
	}
	return v
}

// parsePlatform reads "linux/arm64/v8".
func parsePlatform(s string) (lifecycle.Target, error) {
	var t lifecycle.Target
	parts := splitN(s, 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return t, fmt.Errorf("platform %q is not like linux/amd64", s)
	}
	t.OS, t.Arch = parts[0], parts[1]
	if len(parts) == 3 {
		t.Variant = parts[2]
	}
	if t.OS != "linux" {
		return t, errors.New("platform " + s + ": only linux images can be built")
	}
	return t, nil
}
