package java

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"s2i/buildpacks/kit"
)

// pomFile is what Maven calls its files.
const pomFile = "pom.xml"

// maxModules and maxPOMs bound the modules of an app, and how many bytes their POMs have together.
const (
	maxModules = 1000
	maxPOMs    = 32 << 20
)

// project is all POMs of the app that belong together.
type project struct {
	app   *kit.App
	root  *pom
	files map[string]*pom // by path in the app
	// size is how many bytes of POMs were read, searched how many of sources.
	size, searched int
	// modules are the POMs of the build in the order in which they are listed, the root first.
	modules []*pom
}

// readProject reads the POM of the app, its modules and the parents that are in the app.
func readProject(app *kit.App) (*project, error) {
	p := &project{app: app, files: map[string]*pom{}}
	root, err := p.read(pomFile)
	if err != nil {
		return nil, err
	}
	p.root = root
	if err := p.addModules(root); err != nil {
		return nil, err
	}
	for _, one := range p.modules {
		if err := p.linkParents(one); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *project) read(file string) (*pom, error) {
	if known := p.files[file]; known != nil {
		return known, nil
	}
	data, err := p.app.Read(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if p.size += len(data); p.size > maxPOMs {
		return nil, reject("the POMs of the app have more than %d bytes together", maxPOMs)
	}
	one, err := parsePOM(file, data)
	if err != nil {
		return nil, err
	}
	p.files[file] = one
	return one, nil
}

// addModules adds a POM and its modules, once each.
func (p *project) addModules(one *pom) error {
	for _, m := range p.modules {
		if m == one {
			return nil
		}
	}
	if len(p.modules) >= maxModules {
		return reject("the app has more than %d modules", maxModules)
	}
	p.modules = append(p.modules, one)
	for _, m := range one.Modules {
		if m.Text == "" || strings.Contains(m.Text, "${") {
			continue
		}
		file := path.Join(one.Dir, m.Text)
		if !strings.HasSuffix(file, ".xml") {
			file = path.Join(file, pomFile)
		}
		if !fs.ValidPath(file) {
			return reject("%s names the module %s, which is outside of the app: build the directory that has both",
				m.Source, m.Text)
		}
		module, err := p.read(file)
		if errors.Is(err, fs.ErrNotExist) {
			return reject("%s names the module %s, but there is no %s: is it left out by an ignore file?",
				m.Source, m.Text, file)
		}
		if err != nil {
			return err
		}
		if err := p.addModules(module); err != nil {
			return err
		}
	}
	return nil
}

// linkParents finds the parents of a POM that are in the app.
func (p *project) linkParents(one *pom) error {
	seen := map[*pom]bool{one: true}
	for current := one; current.Parent.Artifact != ""; {
		parent, err := p.parentOf(current)
		if err != nil {
			return err
		}
		if parent == nil {
			one.External = current.Parent
			return nil
		}
		if seen[parent] {
			return reject("%s:%d: the parents of this POM lead back to it", current.File, current.ParentLine)
		}
		seen[parent] = true
		one.Parents = append(one.Parents, parent)
		current = parent
	}
	return nil
}

// parentOf gives the parent of a POM when it is in the app, else nil: then it is in a repository.
func (p *project) parentOf(one *pom) (*pom, error) {
	if one.ParentPath == "" {
		return nil, nil
	}
	file := path.Join(one.Dir, one.ParentPath)
	if !strings.HasSuffix(file, ".xml") {
		file = path.Join(file, pomFile)
	}
	if !fs.ValidPath(file) || !p.app.Has(file) {
		return nil, nil
	}
	parent, err := p.read(file)
	if err != nil {
		return nil, err
	}
	if parent.Artifact != one.Parent.Artifact {
		return nil, nil // Maven warns of it and looks in the repository
	}
	return parent, nil
}

// find gives the modules that a name stands for: a directory, an artifact, or group:artifact.
func (p *project) find(name string) []*pom {
	clean := path.Clean(strings.TrimPrefix(name, "./"))
	var found []*pom
	for _, m := range p.modules {
		if m.Dir == clean || m.Artifact == strings.TrimPrefix(name, ":") || m.Group+":"+m.Artifact == name {
			found = append(found, m)
		}
	}
	return found
}

// libraries are the modules that others of the app depend on.
func (p *project) libraries() map[*pom]bool {
	byName := map[string]*pom{}
	for _, m := range p.modules {
		byName[m.Artifact] = m
	}
	found := map[*pom]bool{}
	for _, m := range p.modules {
		for _, d := range m.Dependencies {
			if lib := byName[d.Artifact]; lib != nil && lib != m && p.sameGroup(lib, m, d) {
				found[lib] = true
			}
		}
	}
	return found
}

func (p *project) sameGroup(lib, m *pom, d dependency) bool {
	return m.interpolate(value{Text: d.Group}).Text == lib.interpolate(value{Text: lib.Group}).Text
}
