package node

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// installation is one run of a package manager.
type installation struct {
	manager *manager
	// dir is the mirror that it runs in, downloads the manager's cache.
	dir, downloads string
	// dev tells that development dependencies are wanted.
	dev bool
	env kit.Env
}

// toolEnv gives the environment that every tool of this buildpack runs in: quiet, without questions, with its files
// where they do no harm.
func toolEnv(m *manager, env kit.Env) kit.Env {
	home := env["HOME"]
	if probe, err := os.MkdirTemp(home, ".s2i-"); home == "" || err != nil {
		home = filepath.Join(os.TempDir(), "home")
		_ = os.MkdirAll(home, 0o755)
	} else {
		_ = os.Remove(probe)
	}
	tmp := filepath.Join(os.TempDir(), "xdg")
	set := kit.Env{
		"HOME": home, "XDG_CACHE_HOME": tmp, "XDG_STATE_HOME": tmp, "XDG_DATA_HOME": tmp, "PNPM_HOME": tmp,
		"npm_config_update_notifier": "false", "npm_config_fund": "false", "npm_config_audit": "false",
		"HUSKY": "0", "COREPACK_ENABLE_STRICT": "0", "NEXT_TELEMETRY_DISABLED": "1", "DISABLE_OPENCOLLECTIVE": "1",
	}
	maps.Copy(set, managerEnv(m))
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(bundle); err == nil && env["NODE_EXTRA_CA_CERTS"] == "" {
		set["NODE_EXTRA_CA_CERTS"] = bundle // node has certificates of its own and does not look here
	}
	env = env.With(set)
	// Newer pnpm takes no settings of npm's; node-gyp reads this one beside npm's.
	if dir := env["npm_config_nodedir"]; dir != "" {
		env["npm_package_config_node_gyp_nodedir"] = env.Or("npm_package_config_node_gyp_nodedir", dir)
		env["pnpm_config_nodedir"] = env.Or("pnpm_config_nodedir", dir)
	}
	// Yarn 2 and later read no configuration of npm's; the registry is the same.
	if registry := env.Or("npm_config_registry", env["NPM_CONFIG_REGISTRY"]); registry != "" {
		env["YARN_NPM_REGISTRY_SERVER"] = env.Or("YARN_NPM_REGISTRY_SERVER", registry)
		env["YARN_REGISTRY"] = env.Or("YARN_REGISTRY", registry)
	}
	env["YARN_HTTP_PROXY"] = env.Or("YARN_HTTP_PROXY", env.Or("HTTP_PROXY", env["http_proxy"]))
	env["YARN_HTTPS_PROXY"] = env.Or("YARN_HTTPS_PROXY", env.Or("HTTPS_PROXY", env["https_proxy"]))
	for _, name := range []string{"YARN_HTTP_PROXY", "YARN_HTTPS_PROXY"} {
		if env[name] == "" {
			delete(env, name)
		}
	}
	return env
}

// managerEnv gives the settings of a package manager that hold for the app's scripts, too: they may call it.
func managerEnv(m *manager) kit.Env {
	switch {
	case m.Name == "pnpm":
		return kit.Env{
			// The stack has the right version; it is not to fetch another one of itself.
			"npm_config_manage_package_manager_versions": "false", "npm_config_package_manager_strict": "false",
			"pnpm_config_manage_package_manager_versions": "false", "pnpm_config_pm_on_fail": "ignore",
			"npm_config_verify_deps_before_run": "false", "pnpm_config_verify_deps_before_run": "false",
			"npm_config_enable_global_virtual_store": "false", "pnpm_config_enable_global_virtual_store": "false",
		}
	case m.Name == "yarn" && m.Berry:
		return kit.Env{
			"YARN_ENABLE_TELEMETRY": "0", "YARN_ENABLE_GLOBAL_CACHE": "0", "YARN_NODE_LINKER": "node-modules",
		}
	}
	return nil
}

// run installs what the lock file says.
func (in *installation) run(ctx context.Context, bc libcnb.BuildContext) error {
	args, env := in.npm()
	switch {
	case in.manager.Name == "pnpm":
		args, env = in.pnpm()
	case in.manager.Name == "bun":
		args, env = in.bun()
	case in.manager.Name == "yarn" && in.manager.Berry:
		args, env = in.berry()
	case in.manager.Name == "yarn":
		args, env = in.yarn()
	}
	// The manager decides by its own flags what to install; with this variable some would leave out what is to build.
	all := in.env.With(env)
	delete(all, "NODE_ENV")
	secret, err := findCredentials(bc, in.dir)
	if err != nil {
		return err
	}
	home, err := secret.home()
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	all = secret.apply(all, home)
	kit.Say(bc.Logger, "%s", strings.Join(args, " "))
	return kit.Command{
		Args: append(in.manager.command(bc.ApplicationPath), args[1:]...), Dir: in.dir, Env: all,
		// npm warns of the variable that node-gyp needs, which the stack sets.
		Hide: `env config "nodedir"`,
		Out:  kit.Out(bc.Logger), Why: in.manager.Why, Advice: installAdvice(),
	}.Run(ctx)
}

func (in *installation) npm() ([]string, kit.Env) {
	env := kit.Env{
		"npm_config_cache": filepath.Join(in.downloads, "npm"), "npm_config_logs_max": "0", "CI": "true",
		// Every package is verified by the lock; there is no need to ask whether what is cached is still current.
		"npm_config_prefer_offline": "true",
	}
	args := []string{"npm", "ci"}
	if in.manager.Lock == "" {
		args = []string{"npm", "install"}
		delete(env, "npm_config_prefer_offline")
	}
	if in.dev {
		args = append(args, "--include=dev")
	} else {
		args = append(args, "--omit=dev")
	}
	return append(args, "--no-audit", "--no-fund"), env
}

func (in *installation) pnpm() ([]string, kit.Env) {
	args := []string{"pnpm", "install", "--reporter=append-only", "--store-dir=" + filepath.Join(in.downloads, "pnpm")}
	if in.manager.Lock != "" {
		args = append(args, "--frozen-lockfile")
	} else {
		args = append(args, "--no-frozen-lockfile")
	}
	if !in.dev {
		args = append(args, "--prod")
	}
	return args, kit.Env{"CI": "true"}
}

func (in *installation) yarn() ([]string, kit.Env) {
	args := []string{"yarn", "install", "--non-interactive", fmt.Sprintf("--production=%t", !in.dev)}
	if in.manager.Lock != "" {
		args = append(args, "--frozen-lockfile")
	}
	return args, kit.Env{"YARN_CACHE_FOLDER": filepath.Join(in.downloads, "yarn1"), "CI": "true"}
}

// berry installs everything: yarn leaves development dependencies out only with a plugin, and what is not needed at run
// time does not get into the image anyway.
func (in *installation) berry() ([]string, kit.Env) {
	args := []string{"yarn", "install"}
	env := kit.Env{"CI": "true"}
	if in.manager.Lock != "" {
		args = append(args, "--immutable")
	} else {
		env["YARN_ENABLE_IMMUTABLE_INSTALLS"] = "0"
	}
	// An app that brings its packages along has them in .yarn/cache.
	if _, err := os.Stat(filepath.Join(in.dir, ".yarn", "cache")); err != nil {
		env["YARN_CACHE_FOLDER"] = filepath.Join(in.downloads, "yarn")
	}
	return args, env
}

func (in *installation) bun() ([]string, kit.Env) {
	args := []string{"bun", "install"}
	if in.manager.Lock != "" {
		args = append(args, "--frozen-lockfile")
	}
	if !in.dev {
		args = append(args, "--production")
	}
	env := kit.Env{"BUN_INSTALL_CACHE_DIR": filepath.Join(in.downloads, "bun"), "CI": "true", "DO_NOT_TRACK": "1"}
	if registry := in.env.Or("npm_config_registry", in.env["NPM_CONFIG_REGISTRY"]); registry != "" {
		env["BUN_CONFIG_REGISTRY"] = in.env.Or("BUN_CONFIG_REGISTRY", registry)
	}
	return args, env
}

func installAdvice() []kit.Advice {
	return []kit.Advice{
		{Sign: "can only install packages when your package.json and package-lock.json",
			Say: "the lock file is out of date: run `npm install` and commit package-lock.json"},
		{Sign: "ERR_PNPM_OUTDATED_LOCKFILE", Say: "the lock file is out of date: run `pnpm install` and commit it"},
		{Sign: "ERR_PNPM_LOCKFILE_BREAKING_CHANGE", Say: "the lock file is of another version of pnpm: set packageManager"},
		{Sign: "lockfile needs to be updated", Say: "the lock file is out of date: run `yarn install` and commit yarn.lock"},
		{Sign: "YN0028", Say: "the lock file is out of date: run `yarn install` and commit yarn.lock"},
		{Sign: "lockfile had changes, but lockfile is frozen", Say: "the lock file is out of date: run `bun install` and commit it"},
		{Sign: "not found: make", Say: "a package is compiled: set " + envNative + "=1 for the build"},
		{Sign: "find Python", Say: "a package is compiled: set " + envNative + "=1 for the build"},
		{Sign: "Failed to replace env in config", Say: "a configuration file refers to a variable: pass its value as a secret of" +
			" the same name"},
		{Sign: "E401", Say: "the registry wants credentials: bind an npmrc"},
		{Sign: "E403", Say: "the registry refuses: bind an npmrc with credentials"},
		{Sign: "code ERESOLVE", Say: "packages disagree about a peer dependency: fix it, or commit legacy-peer-deps=true in .npmrc"},
	}
}
