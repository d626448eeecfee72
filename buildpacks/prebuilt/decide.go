package prebuilt

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// envApp names the program to start.
const envApp = "S2I_APP"

// maxFiles bounds the files of a directory that are looked at.
const maxFiles = 2000

// candidate is a program of the app, for one or more processors.
type candidate struct {
	// Name is that of the file, without that of the processor.
	Name string
	// Files are the programs by processor.
	Files map[string]file
	Score int
	// Evidence says what speaks for it being the default.
	Evidence []string
	Type     string
	Default  bool
}

// file is one executable.
type file struct {
	Path string
	program
}

// errNone is the reason when the app holds no program.
var errNone = errors.New("no executable for Linux in the app's directory or in bin")

// archSuffix is how files for several processors are named.
var archSuffix = regexp.MustCompile(`[-_.](linux[-_.])?(amd64|x86_64|x64|arm64|aarch64)$`)

// decide finds the programs of the app, the default first.
func decide(app *kit.App, env kit.Env) ([]*candidate, error) {
	if named := env[envApp]; named != "" {
		return byName(app, named)
	}
	var list []*candidate
	var other error
	for _, dir := range []string{".", "bin"} {
		entries, err := fs.ReadDir(app.FS(), dir)
		if err != nil {
			continue
		}
		for _, e := range entries[:min(len(entries), maxFiles)] {
			name := path.Join(dir, e.Name())
			if !e.Type().IsRegular() || strings.Contains(e.Name(), ".so") {
				continue
			}
			f, err := read(app, name)
			if errors.Is(err, errNoProgram) && !errors.Is(err, errForeign) {
				continue
			}
			if err != nil {
				other = errors.Join(other, fmt.Errorf("%s: %w", name, err))
				continue
			}
			list = add(list, f)
		}
	}
	if len(list) == 0 {
		if other != nil {
			return nil, fmt.Errorf("%w: %s", errNone, strings.ReplaceAll(other.Error(), "\n", "; "))
		}
		return nil, errNone
	}
	return choose(list, app)
}

// byName reads the program that the user names.
func byName(app *kit.App, named string) ([]*candidate, error) {
	name := path.Clean(filepath.ToSlash(named))
	if !filepath.IsLocal(name) || !app.Has(name) {
		return nil, fmt.Errorf("%w: %s is %s, which is no file of it", errNone, envApp, named)
	}
	f, err := read(app, name)
	if err != nil {
		return nil, fmt.Errorf("%s is %s: %w", envApp, named, err)
	}
	c := add(nil, f)[0]
	c.Type, c.Default, c.Score, c.Evidence = kit.DefaultType, true, 100, []string{envApp}
	return []*candidate{c}, nil
}

// read reads one file.
func read(app *kit.App, name string) (file, error) {
	f, err := app.Root().Open(filepath.FromSlash(name))
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	p, err := readProgram(f)
	return file{Path: name, program: p}, err
}

// add adds a file to the candidate that it belongs to.
func add(list []*candidate, f file) []*candidate {
	name := archSuffix.ReplaceAllString(path.Base(f.Path), "")
	for _, c := range list {
		if _, has := c.Files[f.Arch]; c.Name == name && !has {
			c.Files[f.Arch] = f
			return list
		}
	}
	return append(list, &candidate{Name: name, Files: map[string]file{f.Arch: f}})
}

var notInType = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// choose names the processes and finds the default.
func choose(list []*candidate, app *kit.App) ([]*candidate, error) {
	if len(list) == 1 {
		c := list[0]
		c.Type, c.Default, c.Score, c.Evidence = kit.DefaultType, true, 95, []string{"the only executable"}
		return list, nil
	}
	for _, c := range list {
		c.Type = notInType.ReplaceAllString(c.Name, "-")
		for i, name := range []string{"server", "web", "api", "app"} {
			if c.Name == name {
				c.Score, c.Evidence = 80-i, []string{"it is called " + name}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *candidate) int { return b.Score - a.Score })
	if list[0].Score > list[1].Score {
		list[0].Default = true
		return list, nil
	}
	if procfileWeb(app) {
		return list, nil
	}
	var items []string
	for _, c := range list[:min(len(list), 20)] {
		items = append(items, fmt.Sprintf("%s (score %d)", c.Name, c.Score))
	}
	return nil, fmt.Errorf("several executables could be the one to start, and nothing tells which: %s; set %s to the "+
		"path of one, or write a Procfile with web", strings.Join(items, ", "), envApp)
}

// procfileWeb tells whether a Procfile says what web is.
func procfileWeb(app *kit.App) bool {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return false
	}
	entries, err := kit.ParseProcfile(data)
	return err == nil && slices.ContainsFunc(entries, func(e kit.ProcfileEntry) bool { return e.Type == kit.DefaultType })
}

// needs gives what the interpreter of a program is in.
func (f file) needs() ([]kit.Need, error) {
	source := kit.Constraint{Source: f.Path}
	switch base := path.Base(f.Interpreter); {
	case f.Interpreter == "":
		return nil, nil
	case strings.HasPrefix(f.Interpreter, "/lib") && strings.HasPrefix(base, "ld-linux-"):
		return []kit.Need{{Name: "base", Launch: true, Version: source}}, nil
	case strings.HasPrefix(f.Interpreter, "/lib") && strings.HasPrefix(base, "ld-musl-"):
		return []kit.Need{{Name: "base", Launch: true, Version: source}, {Name: "musl", Launch: true, Version: source}}, nil
	}
	return nil, fmt.Errorf("%s is linked for the dynamic linker %q, which is in no package: link it for that of Debian, "+
		"or statically", f.Path, f.Interpreter)
}
