package java

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// decision is everything that is decided about an app with a POM, and why.
type decision struct {
	project *project
	// app is the module that is started.
	app        candidate
	candidates []candidate
	java       []kit.Constraint
	maven      []kit.Constraint
	// procfile is the start command of the Procfile's web process, which goes before ours.
	procfile value
	frontend *frontendPlugin
	stackJRE bool
	warnings []string
}

// decide is pure: it looks at the app's files and the user's settings.
func decide(app *kit.App, env kit.Env) (*decision, error) {
	p, err := readProject(app)
	if err != nil {
		return nil, err
	}
	d := &decision{project: p}
	if d.procfile, err = procfileWeb(app); err != nil {
		return nil, err
	}
	if err := d.choose(env); err != nil {
		return nil, err
	}
	if d.java, err = d.javaVersion(env); err != nil {
		return nil, err
	}
	if d.maven, err = mavenVersion(app); err != nil {
		return nil, err
	}
	if v := env[envMaven]; v != "" {
		d.maven = []kit.Constraint{{Value: v, Source: envMaven, Kind: kit.Override}}
	}
	if d.stackJRE, err = stackJRE(env); err != nil {
		return nil, err
	}
	d.frontend = findFrontendPlugin(d.closure())
	return d, nil
}

// stackJRE tells whether the user wants the stack's Java runtime instead of one made for the app.
func stackJRE(env kit.Env) (bool, error) {
	switch choice := env[envJRE]; choice {
	case "", "jlink":
		return false, nil
	case "stack":
		return true, nil
	default:
		return false, reject("%s is %q: it can be jlink, a runtime of the modules that the app uses, or stack,"+
			" the runtime of the stack, which a rebase patches", envJRE, choice)
	}
}

// javaVersion gives all constraints; the user's word counts alone.
func (d *decision) javaVersion(env kit.Env) ([]kit.Constraint, error) {
	if v := env[envVersion]; v != "" {
		return []kit.Constraint{{Value: v, Source: envVersion, Kind: kit.Override}}, nil
	}
	all, err := d.project.java(d.closure())
	if err != nil {
		return nil, err
	}
	found, err := hints(d.project.app)
	return append(all, found...), err
}

// closure gives the app's module and those of the project that it depends on, as far as the POMs say.
func (d *decision) closure() []*pom {
	byName := map[string]*pom{}
	for _, m := range d.project.modules {
		byName[m.Artifact] = m
	}
	all := []*pom{d.app.pom}
	for i := 0; i < len(all); i++ {
		for _, dep := range all[i].Dependencies {
			if m := byName[dep.Artifact]; m != nil && !slices.Contains(all, m) && d.project.sameGroup(m, all[i], dep) {
				all = append(all, m)
			}
		}
	}
	return all
}

// choose finds the module to start. Two that are equally good are not chosen between.
func (d *decision) choose(env kit.Env) error {
	modules, err := d.eligible(env)
	if err != nil {
		return err
	}
	libraries := d.project.libraries()
	for _, m := range modules {
		c, ok := d.project.examine(m, env)
		if !ok {
			continue
		}
		if libraries[m] && len(modules) > 1 {
			c.Rejected = "other modules depend on it"
		} else if c.Score == 0 {
			c.Rejected = "several classes have a main method"
		}
		d.candidates = append(d.candidates, c)
	}
	slices.SortStableFunc(d.candidates, func(a, b candidate) int { return rank(b) - rank(a) })
	if d.startsResults() {
		d.app = d.forProcfile(modules)
		return nil
	}
	if len(d.candidates) == 0 {
		return d.nothing(modules)
	}
	best := d.candidates[0]
	if err := best.ambiguous(); err != nil {
		return err
	}
	if len(d.candidates) > 1 && rank(d.candidates[1]) == rank(best) {
		return reject("several modules could be the app, and none is better than the others: %s; choose one with %s",
			d.ranking(rank(best)), envApp)
	}
	d.app = best
	return nil
}

// rank is the score of a candidate as far as it is not rejected.
func rank(c candidate) int {
	if c.Rejected != "" {
		return min(c.Score, 10)
	}
	return c.Score
}

// eligible gives the modules to choose from: all, or what the user names.
func (d *decision) eligible(env kit.Env) ([]*pom, error) {
	name := env[envApp]
	if name == "" {
		return d.project.modules, nil
	}
	found := d.project.find(name)
	switch len(found) {
	case 0:
		return nil, reject("%s is %s, which is no module of %s: there are %s", envApp, name, pomFile,
			names(d.project.modules))
	case 1:
		return found, nil
	}
	return nil, reject("%s is %s, which stands for several modules: name one by its directory: %s", envApp, name, names(found))
}

// startsResults tells whether the Procfile's web process starts files that the build makes.
func (d *decision) startsResults() bool {
	return d.procfile.Text != "" && len(resultPaths(d.procfile.Text)) > 0
}

// forProcfile is the app when the Procfile says how it is started: the best candidate's module, or all of them.
func (d *decision) forProcfile(modules []*pom) candidate {
	c := candidate{pom: modules[0], kind: kindProcfile}
	for i := range d.candidates {
		if d.candidates[i].Rejected == "" {
			d.candidates[i].Rejected = d.procfile.Source + " says what is started"
		}
	}
	return c
}

// ambiguous refuses a module with several main classes. Spring Boot's plugin makes its own choice.
func (c candidate) ambiguous() error {
	if len(c.Mains) == 0 || c.kind == kindSpring {
		return nil
	}
	var list []string
	for _, m := range c.Mains {
		list = append(list, fmt.Sprintf("%s (%s)", m.Name, m.Source))
	}
	return reject("%s: several classes have a main method: %s; name one with %s, or as <mainClass> of maven-jar-plugin",
		c.pom.File, strings.Join(list, ", "), envMain)
}

// ranking is the list of candidates for an error.
func (d *decision) ranking(least int) string {
	var list []string
	for _, c := range d.candidates {
		if rank(c) >= least {
			list = append(list, fmt.Sprintf("%s (score %d: %s)", c.pom.name(), rank(c), strings.Join(c.Evidence, ", ")))
		}
	}
	return strings.Join(list, ", ")
}

// nothing says why there is nothing to start.
func (d *decision) nothing(modules []*pom) error {
	if len(modules) == 1 {
		m := modules[0]
		if m.Packaging == "pom" {
			return rejectLibrary("%s has the packaging pom and no modules: there is nothing to start", m.File)
		}
		return rejectLibrary("%s is a library: no plugin makes an app of it, and no class below %s has a main method; "+
			"if one is generated, name it with %s", m.File, strings.Join(sourceDirs(m), " or "), envMain)
	}
	return rejectLibrary("none of the modules of %s is an app: no plugin makes one of them, and no class has a main method",
		modules[0].File)
}

// name is how a module is named to the user: what S2I_APP takes.
func (p *pom) name() string {
	if p.Dir != "." {
		return p.Dir
	}
	return or(p.Artifact, ".")
}

func names(modules []*pom) string {
	var list []string
	for _, m := range modules {
		list = append(list, m.name())
	}
	slices.Sort(list)
	if len(list) > 20 {
		list = append(list[:20], fmt.Sprintf("and %d more", len(list)-20))
	}
	return strings.Join(list, ", ")
}

// target is where the build puts what it makes of the module.
func (c candidate) target() string {
	if c.results != "" {
		return c.results
	}
	return path.Join(c.pom.Dir, "target")
}

// classpath tells whether the build has to tell the classpath: what it makes does not hold the dependencies, or not in
// a form that can be taken apart.
func (d *decision) classpath() bool { return d.app.kind == kindMain }
