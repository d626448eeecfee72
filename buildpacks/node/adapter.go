package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"s2i/buildpacks/kit"
)

// adapter is a package that a framework fetches while it builds, and that no lock file has.
type adapter struct {
	// Auto is the installed package that would fetch it, and that is made to be it.
	Auto, Name string
	// Version is the range of versions that go with a major version of Beside, a package of the app's.
	Beside  string
	Version func(major int) string
}

// svelteAdapter is what adapter-auto is to be.
func svelteAdapter() *adapter {
	return &adapter{Auto: "@sveltejs/adapter-auto", Name: "@sveltejs/adapter-node", Beside: "@sveltejs/kit",
		Version: func(major int) string {
			switch {
			case major <= 1:
				return "^1"
			case major == 2:
				return "^5"
			}
			return "^6"
		}}
}

// adapterDir is the directory in node_modules in which an adapter is installed with what it needs, so that the app's own
// packages stay exactly those of the lock file.
const adapterDir = ".adapter"

// adapt installs the framework's adapter beside the packages in dir, unless the app has it, and makes the package that
// would fetch it hand it on.
func (b *builder) adapt(ctx context.Context, dir string) error {
	if b.d.framework == nil || b.d.framework.Adapter == nil {
		return nil
	}
	a := b.d.framework.Adapter
	home := b.d.framework.Member.Dir
	auto, err := installedAt(dir, home, a.Auto)
	if err != nil {
		return err
	}
	beside, err := installedAt(dir, home, a.Beside)
	if err != nil {
		return err
	}
	at, err := installedAt(dir, home, a.Name)
	if err != nil {
		modules := strings.TrimSuffix(beside.entry, filepath.FromSlash("/"+a.Beside))
		if err := b.installAdapter(ctx, a, beside, filepath.Join(modules, adapterDir)); err != nil {
			return err
		}
		at.real = filepath.Join(modules, adapterDir, "node_modules", filepath.FromSlash(a.Name))
	}
	return handOn(auto.real, at.real, a.Name)
}

// installedPackage is where a package is: its entry in node_modules, and where that leads.
type installedPackage struct{ entry, real string }

// installedAt finds a package as node would, from the directory home of the installation in dir.
func installedAt(dir, home, name string) (installedPackage, error) {
	for {
		entry := filepath.Join(dir, filepath.FromSlash(home), "node_modules", filepath.FromSlash(name))
		if real, err := filepath.EvalSymlinks(entry); err == nil {
			return installedPackage{entry, real}, nil
		}
		if home == "." {
			return installedPackage{}, fmt.Errorf("looking for the package %s: it is not installed", name)
		}
		home = path.Dir(home)
	}
}

// installAdapter installs an adapter with npm, whatever manager the app has: one that adds a package would change the
// app's lock file.
func (b *builder) installAdapter(ctx context.Context, a *adapter, beside installedPackage, to string) error {
	var about struct {
		Version text `json:"version"`
	}
	data, err := os.ReadFile(filepath.Join(beside.real, "package.json"))
	if err == nil {
		err = json.Unmarshal(data, &about)
	}
	if err != nil {
		return fmt.Errorf("reading the version of %s: %w", a.Beside, err)
	}
	wanted := a.Version(majorOf(string(about.Version)))
	manifest, err := json.Marshal(map[string]any{"private": true, "dependencies": map[string]string{a.Name: wanted}})
	if err == nil {
		err = os.MkdirAll(to, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "package.json"), manifest, 0o644)
	}
	if err != nil {
		return fmt.Errorf("preparing the installation of %s: %w", a.Name, err)
	}
	if err := b.copyNpmrc(to); err != nil {
		return err
	}
	kit.Say(b.bc.Logger, "%s is installed beside the app's packages, in a version %s that goes with %s %s", a.Name, wanted,
		a.Beside, string(about.Version))
	in := &installation{manager: &manager{Name: "npm", Why: a.Auto + " wants " + a.Name}, dir: to, env: b.env.With(nil),
		downloads: filepath.Join(b.bc.Layers.Path, "downloads")}
	for name, value := range map[string]string{"legacy_peer_deps": "true", "ignore_scripts": "true", "package_lock": "false"} {
		in.env["npm_config_"+name] = value
	}
	return in.run(ctx, b.bc)
}

// copyNpmrc lets npm read in another directory what the app says of registries.
func (b *builder) copyNpmrc(to string) error {
	if !b.app.Has(".npmrc") {
		return nil
	}
	data, err := b.app.Read(".npmrc")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, ".npmrc"), data, 0o600); err != nil {
		return fmt.Errorf("copying .npmrc: %w", err)
	}
	return nil
}

// handOn makes the package in auto one that exports what the one in to does.
func handOn(auto, to, name string) error {
	rel, err := filepath.Rel(auto, to)
	if err != nil {
		return fmt.Errorf("putting %s in the place of another package: %w", name, err)
	}
	code := fmt.Sprintf("export { default } from %q;\n", filepath.ToSlash(filepath.Join(rel, "index.js")))
	// A new file, since the old one may be shared with the manager's cache.
	file := filepath.Join(auto, "index.js")
	if err := os.WriteFile(file+".new", []byte(code), 0o644); err != nil {
		return fmt.Errorf("putting %s in the place of another package: %w", name, err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("putting %s in the place of another package: %w", name, err)
	}
	return nil
}

// adapter is the name of the package that is installed beside the app's, "" when none is.
func (d *decision) adapter() string {
	if d.framework == nil || d.framework.Adapter == nil || !d.scripted() {
		return ""
	}
	return d.framework.Adapter.Name
}
