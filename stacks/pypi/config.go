package pypi

import (
	"bufio"
	"context"
	"errors"
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

// AskPip fills in the index that an installed pip says is its own, when there is none. That takes a good part of a second.
func AskPip(ctx context.Context, s fetch.Site) fetch.Site {
	if s.Base != "" {
		return s
	}
	return s.At(askPip(ctx))
}

// ReadConfig finds out which index the user has configured for uv or pip. It never reads a project's files.
func ReadConfig(env func(string) string) fetch.Site {
	netrc := fetch.LoadNetrc(env)
	for _, name := range []string{"UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"} {
		// uv lets a name stand before the address: "corp=https://…".
		value := strings.TrimSpace(env(name))
		if before, after, ok := strings.Cut(value, "="); ok && !strings.ContainsAny(before, ":/") {
			value = after
		}
		if s := fetch.NewSite(value, netrc); s.Base != "" {
			return s
		}
	}
	for _, file := range uvFiles(env) {
		if s := fetch.NewSite(fromUV(file), netrc); s.Base != "" {
			return s
		}
	}
	for _, file := range pipFiles(env) {
		if s := fetch.NewSite(fromPip(file), netrc); s.Base != "" {
			return s
		}
	}
	return fetch.NewSite("", netrc)
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
	if _, err := toml.Decode(string(fetch.Settings(file)), &c); err != nil {
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
	lines := bufio.NewScanner(strings.NewReader(string(fetch.Settings(file))))
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
