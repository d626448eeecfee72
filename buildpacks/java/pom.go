package java

import (
	"path"
	"strings"
)

// value is a piece of text of a file.
type value struct {
	Text string
	// Source is where it stands, as file:line.
	Source string
}

// coordinates name an artifact of a Maven repository.
type coordinates struct{ Group, Artifact, Version string }

// pom is one pom.xml of the app, as it is written.
type pom struct {
	// File and Dir are its path and its directory in the app.
	File, Dir string
	coordinates
	Packaging string
	// Parent is what it inherits from; its Artifact is empty when that is nothing.
	Parent coordinates
	// ParentPath is where the parent is said to be; "" says that it is in a repository.
	ParentPath string
	ParentLine int
	Modules    []value
	Properties map[string]value
	// Dependencies are those of the POM, Managed those whose versions and scopes it sets.
	Dependencies, Managed []dependency
	Plugins               []plugin
	// PluginManagement configures plugins without using them.
	PluginManagement []plugin
	// Parents are the POMs of the app that this one inherits from, nearest first, and External is the parent of the last
	// of them, which is not in the app.
	Parents  []*pom
	External coordinates
}

// dependency is one dependency of a POM.
type dependency struct {
	coordinates
	Scope, Type, Source string
}

// plugin is one plugin of a POM.
type plugin struct {
	coordinates
	// Element is the whole plugin, Line where it stands.
	Element *element
	Source  string
}

// parsePOM reads one POM.
func parsePOM(file string, data []byte) (*pom, error) {
	root, err := parseXML(file, data)
	if err != nil {
		return nil, err
	}
	if root.Name != "project" {
		return nil, reject("parsing %s:%d: a POM has the root element <project>, this is <%s>", file, root.Line, root.Name)
	}
	p := &pom{File: file, Dir: path.Dir(file), Properties: map[string]value{}, Packaging: "jar"}
	p.coordinates = readCoordinates(root)
	if packaging := root.child("packaging"); packaging != nil {
		p.Packaging = packaging.Text
	}
	if parent := root.child("parent"); parent != nil {
		p.Parent, p.ParentLine, p.ParentPath = readCoordinates(parent), parent.Line, "../pom.xml"
		if rel := parent.child("relativePath"); rel != nil {
			p.ParentPath = rel.Text
		}
		p.Group = or(p.Group, p.Parent.Group)
		p.Version = or(p.Version, p.Parent.Version)
	}
	p.read(root)
	for _, profile := range root.child("profiles").all() {
		if profile.at("activation", "activeByDefault").text() == "true" {
			p.read(profile)
		}
	}
	return p, nil
}

// read reads what a POM and its profiles have in common.
func (p *pom) read(e *element) {
	for _, module := range e.child("modules").all() {
		p.Modules = append(p.Modules, p.value(module))
	}
	for _, property := range e.child("properties").all() {
		p.Properties[property.Name] = p.value(property)
	}
	p.Dependencies = append(p.Dependencies, p.dependencies(e.child("dependencies"))...)
	p.Managed = append(p.Managed, p.dependencies(e.at("dependencyManagement", "dependencies"))...)
	p.Plugins = append(p.Plugins, p.plugins(e.at("build", "plugins"))...)
	p.PluginManagement = append(p.PluginManagement, p.plugins(e.at("build", "pluginManagement", "plugins"))...)
}

func (p *pom) value(e *element) value { return value{Text: e.text(), Source: p.source(e)} }

func (p *pom) source(e *element) string { return p.File + ":" + itoa(e.Line) }

func (p *pom) dependencies(list *element) (all []dependency) {
	for _, e := range list.all() {
		all = append(all, dependency{coordinates: readCoordinates(e), Scope: e.child("scope").text(),
			Type: e.child("type").text(), Source: p.source(e)})
	}
	return all
}

func (p *pom) plugins(list *element) (all []plugin) {
	for _, e := range list.all() {
		one := plugin{coordinates: readCoordinates(e), Element: e, Source: p.source(e)}
		one.Group = or(one.Group, "org.apache.maven.plugins")
		all = append(all, one)
	}
	return all
}

func readCoordinates(e *element) coordinates {
	return coordinates{e.child("groupId").text(), e.child("artifactId").text(), e.child("version").text()}
}

// chain gives the POM and those that it inherits from, nearest first.
func (p *pom) chain() []*pom { return append([]*pom{p}, p.Parents...) }

// Bounds of the interpolation of properties, which may refer to each other.
const (
	maxReferences   = 64
	maxInterpolated = 4 << 10
)

// property gives the value of a property as the POM has it, with its references resolved; Source is where the literal
// stands that decides. What only Maven knows stays as it is.
func (p *pom) property(name string) (value, bool) {
	v, ok := p.lookup(name)
	if !ok {
		return value{}, false
	}
	return p.interpolate(v), true
}

func (p *pom) lookup(name string) (value, bool) {
	for _, one := range p.chain() {
		if v, ok := one.Properties[name]; ok {
			return v, true
		}
	}
	builtin := map[string]string{
		"project.version": p.Version, "project.groupId": p.Group, "project.artifactId": p.Artifact,
		"project.parent.version": p.Parent.Version, "project.parent.groupId": p.Parent.Group, "pom.version": p.Version,
		"project.packaging": p.Packaging, "project.basedir": p.Dir, "basedir": p.Dir,
		"project.build.directory": path.Join(p.Dir, "target"),
	}
	if text := builtin[name]; text != "" {
		return value{Text: text, Source: p.File}, true
	}
	return value{}, false
}

// interpolate resolves the references ${name} of a value. One that is a single reference has the source of what it
// refers to.
func (p *pom) interpolate(v value) value {
	for range maxReferences {
		before, rest, ok := strings.Cut(v.Text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			return v
		}
		inner, found := p.lookup(strings.TrimSpace(name))
		if !found || len(before)+len(inner.Text)+len(after) > maxInterpolated {
			return v
		}
		v.Text = before + inner.Text + after
		if before == "" && after == "" {
			v.Source = inner.Source
		}
	}
	return v
}

// plugin gives what is known of a plugin that the build uses: its own elements and those of the POMs above, the nearest
// first, and then what pluginManagement says about it. ok is false when the build does not use it.
func (p *pom) plugin(artifact string) (all []plugin, ok bool) {
	for _, one := range p.chain() {
		for _, pl := range one.Plugins {
			if pl.Artifact == artifact {
				all, ok = append(all, pl), true
			}
		}
	}
	return append(all, p.managed(artifact)...), ok
}

// managed gives what pluginManagement says about a plugin.
func (p *pom) managed(artifact string) (all []plugin) {
	for _, one := range p.chain() {
		for _, pl := range one.PluginManagement {
			if pl.Artifact == artifact {
				all = append(all, pl)
			}
		}
	}
	return all
}

// setting gives the first text at a path in a plugin's configuration, or in that of one of its executions.
func (p *pom) setting(plugins []plugin, names ...string) (value, bool) {
	for _, pl := range plugins {
		configurations := []*element{pl.Element.child("configuration")}
		for _, execution := range pl.Element.child("executions").all() {
			configurations = append(configurations, execution.child("configuration"))
		}
		for _, c := range configurations {
			if e := c.at(names...); e.text() != "" {
				file, _, _ := strings.Cut(pl.Source, ":")
				return p.interpolate(value{Text: e.Text, Source: file + ":" + itoa(e.Line)}), true
			}
		}
	}
	return value{}, false
}

// depends tells whether the POM, or one above it, has a dependency that match accepts, and gives it.
func (p *pom) depends(match func(d dependency) bool) (dependency, bool) {
	for _, one := range p.chain() {
		for _, d := range one.Dependencies {
			d.Group, d.Version = p.interpolate(value{Text: d.Group}).Text, p.interpolate(value{Text: d.Version}).Text
			if match(d) {
				return d, true
			}
		}
	}
	return dependency{}, false
}

// externals gives the parents outside of the app and the imported lists of versions (BOMs), with interpolated versions.
func (p *pom) externals() (all []coordinates) {
	add := func(c coordinates) {
		c.Version = p.interpolate(value{Text: c.Version}).Text
		all = append(all, c)
	}
	if p.External.Artifact != "" {
		add(p.External)
	}
	for _, one := range p.chain() {
		for _, d := range one.Managed {
			if d.Scope == "import" {
				add(d.coordinates)
			}
		}
	}
	return all
}
