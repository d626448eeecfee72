package python

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// entry is one package of a lock file.
type entry struct {
	// Name is normalised.
	Name, Version string
	// Marker tells where the package is needed at all; empty is everywhere.
	Marker string
	// Hashes are "sha256:…" of the files, Files their names.
	Hashes, Files []string
	// URL is a direct reference, Path a directory or file of the app; with neither, the package comes from an index.
	URL, Path string
	Editable  bool
	deps      []edge
}

// edge is a dependency of a package, or of the app.
type edge struct {
	Name string
	// Spec is the version specifier, Version the exact version that a lock names.
	Spec, Version string
	Marker        string
	Extras        []string
	// When is the extra of the depending package under which this counts; empty is always.
	When []string
}

// lockFile is a lock file of any tool.
type lockFile struct {
	// File is its name.
	File string
	// entries are all packages by name.
	entries map[string][]*entry
	// roots is where the walk begins: what the app itself needs. A lock without is flat: all its packages count.
	roots []edge
	flat  bool
	// stated are the requirements that the lock was made from, when it says so.
	stated map[string]bool
	// names keeps the order of the file.
	names []string
}

// maxPackages bounds the number of packages in a lock file.
const maxPackages = 50_000

// errLock is wrapped by the errors of lock files that cannot be used.
var errLock = errors.New("the lock file cannot be used")

func newLock(file string) *lockFile { return &lockFile{File: file, entries: map[string][]*entry{}} }

func (l *lockFile) add(e *entry) error {
	if e.Name == "" || !validName(e.Name) {
		return fmt.Errorf("reading %s: %w: a package is called %.80q", l.File, errLock, e.Name)
	}
	if len(l.names) >= maxPackages {
		return fmt.Errorf("reading %s: %w: it has more than %d packages", l.File, errLock, maxPackages)
	}
	if e.Version != "" {
		if _, err := parseVersion(e.Version); err != nil {
			return fmt.Errorf("reading %s: %w: %s: %w", l.File, errLock, e.Name, err)
		}
	}
	for _, h := range e.Hashes {
		if !hashPattern.MatchString(h) {
			return fmt.Errorf("reading %s: %w: %s has the hash %.80q", l.File, errLock, e.Name, h)
		}
	}
	if strings.ContainsAny(e.URL+e.Path, "\n\r") {
		return fmt.Errorf("reading %s: %w: %s has a line break in its address", l.File, errLock, e.Name)
	}
	l.entries[e.Name] = append(l.entries[e.Name], e)
	l.names = append(l.names, e.Name)
	return nil
}

// selection is what of a lock file is to be installed, sorted by name.
type selection struct {
	entries []*entry
	// extras are those that are asked of each package.
	extras map[string][]string
	// missing are names that something needs and the lock lacks.
	missing []string
}

// has gives the entry with this name, or nil.
func (s *selection) has(name string) *entry {
	for _, e := range s.entries {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// choose gives the packages that the app needs in an environment.
func (l *lockFile) choose(env environment) (*selection, error) {
	w := &walk{lock: l, env: env, chosen: map[string]*entry{}, extras: map[string][]string{}, missing: map[string]bool{}}
	if l.flat {
		for _, name := range l.names {
			w.roots = append(w.roots, edge{Name: name})
		}
	} else {
		w.roots = l.roots
	}
	if err := w.run(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", l.File, err)
	}
	s := &selection{extras: w.extras, missing: sortedKeys(w.missing)}
	for _, name := range sortedKeys(w.chosen) {
		s.entries = append(s.entries, w.chosen[name])
	}
	return s, nil
}

// walk follows the dependencies of a lock file.
type walk struct {
	lock    *lockFile
	env     environment
	roots   []edge
	chosen  map[string]*entry
	extras  map[string][]string
	missing map[string]bool
}

// visit is a package and an extra of it that is yet to be looked at; the extra "" is the package itself.
type visit struct{ name, extra string }

func (w *walk) run() error {
	var queue []visit
	seen := map[visit]bool{}
	follow := func(from []edge, extra string) error {
		for _, d := range from {
			if extra == "" && len(d.When) > 0 || extra != "" && !slices.Contains(d.When, extra) {
				continue
			}
			next, err := w.follow(d)
			if err != nil {
				return err
			}
			for _, v := range next {
				if !seen[v] {
					seen[v] = true
					queue = append(queue, v)
				}
			}
		}
		return nil
	}
	if err := follow(w.roots, ""); err != nil {
		return err
	}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		if e := w.chosen[v.name]; e != nil {
			if err := follow(e.deps, v.extra); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow chooses the package at the other end of an edge, and gives what there is to visit.
func (w *walk) follow(d edge) ([]visit, error) {
	if ok, err := w.env.applies(d.Marker); err != nil || !ok {
		return nil, err
	}
	if w.chosen[d.Name] == nil {
		e, err := w.pick(d)
		if err != nil || e == nil {
			return nil, err
		}
		w.chosen[d.Name] = e
	}
	visits := []visit{{name: d.Name}}
	for _, extra := range d.Extras {
		visits = append(visits, visit{d.Name, extra})
		if !slices.Contains(w.extras[d.Name], extra) {
			w.extras[d.Name] = append(w.extras[d.Name], extra)
			slices.Sort(w.extras[d.Name])
		}
	}
	return visits, nil
}

// pick chooses among the packages of a name: those that the environment and the edge allow, the newest of them.
func (w *walk) pick(d edge) (*entry, error) {
	all := w.lock.entries[d.Name]
	spec, err := parseSpecifier(d.Spec)
	if err != nil {
		spec = nil // a specifier of a tool's own grammar; the lock has resolved it
	}
	var best *entry
	var bestVersion version
	excluded := false
	for _, e := range all {
		ok, err := w.env.applies(e.Marker)
		if err != nil {
			return nil, err
		}
		if !ok {
			excluded = true
			continue
		}
		if d.Version != "" && e.Version != d.Version {
			continue
		}
		v, err := parseVersion(e.Version)
		if err != nil {
			v = version{post: -1, dev: -1}
		}
		if len(all) > 1 && e.Version != "" && !spec.has(v) {
			continue
		}
		if best == nil || v.compare(bestVersion) > 0 {
			best, bestVersion = e, v
		}
	}
	if best == nil && !excluded {
		w.missing[d.Name] = true
	}
	return best, nil
}
