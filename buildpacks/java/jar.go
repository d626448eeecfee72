package java

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Bounds of a jar and of the files in it that are read whole.
const (
	maxEntries  = 500_000
	maxManifest = 4 << 20
	maxClass    = 16 << 20
)

const manifestFile = "META-INF/MANIFEST.MF"

// manifest is the main section of a jar's manifest.
type manifest map[string]string

// parseManifest reads the main section (JAR File Specification): lines "Name: value", continued by lines that start
// with a space. Names are compared without case. What is malformed is passed over, as Java does for what it can.
func parseManifest(data []byte) manifest {
	m := manifest{}
	name, text := "", []byte(nil)
	end := func() {
		if name != "" {
			m[name] = string(text)
		}
		name, text = "", nil
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxManifest)
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			break // further sections are about single files
		}
		if rest, ok := bytes.CutPrefix(line, []byte(" ")); ok {
			text = append(text, rest...)
			continue
		}
		end()
		if key, rest, ok := bytes.Cut(line, []byte(":")); ok {
			name, text = strings.ToLower(string(key)), append(text, bytes.TrimPrefix(rest, []byte(" "))...)
		}
	}
	end()
	return m
}

// get gives an attribute.
func (m manifest) get(name string) string { return strings.TrimSpace(m[strings.ToLower(name)]) }

// jar is an open jar or war.
type jar struct {
	Name     string
	zip      *zip.Reader
	files    map[string]*zip.File
	Manifest manifest
	close    func() error
}

// openJar opens a jar of a file system. Close it after use.
func openJar(fsys fs.FS, name string) (*jar, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	info, err := f.Stat()
	at, ok := f.(io.ReaderAt)
	if err == nil && (!ok || !info.Mode().IsRegular()) {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	j, err := readJar(name, at, info.Size())
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	j.close = f.Close
	return j, nil
}

// readJar reads the directory and the manifest of a jar.
func readJar(name string, r io.ReaderAt, size int64) (*jar, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(z.File) > maxEntries {
		return nil, reject("%s has %d entries: at most %d are read", name, len(z.File), maxEntries)
	}
	j := &jar{Name: name, zip: z, files: make(map[string]*zip.File, len(z.File)), close: func() error { return nil }}
	for _, f := range z.File {
		if fs.ValidPath(f.Name) {
			j.files[f.Name] = f
		}
	}
	data, err := j.read(manifestFile, maxManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	j.Manifest = parseManifest(data)
	return j, nil
}

// Close releases the file.
func (j *jar) Close() { _ = j.close() }

// has tells whether there is such a file.
func (j *jar) has(name string) bool { return j.files[name] != nil }

// read gives the content of a file that has at most limit bytes.
func (j *jar) read(name string, limit int64) ([]byte, error) {
	f := j.files[name]
	if f == nil {
		return nil, fmt.Errorf("reading %s in %s: %w", name, j.Name, fs.ErrNotExist)
	}
	return readEntry(j.Name, f, limit)
}

func readEntry(jar string, f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w", f.Name, jar, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w", f.Name, jar, err)
	}
	return data, nil
}

// classFile is where the class of this name is in a jar or a directory.
func classFile(name string) string { return strings.ReplaceAll(name, ".", "/") + ".class" }

// parseIndex reads Spring Boot's index of the classpath: lines `- "BOOT-INF/lib/x.jar"`, in order.
func parseIndex(data []byte) []string {
	var all []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if item, ok := indexItem(lines.Text()); ok && fs.ValidPath(item) {
			all = append(all, item)
		}
	}
	return all
}

func indexItem(line string) (string, bool) {
	item, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
	return strings.Trim(strings.TrimSuffix(strings.TrimSpace(item), ":"), `"`), ok
}

// springLayer is one layer of Spring Boot's index of layers.
type springLayer struct {
	Name  string
	Paths []string
}

// parseLayers reads Spring Boot's index of layers: for each layer `- "dependencies":` and, indented, its paths.
func parseLayers(data []byte) []springLayer {
	var all []springLayer
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := lines.Text()
		item, ok := indexItem(line)
		switch {
		case !ok:
		case strings.HasPrefix(line, "-"):
			all = append(all, springLayer{Name: item})
		case len(all) > 0 && fs.ValidPath(path.Clean(item)):
			last := &all[len(all)-1]
			last.Paths = append(last.Paths, item)
		}
	}
	return all
}
