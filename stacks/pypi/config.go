package pypi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"s2i/stacks/fetch"
)

// ErrNotConfigured means that nothing says which index to use.
var ErrNotConfigured = errors.New("no Python package index is configured; set PIP_INDEX_URL or UV_DEFAULT_INDEX, " +
	"index-url in pip.conf or uv.toml, or pypi in the [mirrors] table of s2i's config.toml")

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// Config is where packages come from.
type Config struct {
	// Index is the base address of the simple API, without user, password and slash at its end; empty when nothing is
	// configured.
	Index string

	user  *url.Userinfo // never shown
	host  string        // that the user is for
	netrc fetch.Netrc
}

// NewConfig is the configuration of one index address; user and password in it become credentials.
func NewConfig(index string, netrc fetch.Netrc) Config {
	c := Config{netrc: netrc}
	u, err := url.Parse(strings.TrimSpace(index))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file") {
		return c
	}
	c.user, c.host = u.User, u.Host
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	c.Index = strings.TrimRight(u.String(), "/")
	return c
}

// AskPip fills in the index that an installed pip says is its own, when there is none. That takes a good part of a second.
func AskPip(ctx context.Context, c Config) Config {
	if c.Index != "" {
		return c
	}
	return NewConfig(askPip(ctx), c.netrc)
}

// ReadConfig finds out which index the user has configured for uv or pip. It never reads a project's files.
func ReadConfig(env func(string) string) Config {
	netrc := fetch.LoadNetrc(env)
	for _, name := range []string{"UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"} {
		// uv lets a name stand before the address: "corp=https://…".
		value := strings.TrimSpace(env(name))
		if before, after, ok := strings.Cut(value, "="); ok && !strings.ContainsAny(before, ":/") {
			value = after
		}
		if c := NewConfig(value, netrc); c.Index != "" {
			return c
		}
	}
	for _, file := range uvFiles(env) {
		if c := NewConfig(fromUV(file), netrc); c.Index != "" {
			return c
		}
	}
	for _, file := range pipFiles(env) {
		if c := NewConfig(fromPip(file), netrc); c.Index != "" {
			return c
		}
	}
	return Config{netrc: netrc}
}

// configHome is where a user's configuration files are; "" when that is not known.
func configHome(env func(string) string) string {
	if dir := env("XDG_CONFIG_HOME"); dir != "" {
		return dir
	}
	if home := env("HOME"); home != "" {
		return filepath.Join(home, ".config")
	}
	return ""
}

func uvFiles(env func(string) string) []string {
	if file := env("UV_CONFIG_FILE"); file != "" {
		return []string{file}
	}
	var files []string
	if dir := configHome(env); dir != "" {
		files = append(files, filepath.Join(dir, "uv", "uv.toml"))
	}
	return append(files, "/etc/uv/uv.toml")
}

func fromUV(file string) string {
	var c struct {
		IndexURL string `toml:"index-url"`
		Index    []struct {
			URL     string `toml:"url"`
			Default bool   `toml:"default"`
		} `toml:"index"`
		Pip struct {
			IndexURL string `toml:"index-url"`
		} `toml:"pip"`
	}
	if _, err := toml.Decode(string(small(file)), &c); err != nil {
		return ""
	}
	for _, x := range c.Index {
		if x.Default {
			return x.URL
		}
	}
	if c.IndexURL != "" {
		return c.IndexURL
	}
	return c.Pip.IndexURL
}

// pipFiles lists pip's configuration files, the one that wins first.
func pipFiles(env func(string) string) []string {
	var files []string
	if file := env("PIP_CONFIG_FILE"); file != "" {
		if file == os.DevNull {
			return nil // pip reads none then
		}
		files = append(files, file)
	}
	if dir := configHome(env); dir != "" {
		files = append(files, filepath.Join(dir, "pip", "pip.conf"))
	}
	if home := env("HOME"); home != "" {
		files = append(files, filepath.Join(home, ".pip", "pip.conf"))
	}
	return append(files, "/etc/xdg/pip/pip.conf", "/etc/pip.conf")
}

// fromPip reads index-url of the sections that concern everything and installing.
func fromPip(file string) string {
	found := map[string]string{}
	section := ""
	lines := bufio.NewScanner(strings.NewReader(string(small(file))))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			continue
		}
		i := strings.IndexAny(line, "=:")
		if i < 0 {
			continue
		}
		key := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(line[:i])), "_", "-")
		if key == "index-url" && found[section] == "" {
			found[section] = strings.TrimSpace(line[i+1:])
		}
	}
	if found["install"] != "" {
		return found["install"]
	}
	return found["global"]
}

// small reads a file of at most maxConfig bytes; whatever cannot be read is empty.
func small(file string) []byte {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return nil
	}
	return b
}

// ownDefault is how pip's help names the index that it uses when nothing is configured.
var ownDefault = regexp.MustCompile(`Base URL of the Python Package Index\s+\(default\s+(\S+?)\)`)

// askPip asks an installed pip which index it would use; "" when there is none.
func askPip(ctx context.Context) string {
	for _, name := range []string{"pip3", "pip"} {
		bin, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, bin, "--isolated", "install", "--help")
		cmd.Dir = "/"
		out, err := cmd.Output()
		if err != nil {
			continue
		}
		if found := ownDefault.FindSubmatch([]byte(unwrapped(string(out)))); found != nil {
			return string(found[1])
		}
	}
	return ""
}

// unwrapped joins the lines of a help text.
func unwrapped(text string) string { return strings.Join(strings.Fields(text), " ") }

// authorize adds credentials: those of the configured address to its own host, else what .netrc says.
func (c Config) authorize(req *http.Request) {
	if c.user != nil && req.URL.Host == c.host {
		password, _ := c.user.Password()
		req.SetBasicAuth(c.user.Username(), password)
		return
	}
	c.netrc.Authorize(req)
}
