package node

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"s2i/buildpacks/kit"
)

// manager is the package manager of the app.
type manager struct {
	// Name is npm, pnpm, yarn or bun.
	Name string
	// Lock is the lock file, "" when there is none.
	Lock string
	// Version is what the app says of the manager's version.
	Version kit.Constraint
	// Berry tells that it is yarn 2 or later.
	Berry bool
	// YarnPath is the yarn that the app brings along, relative to the app.
	YarnPath string
	// Why is the evidence, for messages.
	Why string
}

// lockNames are the lock files, by manager.
func lockNames() []struct{ manager, file string } {
	return []struct{ manager, file string }{
		{"npm", "npm-shrinkwrap.json"}, {"npm", "package-lock.json"},
		{"pnpm", "pnpm-lock.yaml"}, {"yarn", "yarn.lock"}, {"bun", "bun.lock"}, {"bun", "bun.lockb"},
	}
}

var packageManagerField = regexp.MustCompile(`^(npm|pnpm|yarn|bun)@([0-9][0-9A-Za-z.-]*)(\+.*)?$`)

// chooseManager decides by the field packageManager, or else by the lock file.
func chooseManager(p *project) (*manager, error) {
	m, err := declaredManager(p)
	if err != nil {
		return nil, err
	}
	locks := map[string]string{}
	for _, l := range lockNames() {
		if p.app.Has(l.file) && locks[l.manager] == "" {
			locks[l.manager] = l.file
		}
	}
	if m == nil {
		if m, err = lockedManager(locks); err != nil {
			return nil, err
		}
	}
	m.Lock = locks[m.Name]
	if m.Lock == "" && len(locks) > 0 {
		return nil, fmt.Errorf("%s, but there is %s: run `%s install` and commit its lock file, or change packageManager",
			m.Why, anyOf(locks), m.Name)
	}
	if err := m.refine(p); err != nil {
		return nil, err
	}
	return m, nil
}

func anyOf(locks map[string]string) string {
	for _, l := range lockNames() {
		if locks[l.manager] != "" {
			return locks[l.manager]
		}
	}
	return ""
}

func declaredManager(p *project) (*manager, error) {
	field := string(p.root.PackageManager)
	if field == "" {
		for _, e := range p.root.DevEngines.PackageManager {
			switch e.Name {
			case "npm", "pnpm", "yarn", "bun":
				at := p.root.at("devEngines")
				return &manager{Name: string(e.Name), Why: at + " names " + string(e.Name),
					Version: kit.Constraint{Value: string(e.Version), Source: at}}, nil
			}
		}
		return nil, nil
	}
	at := p.root.at("packageManager")
	match := packageManagerField.FindStringSubmatch(field)
	if match == nil {
		return nil, fmt.Errorf("%s: packageManager is %q: write name@version with npm, pnpm, yarn or bun", at, field)
	}
	return &manager{Name: match[1], Version: kit.Constraint{Value: match[2], Source: at},
		Why: at + ` says packageManager "` + match[1] + "@" + match[2] + `"`}, nil
}

func lockedManager(locks map[string]string) (*manager, error) {
	switch len(locks) {
	case 0:
		return &manager{Name: "npm", Why: "there is no lock file and no packageManager"}, nil
	case 1:
		for name, file := range locks {
			return &manager{Name: name, Why: file + " is there"}, nil
		}
	}
	var files []string
	for _, l := range lockNames() {
		if locks[l.manager] == l.file {
			files = append(files, l.file)
		}
	}
	return nil, fmt.Errorf("there are %s: set packageManager in package.json, or delete all but one",
		strings.Join(files, " and "))
}

// refine completes the version from the lock file and the app's other files.
func (m *manager) refine(p *project) error {
	if m.Version.Value == "" {
		if v := p.root.Volta[m.Name]; v != "" {
			m.Version = kit.Constraint{Value: v, Source: p.root.at("volta", m.Name)}
		} else if v := p.root.Engines[m.Name]; v != "" {
			m.Version = kit.Constraint{Value: v, Source: p.root.at("engines", m.Name)}
		}
	}
	switch m.Name {
	case "pnpm":
		return m.refinePnpm(p)
	case "yarn":
		return m.refineYarn(p)
	}
	return nil
}

// pnpmMajors tells which versions of pnpm read a version of the lock file. Newer ones refuse it when frozen.
func pnpmMajors(lockfileVersion string) string {
	major, _, _ := strings.Cut(lockfileVersion, ".")
	switch {
	case lockfileVersion == "5.3":
		return "6"
	case major == "5":
		return "7"
	case major == "6":
		return "8"
	}
	return newestPnpm
}

// newestPnpm are the versions that read the newest lock files.
const newestPnpm = ">=9 <12"

// exact tells whether a constraint is one version.
var exact = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+([-+].*)?$`)

func (m *manager) refinePnpm(p *project) error {
	if m.Lock == "" || exact.MatchString(m.Version.Value) {
		return nil
	}
	data, err := p.app.Read(m.Lock)
	if err != nil {
		return err
	}
	majors := pnpmMajors(yamlValue(data[:min(len(data), 4096)], "lockfileVersion"))
	// A range such as ">=8" does not say that the newest version reads an old lock file.
	if m.Version.Value == "" || majors != newestPnpm {
		m.Version = kit.Constraint{Value: majors, Source: m.Lock + ":1"}
	}
	return nil
}

var (
	yarnRelease  = regexp.MustCompile(`yarn-([0-9]+\.[0-9]+\.[0-9][0-9A-Za-z.-]*)\.c?js$`)
	yarnMetadata = regexp.MustCompile(`(?m)^__metadata:\n(?:  .*\n)*?  version: "?([0-9]+)`)
)

func (m *manager) refineYarn(p *project) error {
	if p.app.Has(".yarnrc.yml") {
		data, err := p.app.Read(".yarnrc.yml")
		if err != nil {
			return err
		}
		if file := yamlValue(data, "yarnPath"); file != "" {
			file = filepath.ToSlash(filepath.Clean(file))
			if !p.app.Has(file) {
				return fmt.Errorf(".yarnrc.yml has yarnPath %s, which is not in the app: commit it", file)
			}
			m.YarnPath, m.Berry = file, true
			if match := yarnRelease.FindStringSubmatch(file); match != nil {
				m.Version = kit.Constraint{Value: match[1], Source: ".yarnrc.yml"}
			}
			return nil
		}
	}
	if exact.MatchString(m.Version.Value) {
		m.Berry = !strings.HasPrefix(strings.TrimPrefix(m.Version.Value, "v"), "1.")
		return nil
	}
	return m.yarnFromLock(p)
}

// yarnFromLock tells the generations of yarn apart by the lock file's own version.
func (m *manager) yarnFromLock(p *project) error {
	if m.Lock == "" {
		return nil
	}
	data, err := p.app.Read(m.Lock)
	if err != nil {
		return err
	}
	majors := "1.22.22"
	if match := yarnMetadata.FindSubmatch(data[:min(len(data), 4096)]); match != nil {
		m.Berry = true
		switch string(match[1]) {
		case "4", "5":
			majors = "2"
		case "6", "7":
			majors = "3"
		default:
			majors = "4"
		}
	}
	if m.Version.Value == "" {
		m.Version = kit.Constraint{Value: majors, Source: m.Lock}
	}
	return nil
}

// need is what the stack has to supply; nil when the app brings its own.
func (m *manager) need() []kit.Need {
	if m.YarnPath != "" {
		return nil
	}
	return []kit.Need{{Name: m.Name, Version: m.Version, Build: true}}
}

// npmFor gives the version of npm that goes with an old version of Node, when the app asks for one and for no npm: the
// newest npm runs on the supported versions only.
func npmFor(node []kit.Constraint) kit.Constraint {
	for _, v := range node {
		if strings.ContainsAny(v.Value, ">|<* ") {
			continue
		}
		switch major := majorOf(v.Value); {
		case major < 12 || major >= 20:
		case major < 14:
			return kit.Constraint{Value: "6", Source: v.Source}
		case major < 16:
			return kit.Constraint{Value: "8", Source: v.Source}
		case major < 18:
			return kit.Constraint{Value: "9", Source: v.Source}
		default:
			return kit.Constraint{Value: "10", Source: v.Source}
		}
	}
	return kit.Constraint{}
}

// command gives the start of the manager's command line; appDir is where the app is.
func (m *manager) command(appDir string) []string {
	if m.YarnPath != "" {
		return []string{"node", filepath.Join(appDir, filepath.FromSlash(m.YarnPath))}
	}
	return []string{m.Name}
}
