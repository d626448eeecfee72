// Package mirrors reads which mirrors the user wants s2i to use, besides what the ecosystems' own configurations say.
//
// They are the [mirrors] table of $XDG_CONFIG_HOME/s2i/config.toml:
//
//	[mirrors]
//	deb = "https://mirror.example.com/debian"
//	deb-security = ["https://mirror.example.com/debian-security"]
//	npm = "https://npm.example.com"
//	goproxy = "https://go.example.com"
//	pypi = "https://packages.example.com/simple"
//	maven = "https://artifacts.example.com/repository"
//
// and, before it, the environment variable S2I_MIRRORS: "deb=https://… npm=https://…" (separated by blanks), or one
// address alone, below which all of them are: <address>/debian, /debian-security, /npm, /goproxy, /pypi, /maven, as
// `s2i stack vendor` writes them.
package mirrors

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// The keys of mirrors.
const (
	Deb         = "deb"
	DebSecurity = "deb-security"
	NPM         = "npm"
	GoProxy     = "goproxy"
	PyPI        = "pypi"
	Maven       = "maven"
)

// dirs is where each mirror is below the root of a vendored tree.
var dirs = [...]struct{ key, dir string }{
	{Deb, "debian"}, {DebSecurity, "debian-security"}, {NPM, "npm"}, {GoProxy, "goproxy"},
	{PyPI, "pypi"}, {Maven, "maven"},
}

// Dir gives the directory of a mirror below the root of a vendored tree.
func Dir(key string) string {
	for _, d := range dirs {
		if d.key == key {
			return d.dir
		}
	}
	return key
}

// Mirrors are base addresses by key, best first.
type Mirrors map[string][]string

// maxConfig bounds the configuration file.
const maxConfig = 1 << 20

// Load reads S2I_MIRRORS and the configuration file.
func Load(env func(string) string) (Mirrors, error) {
	m := Mirrors{}
	if err := m.fromEnv(env("S2I_MIRRORS")); err != nil {
		return nil, err
	}
	dir := env("XDG_CONFIG_HOME")
	if dir == "" {
		if env("HOME") == "" {
			return m, nil
		}
		dir = filepath.Join(env("HOME"), ".config")
	}
	return m, m.fromFile(filepath.Join(dir, "s2i", "config.toml"))
}

func (m Mirrors) fromEnv(value string) error {
	for _, item := range strings.Fields(value) {
		key, address, ok := strings.Cut(item, "=")
		if ok && !strings.ContainsAny(key, ":/") {
			if err := m.add(key, address); err != nil {
				return fmt.Errorf("reading S2I_MIRRORS: %w", err)
			}
			continue
		}
		for _, d := range dirs {
			if err := m.add(d.key, strings.TrimRight(item, "/")+"/"+d.dir); err != nil {
				return fmt.Errorf("reading S2I_MIRRORS: %w", err)
			}
		}
	}
	return nil
}

func (m Mirrors) fromFile(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if info.Size() > maxConfig {
		return fmt.Errorf("reading the configuration: %s is larger than %d bytes", file, maxConfig)
	}
	var c struct {
		Mirrors map[string]any `toml:"mirrors"`
	}
	if _, err := toml.DecodeFile(file, &c); err != nil {
		return fmt.Errorf("reading the configuration %s: %w", file, err)
	}
	for key, v := range c.Mirrors {
		for _, address := range addresses(v) {
			if err := m.add(key, address); err != nil {
				return fmt.Errorf("reading the mirrors in %s: %w", file, err)
			}
		}
	}
	return nil
}

func addresses(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, one := range v {
			list = append(list, fmt.Sprint(one))
		}
		return list
	default:
		return []string{fmt.Sprint(v)}
	}
}

func (m Mirrors) add(key, address string) error {
	u, err := url.Parse(address)
	if err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme) {
		return fmt.Errorf("the address for %q must begin with http://, https:// or file://", key)
	}
	m[key] = append(m[key], strings.TrimRight(address, "/"))
	return nil
}
