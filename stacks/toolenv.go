package stacks

import (
	"context"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"s2i/stacks/fetch"
	"s2i/stacks/goproxy"
	"s2i/stacks/maven"
	"s2i/stacks/npm"
	"s2i/stacks/pypi"
)

// ToolEnv is the environment that tells the ecosystems' own tools where to fetch from, as far as the user's configuration
// says so, without passwords. It does not ask npm or pip, which take long to answer: what no file says, the tool that is
// to be told knows as well.
//
// Maven, Cargo and Composer take no address from the environment: S2I_MAVEN_MIRROR, S2I_CARGO_REGISTRY (what replaces
// crates-io, as Cargo writes it) and S2I_COMPOSER_REPOSITORY are for their buildpacks, which write the settings.
func ToolEnv(ctx context.Context, env func(string) string) map[string]string {
	index := pypi.ReadConfig(env).Base
	vars := map[string]string{
		"GOPROXY":                 goproxy.LoadList(ctx, env),
		"npm_config_registry":     npm.ReadConfig(env).Registry,
		"PIP_INDEX_URL":           index,
		"UV_DEFAULT_INDEX":        index,
		"S2I_MAVEN_MIRROR":        maven.ReadConfig(env).Base,
		"S2I_COMPOSER_REPOSITORY": composerRepository(env),
		"BUNDLE_MIRROR__ALL":      bundleMirror(env),
	}
	for _, name := range []string{"UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"} {
		vars[name] = withoutUsers(env(name))
	}
	cargoRegistries(env, vars)
	return vars
}

// cargoRegistries reads what replaces crates-io, and where further registries are.
func cargoRegistries(env func(string) string, vars map[string]string) {
	var c struct {
		Source map[string]struct {
			Registry string `toml:"registry"`
			Replace  string `toml:"replace-with"`
		} `toml:"source"`
		Registries map[string]struct {
			Index string `toml:"index"`
		} `toml:"registries"`
	}
	home := env("CARGO_HOME")
	if home == "" && env("HOME") != "" {
		home = filepath.Join(env("HOME"), ".cargo")
	}
	for _, name := range []string{"config.toml", "config"} {
		text := string(fetch.Settings(filepath.Join(home, name)))
		if text == "" || home == "" {
			continue
		}
		if _, err := toml.Decode(text, &c); err != nil {
			return
		}
		break
	}
	vars["S2I_CARGO_REGISTRY"] = withoutUser(c.Source[c.Source["crates-io"].Replace].Registry)
	for name, r := range c.Registries {
		key := "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_INDEX"
		vars[key] = withoutUser(r.Index)
	}
}

// composerRepository reads which repository stands in for Composer's own in the user's config.json.
func composerRepository(env func(string) string) string {
	var dirs []string
	if dir := env("COMPOSER_HOME"); dir != "" {
		dirs = []string{dir}
	} else if home := env("HOME"); home != "" {
		dirs = []string{filepath.Join(home, ".config", "composer"), filepath.Join(home, ".composer")}
	}
	type repository struct {
		Type string `json:"type"`
		URL  string `json:"url"`
	}
	for _, dir := range dirs {
		var doc struct {
			Repositories json.RawMessage `json:"repositories"`
		}
		if json.Unmarshal(fetch.Settings(filepath.Join(dir, "config.json")), &doc) != nil {
			continue
		}
		var list []json.RawMessage
		var named map[string]json.RawMessage
		if json.Unmarshal(doc.Repositories, &named) == nil {
			for _, name := range sortedKeys(named) {
				list = append(list, named[name])
			}
		} else if json.Unmarshal(doc.Repositories, &list) != nil {
			continue
		}
		for _, raw := range list {
			var r repository
			if json.Unmarshal(raw, &r) == nil && r.Type == "composer" && r.URL != "" {
				return withoutUser(r.URL)
			}
		}
	}
	return ""
}

// bundleMirror reads the mirror of all gem sources, or else the first of one, that Bundler is configured with.
func bundleMirror(env func(string) string) string {
	const all = "BUNDLE_MIRROR__ALL"
	if v := env(all); v != "" {
		return withoutUser(v)
	}
	dir := env("BUNDLE_USER_HOME")
	if dir == "" {
		if env("HOME") == "" {
			return ""
		}
		dir = filepath.Join(env("HOME"), ".bundle")
	}
	first := ""
	for line := range strings.Lines(string(fetch.Settings(filepath.Join(dir, "config")))) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		key, value = strings.Trim(key, `"`), withoutUser(strings.Trim(strings.TrimSpace(value), `"'`))
		switch {
		case !ok || !strings.HasPrefix(key, "BUNDLE_MIRROR__") || !strings.Contains(value, "://"):
		case key == all:
			return value
		case first == "":
			first = value
		}
	}
	return first
}

// withoutUser takes user and password out of an address; "" when it is none. Cargo's begin with "sparse+".
func withoutUser(address string) string {
	kind := ""
	if rest, ok := strings.CutPrefix(address, "sparse+"); ok {
		kind, address = "sparse+", rest
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return ""
	}
	u.User = nil
	return kind + u.String()
}

// withoutUsers takes users and passwords out of a list of addresses, each of which may have a name: "corp=https://…".
func withoutUsers(list string) string {
	var clean []string
	for _, one := range strings.Fields(list) {
		name, address, named := strings.Cut(one, "=")
		if !named || strings.ContainsAny(name, ":/") {
			name, address = "", one
		} else {
			name += "="
		}
		if address = withoutUser(address); address != "" {
			clean = append(clean, name+address)
		}
	}
	return strings.Join(clean, " ")
}
