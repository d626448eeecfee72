package java

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// jdkModules knows which module of a JDK a class is in.
type jdkModules struct {
	// of are the modules by class, as java/sql/Driver.
	of map[string]string
	// names are all modules, services the modules by the services that they provide.
	names map[string]bool
}

// readModules reads the modules of a JDK: lib .jmod files, which are zip archives behind a header of four bytes.
func readModules(home string) (*jdkModules, error) {
	files, err := filepath.Glob(filepath.Join(home, "jmods", "*.jmod"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("looking for the modules of the JDK: %s has no jmods", home)
	}
	m := &jdkModules{of: map[string]string{}, names: map[string]bool{}}
	for _, file := range files {
		if err := m.add(file); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *jdkModules) add(file string) error {
	const header = 4
	module := strings.TrimSuffix(filepath.Base(file), ".jmod")
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("reading the module %s: %w", module, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading the module %s: %w", module, err)
	}
	z, err := zip.NewReader(io.NewSectionReader(f, header, info.Size()-header), info.Size()-header)
	if err != nil {
		return fmt.Errorf("reading the module %s: %w", module, err)
	}
	m.names[module] = true
	for _, entry := range z.File {
		if class, ok := strings.CutPrefix(entry.Name, "classes/"); ok {
			if class, ok = strings.CutSuffix(class, ".class"); ok && class != "module-info" {
				m.of[class] = module
			}
		}
	}
	return nil
}

// usual are modules that every app gets: those that libraries find by name or as services and seldom refer to.
func usual() []string {
	return []string{
		"java.base", "java.instrument", "java.logging", "java.management", "java.naming", "java.security.sasl",
		"jdk.charsets", "jdk.crypto.ec", "jdk.jfr", "jdk.localedata", "jdk.management", "jdk.management.agent", "jdk.naming.dns",
		"jdk.net", "jdk.unsupported", "jdk.zipfs",
	}
}

// byName tells whether a module is taken when only a string names a class of it. Tools are not: libraries name the
// compiler and the debugger for the case that they are there.
func byName(module string) bool {
	if strings.HasPrefix(module, "java.") {
		return module != "java.se" && module != "java.smartcardio"
	}
	return slices.Contains([]string{"jdk.httpserver", "jdk.security.auth", "jdk.security.jgss", "jdk.xml.dom", "jdk.dynalink",
		"jdk.nio.mapmode", "jdk.sctp", "jdk.accessibility"}, module)
}

// optional are modules of tools: a reference to them says only that a library can make use of them.
func optional(module string) bool {
	return slices.Contains([]string{"jdk.attach", "jdk.jdi", "jdk.jconsole", "jdk.jshell", "jdk.javadoc", "jdk.jlink", "jdk.jdeps",
		"jdk.jpackage", "jdk.hotspot.agent", "jdk.internal.vm.ci", "jdk.internal.vm.compiler", "jdk.graal.compiler"}, module)
}

// usage finds the modules that classes refer to. What was found in an archive is remembered by its digest.
type usage struct {
	jdk *jdkModules

	mu    sync.Mutex
	known map[string][]string
	found map[string]bool
}

// scan adds the modules that jars and directories of classes use. It reads several files at once.
func (u *usage) scan(names []string) error {
	files, err := classFiles(names)
	if err != nil {
		return err
	}
	next := make(chan string, len(files))
	for _, file := range files {
		next <- file
	}
	close(next)
	errs := make([]error, max(1, runtime.NumCPU()))
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for file := range next {
				errs[i] = errors.Join(errs[i], u.file(file))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// classFiles gives the files with classes below names, large ones first, so that none of them is read alone at the end.
func classFiles(names []string) ([]string, error) {
	sizes := map[string]int64{}
	for _, name := range names {
		err := filepath.WalkDir(name, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := os.Stat(file)
			if err != nil || !info.Mode().IsRegular() {
				return err
			}
			switch path.Ext(file) {
			case ".class", ".jar", ".war":
				sizes[file] = info.Size()
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("looking for the modules that %s uses: %w", name, err)
		}
	}
	return slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Compare(sizes[b], sizes[a]) }), nil
}

// file adds the modules that a class or an archive uses.
func (u *usage) file(name string) error {
	if path.Ext(name) != ".class" {
		return u.archive(name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading a class: %w", err)
	}
	found := map[string]bool{}
	u.class(data, found)
	u.add(slices.Collect(maps.Keys(found)))
	return nil
}

func (u *usage) add(modules []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, m := range modules {
		u.found[m] = true
	}
}

// archive adds what a jar uses, and the jars in it.
func (u *usage) archive(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("looking for the modules that %s uses: %w", name, err)
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return fmt.Errorf("looking for the modules that %s uses: %w", name, err)
	}
	digest := hex.EncodeToString(h.Sum(nil))
	u.mu.Lock()
	modules, ok := u.known[digest]
	u.mu.Unlock()
	if !ok {
		found := map[string]bool{}
		z, err := zip.NewReader(f, size)
		if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
			return nil // a file that is called a jar and is none is of no use to Java either
		}
		u.entries(z, found, true)
		modules = slices.Sorted(maps.Keys(found))
		u.mu.Lock()
		u.known[digest] = modules
		u.mu.Unlock()
	}
	u.add(modules)
	return nil
}

// maxNested bounds a jar in a jar that is looked into.
const maxNested = 256 << 20

func (u *usage) entries(z *zip.Reader, found map[string]bool, nested bool) {
	for _, f := range z.File {
		ext := path.Ext(f.Name)
		switch {
		case ext == ".class" && f.UncompressedSize64 <= maxClass:
			if data, err := readEntry("", f, maxClass); err == nil {
				u.class(data, found)
			}
		case ext == ".jar" && nested && f.UncompressedSize64 <= maxNested:
			data, err := readEntry("", f, maxNested)
			if err != nil {
				continue
			}
			if inner, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err == nil {
				u.entries(inner, found, false)
			}
		}
	}
}

// class adds the modules that one class refers to. A class that cannot be read says nothing.
func (u *usage) class(data []byte, found map[string]bool) {
	_ = constants(data, func(text []byte) {
		classNames(text, func(name []byte, dotted bool) {
			if !fromJDK(name) {
				return
			}
			if dotted {
				name = bytes.ReplaceAll(name, []byte("."), []byte("/"))
			}
			module := u.jdk.of[string(name)]
			if module != "" && !optional(module) && (!dotted || byName(module)) {
				found[module] = true
			}
		})
	})
}

// fromJDK tells cheaply whether a name can be that of a class of the JDK.
func fromJDK(name []byte) bool {
	for _, prefix := range []string{"java", "jdk", "sun", "com/sun", "com.sun", "org/w3c", "org.w3c", "org/xml", "org.xml",
		"org/ietf", "org.ietf"} {
		if len(name) > len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// modules gives the modules of an app's runtime, sorted: those that it uses, and those that it gets anyway.
func (u *usage) modules(anyway []string) []string {
	all := maps.Clone(u.found)
	for _, m := range anyway {
		all[m] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// anyway gives the modules that are in a runtime whatever the classes refer to, sorted: the usual ones, those of the app's
// framework, and the user's.
func (m *jdkModules) anyway(framework, user []string) ([]string, error) {
	all := map[string]bool{}
	for _, name := range slices.Concat(usual(), framework) {
		if m.names[name] {
			all[name] = true
		}
	}
	for _, name := range user {
		if !m.names[name] {
			return nil, reject("%s names the module %s, which the JDK does not have", envModules, name)
		}
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// ofSpring are the modules that every app with Spring Boot gets: what its starters for the web refer to. So the runtimes of
// all such apps are one layer, and it is made while Maven runs.
func ofSpring() []string {
	return []string{
		"java.compiler", "java.desktop", "java.net.http", "java.prefs", "java.rmi", "java.scripting", "java.security.jgss",
		"java.sql", "java.sql.rowset", "java.xml", "jdk.security.auth",
	}
}

// loadKnown reads what earlier builds found out; nothing when that cannot be read.
func loadKnown(file string) map[string][]string {
	known := map[string][]string{}
	if data, err := os.ReadFile(file); err == nil && json.Unmarshal(data, &known) != nil {
		known = map[string][]string{}
	}
	return known
}

// saveKnown keeps what was found out.
func saveKnown(file string, known map[string][]string) error {
	data, err := json.Marshal(known)
	if err != nil {
		return fmt.Errorf("keeping the modules of archives: %w", err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("keeping the modules of archives: %w", err)
	}
	return nil
}
