package python

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// Types of the bindings that carry uv's and pip's configuration and credentials.
const (
	bindingNetrc = "netrc"
	bindingPip   = "pip"
	bindingUV    = "uv"
)

// toolEnv gives the environment that tools run in: without questions, with their files where they do no harm.
func toolEnv(bc libcnb.BuildContext, env kit.Env, cache string) kit.Env {
	set := kit.Env{
		"HOME": filepath.Join(os.TempDir(), "home"), "UV_CACHE_DIR": cache, "UV_PYTHON_DOWNLOADS": "never",
		"UV_NO_PROGRESS": "1", "UV_NO_MODIFY_PATH": "1", "UV_PYTHON_PREFERENCE": "only-system", "NO_COLOR": "1",
		"PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": filepath.Join(os.TempDir(), "pycache"), "SOURCE_DATE_EPOCH": env.Or("SOURCE_DATE_EPOCH", "315532801"),
		"GIT_TERMINAL_PROMPT": "0",
	}
	// What is compiled must not name the directories that it was compiled in, which have random names.
	for _, name := range []string{"CFLAGS", "CXXFLAGS"} {
		set[name] = strings.TrimSpace(env[name] + " -g0")
	}
	const bundle = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(bundle); err == nil {
		set["SSL_CERT_FILE"] = env.Or("SSL_CERT_FILE", bundle)
	}
	_ = os.MkdirAll(set["HOME"], 0o755)
	merged := env.With(set)
	delete(merged, "PYTHONPATH")
	delete(merged, "VIRTUAL_ENV")
	delete(merged, "PYTHONDONTWRITEBYTECODE") // what tools import twice is compiled once
	fromPip(merged)
	withBindings(merged, bc.Platform.Bindings)
	if merged["SETUPTOOLS_SCM_PRETEND_VERSION"] == "" {
		// An app is built without its history, which some projects take their version from.
		merged["SETUPTOOLS_SCM_PRETEND_VERSION"] = "0.0.0"
		merged["POETRY_DYNAMIC_VERSIONING_BYPASS"] = merged.Or("POETRY_DYNAMIC_VERSIONING_BYPASS", "0.0.0")
		merged["PDM_BUILD_SCM_VERSION"] = merged.Or("PDM_BUILD_SCM_VERSION", "0.0.0")
	}
	return merged
}

// fromPip lets uv have the indexes that pip is configured for by variables, unless it has its own.
func fromPip(env kit.Env) {
	for uv, pip := range map[string]string{"UV_DEFAULT_INDEX": "PIP_INDEX_URL", "UV_INDEX": "PIP_EXTRA_INDEX_URL"} {
		if env[uv] == "" && env[pip] != "" && (uv != "UV_DEFAULT_INDEX" || env["UV_INDEX_URL"] == "") {
			env[uv] = env[pip]
		}
	}
}

// withBindings points uv at the files of the bindings, and reads the indexes of pip's configuration. What is read goes
// into the tools' environment and nowhere else.
func withBindings(env kit.Env, bindings libcnb.Bindings) {
	for _, b := range bindings {
		switch b.Type {
		case bindingNetrc, bindingPip, bindingUV:
		default:
			continue
		}
		if file, ok := kit.BindingFile(b, ".netrc", "netrc"); ok {
			env["NETRC"] = file
		}
		if file, ok := kit.BindingFile(b, "uv.toml"); ok && b.Type == bindingUV {
			env["UV_CONFIG_FILE"] = file
		}
		if b.Type == bindingPip {
			if text, ok := b.Secret["pip.conf"]; ok {
				pipConfiguration(env, text)
			}
		}
	}
}

// pipConfiguration reads the indexes of a pip.conf.
func pipConfiguration(env kit.Env, text string) {
	key := ""
	values := map[string][]string{}
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' || trimmed[0] == '[':
			continue
		case (line[0] == ' ' || line[0] == '\t') && key != "": // a value goes on
			values[key] = append(values[key], strings.Fields(trimmed)...)
			continue
		}
		name, value, ok := strings.Cut(trimmed, "=")
		if !ok {
			continue
		}
		key = strings.ReplaceAll(strings.TrimSpace(name), "_", "-")
		values[key] = append(values[key], strings.Fields(value)...)
	}
	if list := values["index-url"]; len(list) > 0 {
		env["UV_DEFAULT_INDEX"] = list[0]
	}
	if list := values["extra-index-url"]; len(list) > 0 {
		env["UV_INDEX"] = strings.TrimSpace(strings.Join(list, " ") + " " + env["UV_INDEX"])
	}
	if list := values["find-links"]; len(list) > 0 {
		env["UV_FIND_LINKS"] = strings.Join(list, ",")
	}
	if list := values["trusted-host"]; len(list) > 0 {
		env["UV_INSECURE_HOST"] = strings.Join(list, " ")
	}
}

// interpreter is the Python of the build image.
type interpreter struct {
	// program is the path of its binary, as the run image has it, too.
	program string
	// version is the full version, stdlib the directory of the standard library.
	version, stdlib string
}

// findInterpreter asks the interpreter for its version.
func findInterpreter(ctx context.Context, env kit.Env) (interpreter, error) {
	const question = `import sys, os; print(".".join(map(str, sys.version_info[:3])), ` +
		`"%d.%d" % sys.version_info[:2], os.path.dirname(os.__file__))`
	answer, err := kit.Command{Args: []string{"python3", "-I", "-c", question}, Dir: "/", Env: env,
		Why: "the app is one in Python"}.Output(ctx)
	if err != nil {
		return interpreter{}, err
	}
	fields := strings.Fields(answer)
	if len(fields) != 3 {
		return interpreter{}, errInterpreter
	}
	return interpreter{program: "/usr/bin/python" + fields[1], version: fields[0], stdlib: fields[2]}, nil
}
