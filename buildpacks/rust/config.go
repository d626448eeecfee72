package rust

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// configFiles are where an app keeps cargo's configuration, in cargo's order.
func configFiles() []string { return []string{".cargo/config", ".cargo/config.toml"} }

// config is the part of the app's .cargo/config.toml that matters here.
type config struct {
	// File is its name, "" when there is none.
	File string
	data []byte

	Build struct {
		Target       any
		RustcWrapper string `toml:"rustc-wrapper"`
	}
	Target map[string]struct {
		Linker    string
		Rustflags any
	}
	Source map[string]struct {
		Registry, Directory string
		LocalRegistry       string `toml:"local-registry"`
		ReplaceWith         string `toml:"replace-with"`
	}
	Registries map[string]struct{ Index string }
}

func readConfig(app *kit.App) (*config, error) {
	c := &config{File: app.First(configFiles()...)}
	if c.File == "" {
		return c, nil
	}
	var err error
	if c.data, err = app.Read(c.File); err != nil {
		return nil, err
	}
	return c, parseTOML(c.File, c.data, c)
}

// linkers gives the packages of linkers that the configuration names for Linux, with the line.
func (c *config) linkers() []kit.Need {
	var needs []kit.Need
	add := func(name, table, key string) {
		if !slices.ContainsFunc(needs, func(n kit.Need) bool { return n.Name == name }) {
			source := kit.Constraint{Source: at(c.File, c.data, "target."+table, key)}
			needs = append(needs, kit.Need{Name: name, Build: true, Version: source})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Target)) {
		if !strings.Contains(name, "linux") && !strings.HasPrefix(name, "cfg(") || strings.Contains(name, "musl") {
			continue
		}
		t := c.Target[name]
		if linker := t.Linker[strings.LastIndex(t.Linker, "/")+1:]; strings.HasPrefix(linker, "clang") {
			add("clang", name, "linker")
		}
		flags := fmt.Sprint(t.Rustflags)
		for _, linker := range []string{"mold", "lld"} {
			if strings.Contains(flags, "fuse-ld="+linker) || strings.Contains(flags, "ld-path="+linker) {
				add(linker, name, "rustflags")
			}
		}
	}
	return needs
}

// flagsByTarget tells whether rustc's flags come from a target's table; then those of [build] do not count.
func (c *config) flagsByTarget() bool {
	for _, t := range c.Target {
		if t.Rustflags != nil {
			return true
		}
	}
	return false
}

// vendored gives the directories that take the place of registries.
func (c *config) vendored() []string {
	var dirs []string
	for _, s := range c.Source {
		for _, dir := range []string{s.Directory, s.LocalRegistry} {
			if dir != "" {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Sort(dirs)
	return dirs
}

// foreignTarget gives the target that the configuration builds for, when it is another than the usual one.
func (c *config) foreignTarget() string {
	if target, ok := c.Build.Target.(string); ok {
		return target
	}
	return ""
}

// hosts gives the machines of registries that the configuration names.
func (c *config) hosts() []kit.Host {
	var hosts []kit.Host
	for _, name := range slices.Sorted(maps.Keys(c.Source)) {
		if h := hostOf(c.Source[name].Registry); h != "" {
			hosts = append(hosts, kit.Host{Name: h, Why: "the source " + name + " of crates",
				Source: at(c.File, c.data, "source."+name, "registry")})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Registries)) {
		if h := hostOf(c.Registries[name].Index); h != "" {
			hosts = append(hosts, kit.Host{Name: h, Why: "the registry " + name,
				Source: at(c.File, c.data, "registries."+name, "index")})
		}
	}
	return hosts
}

// hostOf gives the host of an address such as "sparse+https://example.com/index/".
func hostOf(address string) string {
	if _, rest, ok := strings.Cut(address, "+"); ok {
		address = rest
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// gitHosts gives the machines that dependencies are cloned from.
func gitHosts(p *project, l *lock) []kit.Host {
	var hosts []kit.Host
	add := func(host, why, source string) {
		if host != "" && !slices.ContainsFunc(hosts, func(h kit.Host) bool { return h.Name == host }) {
			hosts = append(hosts, kit.Host{Name: host, Why: why, Source: source})
		}
	}
	if l != nil {
		for _, k := range l.Packages {
			if strings.HasPrefix(k.Source, "git+") {
				add(hostOf(k.Source), "the crate "+k.Name+" comes from a git repository", k.source())
			}
		}
		return hosts
	}
	for _, m := range p.members {
		tables := m.tables()
		for _, table := range slices.Sorted(maps.Keys(tables)) {
			for _, key := range slices.Sorted(maps.Keys(tables[table])) {
				dep, _ := tables[table][key].(map[string]any)
				if repo, ok := dep["git"].(string); ok {
					add(hostOf(repo), "the crate "+key+" comes from a git repository", at(m.file(), m.Data, table, key))
				}
			}
		}
	}
	return hosts
}
