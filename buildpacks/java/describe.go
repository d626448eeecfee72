package java

import (
	"encoding/binary"
	"path"
	"strings"
)

// quarkusJar is what starts Quarkus' own layout.
const quarkusJar = "quarkus-run.jar"

// shape tells how an archive is laid out.
type shape struct {
	// Main is the class to start.
	Main string
	// Classes, Libs and Provided are directories in the archive; empty for a plain jar.
	Classes, Libs, Provided string
	// Index is the file that has the order of the libraries.
	Index string
	// Layers is the file that says which files change together.
	Layers string
	// Spring tells that the archive is one of Spring Boot's.
	Spring bool
	// War tells that it is laid out as a war.
	War bool
}

// describe reads the layout of an archive out of its manifest.
func describe(j *jar) shape {
	m := j.Manifest
	start := m.get("Start-Class")
	if start == "" || !className(start) || !strings.HasPrefix(m.get("Main-Class"), "org.springframework.boot.loader.") {
		s := shape{Main: m.get("Main-Class")}
		if !className(s.Main) {
			s.Main = ""
		}
		return s
	}
	s := shape{Main: start, Spring: true}
	s.Classes = clean(m.get("Spring-Boot-Classes"), "BOOT-INF/classes")
	s.Libs = clean(m.get("Spring-Boot-Lib"), "BOOT-INF/lib")
	s.War = strings.HasPrefix(s.Classes, "WEB-INF")
	if s.War {
		s.Provided = "WEB-INF/lib-provided"
	}
	s.Index = clean(m.get("Spring-Boot-Classpath-Index"), path.Dir(s.Classes)+"/classpath.idx")
	s.Layers = clean(m.get("Spring-Boot-Layers-Index"), path.Dir(s.Classes)+"/layers.idx")
	return s
}

// clean makes a path of an archive out of a manifest's word.
func clean(text, fallback string) string {
	text = path.Clean(strings.TrimSuffix(text, "/"))
	if text == "." || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "..") {
		return fallback
	}
	return text
}

// classFile gives the file of the main class in the archive, and its content, nil when it is not there.
func (s shape) classFile(j *jar) (string, []byte) {
	file := path.Join(s.Classes, classFile(s.Main))
	data, err := j.read(file, maxClass)
	if err != nil {
		return file, nil
	}
	return file, data
}

// classRelease gives the release of Java that a class is compiled for (Java Virtual Machine Specification §4.1), 0 when
// it is no class.
func classRelease(class []byte) int {
	const magic, firstVersion, maxRelease = 0xCAFEBABE, 44, 999
	if len(class) < 8 || binary.BigEndian.Uint32(class) != magic {
		return 0
	}
	return min(max(int(binary.BigEndian.Uint16(class[6:]))-firstVersion, 0), maxRelease)
}
