package node

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// envNative is the user's word on whether packages are compiled: 1 or 0.
const envNative = "S2I_NODE_NATIVE"

// native is what is needed to install packages that are compiled.
type native struct {
	// Why is the evidence, "" when nothing is compiled.
	Why string
	// Build and Launch are further Debian packages.
	Build, Launch []string
}

// compiled are packages that are compiled when they are installed, or else download a binary from a host that is no
// registry and are compiled when that fails.
func compiled() []string {
	return []string{
		"argon2", "bcrypt", "better-sqlite3", "canvas", "couchbase", "cpu-features", "deasync", "farmhash", "ffi-napi",
		"gc-stats", "grpc", "heapdump", "ibm_db", "iconv", "integer", "isolated-vm", "kerberos", "libpq", "microtime",
		"node-expat", "node-pty", "node-rdkafka", "node-sass", "nodegit", "pg-native", "posix", "re2", "ref-napi",
		"segfault-handler", "sqlite3", "unix-dgram", "usb", "zeromq",
	}
}

// builders are packages that others use to be compiled.
func builders() []string {
	return []string{"prebuild-install", "node-pre-gyp", "@mapbox/node-pre-gyp", "cmake-js", "nan", "node-gyp"}
}

// systemLibraries are the Debian packages that compiled packages are linked with.
func systemLibraries() map[string]native {
	postgres := native{Build: []string{"libpq-dev"}, Launch: []string{"libpq5"}}
	return map[string]native{
		"canvas": {
			Build: []string{"pkg-config", "libcairo2-dev", "libpango1.0-dev", "libjpeg-dev", "libgif-dev", "librsvg2-dev"},
			Launch: []string{"libcairo2", "libpango-1.0-0", "libpangocairo-1.0-0", "libjpeg62-turbo", "libgif7",
				"librsvg2-2"},
		},
		"libpq":     postgres,
		"pg-native": postgres,
	}
}

// findNative looks for packages that are compiled when they are installed.
func findNative(p *project, m *manager, env kit.Env) (native, error) {
	switch env[envNative] {
	case "0":
		return native{}, nil
	case "1":
		return native{Why: envNative + " is 1"}, nil
	}
	for _, member := range p.all() {
		if gyp := strings.TrimPrefix(member.Dir+"/binding.gyp", "./"); p.app.Has(gyp) {
			return native{Why: gyp + " is there"}, nil
		}
	}
	locked, err := lockedNames(p, m)
	if err != nil {
		return native{}, err
	}
	var n native
	for _, name := range append(compiled(), builders()...) {
		if !locked[name] || otherwiseUsed(name, locked) {
			continue
		}
		if n.Why == "" {
			n.Why = fmt.Sprintf("%s has %s, which is compiled", orElse(m.Lock, "package.json"), name)
		}
		libraries := systemLibraries()[name]
		n.Build = append(n.Build, libraries.Build...)
		n.Launch = append(n.Launch, libraries.Launch...)
	}
	slices.Sort(n.Build)
	slices.Sort(n.Launch)
	n.Build, n.Launch = slices.Compact(n.Build), slices.Compact(n.Launch)
	return n, nil
}

// otherwiseUsed tells that a builder is in the lock for another reason: for a package that is never installed on Linux, or
// as the library of a bundler.
func otherwiseUsed(name string, locked map[string]bool) bool {
	return name == "nan" && locked["fsevents"] || name == "@mapbox/node-pre-gyp" && locked["@vercel/nft"] ||
		name == "node-gyp" && (locked["@npmcli/run-script"] || locked["npm-lifecycle"])
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// lockedNames gives the names of all packages in the lock file, or of the direct dependencies when there is none that
// can be read.
func lockedNames(p *project, m *manager) (map[string]bool, error) {
	if m.Lock == "" || path.Ext(m.Lock) == ".lockb" {
		locked := map[string]bool{}
		for _, member := range p.all() {
			for _, deps := range []textMap{member.Dependencies, member.DevDependencies, member.OptionalDependencies} {
				for name := range deps {
					locked[name] = true
				}
			}
		}
		return locked, nil
	}
	data, err := p.app.Read(m.Lock)
	switch {
	case err != nil:
		return nil, err
	case m.Name == "bun":
		return bunNames(data), nil
	case m.Name != "npm":
		return yamlNames(data), nil
	}
	locked, err := npmNames(data)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", m.Lock, err)
	}
	return locked, nil
}

// npmLock is package-lock.json: packages by path since version 2, dependencies by name before.
type npmLock struct {
	LockfileVersion int                       `json:"lockfileVersion"`
	Packages        map[string]npmLockPackage `json:"packages"`
	Dependencies    map[string]npmDependency  `json:"dependencies"`
}

type npmLockPackage struct {
	HasInstallScript bool    `json:"hasInstallScript"`
	Dependencies     textMap `json:"dependencies"`
}

type npmDependency struct {
	Dependencies map[string]npmDependency `json:"dependencies"`
}

// maxDepth bounds how deeply nested a version 1 lock is read.
const maxDepth = 100

func npmNames(data []byte) (map[string]bool, error) {
	var lock npmLock
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, err
	}
	locked, building := map[string]bool{}, map[string]bool{}
	for at, pkg := range lock.Packages {
		if i := strings.LastIndex(at, "node_modules/"); i >= 0 {
			locked[at[i+len("node_modules/"):]] = true
		}
		if pkg.HasInstallScript {
			for name := range pkg.Dependencies {
				building[name] = true
			}
		}
	}
	for _, name := range builders() {
		// The lock tells which packages run something when they are installed; for others a builder is but a library.
		locked[name] = locked[name] && (building[name] || len(lock.Packages) == 0)
	}
	addNames(locked, lock.Dependencies, maxDepth)
	return locked, nil
}

func addNames(locked map[string]bool, deps map[string]npmDependency, depth int) {
	if depth == 0 {
		return
	}
	for name, d := range deps {
		locked[name] = true
		addNames(locked, d.Dependencies, depth-1)
	}
}

// yamlName matches a line that begins the entry of a package in pnpm-lock.yaml (v5: /name/1.0.0, v6: /name@1.0.0,
// v9: name@1.0.0) or yarn.lock (name@^1.0.0, several of them quoted, or "name@npm:^1.0.0").
var yamlName = regexp.MustCompile(`(?m)^ {0,2}['"]?/?((?:@[^@/\s'"]+/)?[^@/\s'":]+)[@/][^\n]*:\r?$`)

// bunName matches a package in bun.lock: "name": ["name@1.0.0", …].
var bunName = regexp.MustCompile(`(?m)^\s+"[^"\n]+": \["((?:@[^@/"\n]+/)?[^@/"\n]+)@`)

func bunNames(data []byte) map[string]bool {
	locked := map[string]bool{}
	for _, match := range bunName.FindAllSubmatch(data, -1) {
		locked[string(match[1])] = true
	}
	return locked
}

func yamlNames(data []byte) map[string]bool {
	locked := map[string]bool{}
	for _, match := range yamlName.FindAllSubmatch(data, -1) {
		locked[string(match[1])] = true
	}
	return locked
}
