package java

import (
	"fmt"
	"strings"

	"s2i/buildpacks/kit"
)

// record tells what was decided and why.
func (d *decision) record(env kit.Env) kit.Record {
	r := kit.Record{Summary: d.summary(), Warnings: d.warnings}
	c := d.app
	fact := func(topic, source, format string, a ...any) {
		r.Facts = append(r.Facts, kit.Fact{Topic: topic, Text: fmt.Sprintf(format, a...), Source: source})
	}
	if len(d.project.modules) > 1 {
		fact("files", pomFile, "%d modules: %s", len(d.project.modules), names(d.project.modules))
	}
	if c.Framework != "" {
		fact("framework", c.pom.File, "%s", c.Framework)
	}
	if _, ok := c.pom.plugin("kotlin-maven-plugin"); ok {
		fact("framework", pluginSource(c.pom, "kotlin-maven-plugin"), "Kotlin")
	}
	fact("build", c.pom.File, "%s", strings.Join(d.mavenArgs(env), " "))
	for _, file := range []string{".mvn/maven.config", ".mvn/jvm.config", ".mvn/extensions.xml"} {
		if d.project.app.Has(file) {
			fact("build", file, "is honoured by Maven")
		}
	}
	if d.frontend != nil {
		fact("build", d.frontend.Source, "frontend-maven-plugin uses the stack's Node.js and npm in place of its download")
		for _, tool := range d.frontend.Tools {
			r.Hosts = append(r.Hosts, kit.Host{Name: "the download site of " + tool, Source: d.frontend.Source,
				Why: "frontend-maven-plugin installs " + tool})
		}
	}
	if d.stackJRE {
		fact("runtime", envJRE, "the stack's Java runtime, which a rebase patches")
	} else {
		fact("runtime", "", "a Java runtime of the modules that the app uses, by jlink")
	}
	fact("files", "", "the image has what runs: classes, resources and libraries in layers of their own; no sources")
	r.Starts = d.starts()
	return r
}

// starts gives the candidates for the process, the best first.
func (d *decision) starts() []kit.Start {
	var all []kit.Start
	if d.app.kind == kindProcfile {
		all = append(all, kit.Start{Type: kit.DefaultType, Command: d.procfile.Text, Score: 100, Chosen: true,
			Evidence: []string{d.procfile.Source}})
	}
	for _, c := range d.candidates {
		all = append(all, kit.Start{Type: kit.DefaultType, Command: c.command(), Score: c.Score, Evidence: c.Evidence,
			Rejected: c.Rejected, Chosen: c.pom == d.app.pom && d.app.kind != kindProcfile})
	}
	return all
}

// command is the start command for reading; the build knows it exactly.
func (c candidate) command() string {
	switch {
	case c.kind == kindQuarkus:
		return "java -jar quarkus-run.jar"
	case c.kind == kindWAR:
		return "Tomcat with " + or(c.pom.Dir, ".")
	case c.Main.Text != "":
		return "java " + c.Main.Text
	}
	return "java, the main class of " + c.pom.name()
}

func (d *decision) summary() string {
	c := d.app
	head := javaText(d.java)
	what := c.Framework
	if what == "" {
		what = string(c.kind)
	}
	if len(d.project.modules) > 1 {
		what += " in " + c.pom.name()
	}
	if c.kind == kindProcfile {
		return fmt.Sprintf("%s, Maven; web starts %s", head, d.procfile.Text)
	}
	return fmt.Sprintf("%s, Maven, %s; web starts %s", head, what, c.command())
}

// javaText says what the app asks of Java, as it is asked for: the stack chooses a version that fits all of it.
func javaText(all []kit.Constraint) string {
	if len(all) == 0 {
		return "Java, any version"
	}
	var parts []string
	for _, c := range all {
		if c.Kind == kit.Minimum {
			c.Value = ">=" + c.Value
		}
		parts = append(parts, c.String())
	}
	const few = 3
	if more := len(parts) - few; more > 0 {
		parts = append(parts[:few], fmt.Sprintf("%d more", more))
	}
	return "Java " + strings.Join(parts, " and ")
}
