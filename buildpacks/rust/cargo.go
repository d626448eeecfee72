package rust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// envIndex is how the platform says where crates come from instead of the public registry: the address of an index,
// "sparse+https://…".
const envIndex = "S2I_CARGO_REGISTRY"

// cargoEnv gives the environment of cargo, whose own directory is home.
func (d *decision) cargoEnv(bc libcnb.BuildContext, env kit.Env, home, target string) kit.Env {
	env = env.With(kit.Env{
		"CARGO_HOME":        home,
		"CARGO_TARGET_DIR":  target,
		"CARGO_INCREMENTAL": "0",
		"CARGO_TERM_COLOR":  "never",
		"HOME":              env.Or("HOME", os.TempDir()),
		// Wrappers such as sccache, which the app may configure for developers, are not there.
		"RUSTC_WRAPPER": "", "RUSTC_WORKSPACE_WRAPPER": "",
		// Without a lock, the newest versions that this compiler can take.
		"CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS": "fallback",
		"GIT_TERMINAL_PROMPT":                       "0",
		// What asks for the time of the build gets the same one every time.
		"SOURCE_DATE_EPOCH": env.Or("SOURCE_DATE_EPOCH", "315532801"),
	})
	if d.config.foreignTarget() != "" {
		env["CARGO_BUILD_TARGET"] = triple(bc.TargetInfo.Arch)
	}
	if release, _ := d.project.root.Profile["release"].(map[string]any); release["strip"] == nil {
		env["CARGO_PROFILE_RELEASE_STRIP"] = "symbols"
	}
	if env["SQLX_OFFLINE"] == "" && (d.app.HasDir(".sqlx") || d.app.Has("sqlx-data.json")) {
		env["SQLX_OFFLINE"] = "true"
	}
	return withGit(env, bc.Platform.Bindings)
}

// withGit lets git fetch the crates that come from repositories, when there are credentials for it.
func withGit(env kit.Env, bindings libcnb.Bindings) kit.Env {
	for _, b := range bindings {
		if b.Type != bindingGit {
			continue
		}
		if file, ok := b.SecretFilePath("credentials"); ok {
			env["GIT_CONFIG_COUNT"] = "1"
			env["GIT_CONFIG_KEY_0"] = "credential.helper"
			env["GIT_CONFIG_VALUE_0"] = "store --file=" + file
			env["CARGO_NET_GIT_FETCH_WITH_CLI"] = "true"
		}
	}
	return env
}

// configure puts cargo's configuration into its directory: where crates come from, and links to the credentials of
// bindings and secrets. The app's own configuration wins over it. undo takes all of it out again, before anything is kept.
func configure(home string, env kit.Env, bindings libcnb.Bindings) (undo func() error, err error) {
	var made []string
	undo = func() error { return remove(made) }
	link := func(target, file string) error {
		if target == "" {
			return nil
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("writing cargo's configuration: %w", err)
		}
		made = append(made, file)
		return os.Symlink(target, file)
	}
	configured := filepath.Join(home, "config.toml")
	if index := env[envIndex]; index != "" {
		// As a registry and no mere source, for which cargo would take no token.
		text := fmt.Sprintf("[source.crates-io]\nreplace-with = \"s2i\"\n\n[registries.s2i]\nindex = %s\n", quote(index))
		made = append(made, configured)
		if err := os.WriteFile(configured, []byte(text), 0o644); err != nil {
			return undo, fmt.Errorf("writing cargo's configuration: %w", err)
		}
	}
	c := findCredentials(bindings)
	if err := errors.Join(link(c.config, configured), link(c.file, filepath.Join(home, credentialsFile)),
		link(c.netrc, filepath.Join(home, ".netrc"))); err != nil {
		return undo, err
	}
	if c.netrc != "" { // git's library looks for it in the home directory
		env["HOME"], env["CARGO_NET_GIT_FETCH_WITH_CLI"] = home, "true"
	}
	return undo, nil
}

func remove(files []string) error {
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing cargo's configuration: %w", err)
		}
	}
	return nil
}

// quote writes a basic string of TOML.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}

// flagsConfig gives arguments for cargo that add flags for rustc to those that the app configures, whichever of its
// tables they stand in. Paths of the build do not get into binaries: that of a registry's crates holds the name of
// the mirror that they came from.
func (d *decision) flagsConfig(bc libcnb.BuildContext, env kit.Env, home string) []string {
	flags := []string{"--remap-path-prefix=" + home + "=/cargo"}
	found, err := filepath.Glob(filepath.Join(home, "registry", "src", "*"))
	if err == nil {
		for _, dir := range found {
			flags = append(flags, "--remap-path-prefix="+dir+"=/cargo/registry")
		}
	}
	flags = append(flags, "--remap-path-prefix="+bc.ApplicationPath+"=/app")
	if encoded := env["CARGO_ENCODED_RUSTFLAGS"]; encoded != "" {
		env["CARGO_ENCODED_RUSTFLAGS"] = encoded + "\x1f" + strings.Join(flags, "\x1f")
		return nil
	}
	if env["RUSTFLAGS"] != "" {
		env["RUSTFLAGS"] += " " + strings.Join(flags, " ")
		return nil
	}
	table := "build"
	if d.config.flagsByTarget() {
		table = "target.'cfg(all())'"
	}
	var quoted []string
	for _, f := range flags {
		quoted = append(quoted, quote(f))
	}
	return []string{"--config", table + ".rustflags=[" + strings.Join(quoted, ",") + "]"}
}

// message is a line of cargo's output in JSON.
type message struct {
	Reason     string
	Executable string
	PackageID  string `json:"package_id"`
	Target     struct {
		Name string
		Kind []string
	}
	Fresh bool
}

// messages parses cargo's output; lines that are none are skipped.
func messages(output string) []message {
	var list []message
	for line := range strings.Lines(output) {
		var m message
		if json.Unmarshal([]byte(line), &m) == nil {
			list = append(list, m)
		}
	}
	return list
}

// known is a package as cargo knows it.
type known struct {
	// ID names it even when a dependency has the same name.
	ID       string
	Programs []string
}

// programs gives the programs in the output of `cargo metadata --no-deps`, by package.
func programs(output string) (map[string]known, error) {
	var metadata struct {
		Packages []struct {
			ID, Name string
			Targets  []struct {
				Name string
				Kind []string
			}
		}
	}
	if err := json.Unmarshal([]byte(output), &metadata); err != nil {
		return nil, fmt.Errorf("parsing the output of cargo metadata: %w", err)
	}
	all := map[string]known{}
	for _, p := range metadata.Packages {
		k := known{ID: p.ID}
		for _, t := range p.Targets {
			if len(t.Kind) == 1 && t.Kind[0] == "bin" {
				k.Programs = append(k.Programs, t.Name)
			}
		}
		all[p.Name] = k
	}
	return all, nil
}
