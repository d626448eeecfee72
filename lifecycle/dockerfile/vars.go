package dockerfile

import (
	"slices"
	"strings"
)

// vars is an ordered set of variables.
type vars struct{ list []string } // NAME=value, in order of their first appearance

func (v *vars) set(name, value string) {
	for i, kv := range v.list {
		if n, _, _ := strings.Cut(kv, "="); n == name {
			v.list = slices.Clone(v.list)
			v.list[i] = name + "=" + value
			return
		}
	}
	v.list = append(slices.Clip(v.list), name+"="+value)
}

// Get implements shell.EnvGetter.
func (v vars) Get(name string) (string, bool) {
	for _, kv := range v.list {
		if n, value, _ := strings.Cut(kv, "="); n == name {
			return value, true
		}
	}
	return "", false
}

// Keys implements shell.EnvGetter.
func (v vars) Keys() []string {
	keys := make([]string, len(v.list))
	for i, kv := range v.list {
		keys[i], _, _ = strings.Cut(kv, "=")
	}
	return keys
}

// over gives v with the variables of top set over it.
func (v vars) over(top vars) vars {
	out := vars{slices.Clone(v.list)}
	for _, kv := range top.list {
		name, value, _ := strings.Cut(kv, "=")
		out.set(name, value)
	}
	return out
}

// proxyArgs are build arguments that every RUN gets without a declaration, and that are no part of any key.
var proxyArgs = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy",
	"ALL_PROXY", "all_proxy",
}
