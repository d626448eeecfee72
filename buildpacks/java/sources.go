package java

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// Bounds of the search for main methods in the sources of a module.
const (
	maxSources  = 20_000
	maxSource   = 1 << 20
	maxMains    = 20
	searchCost  = 1 << 10   // of a file, besides its bytes
	maxSearched = 256 << 20 // of all modules
)

// mainClass is a class with a main method.
type mainClass struct {
	Name, Source string
	// Spring tells that it is a Spring Boot application.
	Spring bool
}

var (
	packageLine = regexp.MustCompile(`(?m)^\s*package\s+([\w.]+)`)
	javaMain    = regexp.MustCompile(`\b(?:public\s+static|static\s+public)\s+(?:final\s+)?void\s+main\s*\(\s*(?:final\s+)?(?:java\.lang\.)?String\b`)
	kotlinMain  = regexp.MustCompile(`(?m)^(?:suspend\s+)?fun\s+main\s*\(`)
	kotlinName  = regexp.MustCompile(`@file:JvmName\s*\(\s*"([\w.]+)"`)
	kotlinIn    = regexp.MustCompile(`@JvmStatic\s+fun\s+main\s*\(`)
	kotlinType  = regexp.MustCompile(`(?m)^(?:\w+\s+)*(object|class)\s+(\w+)`)
	comments    = regexp.MustCompile(`(?s)/\*.*?\*/|(?m:^\s*//.*$)`)
)

// findMains searches the sources of a module for classes that can be started. What cannot be read is passed over: the
// compiler will have its word.
func (p *project) findMains(m *pom) []mainClass {
	var found []mainClass
	files := 0
	for _, dir := range sourceDirs(m) {
		if !p.app.HasDir(dir) {
			continue
		}
		_ = fs.WalkDir(p.app.FS(), dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // see above
			}
			ext := path.Ext(name)
			if ext != ".java" && ext != ".kt" {
				return nil
			}
			p.searched += searchCost
			if files++; files > maxSources || len(found) >= maxMains || p.searched > maxSearched {
				return fs.SkipAll
			}
			if info, err := d.Info(); err != nil || info.Size() > maxSource {
				return nil //nolint:nilerr // see above
			}
			data, err := p.app.Read(name)
			if err != nil {
				return nil //nolint:nilerr // see above
			}
			p.searched += len(data)
			if main, ok := mainIn(name, data); ok {
				found = append(found, main)
			}
			return nil
		})
	}
	return found
}

// sourceDirs are where a module has its sources.
func sourceDirs(m *pom) []string {
	dirs := []string{path.Join(m.Dir, "src/main/java"), path.Join(m.Dir, "src/main/kotlin")}
	plugins, _ := m.plugin("kotlin-maven-plugin")
	for _, pl := range plugins {
		for _, e := range pl.Element.find("sourceDir") {
			text := strings.NewReplacer("${project.basedir}/", "", "${basedir}/", "").Replace(e.Text)
			if dir := path.Join(m.Dir, text); fs.ValidPath(dir) && !strings.Contains(dir, "${") && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// mainIn finds the main method in a file and gives the name of its class.
func mainIn(file string, data []byte) (mainClass, bool) {
	if !bytes.Contains(data, []byte("main")) {
		return mainClass{}, false
	}
	kotlin := path.Ext(file) == ".kt"
	data = comments.ReplaceAllFunc(data, func(b []byte) []byte {
		return bytes.Repeat([]byte("\n"), bytes.Count(b, []byte("\n"))) // lines keep their numbers
	})
	name := strings.TrimSuffix(path.Base(file), path.Ext(file))
	var at []int
	switch {
	case !kotlin:
		at = javaMain.FindIndex(data)
	case kotlinMain.Match(data):
		at = kotlinMain.FindIndex(data)
		name = kotlinFile(name, data)
	default:
		if at = kotlinIn.FindIndex(data); at != nil {
			name = enclosing(name, data[:at[0]])
		}
	}
	if at == nil {
		return mainClass{}, false
	}
	if p := packageLine.FindSubmatch(data); p != nil {
		name = string(p[1]) + "." + name
	}
	return mainClass{Name: name, Source: file + ":" + itoa(kit.Line(data, at[0])),
		Spring: bytes.Contains(data, []byte("@SpringBootApplication"))}, true
}

// kotlinFile is the class that holds the functions of a Kotlin file.
func kotlinFile(name string, data []byte) string {
	if m := kotlinName.FindSubmatch(data); m != nil {
		return string(m[1])
	}
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "-", "_") + "Kt"
}

// enclosing is the last type that starts before a method.
func enclosing(name string, before []byte) string {
	if all := kotlinType.FindAllSubmatch(before, -1); len(all) > 0 {
		return string(all[len(all)-1][2])
	}
	return name
}
