package java

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxLibraries bounds a class path.
const maxLibraries = 5000

// layOutMain lays out an app that is a main class: its own classes and resources out of target/classes, and the
// libraries of its class path as Maven resolved it. A jar with everything in one, which a plugin may have made as well,
// holds the same and could not be told apart into layers.
func (b *builder) layOutMain(s *stage, d *decision) (*layout, error) {
	target := d.app.target()
	if err := s.copyTree(path.Join(target, "classes"), ownPlace); err != nil {
		return nil, fmt.Errorf("laying out what was compiled: %w", err)
	}
	libs, made, err := b.copyLibraries(s, target)
	if err != nil {
		return nil, err
	}
	main, err := b.mainClass(s, d)
	if err != nil {
		return nil, err
	}
	l := &layout{Command: []string{"java", main}, Listen: ports(d.app.Framework)}
	return b.byClasspath(s, l, libs, made)
}

// copyLibraries copies the libraries of the class path that Maven wrote down. made are those that the build itself made.
func (b *builder) copyLibraries(s *stage, target string) (libs []string, made map[string]bool, err error) {
	data, err := b.app.Read(path.Join(target, classpathFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading the class path: %w", err)
	}
	made = map[string]bool{}
	taken := map[string]bool{}
	for file := range strings.SplitSeq(strings.TrimSpace(string(data)), ":") {
		if file == "" {
			continue
		}
		if len(libs) >= maxLibraries {
			return nil, nil, reject("the class path has more than %d libraries", maxLibraries)
		}
		ours := strings.HasPrefix(file, b.app.Dir+"/")
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			return nil, nil, fmt.Errorf("laying out the libraries: %s is no jar: the build has to package the module", file)
		}
		name := path.Join(libDir, filepath.Base(file))
		for i := 2; taken[name]; i++ {
			name = path.Join(libDir, itoa(i)+"-"+filepath.Base(file))
		}
		taken[name] = true
		if err := s.copyFile(name, file, ours); err != nil {
			return nil, nil, err
		}
		libs, made[name] = append(libs, name), ours
	}
	return libs, made, nil
}

// mainClass gives the class to start and verifies that it is there.
func (b *builder) mainClass(s *stage, d *decision) (string, error) {
	main := d.app.Main
	if main.Text == "" {
		return "", fmt.Errorf("choosing the start command: %s has no main class: name one with %s", d.app.pom.File, envMain)
	}
	file := path.Join(classesDir, classFile(main.Text))
	if info, err := fs.Stat(s.root.FS(), file); err == nil && info.Mode().IsRegular() {
		return main.Text, nil
	}
	if strings.Contains(main.Source, envMain) || !strings.HasPrefix(main.Source, d.app.pom.Dir) {
		// It may be one of a library: a framework's own.
		if b.inLibraries(s, classFile(main.Text)) {
			return main.Text, nil
		}
	}
	return "", fmt.Errorf("verifying the start command: %s says that the main class is %s, but the build made no %s",
		main.Source, main.Text, classFile(main.Text))
}

func (b *builder) inLibraries(s *stage, class string) bool {
	entries, err := fs.ReadDir(s.root.FS(), libDir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		j, err := openJar(s.root.FS(), path.Join(libDir, e.Name()))
		if err != nil {
			continue
		}
		found := j.has(class)
		j.Close()
		if found {
			return true
		}
	}
	return false
}
