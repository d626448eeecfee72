package java

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// Directories of an app that is started by its class path.
const (
	libDir       = "lib"
	classesDir   = "classes"
	resourcesDir = "resources"
)

// layOut makes the app to run out of what Maven built.
func (b *builder) layOut(ctx context.Context, d *decision) (*layout, error) {
	s, err := newStage(b.app)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var l *layout
	switch d.app.kind {
	case kindSpring:
		l, err = b.layOutSpring(s, d)
	case kindQuarkus:
		l, err = b.layOutQuarkus(s, d)
	case kindWAR:
		l, err = b.layOutWAR(ctx, s, d)
	case kindProcfile:
		l, err = b.layOutProcfile(s)
	default:
		l, err = b.layOutMain(s, d)
	}
	if err != nil {
		return nil, err
	}
	if err := s.keep(kit.Fields(b.env[envKeep])); err != nil {
		return nil, err
	}
	return l, s.replace()
}

// layOutSpring takes apart the archive that Spring Boot's plugin made.
func (b *builder) layOutSpring(s *stage, d *decision) (*layout, error) {
	j, sh, err := b.builtJar(d, func(_ *jar, sh shape) bool { return sh.Spring })
	if err != nil {
		return nil, err
	}
	defer j.Close()
	return b.explode(s, j, sh)
}

// builtJar opens the one archive below target that is accepted.
func (b *builder) builtJar(d *decision, accept func(*jar, shape) bool) (*jar, shape, error) {
	var names []string
	for _, ext := range []string{"*.jar", "*.war"} {
		found, err := fs.Glob(b.app.FS(), path.Join(d.app.target(), ext))
		if err != nil {
			return nil, shape{}, fmt.Errorf("looking for what was built: %w", err)
		}
		names = append(names, found...)
	}
	for _, name := range names {
		j, err := openJar(b.app.FS(), name)
		if err != nil {
			return nil, shape{}, err
		}
		if sh := describe(j); accept(j, sh) {
			return j, sh, nil
		}
		j.Close()
	}
	return nil, shape{}, fmt.Errorf("looking for what was built: %s has no executable archive of %s (there are: %s); "+
		"did a setting skip it?", d.app.target(), d.app.kind, or(strings.Join(names, ", "), "none"))
}

// explode lays out an archive of Spring Boot's: libraries, resources and classes apart, or a war as it is.
func (b *builder) explode(s *stage, j *jar, sh shape) (*layout, error) {
	if file, data := sh.classFile(j); data == nil {
		return nil, fmt.Errorf("verifying the start command: %s names the main class %s, but has no %s", j.Name, sh.Main, file)
	}
	order := springOrder(j, sh)
	l := &layout{Command: []string{"java", sh.Main}, Listen: springPort(), Modules: ofSpring()}
	if sh.War {
		return l, b.explodeWar(s, j, sh, order, l)
	}
	err := s.unpack(j, func(name string) string {
		switch {
		case strings.HasPrefix(name, sh.Libs+"/"):
			if !slices.Contains(order, name) {
				return ""
			}
			return path.Join(libDir, path.Base(name))
		case strings.HasPrefix(name, sh.Classes+"/"):
			return ownPlace(strings.TrimPrefix(name, sh.Classes+"/"))
		case strings.HasPrefix(name, "org/springframework/boot/loader/"), strings.HasPrefix(name, path.Dir(sh.Classes)+"/"),
			name == manifestFile, strings.HasPrefix(name, "META-INF/maven/"),
			name == "META-INF/services/java.nio.file.spi.FileSystemProvider":
			return ""
		}
		return path.Join(resourcesDir, name)
	})
	if err != nil {
		return nil, err
	}
	libs := make([]string, len(order))
	for i, name := range order {
		libs[i] = path.Join(libDir, path.Base(name))
	}
	return b.byClasspath(s, l, libs, springSnapshots(j, sh))
}

// springOrder gives the libraries in the order of the class path: that of the index, and what it does not name.
func springOrder(j *jar, sh shape) []string {
	data, _ := j.read(sh.Index, maxManifest)
	order := slices.DeleteFunc(parseIndex(data), func(name string) bool { return !j.has(name) || path.Ext(name) != ".jar" })
	var rest []string
	for name := range j.files {
		in := path.Dir(name) == sh.Libs || sh.Provided != "" && path.Dir(name) == sh.Provided
		tool := strings.HasPrefix(path.Base(name), "spring-boot-jarmode-")
		if in && !tool && path.Ext(name) == ".jar" && !slices.Contains(order, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(order, rest...)
}

// springSnapshots gives the libraries that Spring Boot's index has in a layer for what changes.
func springSnapshots(j *jar, sh shape) map[string]bool {
	changing := map[string]bool{}
	data, _ := j.read(sh.Layers, maxManifest)
	for _, layer := range parseLayers(data) {
		if layer.Name != "dependencies" {
			for _, p := range layer.Paths {
				changing[path.Join(libDir, path.Base(p))] = path.Ext(p) == ".jar"
			}
		}
	}
	return changing
}

// explodeWar lays out a war with a main class: servlet containers find its pages by where its libraries are.
func (b *builder) explodeWar(s *stage, j *jar, sh shape, order []string, l *layout) error {
	err := s.unpack(j, func(name string) string {
		if strings.HasPrefix(name, "org/springframework/boot/loader/") {
			return ""
		}
		return name
	})
	if err != nil {
		return err
	}
	l.Classpath = append([]string{sh.Classes}, order...)
	released, snapshots := slicesOf(order, nil)
	l.Slices = [][]string{released, snapshots}
	l.Scan = []string{b.app.Dir}
	return nil
}

// ownPlace is where a file of the app's own classes goes: classes apart from resources, since they change apart.
func ownPlace(name string) string {
	if path.Ext(name) == ".class" {
		return path.Join(classesDir, name)
	}
	return path.Join(resourcesDir, name)
}

// byClasspath completes the layout of an app whose libraries, resources and classes are in place.
func (b *builder) byClasspath(s *stage, l *layout, libs []string, changing map[string]bool) (*layout, error) {
	for _, dir := range []string{resourcesDir, classesDir, libDir} {
		if _, err := s.root.Lstat(dir); err != nil {
			continue
		}
		l.Scan = append(l.Scan, filepath.Join(b.app.Dir, dir))
		if dir != libDir {
			l.Classpath = append(l.Classpath, dir)
		}
	}
	l.Classpath = append(l.Classpath, libs...)
	released, snapshots := slicesOf(libs, changing)
	l.Slices = [][]string{released, snapshots, {resourcesDir}, {classesDir}}
	return l, nil
}

// layOutQuarkus takes the directory that Quarkus' plugin made as it is, or the one jar.
func (b *builder) layOutQuarkus(s *stage, d *decision) (*layout, error) {
	dir := path.Join(d.app.target(), "quarkus-app")
	l := &layout{Listen: quarkusPort(), Scan: []string{b.app.Dir}}
	if !b.app.Has(path.Join(dir, quarkusJar)) {
		j, sh, err := b.builtJar(d, func(j *jar, sh shape) bool { return strings.HasSuffix(j.Name, "-runner.jar") })
		if err != nil {
			return nil, err
		}
		defer j.Close()
		if _, class := sh.classFile(j); class == nil {
			return nil, fmt.Errorf("verifying the start command: %s has no main class", j.Name)
		}
		l.Command = []string{"java", "-jar", path.Base(j.Name)}
		return l, s.copyFile(path.Base(j.Name), filepath.Join(b.app.Dir, filepath.FromSlash(j.Name)), true)
	}
	err := fs.WalkDir(b.app.FS(), dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel := strings.TrimPrefix(name, dir+"/")
		if rel == "quarkus-app-dependencies.txt" {
			return nil
		}
		made := !strings.HasPrefix(rel, "lib/")
		return s.copyFile(rel, filepath.Join(b.app.Dir, filepath.FromSlash(name)), made)
	})
	if err != nil {
		return nil, fmt.Errorf("laying out quarkus-app: %w", err)
	}
	l.Command = []string{"java", "-jar", quarkusJar}
	l.Slices = [][]string{{"lib"}, {"quarkus", quarkusJar}, {"app"}}
	return l, nil
}

// layOutProcfile keeps what the Procfile's commands start.
func (b *builder) layOutProcfile(s *stage) (*layout, error) {
	globs := procfilePaths(b.app)
	if err := s.keep(globs); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("reading what is kept: %w", err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("laying out the app: %s starts %s, but the build made no such file", kit.Procfile,
			strings.Join(globs, ", "))
	}
	return &layout{Scan: []string{b.app.Dir}}, nil
}

func springPort() []kit.Assignment {
	return []kit.Assignment{{Name: "SERVER_PORT", Value: kit.Port}}
}

func quarkusPort() []kit.Assignment {
	return []kit.Assignment{{Name: "QUARKUS_HTTP_PORT", Value: kit.Port}}
}

// ports are the variables by which a framework is told its port; unknown is for archives that do not say.
func ports(framework string) []kit.Assignment {
	switch framework {
	case "Spring Boot", "Helidon":
		return springPort()
	case "Quarkus":
		return quarkusPort()
	case "Micronaut":
		return []kit.Assignment{{Name: "MICRONAUT_SERVER_PORT", Value: kit.Port}}
	}
	return nil
}
