package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// Types of the bindings that carry package managers' configuration and credentials, and names of the secrets that do.
const (
	bindingNpmrc  = "npmrc"
	bindingYarnrc = "yarnrc"
)

// secretsDir is where the build's secrets are.
const secretsDir = "/run/secrets"

// credentials are files of configuration that hold secrets, and variables that the app's own configuration refers to.
// Only package managers see them, while they install: no script of the app does.
type credentials struct {
	// npmrc and yarnrc are files, "" when there are none.
	npmrc, yarnrc string
	vars          kit.Env
}

// findCredentials looks for them among the bindings and the secrets. dir is where the manager will run.
func findCredentials(bc libcnb.BuildContext, dir string) (*credentials, error) {
	c := &credentials{vars: kit.Env{}}
	for _, b := range bc.Platform.Bindings {
		switch b.Type {
		case bindingNpmrc:
			c.npmrc = orElse(c.npmrc, bindingFile(b, ".npmrc", "npmrc"))
		case bindingYarnrc:
			c.yarnrc = orElse(c.yarnrc, bindingFile(b, ".yarnrc.yml", "yarnrc.yml"))
		}
	}
	c.npmrc = orElse(c.npmrc, secretFile(".npmrc", "npmrc"))
	c.yarnrc = orElse(c.yarnrc, secretFile(".yarnrc.yml", "yarnrc"))
	for _, name := range []string{".npmrc", ".yarnrc.yml", "bunfig.toml"} {
		if err := c.references(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func bindingFile(b libcnb.Binding, names ...string) string {
	file, _ := kit.BindingFile(b, names...)
	return file
}

func secretFile(names ...string) string {
	for _, name := range names {
		file := filepath.Join(secretsDir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// variable matches a reference to a variable, as in //registry.example.com/:_authToken=${NPM_TOKEN}.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)`)

// maxSecret bounds a secret, in bytes.
const maxSecret = 1 << 20

// references gives the variables that a file of configuration refers to the values of the secrets of the same names.
func (c *credentials) references(file string) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Base(file), err)
	}
	for _, match := range variable.FindAllSubmatch(data, -1) {
		name := string(match[1])
		value, err := readSecret(filepath.Join(secretsDir, name))
		if err != nil {
			continue // the variable may be set in another way
		}
		c.vars[name] = strings.TrimSpace(value)
	}
	return nil
}

func readSecret(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return "", fmt.Errorf("%s is no file of at most %d bytes", file, maxSecret)
	}
	data, err := os.ReadFile(file)
	return string(data), err
}

// home makes a home directory in which the files are where every manager looks for them: as symlinks, so that nothing
// secret is written anywhere.
func (c *credentials) home() (string, error) {
	dir, err := os.MkdirTemp("", "home-")
	if err != nil {
		return "", fmt.Errorf("making a home directory: %w", err)
	}
	for name, file := range map[string]string{".npmrc": c.npmrc, ".yarnrc.yml": c.yarnrc} {
		if file == "" {
			continue
		}
		if err := os.Symlink(file, filepath.Join(dir, name)); err != nil {
			return dir, fmt.Errorf("making a home directory: %w", err)
		}
	}
	return dir, nil
}

// authToken matches the one credential that yarn 2 and later, which read no .npmrc, can be given by a variable.
var authToken = regexp.MustCompile(`(?m)^\s*//[^\s=]+:_authToken\s*=\s*"?([^"\s]+)"?\s*$`)

// apply gives the environment of a manager.
func (c *credentials) apply(env kit.Env, home string) kit.Env {
	env = env.With(c.vars)
	if c.npmrc == "" && c.yarnrc == "" {
		return env
	}
	env["HOME"] = home
	if c.npmrc == "" {
		return env
	}
	env["npm_config_userconfig"] = c.npmrc
	text, err := readSecret(c.npmrc)
	if err != nil {
		return env // the manager says what is wrong with it
	}
	if found := authToken.FindAllStringSubmatch(text, -1); len(found) == 1 && c.yarnrc == "" && !strings.Contains(found[0][1], "$") {
		env["YARN_NPM_AUTH_TOKEN"] = env.Or("YARN_NPM_AUTH_TOKEN", found[0][1])
	}
	return env
}
