package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/create"
	"s2i/lifecycle/sandbox"
	"s2i/lifecycle/store"
)

// appOptions reads the flags that are about the app.
func appOptions(c *cli.Context) (create.AppOptions, error) {
	a := create.AppOptions{
		Bindings: c.String("bindings"), DefaultProcess: c.String("default-process"),
		Compression: store.Compression(c.String("compression")),
		Packages:    append(packages(c.StringSlice("run-package"), "launch"), packages(c.StringSlice("build-package"), "build")...),
	}
	var err error
	if a.Compression == "" { // a command that makes no layers
		a.Compression = store.Gzip
	}
	if a.Compression != store.Gzip && a.Compression != store.Zstd {
		return a, usageError("--compression %s is neither gzip nor zstd", a.Compression)
	}
	if a.Network, err = network(c); err != nil {
		return a, err
	}
	if a.Target, err = onePlatform(c); err != nil {
		return a, err
	}
	if a.Env, err = buildEnv(c.StringSlice("env-file"), c.StringSlice("env")); err != nil {
		return a, err
	}
	if name := c.String("app"); name != "" {
		a.Env["S2I_APP"] = name
	}
	a.Start = c.String("start")
	if err = settings(&a, c.StringSlice("set")); err != nil {
		return a, err
	}
	if a.Labels, err = pairs("--label", withValues(c.StringSlice("label"))); err != nil {
		return a, err
	}
	if a.Secrets, _, err = secrets(c.StringSlice("secret")); err != nil {
		return a, err
	}
	if a.Created, err = creationTime(c.String("creation-time")); err != nil {
		return a, err
	}
	if a.Limits, err = limits(c); err != nil {
		return a, err
	}
	a.OperatorEnv = operatorEnv
	return a, nil
}

// packages makes requirements of names that the user added with a flag.
func packages(names []string, phase string) []lifecycle.Require {
	var requires []lifecycle.Require
	for _, name := range names {
		requires = append(requires, lifecycle.Require{Name: name, Metadata: map[string]any{phase: true, "version-source": "--" + phase + "-package"}})
	}
	return requires
}

// buildEnv reads env files and then single variables; a later one wins.
func buildEnv(files, vars []string) (map[string]string, error) {
	var lines []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usageError("reading the file of variables: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	env := map[string]string{}
	for _, v := range append(lines, vars...) {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			if value, ok = os.LookupEnv(name); !ok {
				continue
			}
		}
		env[name] = value
	}
	return env, nil
}

// settingName is what a package can be called, in --set NAME.version.
var settingName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*$`)

// settings reads --set.
func settings(a *create.AppOptions, values []string) error {
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		name, isVersion := strings.CutSuffix(key, ".version")
		switch {
		case ok && key == "start":
			a.Start = value
		case ok && isVersion && value != "" && settingName.MatchString(name):
			a.Env[create.VersionVariable(name)] = value
		default:
			return usageError("--set %s is neither NAME.version=VERSION nor start=COMMAND", v)
		}
	}
	if a.Start == "" {
		return nil
	}
	if err := create.CheckStart(a.Start); err != nil {
		return usageError("--start: %w", err)
	}
	return nil
}

// withValues gives a label without a value the empty one, as docker and Buildah do.
func withValues(labels []string) []string {
	out := slices.Clone(labels)
	for i, l := range out {
		if !strings.Contains(l, "=") {
			out[i] += "="
		}
	}
	return out
}

// pairs reads the values of a flag of the form NAME=VALUE.
func pairs(flag string, values []string) (map[string]string, error) {
	m := map[string]string{}
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, usageError("%s %s is not NAME=VALUE", flag, v)
		}
		m[name] = value
	}
	return m, nil
}

// secrets reads --secret: for each name the file, or the value of the environment variable, that is the secret.
func secrets(flags []string) (files, values map[string]string, err error) {
	files, values = map[string]string{}, map[string]string{}
	for _, flag := range flags {
		id, src, env, err := secretParts(flag)
		if err != nil {
			return nil, nil, err
		}
		if env != "" {
			value, ok := os.LookupEnv(env)
			if !ok {
				return nil, nil, usageError("--secret %s: the variable %s is not set", id, env)
			}
			values[id] = value
			continue
		}
		abs, err := filepath.Abs(src)
		if err != nil {
			return nil, nil, err
		}
		if _, err := os.Stat(abs); err != nil {
			return nil, nil, usageError("--secret %s: %w", id, err)
		}
		files[id] = abs
	}
	return files, values, nil
}

// secretParts reads id=NAME,src=FILE and id=NAME,env=VARIABLE. With a name alone it is the variable of that name or, when
// there is none, the file.
func secretParts(flag string) (id, src, env string, err error) {
	kind := ""
	for part := range strings.SplitSeq(flag, ",") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "id":
			id = value
		case "src", "source":
			src = value
		case "env":
			env = value
		case "type":
			kind = value
		default:
			return "", "", "", usageError("--secret %s: %q is not known; the form is id=NAME,src=FILE or id=NAME,env=VARIABLE", flag, name)
		}
	}
	if id == "" || strings.ContainsAny(id, "/\x00") || id == ".." || id == "." || kind != "" && kind != "file" && kind != "env" ||
		src != "" && env != "" {
		return "", "", "", usageError("--secret %s is not id=NAME,src=FILE or id=NAME,env=VARIABLE", flag)
	}
	if kind == "env" && env == "" {
		src, env = "", cmp.Or(src, id)
	}
	if src == "" && env == "" {
		if _, ok := os.LookupEnv(id); ok && kind != "file" {
			return id, "", id, nil
		}
		return id, id, "", nil
	}
	return id, src, env, nil
}

// creationTime reads --creation-time; zero leaves the constant of reproducible images.
func creationTime(s string) (time.Time, error) {
	switch s {
	case "":
		return time.Time{}, nil
	case "now":
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, usageError("--creation-time %s is neither now nor seconds since 1970", s)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// network reads --network.
func network(c *cli.Context) (sandbox.Network, error) {
	n := sandbox.Network(c.String("network"))
	if n != sandbox.NetworkHost && n != sandbox.NetworkNone {
		return n, usageError("--network %s is neither host nor none", n)
	}
	return n, nil
}

// limits reads the flags that bound what a process uses.
func limits(c *cli.Context) (sandbox.Limits, error) {
	l := sandbox.Limits{CPUs: c.Float64("cpus"), PIDs: c.Int64("pids")}
	if size := c.String("memory"); size != "" {
		n, err := units.RAMInBytes(size)
		if err != nil {
			return l, usageError("--memory %s is no size such as 2GB", size)
		}
		l.Memory = n
	}
	return l, nil
}
