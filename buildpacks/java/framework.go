package java

import (
	"strings"

	"s2i/buildpacks/kit"
)

// kind is what a build makes, and so how it is taken apart and started.
type kind string

// The kinds.
const (
	// kindSpring is a jar or war that Spring Boot repackages.
	kindSpring kind = "Spring Boot"
	// kindQuarkus is a directory quarkus-app.
	kindQuarkus kind = "Quarkus"
	// kindWAR is a war for a servlet container.
	kindWAR kind = "WAR"
	// kindMain is a class with a main method and what it depends on.
	kindMain kind = "main class"
	// kindProcfile is whatever the Procfile's web process starts.
	kindProcfile kind = "Procfile"
)

// candidate is a module that might be the app.
type candidate struct {
	pom  *pom
	kind kind
	// Framework is for reading: "Micronaut", "Ktor".
	Framework string
	Main      value // the main class, when one is known
	Score     int
	Evidence  []string
	Rejected  string
	// results is where the build puts what it makes, when that is not target.
	results string
	// Mains are the classes with a main method, when there are several and none is declared.
	Mains []mainClass
}

// examine tells what a module makes. ok is false when it cannot be an app.
func (p *project) examine(m *pom, env kit.Env) (candidate, bool) {
	c := candidate{pom: m, kind: kindMain}
	packaging := m.interpolate(value{Text: m.Packaging}).Text
	switch packaging {
	case "jar", "war", "quarkus", "native-image", "docker":
	default:
		return c, false
	}
	_, quarkus := m.plugin("quarkus-maven-plugin")
	spring, springSays := m.repackages()
	switch {
	case quarkus || packaging == "quarkus":
		c.is(kindQuarkus, "Quarkus", 95, pluginSource(m, "quarkus-maven-plugin")+" quarkus-maven-plugin")
		return c, true
	case spring:
		c.is(kindSpring, "Spring Boot", 85, springSays)
	case packaging == "war":
		c.is(kindWAR, "", 90, m.File+" packaging war")
		return c, true
	default:
		c.framework()
	}
	c.findMain(p, env)
	if c.kind == kindSpring && c.Main.Text != "" {
		c.Score = 95
	}
	return c, c.Score > 0 || len(c.Mains) > 0
}

func (c *candidate) is(k kind, framework string, score int, evidence ...string) {
	c.kind, c.Framework, c.Score = k, framework, score
	c.Evidence = append(c.Evidence, evidence...)
}

// framework names what a plain main class is built on.
func (c *candidate) framework() {
	for _, f := range []struct{ group, name string }{
		{"io.micronaut", "Micronaut"}, {"io.helidon", "Helidon"}, {"io.dropwizard", "Dropwizard"},
		{"io.javalin", "Javalin"}, {"io.ktor", "Ktor"}, {"io.vertx", "Vert.x"}, {"com.sparkjava", "Spark"},
		{"org.springframework.boot", "Spring Boot"}, {"org.http4k", "http4k"},
	} {
		if d, ok := c.pom.depends(func(d dependency) bool {
			return (d.Group == f.group || strings.HasPrefix(d.Group, f.group+".")) && d.Scope != "test"
		}); ok {
			c.Framework = f.name
			c.Evidence = append(c.Evidence, d.Source+" "+d.Artifact)
			return
		}
	}
}

// findMain finds the main class: what the user says, what a POM declares, the only one in the sources.
func (c *candidate) findMain(p *project, env kit.Env) {
	if name := env[envMain]; name != "" {
		c.Main, c.Score = value{name, envMain}, 100
		return
	}
	if v, ok := c.pom.declaredMain(); ok {
		c.Main, c.Score = v, max(c.Score, 90)
		c.Evidence = append(c.Evidence, v.Source+" main class "+v.Text)
		return
	}
	mains := p.findMains(c.pom)
	if c.kind == kindSpring || c.Framework == "Spring Boot" {
		mains = preferSpring(mains)
	}
	switch len(mains) {
	case 0:
	case 1:
		c.Main, c.Score = value{mains[0].Name, mains[0].Source}, max(c.Score, 70)
		c.Evidence = append(c.Evidence, mains[0].Source+" has the only main method")
	default:
		c.Mains = mains
	}
}

func preferSpring(mains []mainClass) []mainClass {
	for _, m := range mains {
		if m.Spring {
			return []mainClass{m}
		}
	}
	return mains
}

// declaredMain gives the main class that a POM declares, in whatever plugin it does.
func (p *pom) declaredMain() (value, bool) {
	for _, where := range []struct {
		plugin string
		path   []string
	}{
		{"spring-boot-maven-plugin", []string{"mainClass"}},
		{"maven-jar-plugin", []string{"archive", "manifest", "mainClass"}},
		{"maven-shade-plugin", []string{"transformers", "transformer", "mainClass"}},
		{"maven-shade-plugin", []string{"transformers", "transformer", "manifestEntries", "Main-Class"}},
		{"maven-assembly-plugin", []string{"archive", "manifest", "mainClass"}},
		{"exec-maven-plugin", []string{"mainClass"}},
		{"appassembler-maven-plugin", []string{"programs", "program", "mainClass"}},
		{"jib-maven-plugin", []string{"container", "mainClass"}},
	} {
		plugins, ok := p.plugin(where.plugin)
		if !ok {
			continue
		}
		v, ok := p.setting(plugins, where.path...)
		if !ok && where.plugin == "maven-shade-plugin" {
			v, ok = p.shadedMain(plugins)
		}
		if ok && className(v.Text) {
			return v, true
		}
	}
	for _, name := range []string{"start-class", "exec.mainClass", "main.class", "mainClass"} {
		if v, ok := p.property(name); ok && className(v.Text) {
			return v, true
		}
	}
	return value{}, false
}

// shadedMain looks at every transformer of the shade plugin: it is not the first of them that knows the main class.
func (p *pom) shadedMain(plugins []plugin) (value, bool) {
	for _, pl := range plugins {
		file, _, _ := strings.Cut(pl.Source, ":")
		for _, name := range []string{"mainClass", "Main-Class"} {
			for _, e := range pl.Element.find(name) {
				if e.Text != "" {
					return p.interpolate(value{Text: e.Text, Source: file + ":" + itoa(e.Line)}), true
				}
			}
		}
	}
	return value{}, false
}

// className tells whether a text can be the name of a class.
func className(text string) bool {
	if text == "" || len(text) > 1024 {
		return false
	}
	for part := range strings.SplitSeq(text, ".") {
		if part == "" || strings.ContainsAny(part, "/\\ \t\r\n{};[<>:\"'|&()") || part[0] >= '0' && part[0] <= '9' || part[0] == '-' {
			return false
		}
	}
	return true
}

// repackages tells whether Spring Boot's plugin makes an executable archive of the module, and what says so. The plugin
// does when the POM inherits its executions from Spring Boot's own parent, or has one with the goal.
func (p *pom) repackages() (ok bool, evidence string) {
	plugins, used := p.plugin("spring-boot-maven-plugin")
	if !used {
		return false, ""
	}
	source := plugins[0].Source + " spring-boot-maven-plugin"
	for _, pl := range plugins {
		if pl.Element.at("configuration", "skip").text() == "true" {
			return false, ""
		}
		for _, execution := range pl.Element.child("executions").all() {
			for _, goal := range execution.find("goal") {
				if goal.Text == "repackage" {
					return execution.at("configuration", "skip").text() != "true", source
				}
			}
		}
	}
	return p.External.Artifact == "spring-boot-starter-parent", source
}

func pluginSource(p *pom, artifact string) string {
	if plugins, ok := p.plugin(artifact); ok {
		return plugins[0].Source
	}
	return p.File
}
