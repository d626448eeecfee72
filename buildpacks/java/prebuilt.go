package java

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"s2i/buildpacks/kit"
)

// maxPrebuilt bounds the jars in the app's directory that are looked into.
const maxPrebuilt = 200

// prebuilt is an app that is built: a jar or a war, or what is in one.
type prebuilt struct {
	// File is the jar or war; "" when the app's directory is what is in one.
	File string
	Main string
	// Release is the release of Java that the main class is compiled for, 0 when that is not known.
	Release    int
	java       []kit.Constraint
	stackJRE   bool
	candidates []kit.Start
	war        bool // it needs a servlet container
}

func matchPrebuilt(app *kit.App, env kit.Env) (kit.Match, bool, error) {
	p, err := findPrebuilt(app, env)
	if err != nil || p == nil {
		return kit.Match{}, false, err
	}
	needs := javaNeeds(p.java, p.stackJRE)
	if p.war {
		needs = append(needs, kit.Need{Name: "maven", Build: true}) // it fetches the servlet container
	}
	return kit.Match{ID: ID, Record: p.record(), Needs: needs}, true, nil
}

// findPrebuilt finds the archive to start, nil when there is none.
func findPrebuilt(app *kit.App, env kit.Env) (*prebuilt, error) {
	stack, err := stackJRE(env)
	if err != nil {
		return nil, err
	}
	var found []*prebuilt
	var rejected []kit.Start
	if app.Has(manifestFile) {
		p, err := explodedApp(app)
		if err != nil {
			return nil, err
		}
		if p != nil {
			found = append(found, p)
		}
	}
	for _, name := range archives(app) {
		if choice := env[envApp]; choice != "" && path.Clean(choice) != name {
			continue
		}
		p, why, err := openPrebuilt(app, name)
		if err != nil {
			return nil, err
		}
		if p == nil {
			rejected = append(rejected, kit.Start{Type: kit.DefaultType, Command: "java -jar " + name, Rejected: why})
			continue
		}
		found = append(found, p)
	}
	found = preferQuarkus(found)
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, reject("several archives can be started: %s; choose one with %s", prebuiltNames(found), envApp)
	}
	p := found[0]
	p.stackJRE, p.candidates = stack, append([]kit.Start{p.start()}, rejected...)
	return p, p.setJava(app, env)
}

func preferQuarkus(found []*prebuilt) []*prebuilt {
	for _, p := range found {
		if p.File == quarkusJar {
			return []*prebuilt{p}
		}
	}
	return found
}

func prebuiltNames(found []*prebuilt) string {
	var list []string
	for _, p := range found {
		list = append(list, fmt.Sprintf("%s (%s)", or(p.File, manifestFile), or(p.Main, "servlets")))
	}
	return strings.Join(list, ", ")
}

// archives gives the jars and wars in the app's directory.
func archives(app *kit.App) []string {
	entries, err := fs.ReadDir(app.FS(), ".")
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		name := e.Name()
		if ext := path.Ext(name); (ext == ".jar" || ext == ".war") && app.Has(name) && len(all) < maxPrebuilt {
			all = append(all, name)
		}
	}
	return all
}

// openPrebuilt looks into an archive; nil with a reason when it cannot be started.
func openPrebuilt(app *kit.App, name string) (*prebuilt, string, error) {
	j, err := openJar(app.FS(), name)
	if err != nil {
		return nil, err.Error(), nil // a file that only looks like a jar
	}
	defer j.Close()
	if path.Ext(name) == ".war" && j.Manifest.get("Main-Class") == "" {
		return &prebuilt{File: name, war: true}, "", nil
	}
	l := describe(j)
	if l.Main == "" {
		return nil, "its manifest names no Main-Class", nil
	}
	file, data := l.classFile(j)
	if data == nil && j.Manifest.get("Class-Path") == "" {
		return nil, "", reject("%s names the Main-Class %s, but has no %s", name, l.Main, file)
	}
	return &prebuilt{File: name, Main: l.Main, Release: classRelease(data)}, "", nil
}

// explodedApp is the app whose directory is the content of a jar.
func explodedApp(app *kit.App) (*prebuilt, error) {
	data, err := app.Read(manifestFile)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", manifestFile, err)
	}
	m := parseManifest(data)
	main := or(m.get("Start-Class"), m.get("Main-Class"))
	if main == "" || !className(main) {
		return nil, nil
	}
	p := &prebuilt{Main: main}
	for _, dir := range []string{"BOOT-INF/classes", "WEB-INF/classes", "."} {
		class, err := app.Read(path.Join(dir, classFile(main)))
		if err == nil {
			p.Release = classRelease(class)
			return p, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading the main class: %w", err)
		}
	}
	return nil, reject("%s names the class %s, but the app does not have it", manifestFile, main)
}

// setJava sets the constraints: the release of the main class, and what the files of version managers say.
func (p *prebuilt) setJava(app *kit.App, env kit.Env) error {
	if v := env[envVersion]; v != "" {
		p.java = []kit.Constraint{{Value: v, Source: envVersion, Kind: kit.Override}}
		return nil
	}
	if p.Release > 0 {
		p.java = append(p.java, kit.Constraint{Value: itoa(p.Release), Source: or(p.File, manifestFile), Kind: kit.Minimum})
	}
	found, err := hints(app)
	p.java = append(p.java, found...)
	return err
}

func (p *prebuilt) start() kit.Start {
	s := kit.Start{Type: kit.DefaultType, Command: "java " + p.Main, Score: 95, Chosen: true,
		Evidence: []string{or(p.File, "META-INF") + " has the manifest's main class"}}
	if p.war {
		s.Command, s.Evidence = "Tomcat with "+p.File, []string{p.File + " is a war without a main class"}
	}
	return s
}

func (p *prebuilt) record() kit.Record {
	r := kit.Record{Starts: p.candidates}
	r.Summary = fmt.Sprintf("%s, built already: %s; web starts %s", javaText(p.java), or(p.File, "the content of a jar"), p.candidates[0].Command)
	r.Facts = append(r.Facts, kit.Fact{Topic: "files", Text: "taken apart into layers, no build", Source: or(p.File, manifestFile)})
	return r
}
