package python

import (
	"fmt"
	"path"
	"strings"

	"github.com/BurntSushi/toml"
)

// uvLock is the part of a uv.lock that matters here.
type uvLock struct {
	Version int         `toml:"version"`
	Package []uvPackage `toml:"package"`
}

type uvPackage struct {
	Name         string                    `toml:"name"`
	Version      string                    `toml:"version"`
	Source       uvSource                  `toml:"source"`
	Markers      []string                  `toml:"resolution-markers"`
	Dependencies []uvDependency            `toml:"dependencies"`
	Optional     map[string][]uvDependency `toml:"optional-dependencies"`
	Dev          map[string][]uvDependency `toml:"dev-dependencies"`
	Sdist        *lockedFile               `toml:"sdist"`
	Wheels       []lockedFile              `toml:"wheels"`
	Metadata     struct {
		RequiresDist []struct {
			Name   string `toml:"name"`
			Marker string `toml:"marker"`
		} `toml:"requires-dist"`
	} `toml:"metadata"`
}

// uvSource is where a package comes from; exactly one field is set.
type uvSource struct {
	Registry  string `toml:"registry"`
	Git       string `toml:"git"`
	URL       string `toml:"url"`
	Path      string `toml:"path"`
	Directory string `toml:"directory"`
	Editable  string `toml:"editable"`
	Virtual   string `toml:"virtual"`
	// Subdirectory belongs to URL.
	Subdirectory string `toml:"subdirectory"`
}

// local gives the directory of a source that is part of the app.
func (s uvSource) local() string {
	for _, dir := range []string{s.Editable, s.Virtual, s.Directory} {
		if dir != "" {
			return path.Clean(dir)
		}
	}
	return ""
}

type uvDependency struct {
	Name    string   `toml:"name"`
	Version string   `toml:"version"`
	Marker  string   `toml:"marker"`
	Extra   []string `toml:"extra"`
}

// lockedFile is a file of a package, in any of the TOML lock files.
type lockedFile struct {
	File     string            `toml:"file"`
	Filename string            `toml:"filename"`
	Name     string            `toml:"name"`
	URL      string            `toml:"url"`
	Path     string            `toml:"path"`
	Hash     string            `toml:"hash"`
	Hashes   map[string]string `toml:"hashes"`
}

// name gives the file's name.
func (f lockedFile) name() string {
	for _, n := range []string{f.File, f.Filename, f.Name, f.URL, f.Path} {
		if n != "" {
			n, _, _ = strings.Cut(n, "#")
			return path.Base(n)
		}
	}
	return ""
}

// addFiles adds files to an entry.
func (e *entry) addFiles(files ...lockedFile) {
	for _, f := range files {
		if n := f.name(); n != "" && n != "." {
			e.Files = append(e.Files, n)
		}
		if f.Hash != "" {
			e.Hashes = append(e.Hashes, f.Hash)
		}
		for _, algorithm := range sortedKeys(f.Hashes) {
			e.Hashes = append(e.Hashes, algorithm+":"+f.Hashes[algorithm])
		}
	}
}

// parseUVLock reads a uv.lock. app is the directory in it of what is built, "." for the root; members that it does not
// depend on are left out.
func parseUVLock(data []byte, app string, o options) (*lockFile, error) {
	var raw uvLock
	if _, err := toml.Decode(string(data), &raw); err != nil {
		return nil, fmt.Errorf("parsing uv.lock: %w", err)
	}
	if raw.Version > 1 {
		return nil, fmt.Errorf("reading uv.lock: %w: its version is %d, only 1 is known", errLock, raw.Version)
	}
	l := newLock("uv.lock")
	var members []uvPackage
	for _, p := range raw.Package {
		e, err := p.entry()
		if err != nil {
			return nil, err
		}
		if err := l.add(e); err != nil {
			return nil, err
		}
		if p.Source.local() != "" {
			members = append(members, p)
		}
	}
	for _, p := range members {
		if p.Source.local() == app {
			l.setRoot(p, o)
			return l, nil
		}
	}
	if app != "." {
		return nil, fmt.Errorf("reading uv.lock: %w: it has no package in %s", errLock, app)
	}
	for _, p := range members { // a workspace without a project at its root
		l.roots = append(l.roots, edge{Name: normal(p.Name)})
	}
	return l, nil
}

// setRoot begins the walk at a project.
func (l *lockFile) setRoot(p uvPackage, o options) {
	l.roots = uvEdges(p.Dependencies, nil)
	for _, extra := range o.extras {
		l.roots = append(l.roots, uvEdges(p.Optional[extra], nil)...)
	}
	for _, group := range o.groups {
		l.roots = append(l.roots, uvEdges(p.Dev[group], nil)...)
	}
	l.stated = map[string]bool{}
	for _, r := range p.Metadata.RequiresDist {
		if !strings.Contains(r.Marker, "extra") {
			l.stated[normal(r.Name)] = true
		}
	}
}

func (p uvPackage) entry() (*entry, error) {
	e := &entry{Name: normal(p.Name), Version: p.Version, deps: uvEdges(p.Dependencies, nil)}
	for _, extra := range sortedKeys(p.Optional) {
		e.deps = append(e.deps, uvEdges(p.Optional[extra], []string{normal(extra)})...)
	}
	// A package that is there in several versions says for where each is; any of its markers will do.
	if len(p.Markers) > 0 {
		e.Marker = "(" + strings.Join(p.Markers, ") or (") + ")"
	}
	e.addFiles(p.Wheels...)
	if p.Sdist != nil {
		e.addFiles(*p.Sdist)
	}
	var err error
	switch s := p.Source; {
	case s.Git != "":
		e.URL, err = gitURL(s.Git)
	case s.URL != "":
		e.URL = s.URL
		if s.Subdirectory != "" {
			e.URL += "#subdirectory=" + s.Subdirectory
		}
	case s.local() != "":
		e.Path, e.Editable = s.local(), s.Editable != ""
		if s.Virtual != "" {
			e.Path, e.Editable = "", false // nothing is installed of it
			e.URL = virtual
		}
	case s.Path != "":
		e.Path = path.Clean(s.Path)
	}
	return e, err
}

// virtual stands for the address of a project that is never installed itself.
const virtual = "virtual:"

// gitURL turns uv's https://host/repo?rev=main#commit into git+https://host/repo@commit.
func gitURL(text string) (string, error) {
	address, commit, ok := strings.Cut(text, "#")
	if !ok || commit == "" {
		return "", fmt.Errorf("reading uv.lock: %w: %.200q names no commit", errLock, text)
	}
	address, query, _ := strings.Cut(address, "?")
	url := "git+" + address + "@" + commit
	for pair := range strings.SplitSeq(query, "&") {
		if dir, ok := strings.CutPrefix(pair, "subdirectory="); ok {
			url += "#subdirectory=" + dir
		}
	}
	return url, nil
}

func uvEdges(deps []uvDependency, when []string) []edge {
	var list []edge
	for _, d := range deps {
		e := edge{Name: normal(d.Name), Version: d.Version, Marker: d.Marker, When: when}
		for _, extra := range d.Extra {
			e.Extras = append(e.Extras, normal(extra))
		}
		list = append(list, e)
	}
	return list
}
