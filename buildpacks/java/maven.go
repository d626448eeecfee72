package java

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// dependencyPlugin tells the classpath of a module. The version is fixed so that the same is used today and tomorrow.
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"

// classpathFile is the name, below target, of the file in which that plugin writes the classpath.
const classpathFile = "s2i-classpath"

// outputTimestamp is the time that archives made by the build have in them, the earliest that a zip archive can have,
// in the form that Maven's plugins take.
const outputTimestamp = "1980-01-01T00:00:02Z"

// mavenArgs is the command that builds the app, without what is about this machine.
func (d *decision) mavenArgs(env kit.Env) []string {
	args := []string{"mvn", "-B", "-ntp"}
	user := kit.Fields(env[envMavenArgs])
	if args = append(args, user...); !hasGoal(user) {
		args = append(args, "-DskipTests", "package")
	}
	if d.app.pom != d.project.root {
		args = append(args, "-pl", d.app.pom.Dir, "-am")
	}
	if d.classpath() {
		args = append(args, dependencyPlugin+":build-classpath", "-DincludeScope=runtime", "-Dmdep.outputFile=target/"+classpathFile)
	}
	return args
}

// hasGoal tells whether there is a goal or phase among arguments, besides options and their values.
func hasGoal(args []string) bool {
	takesValue := []string{"-P", "-pl", "-rf", "-f", "-s", "-gs", "-t", "-gt", "-T", "-D", "-b", "-l"}
	for i := 0; i < len(args); i++ {
		if slices.Contains(takesValue, args[i]) {
			i++
		} else if !strings.HasPrefix(args[i], "-") {
			return true
		}
	}
	return false
}

// maven builds the app and lays it out.
func (b *builder) maven(ctx context.Context) (*layout, bool, error) {
	d, err := decide(b.app, b.env)
	if err != nil {
		return nil, false, err
	}
	if err := b.removeTargets(d.project); err != nil {
		return nil, false, err
	}
	if err := b.linkNode(d.frontend); err != nil {
		return nil, false, err
	}
	options, err := b.mavenOptions(d)
	if err != nil {
		return nil, false, err
	}
	if d.app.kind == kindSpring && !d.stackJRE {
		if err := b.linkAhead(ctx, ofSpring()); err != nil {
			return nil, false, err
		}
	}
	if err := b.runMaven(ctx, b.bc.ApplicationPath, append(d.mavenArgs(b.env), options...), pomFile+" is there"); err != nil {
		return nil, false, err
	}
	l, err := b.layOut(ctx, d)
	return l, d.stackJRE, err
}

// runMaven runs Maven in a directory, with the cache of its repository.
func (b *builder) runMaven(ctx context.Context, dir string, args []string, why string) error {
	repository, err := b.repository()
	if err != nil {
		return err
	}
	settings, err := b.settings()
	if err != nil {
		return err
	}
	env, options, err := javaEnv(b.env)
	if err != nil {
		return err
	}
	// What the user says comes last, and so it is what counts.
	env["MAVEN_OPTS"] = strings.TrimSpace(strings.Join(options, " ") + " " + env["MAVEN_OPTS"])
	kit.Say(b.bc.Logger, "%s", strings.Join(args, " "))
	args = append(append(args, "-Dmaven.repo.local="+repository), settings...)
	return kit.Command{Args: args, Dir: dir, Env: env, Out: kit.Out(b.bc.Logger), Why: why,
		Advice: mavenAdvice()}.Run(ctx)
}

// repository gives the directory of Maven's local repository, a layer that is kept between builds.
func (b *builder) repository() (string, error) {
	layer, err := kit.Cache(b.bc.Layers, "repository")
	if err != nil {
		return "", err
	}
	for _, known := range b.result.Layers {
		if known.Name == layer.Name {
			return layer.Path, nil
		}
	}
	b.result.Layers = append(b.result.Layers, layer)
	return layer.Path, nil
}

// mavenOptions are the options that make the build the same everywhere.
func (b *builder) mavenOptions(d *decision) ([]string, error) {
	var options []string
	if _, ok := d.app.pom.property("project.build.outputTimestamp"); !ok {
		options = append(options, "-Dproject.build.outputTimestamp="+outputTimestamp)
	}
	for _, artifact := range []string{"git-commit-id-maven-plugin", "git-commit-id-plugin"} {
		if _, ok := d.app.pom.plugin(artifact); ok && !b.app.HasDir(".git") {
			options = append(options, "-Dmaven.gitcommitid.skip=true")
		}
	}
	if d.frontend != nil {
		options = append(options, "-Dskip.installnodenpm=true")
	}
	chains, err := b.toolchains(d)
	return append(options, chains...), err
}

// toolchains describes the JDK of the build image for maven-toolchains-plugin, which only looks at such a file.
func (b *builder) toolchains(d *decision) ([]string, error) {
	used := false
	for _, m := range d.closure() {
		if _, ok := m.plugin("maven-toolchains-plugin"); ok {
			used = true
		}
	}
	if !used {
		return nil, nil
	}
	text := fmt.Sprintf("<toolchains><toolchain><type>jdk</type><provides><version>%d</version></provides>"+
		"<configuration><jdkHome>%s</jdkHome></configuration></toolchain></toolchains>\n", b.jdk.Major, b.jdk.Home)
	file := filepath.Join(os.TempDir(), "s2i-toolchains.xml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("describing the JDK to Maven: %w", err)
	}
	return []string{"-t", file}, nil
}

// removeTargets removes what was built on somebody's machine and came along with the sources.
func (b *builder) removeTargets(p *project) error {
	for _, m := range p.modules {
		if err := b.app.Root().RemoveAll(filepath.Join(filepath.FromSlash(m.Dir), "target")); err != nil {
			return fmt.Errorf("removing %s/target: %w", m.Dir, err)
		}
	}
	return nil
}

// linkNode puts the stack's Node.js where frontend-maven-plugin looks for the one that it downloads.
func (b *builder) linkNode(f *frontendPlugin) error {
	if f == nil {
		return nil
	}
	const bin, modules = "/usr/local/bin/node", "/usr/local/lib/node_modules/npm"
	dir := filepath.Join(filepath.FromSlash(f.Dir), "node")
	if !filepath.IsLocal(dir) {
		return nil
	}
	if err := b.app.Root().MkdirAll(filepath.Join(dir, "node_modules"), 0o755); err != nil {
		return fmt.Errorf("giving frontend-maven-plugin the stack's Node.js: %w", err)
	}
	for name, to := range map[string]string{"node": bin, "node_modules/npm": modules} {
		name = filepath.Join(dir, name)
		if err := b.app.Root().RemoveAll(name); err != nil {
			return fmt.Errorf("giving frontend-maven-plugin the stack's Node.js: %w", err)
		}
		if err := b.app.Root().Symlink(to, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("giving frontend-maven-plugin the stack's Node.js: %w", err)
		}
	}
	return nil
}

// unauthorized is the advice about a repository that was reached.
const unauthorized = "the repository wants credentials, which are missing or wrong: give settings.xml by a binding of type maven"

func mavenAdvice() []kit.Advice {
	return []kit.Advice{
		{Sign: "status code: 401", Say: unauthorized},
		{Sign: "status code: 403", Say: "a private repository refuses: give settings.xml with credentials by a binding of type maven"},
		{Sign: "401 Unauthorized", Say: unauthorized},
		{Sign: "Not authorized", Say: unauthorized},
		{Sign: "invalid target release", Say: "the JDK is too old for the POM: set " + envVersion},
		{Sign: "JCTree$JCImport", Say: "Lombok is too old for this Java: update it to 1.18.30, or set " + envVersion + "=17"},
		{Sign: "com.sun.tools.javac", Say: "a plugin does not know this Java: update it, or set " + envVersion + "=17"},
		{Sign: "Source option", Say: "the POM compiles for a Java that compilers have dropped: set maven.compiler.release to 8" +
			" or later"},
		{Sign: "Unsupported class file major version", Say: "a plugin does not know this Java: update it, or set " + envVersion},
		{Sign: "Unable to find main class", Say: "the module has no main method: name the module with " + envApp},
		{Sign: "Unable to find a single main class", Say: "set <mainClass> of spring-boot-maven-plugin"},
		{Sign: "Could not find the selected project in the reactor", Say: "a profile may have the module: set " + envMavenArgs},
		{Sign: "Could not find artifact", Say: "no repository that is configured has it: add the one that has to the POM or settings.xml"},
		{Sign: "Blocked mirror for repositories", Say: "Maven refuses repositories without TLS: use https in the POM"},
	}
}
