package node

import (
	"bytes"
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

// credentials are files of configuration that hold secrets, and variables that the app's own configuration refers to.
// Only package managers see them, while they install: no script of the app does.
type credentials struct {
	// npmrc and yarnrc are files, "" when there are none.
	npmrc, yarnrc string
	vars          kit.Env
	// user are the lines of the app's own .npmrc that refer to variables. pnpm wants to see those in the user's file.
	user []byte
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
	c.npmrc = orElse(c.npmrc, kit.SecretFile(".npmrc", "npmrc"))
	c.yarnrc = orElse(c.yarnrc, kit.SecretFile(".yarnrc.yml", "yarnrc"))
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

// variable matches a reference to a variable, as in //registry.example.com/:_authToken=${NPM_TOKEN}.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)`)

// variableAuth matches a credential of a registry that is the value of a variable.
var variableAuth = regexp.MustCompile(`(?m)^[ \t]*//[^\s=]+=.*\$\{.*$`)

// references gives the variables that a file of configuration refers to the values of the secrets of the same names.
func (c *credentials) references(file string) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Base(file), err)
	}
	if filepath.Base(file) == ".npmrc" {
		c.user = bytes.Join(variableAuth.FindAll(data, -1), []byte("\n"))
	}
	for _, match := range variable.FindAllSubmatch(data, -1) {
		name := string(match[1])
		value, err := kit.ReadSecret(filepath.Join(kit.SecretsDir, name))
		if err != nil {
			continue // the variable may be set in another way
		}
		c.vars[name] = value
	}
	return nil
}

// home makes a home directory in which the files are where every manager looks for them: as symlinks, so that nothing
// secret is written anywhere; references to variables are left as they are.
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
	if c.npmrc == "" && len(c.user) > 0 {
		if err := os.WriteFile(filepath.Join(dir, ".npmrc"), c.user, 0o600); err != nil {
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
	if c.npmrc == "" && c.yarnrc == "" && len(c.user) == 0 {
		return env
	}
	env["HOME"] = home
	if c.npmrc == "" {
		if len(c.user) > 0 {
			env["npm_config_userconfig"] = filepath.Join(home, ".npmrc")
		}
		return env
	}
	env["npm_config_userconfig"] = c.npmrc
	text, err := kit.ReadSecret(c.npmrc)
	if err != nil {
		return env // the manager says what is wrong with it
	}
	if found := authToken.FindAllStringSubmatch(text, -1); len(found) == 1 && c.yarnrc == "" && !strings.Contains(found[0][1], "$") {
		env["YARN_NPM_AUTH_TOKEN"] = env.Or("YARN_NPM_AUTH_TOKEN", found[0][1])
	}
	return env
}
