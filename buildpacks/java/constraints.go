package java

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"s2i/buildpacks/kit"
)

// maxConstraints bounds the statements about Java that are passed on; a thousand modules say the same thing.
const maxConstraints = 16

// oldestRelease is the oldest release that the compilers of the stacks still compile for, and lastForSeven the last
// Java whose compiler did so for Java 7.
const (
	oldestRelease = 7
	lastForSeven  = 19
)

// java gives everything that the app says about its version of Java.
func (p *project) java(modules []*pom) ([]kit.Constraint, error) {
	var all []kit.Constraint
	for _, m := range modules {
		found, err := m.java()
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			if !slices.Contains(all, c) && len(all) < maxConstraints {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// java gives what one POM says: what the compilers are told, what the enforcer and the toolchains plugin demand, and
// what is known of libraries that do not run on every Java.
func (p *pom) java() ([]kit.Constraint, error) {
	var all []kit.Constraint
	add := func(v value, ok bool) error {
		if !ok {
			return nil
		}
		c, err := release(v)
		all = append(all, c...)
		return err
	}
	compiled, ok := p.compilerRelease()
	if err := add(compiled, ok); err != nil {
		return nil, err
	}
	if plugins, ok := p.plugin("kotlin-maven-plugin"); ok {
		target, ok := p.setting(plugins, "jvmTarget")
		if !ok {
			target, ok = p.property("kotlin.compiler.jvmTarget")
		}
		if err := add(target, ok); err != nil {
			return nil, err
		}
	}
	if plugins, ok := p.plugin("maven-enforcer-plugin"); ok {
		if v, ok := p.setting(plugins, "rules", "requireJavaVersion", "version"); ok {
			all = append(all, mavenRange(v))
		}
	}
	if plugins, ok := p.plugin("maven-toolchains-plugin"); ok {
		if v, ok := p.setting(plugins, "toolchains", "jdk", "version"); ok {
			all = append(all, exactly(v))
		}
	}
	return append(all, p.lombok()...), nil
}

// compilerRelease is the release of Java that javac compiles for, with the precedence that Maven gives its settings.
func (p *pom) compilerRelease() (value, bool) {
	plugins, _ := p.plugin("maven-compiler-plugin")
	if len(plugins) == 0 {
		plugins = p.managed("maven-compiler-plugin")
	}
	for _, find := range []func() (value, bool){
		func() (value, bool) { return p.setting(plugins, "release") },
		func() (value, bool) { return p.property("maven.compiler.release") },
		func() (value, bool) { return p.setting(plugins, "target") },
		func() (value, bool) { return p.setting(plugins, "source") },
		func() (value, bool) { return p.property("maven.compiler.target") },
		func() (value, bool) { return p.property("maven.compiler.source") },
		func() (value, bool) { return p.property("java.version") },
		func() (value, bool) { return p.property("jdk.version") },
		func() (value, bool) { return p.property("release.version") },
		p.parentsRelease,
	} {
		if v, ok := find(); ok && !strings.Contains(v.Text, "${") {
			return v, true
		}
	}
	return value{}, false
}

// parentsRelease is the default of parents that are not in the app and not read.
func (p *pom) parentsRelease() (value, bool) {
	parent := p.External
	major, _ := strconv.Atoi(first(parent.Version))
	if major == 0 {
		return value{}, false
	}
	source := p.File + ":" + itoa(p.ParentLine)
	if len(p.Parents) > 0 {
		last := p.Parents[len(p.Parents)-1]
		source = last.File + ":" + itoa(last.ParentLine)
	}
	switch {
	case parent.Artifact == "spring-boot-starter-parent" && major >= 3:
		return value{"17", source}, true
	case parent.Artifact == "spring-boot-starter-parent":
		return value{"8", source}, true
	case parent.Artifact == "micronaut-parent" && major >= 4:
		return value{"17", source}, true
	case parent.Artifact == "micronaut-parent":
		return value{"8", source}, true
	}
	return value{}, false
}

// release makes a constraint of a release that sources are compiled for. A newer Java compiles for older releases as
// well, down to 8; for 7 there is an upper end too.
func release(v value) ([]kit.Constraint, error) {
	n, ok := major(v.Text)
	if !ok {
		return nil, reject("%s: %q is no version of Java: write a number such as 21", v.Source, v.Text)
	}
	if n < oldestRelease {
		return nil, reject("%s: no Java of the stacks compiles for Java %d: set it to 8 or later", v.Source, n)
	}
	all := []kit.Constraint{{Value: itoa(n), Source: v.Source, Kind: kit.Minimum}}
	if n == oldestRelease {
		all = append(all, kit.Constraint{Value: fmt.Sprintf("[%d,%d]", n, lastForSeven), Source: v.Source})
	}
	return all, nil
}

// mavenRange makes a constraint of a version as the enforcer has it: without brackets it is a minimum.
func mavenRange(v value) kit.Constraint {
	if strings.ContainsAny(v.Text, "[(") {
		return kit.Constraint{Value: v.Text, Source: v.Source}
	}
	return kit.Constraint{Value: strings.TrimPrefix(v.Text, "1."), Source: v.Source, Kind: kit.Minimum}
}

// exactly makes a constraint of a version that is meant as it is; a range stays one.
func exactly(v value) kit.Constraint {
	if strings.ContainsAny(v.Text, "[(") {
		return kit.Constraint{Value: v.Text, Source: v.Source}
	}
	if n, ok := major(v.Text); ok {
		return kit.Constraint{Value: fmt.Sprintf("[%d,%d)", n, n+1), Source: v.Source}
	}
	return kit.Constraint{Value: "[" + v.Text + "]", Source: v.Source}
}

// versionDigits finds the first version in a text such as "temurin-21.0.2+13" or "1.8.0_392".
var versionDigits = regexp.MustCompile(`\d{1,4}(?:\.\d{1,4})*`)

// major gives the release of Java in a version: 21 of "21.0.2", 8 of "1.8".
func major(text string) (int, bool) {
	digits := strings.Split(versionDigits.FindString(text), ".")
	if digits[0] == "1" && len(digits) > 1 {
		digits = digits[1:]
	}
	n, err := strconv.Atoi(digits[0])
	return n, err == nil && n > 0 && n < 1000
}

// first is what stands before the first dot.
func first(version string) string {
	head, _, _ := strings.Cut(version, ".")
	return head
}

// lombok gives the upper end that an old Lombok has: before 1.18.30 it cannot work in the compiler of Java 21.
func (p *pom) lombok() []kit.Constraint {
	const needed, firstWithout = "1.18.30", 21
	d, ok := p.depends(func(d dependency) bool { return d.Group == "org.projectlombok" && d.Artifact == "lombok" })
	if !ok {
		return nil
	}
	version, source := d.Version, d.Source
	if version == "" {
		version, source = p.managedLombok()
	}
	if version == "" || strings.Contains(version, "${") || !older(version, needed) {
		return nil
	}
	return []kit.Constraint{{Value: fmt.Sprintf("[8,%d)", firstWithout), Source: source}}
}

// managedLombok is the version that the POMs manage, or that the Spring Boot parent is known to set.
func (p *pom) managedLombok() (version, source string) {
	if v, ok := p.property("lombok.version"); ok {
		return v.Text, v.Source
	}
	for _, one := range p.chain() {
		for _, d := range one.Managed {
			if d.Artifact == "lombok" {
				return p.interpolate(value{Text: d.Version}).Text, d.Source
			}
		}
	}
	if v, source, ok := p.springBoot(); ok && (older(v, "2.7.17") || !older(v, "3.0") && older(v, "3.0.12") ||
		!older(v, "3.1") && older(v, "3.1.5")) {
		return "1.18.28", source
	}
	return "", ""
}

// springBoot gives the version of Spring Boot and what says so.
func (p *pom) springBoot() (version, source string, ok bool) {
	for _, c := range p.externals() {
		if c.Group == "org.springframework.boot" &&
			(c.Artifact == "spring-boot-starter-parent" || c.Artifact == "spring-boot-dependencies") {
			return c.Version, p.File, true
		}
	}
	return "", "", false
}

// older compares two versions number by number.
func older(a, b string) bool {
	x, y := numbers(a), numbers(b)
	return slices.Compare(x, y) < 0
}

func numbers(version string) []int {
	var all []int
	for _, part := range strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		all = append(all, n)
	}
	return all
}
