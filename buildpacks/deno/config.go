package deno

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

const lockFile = "deno.lock"

// configFiles are the names of Deno's configuration.
func configFiles() []string { return []string{"deno.json", "deno.jsonc"} }

// config is the part of a deno.json that matters here.
type config struct {
	// File is its path, "" when there is none.
	File string `json:"-"`
	data []byte

	Tasks          map[string]json.RawMessage `json:"tasks"`
	Imports        map[string]any             `json:"imports"`
	Exports        any                        `json:"exports"`
	Workspace      any                        `json:"workspace"`
	NodeModulesDir any                        `json:"nodeModulesDir"`
	Vendor         bool                       `json:"vendor"`
	Permissions    map[string]any             `json:"permissions"`
}

// readConfig reads the configuration in a directory of the app.
func readConfig(app *kit.App, dir string) (*config, error) {
	c := &config{}
	for _, name := range configFiles() {
		if file := path.Join(dir, name); app.Has(file) {
			c.File = file
			break
		}
	}
	if c.File == "" {
		return c, nil
	}
	var err error
	if c.data, err = app.Read(c.File); err != nil {
		return nil, err
	}
	return c, parseJSONC(c.File, c.data, c)
}

// task gives the command of a task, "" when there is none.
func (c *config) task(name string) string {
	raw := c.Tasks[name]
	var command string
	if json.Unmarshal(raw, &command) == nil {
		return strings.TrimSpace(command)
	}
	var object struct{ Command string }
	if json.Unmarshal(raw, &object) == nil {
		return strings.TrimSpace(object.Command)
	}
	return ""
}

// at gives file:line of a key, or the file.
func (c *config) at(key string) string {
	if i := bytes.Index(c.data, []byte(`"`+key+`"`)); i >= 0 {
		return fmt.Sprintf("%s:%d", c.File, kit.Line(c.data, i))
	}
	return c.File
}

// nodeModules tells whether packages are to be in a node_modules directory: the app says so, or has a package.json.
func (c *config) nodeModules(app *kit.App) bool {
	switch v := c.NodeModulesDir.(type) {
	case bool:
		return v
	case string:
		return v != "none"
	}
	return app.Has("package.json")
}

// exported gives the file of "exports", as far as it is one.
func (c *config) exported() string {
	switch v := c.Exports.(type) {
	case string:
		return v
	case map[string]any:
		file, _ := v["."].(string)
		return file
	}
	return ""
}

// lock is the part of a deno.lock that matters here.
type lock struct {
	Version string                     `json:"version"`
	JSR     map[string]json.RawMessage `json:"jsr"`
	NPM     map[string]json.RawMessage `json:"npm"`
	Remote  map[string]json.RawMessage `json:"remote"`
	// Packages is where version 3 keeps jsr and npm.
	Packages struct {
		JSR map[string]json.RawMessage `json:"jsr"`
		NPM map[string]json.RawMessage `json:"npm"`
	} `json:"packages"`
}

// readLock reads deno.lock; nil when there is none.
func readLock(app *kit.App) (*lock, error) {
	if !app.Has(lockFile) {
		return nil, nil
	}
	l := &lock{}
	return l, app.JSON(lockFile, l)
}

// npmPackage is one version of a package.
type npmPackage struct{ name, version string }

// packages gives the npm packages of the lock, sorted.
func (l *lock) packages() []npmPackage {
	var list []npmPackage
	for _, set := range []map[string]json.RawMessage{l.NPM, l.Packages.NPM} {
		for key := range set {
			if p, ok := parsePackage(key); ok {
				list = append(list, p)
			}
		}
	}
	slices.SortFunc(list, func(a, b npmPackage) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.version, b.version))
	})
	return slices.Compact(list)
}

// parsePackage parses a key such as "@scope/name@1.2.3_peer@4.5.6": what follows "_" tells packages apart that are
// installed with several peers.
func parsePackage(key string) (npmPackage, bool) {
	at := strings.IndexByte(key[min(1, len(key)):], '@') + 1
	if at == 0 {
		return npmPackage{}, false
	}
	version, _, _ := strings.Cut(key[at+1:], "_")
	p := npmPackage{name: key[:at], version: version}
	return p, filepath.IsLocal(p.name) && filepath.IsLocal(p.version) && !strings.Contains(p.version, "/")
}

// hosts gives the machines besides npm's registry that the app's dependencies come from.
func (d *decision) hosts() []kit.Host {
	if d.config.Vendor && d.app.HasDir("vendor") {
		return nil // they are in the app
	}
	var hosts []kit.Host
	add := func(specifier, source string) {
		host := hostOf(specifier)
		if host != "" && !slices.ContainsFunc(hosts, func(h kit.Host) bool { return h.Name == host }) {
			hosts = append(hosts, kit.Host{Name: host, Why: "the import " + specifier, Source: source})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.config.Imports)) {
		specifier, _ := d.config.Imports[name].(string)
		add(specifier, d.config.at(name))
	}
	if d.start != nil {
		line := 0
		for text := range strings.Lines(d.source(d.start.File)) {
			line++
			if m := imported.FindStringSubmatch(text); m != nil {
				add(m[1], fmt.Sprintf("%s:%d", d.start.File, line))
			}
		}
	}
	if d.lock != nil {
		for _, set := range []map[string]json.RawMessage{d.lock.JSR, d.lock.Packages.JSR} {
			for _, name := range slices.Sorted(maps.Keys(set)) {
				add("jsr:"+name, lockFile)
			}
		}
		for _, address := range slices.Sorted(maps.Keys(d.lock.Remote)) {
			add(address, lockFile)
		}
	}
	return hosts
}

// imported finds a module from another machine in an import or export statement.
var imported = regexp.MustCompile(`^\s*(?:import|export|\}).*["']((?:https?|jsr):[^"']+)["']`)

// jsrHost is where the specifiers jsr: lead to.
const jsrHost = "jsr.io"

// hostOf gives the host that an import specifier leads to; "" for npm's, the app's own files and Deno's modules.
func hostOf(specifier string) string {
	switch {
	case strings.HasPrefix(specifier, "jsr:"):
		return jsrHost
	case strings.HasPrefix(specifier, "https:"), strings.HasPrefix(specifier, "http:"):
		u, err := url.Parse(specifier)
		if err != nil {
			return ""
		}
		return u.Hostname()
	}
	return ""
}

// local cleans the name of a file that the app's configuration gives; "" when it is outside the app.
func local(dir, file string) string {
	file = path.Join(dir, filepath.ToSlash(strings.TrimPrefix(file, "./")))
	if !filepath.IsLocal(file) {
		return ""
	}
	return file
}
