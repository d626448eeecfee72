package native

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"s2i/lifecycle"
)

// Missing lists the libraries, by soname, that an app needs and that a run image with the offered ones does not have.
// Libraries of device drivers do not count: a container gets them from the machine that it runs on, or does without.
func Missing(needs lifecycle.Needs, offered map[string][]string) []string {
	var missing []string
	for _, soname := range slices.Sorted(maps.Keys(needs.Libraries)) {
		if _, ok := offered[soname]; !ok && !ofDriver(soname) {
			missing = append(missing, soname)
		}
	}
	return missing
}

// ofDriver tells which libraries come with the driver of a device.
func ofDriver(soname string) bool {
	for _, prefix := range []string{"libcuda.so", "libcudadebugger.so", "libnvcuvid.so", "libnvidia-", "libnvoptix.so",
		"libGLX_nvidia", "libEGL_nvidia"} {
		if strings.HasPrefix(soname, prefix) {
			return true
		}
	}
	return false
}

// Problem is a library that nobody has, and one file that needs it.
type Problem struct {
	Library, File string
	// Fatal tells that the app cannot work without it.
	Fatal bool
}

// String says what is wrong.
func (p Problem) String() string {
	if p.File == "" {
		return fmt.Sprintf("the library %s is needed by a layer of the app, and nobody has it", p.Library)
	}
	return fmt.Sprintf("the library %s, which %s needs, is neither in the app nor in the run image", p.Library, p.File)
}

// extension are the files that an interpreter loads because the app names them: extension modules of Python, add-ons
// of Node.js.
var extension = regexp.MustCompile(`\.cpython-3[0-9]+[a-z]*-[^/]*\.so$|\.abi3\.so$|\.node$`)

// searchedDir are the directories of layers that LD_LIBRARY_PATH names (buildpack §Layer Paths).
var searchedDir = regexp.MustCompile(`^` + lifecycle.LayersDir + `/[^/]+/[^/]+/lib$`)

// Judge says of every missing library who needs it and whether that is fatal: it is when an extension module, a
// library in a layer's search path, or one of programs (paths in the image) needs it, itself or by way of the app's own
// libraries. Of several builds of one extension side by side one that can be loaded is enough: packages ship them for
// several versions of a library and choose. What is left are plugins that may never be loaded.
func Judge(files []File, missing, programs []string) []Problem {
	j := newJudge(files, missing)
	for _, f := range files {
		name, dir := path.Base(f.Path), path.Dir(f.Path)
		switch {
		case slices.Contains(programs, f.Path):
			j.visit(f)
		case extension.MatchString(name), searchedDir.MatchString(dir) && strings.Contains(name, ".so"):
			if !j.alternative(f) {
				j.visit(f)
			}
		}
	}
	var problems []Problem
	for _, soname := range missing {
		if file, ok := j.fatal[soname]; ok {
			problems = append(problems, Problem{soname, file, true})
			continue
		}
		i := slices.IndexFunc(files, func(f File) bool { return slices.Contains(f.Needed, soname) })
		p := Problem{Library: soname}
		if i >= 0 {
			p.File = files[i].Path
		}
		problems = append(problems, p)
	}
	return problems
}

// judge knows who needs whom.
type judge struct {
	missing  map[string]bool
	provides map[string][]File // by soname or file name
	families map[string][]File // by directory and the start of the name
	seen     map[string]bool   // paths
	fatal    map[string]string // by soname, the file that needs it
}

func newJudge(files []File, missing []string) *judge {
	j := &judge{missing: map[string]bool{}, provides: map[string][]File{}, families: map[string][]File{},
		seen: map[string]bool{}, fatal: map[string]string{}}
	for _, soname := range missing {
		j.missing[soname] = true
	}
	for _, f := range files {
		name := path.Base(f.Path)
		j.provides[name] = append(j.provides[name], f)
		if f.Soname != "" && f.Soname != name {
			j.provides[f.Soname] = append(j.provides[f.Soname], f)
		}
		j.families[family(f.Path)] = append(j.families[family(f.Path)], f)
	}
	return j
}

// family is what several builds of one extension have in common.
func family(file string) string {
	dir, name := path.Split(file)
	if i := strings.IndexAny(name, ".-"); i > 0 {
		name = name[:i]
	}
	return dir + name
}

// visit marks what f needs, and what the app's libraries that it needs need in turn.
func (j *judge) visit(f File) {
	todo := []File{f}
	for len(todo) > 0 {
		f, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if j.seen[f.Path] {
			continue
		}
		j.seen[f.Path] = true
		for _, soname := range f.Needed {
			if j.missing[soname] && (j.fatal[soname] == "" || f.Path < j.fatal[soname]) {
				j.fatal[soname] = f.Path
			}
			todo = append(todo, j.provides[soname]...)
		}
	}
}

// alternative tells whether there is another build of f beside it that can be loaded, while f cannot.
func (j *judge) alternative(f File) bool {
	if j.loadable(f) {
		return false
	}
	return slices.ContainsFunc(j.families[family(f.Path)], func(other File) bool {
		return other.Path != f.Path && path.Ext(other.Path) == path.Ext(f.Path) && j.loadable(other)
	})
}

func (j *judge) loadable(f File) bool {
	return !slices.ContainsFunc(f.Needed, func(soname string) bool { return j.missing[soname] })
}
