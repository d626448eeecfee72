package php

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

const (
	fileManifest  = "composer.json"
	fileLock      = "composer.lock"
	fileInstalled = "vendor/composer/installed.json"
)

// links are requirements: names and constraints. PHP writes an empty object as an empty list, so anything else than an
// object counts as none.
type links map[string]string

// UnmarshalJSON reads what is an object of strings.
func (l *links) UnmarshalJSON(data []byte) error {
	var all map[string]any
	if json.Unmarshal(data, &all) != nil {
		return nil //nolint:nilerr // it is no object: see above
	}
	*l = links{}
	for name, value := range all {
		if text, ok := value.(string); ok {
			(*l)[strings.ToLower(name)] = text
		}
	}
	return nil
}

// object is what should be an object; in anything else nothing is found.
type object map[string]any

// UnmarshalJSON reads an object.
func (o *object) UnmarshalJSON(data []byte) error {
	var all map[string]any
	if json.Unmarshal(data, &all) == nil {
		*o = all
	}
	return nil
}

// manifest is what of a composer.json matters.
type manifest struct {
	Name    any    `json:"name"`
	Type    any    `json:"type"`
	Require links  `json:"require"`
	Config  object `json:"config"`
	Extra   object `json:"extra"`
	Scripts object `json:"scripts"`
	data    []byte
}

// lockFile is what of a composer.lock, or of installed.json, matters.
type lockFile struct {
	Packages []lockedPackage `json:"packages"`
	// names are the packages, and those that one of them stands for, in lower case; places are where they stand.
	names  map[string]bool
	places map[string]string
}

type lockedPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Require links  `json:"require"`
	Replace links  `json:"replace"`
	Provide links  `json:"provide"`
	Dist    object `json:"dist"`
}

// readManifest reads composer.json; nil when there is none.
func readManifest(app *kit.App) (*manifest, error) {
	if !app.Has(fileManifest) {
		return nil, nil
	}
	data, err := app.Read(fileManifest)
	if err != nil {
		return nil, err
	}
	return parseManifest(data)
}

// maxManifest bounds composer.json, which people write.
const maxManifest = 4 << 20

func parseManifest(data []byte) (*manifest, error) {
	if len(data) > maxManifest {
		return nil, fmt.Errorf("parsing %s: it has more than %d bytes", fileManifest, maxManifest)
	}
	m := &manifest{data: data}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", fileManifest, err)
	}
	return m, nil
}

// readLock reads a file of locked packages; nil when there is none.
func readLock(app *kit.App, name string) (*lockFile, error) {
	if !app.Has(name) {
		return nil, nil
	}
	data, err := app.Read(name)
	if err != nil {
		return nil, err
	}
	return parseLock(name, data)
}

func parseLock(name string, data []byte) (*lockFile, error) {
	var err error
	l := &lockFile{names: map[string]bool{}, places: map[string]string{}}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) { // installed.json of Composer 1
		err = json.Unmarshal(data, &l.Packages)
	} else {
		err = json.Unmarshal(data, l)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	slices.SortFunc(l.Packages, func(a, b lockedPackage) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range l.Packages {
		l.names[strings.ToLower(p.Name)] = true
		for _, others := range []links{p.Replace, p.Provide} {
			for other := range others {
				l.names[other] = true
			}
		}
	}
	line, last := 1, 0
	for _, i := range nameLine.FindAllSubmatchIndex(data, -1) {
		line, last = line+bytes.Count(data[last:i[0]], []byte("\n")), i[0]
		if p := string(data[i[2]:i[3]]); l.places[p] == "" {
			l.places[p] = name + ":" + strconv.Itoa(line)
		}
	}
	return l, nil
}

// nameLine finds the names of packages in a lock.
var nameLine = regexp.MustCompile(`"name"\s*:\s*"([^"]*)"`)

// place gives where a requirement of a locked package stands.
func (l *lockFile) place(p lockedPackage) string {
	return cmp.Or(l.places[p.Name], fileLock) + " (" + p.Name + ")"
}

// at gives the place of a key of a section as file:line.
func at(file string, data []byte, section, key string) string {
	start := 0
	if section != "" {
		if i := regexp.MustCompile(`"` + regexp.QuoteMeta(section) + `"\s*:`).FindIndex(data); i != nil {
			start = i[1]
		}
	}
	i := regexp.MustCompile(`(?i)"` + regexp.QuoteMeta(key) + `"\s*:`).FindIndex(data[start:])
	if i == nil {
		return file
	}
	return file + ":" + strconv.Itoa(kit.Line(data, start+i[0]))
}

// isPlatform tells whether a requirement is of PHP itself, of an extension, or of Composer.
func isPlatform(name string) bool {
	return name == "php" || strings.HasPrefix(name, "php-") || strings.HasPrefix(name, "ext-") ||
		strings.HasPrefix(name, "lib-") || strings.HasPrefix(name, "composer")
}

// packages gives the names of the packages that the app requires, in order.
func (m *manifest) packages() []string {
	var names []string
	for name := range m.Require {
		if !isPlatform(name) || strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// requires tells whether the app itself requires a package.
func (m *manifest) requires(name string) bool {
	if m == nil {
		return false
	}
	_, ok := m.Require[name]
	return ok
}

// has tells whether the lock, or else the manifest, has a package.
func (d *decision) has(name string) bool {
	if d.lock == nil {
		return d.manifest.requires(name)
	}
	return d.lock.names[name]
}

// drift gives the packages that composer.json requires and composer.lock does not have.
func (d *decision) drift() []string {
	var missing []string
	for _, name := range d.manifest.packages() {
		if !d.lock.names[name] {
			missing = append(missing, name+" "+d.manifest.Require[name])
		}
	}
	return missing
}

// vendored compares a committed directory vendor with the lock: it gives the packages that differ.
func vendored(installed, lock *lockFile) []string {
	have := map[string]string{}
	for _, p := range installed.Packages {
		have[p.Name] = p.Version
	}
	var differ []string
	for _, p := range lock.Packages {
		if v := have[p.Name]; v != p.Version {
			differ = append(differ, fmt.Sprintf("%s %s (vendor has %s)", p.Name, p.Version, cmp.Or(v, "none")))
		}
	}
	return differ
}

// sources gives how many locked packages come from version control only, and from the app's own directories.
func (l *lockFile) sources() (git, local int) {
	for _, p := range l.Packages {
		kind, _ := p.Dist["type"].(string)
		switch kind {
		case "path":
			local++
		case "":
			git++
		}
	}
	return git, local
}
