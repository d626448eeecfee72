package node

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// mirror is the part of the app that an installation depends on: manifests, the lock file, the manager's
// configuration, patches, and packages that the app brings along. The manager runs in a copy of it, inside a layer, so
// that node_modules is made where it will stay; and its digest tells whether anything has to be installed at all.
type mirror struct {
	app *kit.App
	// files maps paths relative to the app to where their bytes come from: nil is the file itself.
	files map[string][]byte
}

func newMirror(d *decision, env kit.Env) (*mirror, error) {
	m := &mirror{app: d.project.app, files: map[string][]byte{}}
	for _, member := range d.project.all() {
		data, err := withoutScripts(member.data)
		if err != nil {
			return nil, fmt.Errorf("parsing %s: %w", member.file(), err)
		}
		m.files[member.file()] = data
		m.add(path.Join(member.Dir, ".npmrc"))
		if err := m.addLocal(member); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{
		d.manager.Lock, ".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".pnpmfile.mjs",
		"bunfig.toml",
	} {
		m.add(name)
	}
	for _, dir := range []string{
		"patches", ".yarn/patches", ".yarn/plugins", ".yarn/releases", ".yarn/cache", "npm-packages-offline-cache",
	} {
		if err := m.addTree(dir); err != nil {
			return nil, err
		}
	}
	if d.manager.Name == "yarn" && !d.manager.Berry && d.manager.Lock != "" && env["YARN_REGISTRY"] != "" {
		data, err := m.app.Read(d.manager.Lock)
		if err != nil {
			return nil, err
		}
		m.files[d.manager.Lock] = withoutAddresses(data)
	}
	return m, nil
}

// lockAddress matches an entry's version, address and integrity in a yarn.lock of version 1.
var lockAddress = regexp.MustCompile(`(?m)^(  version "[^"\n]+"\n)  resolved "[^"\n]+"\n(  integrity )`)

// withoutAddresses removes from a yarn.lock of version 1 the addresses of packages that are verified by their digests.
// Yarn 1 would load them from there even when another registry is configured, which is where they come from then.
func withoutAddresses(lock []byte) []byte { return lockAddress.ReplaceAll(lock, []byte("$1$2")) }

// withoutScripts removes from a manifest what is not to run in the mirror, where the app's sources are missing: the
// app's own scripts run later, in the app. The field packageManager goes as well: the stack has seen to it, and some
// managers would fetch another version of themselves.
func withoutScripts(data []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(data), "\ufeff")), &fields); err != nil {
		return nil, err
	}
	delete(fields, "scripts")
	delete(fields, "packageManager")
	return json.MarshalIndent(fields, "", "  ")
}

func (m *mirror) add(name string) {
	if name != "" && m.app.Has(name) {
		if _, ok := m.files[name]; !ok {
			m.files[name] = nil
		}
	}
}

func (m *mirror) addTree(dir string) error {
	if !m.app.HasDir(dir) {
		return nil
	}
	err := fs.WalkDir(m.app.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			m.add(name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	return nil
}

// addLocal adds the packages of the app's own tree that a manifest names by path.
func (m *mirror) addLocal(member *member) error {
	all := []textMap{member.Dependencies, member.DevDependencies, member.OptionalDependencies}
	for _, deps := range all {
		for name, spec := range deps {
			target, ok := localPath(spec)
			if !ok {
				continue
			}
			at := path.Join(member.Dir, target)
			switch {
			case !filepath.IsLocal(at):
				return fmt.Errorf("%s: %s is %s, which is outside the app: build the directory that holds both",
					member.file(), name, spec)
			case m.app.HasDir(at):
				if err := m.addTree(at); err != nil {
					return err
				}
			default:
				m.add(at)
			}
		}
	}
	return nil
}

// localPath gives the path in a dependency such as file:../lib.
func localPath(spec string) (string, bool) {
	for _, prefix := range []string{"file:", "link:", "portal:"} {
		if rest, ok := strings.CutPrefix(spec, prefix); ok {
			return strings.TrimPrefix(rest, "//"), true
		}
	}
	return spec, strings.HasPrefix(spec, "./") || strings.HasPrefix(spec, "../")
}

func (m *mirror) names() []string { return sortedKeys(m.files) }

func (m *mirror) read(name string) ([]byte, error) {
	if data := m.files[name]; data != nil {
		return data, nil
	}
	return m.app.Read(name)
}

// key gives a digest of the mirror and of what else an installation is a function of.
func (m *mirror) key(inputs ...string) (string, error) {
	h := sha256.New()
	for _, in := range inputs {
		fmt.Fprintf(h, "%q\n", in)
	}
	for _, name := range m.names() {
		data, err := m.read(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %d\n", name, len(data))
		if _, err := h.Write(data); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// write copies the mirror to dir.
func (m *mirror) write(dir string) error {
	for _, name := range m.names() {
		data, err := m.read(name)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("copying %s: %w", name, err)
		}
		mode := os.FileMode(0o644)
		if info, err := m.app.Root().Stat(filepath.FromSlash(name)); err == nil && info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		if err := os.WriteFile(file, data, mode); err != nil {
			return fmt.Errorf("copying %s: %w", name, err)
		}
	}
	return nil
}

func sortUnique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
