// Package npm gets packages from an npm registry: its address and credentials come from the user's npm configuration,
// versions are chosen from the list of versions by semantic versioning rules (never by dist-tag: mirrors set those as
// they like), and tarballs are verified by their sha512 integrity.
package npm

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"s2i/stacks/fetch"
)

// ErrNotConfigured means that nothing says which registry to use.
var ErrNotConfigured = errors.New("no npm registry is configured; set npm_config_registry, a registry line in " +
	"~/.npmrc, or npm in the [mirrors] table of s2i's config.toml")

// Config is what concerns us of an npm configuration. The zero value is an unconfigured registry.
type Config struct {
	// Registry is the base address without a slash at its end; empty when nothing is configured.
	Registry string
	// CAFile is a file of additional certificate authorities in PEM form, or empty.
	CAFile string

	scopes map[string]string // "@scope" → registry
	auth   map[string]string // "//host/path/" → Authorization header; never shown
}

// LoadConfig reads the configuration of the user: environment, user file, global files, and last what an installed npm
// says its registry is. It never reads a project's .npmrc.
func LoadConfig(ctx context.Context, env func(string) string) Config {
	values := readConfig(env)
	if values["registry"] == "" {
		values["registry"] = askNPM(ctx, "registry")
		if values["cafile"] == "" && values["registry"] != "" {
			values["cafile"] = askNPM(ctx, "cafile")
		}
	}
	return makeConfig(values)
}

// ReadConfig is LoadConfig without asking an installed npm, which takes a good part of a second. What no file says is
// left to the npm that is going to run.
func ReadConfig(env func(string) string) Config { return makeConfig(readConfig(env)) }

func readConfig(env func(string) string) map[string]string {
	values := map[string]string{}
	for _, file := range rcFiles(env) {
		mergeRC(values, file, env) // the first file that sets a key wins
	}
	for key, names := range map[string][]string{
		"registry": {"npm_config_registry", "NPM_CONFIG_REGISTRY"},
		"cafile":   {"npm_config_cafile", "NPM_CONFIG_CAFILE"},
	} {
		for _, name := range names {
			if v := env(name); v != "" {
				values[key] = v
				break
			}
		}
	}
	return values
}

// NewConfig is the configuration of one registry address; user and password in it become credentials.
func NewConfig(registry string) Config { return makeConfig(map[string]string{"registry": registry}) }

func rcFiles(env func(string) string) []string {
	var files []string
	user := firstOf(env("npm_config_userconfig"), env("NPM_CONFIG_USERCONFIG"))
	if user == "" && env("HOME") != "" {
		user = filepath.Join(env("HOME"), ".npmrc")
	}
	if user != "" {
		files = append(files, user)
	}
	global := firstOf(env("npm_config_globalconfig"), env("NPM_CONFIG_GLOBALCONFIG"))
	if global != "" {
		return append(files, global)
	}
	if prefix := firstOf(env("npm_config_prefix"), env("PREFIX")); prefix != "" {
		files = append(files, filepath.Join(prefix, "etc", "npmrc"))
	}
	files = append(files, "/usr/local/etc/npmrc", "/usr/etc/npmrc", "/etc/npmrc")
	if bin, err := exec.LookPath("npm"); err == nil {
		// The prefix is where npm is installed; what its distributor set lies in the package itself.
		files = append(files, filepath.Join(filepath.Dir(bin), "..", "etc", "npmrc"))
		if real, err := filepath.EvalSymlinks(bin); err == nil {
			files = append(files, filepath.Join(filepath.Dir(real), "..", "npmrc"))
		}
	}
	return files
}

// mergeRC adds the keys of an npmrc file that are not set yet. ${NAME} stands for an environment variable.
func mergeRC(into map[string]string, file string, env func(string) string) {
	found := map[string]string{}
	for line := range strings.Lines(string(fetch.Settings(file))) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		found[strings.TrimSpace(key)] = os.Expand(value, expandBraces(value, env))
	}
	for k, v := range found {
		if _, ok := into[k]; !ok {
			into[k] = v
		}
	}
}

// expandBraces leaves everything but known ${NAME} as it is, as npm does.
func expandBraces(value string, env func(string) string) func(string) string {
	return func(name string) string {
		braces := "${" + name + "}"
		if !strings.Contains(value, braces) {
			return "$" + name
		}
		if v := env(strings.TrimSuffix(name, "?")); v != "" || strings.HasSuffix(name, "?") {
			return v
		}
		return braces
	}
}

func makeConfig(values map[string]string) Config {
	c := Config{CAFile: values["cafile"], scopes: map[string]string{}, auth: map[string]string{}}
	if c.CAFile == "null" {
		c.CAFile = ""
	}
	c.Registry = c.address(values["registry"])
	for k, v := range values {
		if scope, ok := strings.CutSuffix(k, ":registry"); ok && strings.HasPrefix(scope, "@") {
			c.scopes[scope] = c.address(v)
		}
		at := strings.LastIndex(k, ":")
		if !strings.HasPrefix(k, "//") || at < 0 {
			continue
		}
		place := strings.TrimRight(k[:at], "/") + "/"
		switch k[at+1:] {
		case "_authToken":
			c.auth[place] = "Bearer " + v
		case "_auth":
			c.auth[place] = "Basic " + v
		case "_password":
			if pass, err := base64.StdEncoding.DecodeString(v); err == nil {
				plain := values[k[:at]+":username"] + ":" + string(pass)
				c.auth[place] = "Basic " + base64.StdEncoding.EncodeToString([]byte(plain))
			}
		}
	}
	return c
}

// address cleans a registry's address and moves user and password in it to the credentials.
func (c *Config) address(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file") {
		return ""
	}
	if u.User != nil {
		pass, _ := u.User.Password()
		plain := u.User.Username() + ":" + pass
		u.User = nil
		c.auth["//"+u.Host+strings.TrimRight(u.Path, "/")+"/"] = "Basic " +
			base64.StdEncoding.EncodeToString([]byte(plain))
	}
	u.RawQuery, u.Fragment = "", ""
	return strings.TrimRight(u.String(), "/")
}

// registry is the base address for a package.
func (c *Config) registry(name string) string {
	if scope, _, ok := strings.Cut(name, "/"); ok && c.scopes[scope] != "" {
		return c.scopes[scope]
	}
	return c.Registry
}

// authorize adds the credentials configured for the longest matching place.
func (c *Config) authorize(req *http.Request) {
	here := "//" + req.URL.Host + req.URL.Path
	best := ""
	for place := range c.auth {
		if strings.HasPrefix(here, place) && len(place) > len(best) {
			best = place
		}
	}
	if best != "" {
		req.Header.Set("Authorization", c.auth[best])
	}
}

// askNPM asks an installed npm for one configuration value; "" when there is none.
func askNPM(ctx context.Context, key string) string {
	bin, err := exec.LookPath("npm")
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "config", "get", key)
	cmd.Dir = "/" // no project's configuration
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	v := string(bytes.TrimSpace(out))
	if v == "undefined" || v == "null" || strings.ContainsAny(v, "\r\n") {
		return ""
	}
	return v
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
