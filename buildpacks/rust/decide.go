package rust

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// The user's settings; see the package's documentation.
const (
	envVersion = "S2I_RUST_VERSION"
	envApp     = "S2I_APP"
	envBins    = "S2I_RUST_BINS"
	envFlags   = "S2I_RUST_BUILD_FLAGS"
	envKeep    = "S2I_RUST_KEEP"
)

// decision is what is known of the app before a toolchain runs. Detection and build both start with it and so agree.
type decision struct {
	app     *kit.App
	project *project
	config  *config
	// lock is nil when the app has none.
	lock     *lock
	versions []kit.Constraint
	// all are the candidates, bins those that are built, best first.
	all, bins []*bin
	// toolchain is nil when no file names one.
	toolchain *toolchain
}

// decide reads the app.
func decide(app *kit.App, env kit.Env) (*decision, error) {
	d := &decision{app: app}
	var err error
	if d.project, err = readProject(app); err != nil {
		return nil, err
	}
	if d.all, err = d.project.candidates(env); err != nil {
		return nil, err
	}
	if d.bins, err = choose(d.all, d.project, env, procfileWeb(app)); err != nil {
		return nil, err
	}
	if d.config, err = readConfig(app); err != nil {
		return nil, err
	}
	if app.Has(cargoLock) {
		data, err := app.Read(cargoLock)
		if err != nil {
			return nil, err
		}
		d.lock = parseLock(data)
	}
	if d.toolchain, err = readToolchain(app); err != nil {
		return nil, err
	}
	if d.versions, err = versions(app, d.project, d.lock, env); err != nil {
		return nil, err
	}
	return d, d.refuse()
}

// procfileWeb tells whether a Procfile says what web is.
func procfileWeb(app *kit.App) bool {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return false
	}
	entries, err := kit.ParseProcfile(data)
	return err == nil && slices.ContainsFunc(entries, func(e kit.ProcfileEntry) bool { return e.Type == kit.DefaultType })
}

// refuse gives the reason why an app cannot be built by a stable cargo alone.
func (d *decision) refuse() error {
	members := append([]*member{d.project.root}, d.project.members...)
	for _, m := range members {
		if len(m.CargoFeatures) > 0 {
			return fmt.Errorf("%s asks for the unstable feature %s of cargo, and there are only stable toolchains",
				at(m.file(), m.Data, "", "cargo-features"), m.CargoFeatures[0])
		}
		table, meta := "package.metadata", map[string]any(nil)
		if m.Package != nil {
			meta = m.Package.Metadata
		}
		if m.Workspace != nil && m.Workspace.Metadata["leptos"] != nil {
			table, meta = "workspace.metadata", m.Workspace.Metadata
		}
		if meta["leptos"] != nil {
			return fmt.Errorf("%s: the app is built by cargo-leptos, which is in no registry that s2i can install it from: "+
				"build it before and use the binary", at(m.file(), m.Data, table, "leptos"))
		}
	}
	for _, b := range d.bins {
		for _, file := range []string{b.Main, path.Join(b.Crate.Dir, "src/lib.rs")} {
			if line, feature := unstable(d.app, file); line > 0 {
				return fmt.Errorf("%s:%d uses the unstable feature %s of Rust, and there are only stable toolchains",
					file, line, feature)
			}
		}
	}
	return nil
}

// maxSource bounds how much of a source file is read.
const maxSource = 1 << 20

// readSource reads a source file; a missing or very large one is the compiler's affair.
func readSource(app *kit.App, file string) string {
	data, err := app.Read(file)
	if err != nil || len(data) > maxSource {
		return ""
	}
	return string(data)
}

// unstable finds #![feature(…)], which only nightly compilers take.
func unstable(app *kit.App, file string) (line int, feature string) {
	n := 0
	for text := range strings.Lines(readSource(app, file)) {
		n++
		if rest, ok := strings.CutPrefix(strings.ReplaceAll(text, " ", ""), "#![feature("); ok {
			name, _, _ := strings.Cut(strings.TrimSpace(rest), ")")
			return n, name
		}
	}
	return 0, ""
}

// rocket tells whether a program is one of the framework Rocket, which has its own variable for the port.
func (b *bin) rocket() bool {
	for key, v := range b.Crate.Dependencies {
		if crateName(key, v) == "rocket" {
			return true
		}
	}
	return false
}
