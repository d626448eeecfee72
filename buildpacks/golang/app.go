package golang

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

// The user's settings; see the package's documentation.
const (
	envVersion    = "S2I_GO_VERSION"
	envTargets    = "S2I_GO_TARGETS"
	envBuildFlags = "S2I_GO_BUILD_FLAGS"
	envLDFlags    = "S2I_GO_LDFLAGS"
	envKeep       = "S2I_GO_KEEP"
)

// program is a main package that is to be built.
type program struct {
	// Package is its import path, Dir its directory relative to the app.
	Package, Dir string
	// File is the name of the binary, Type that of the process.
	File, Type string
	// Default tells that the image starts it when nothing else is asked for.
	Default bool
	// Score and Evidence say what speaks for it being the default.
	Score    int
	Evidence []string
}

// goApp is what is known of the app before a toolchain runs.
type goApp struct {
	source   *source
	programs []program
	// rejected are main packages that are not built, with the reasons.
	rejected []kit.Start
	// cgo is why cgo is on; empty when it is off.
	cgo string
	// libraries are what packages of C need to be built.
	libraries []library
}

// errNoMain is the reason for not building a library.
var errNoMain = errors.New("no package main in the module: it is a library, there is nothing to run")

// examine reads the app. Detection and build both start with it and so agree.
func examine(app *kit.App, env kit.Env, t target) (*goApp, error) {
	src, err := readSource(app, env)
	if err != nil {
		return nil, err
	}
	flags, err := buildFlags(env)
	if err != nil {
		return nil, err
	}
	t.Tags = tags(append(strings.Fields(env["GOFLAGS"]), flags...))
	s := newScanner(app, t)
	packages, err := s.packages(src)
	if err != nil {
		return nil, err
	}
	all := mains(packages)
	chosen, err := choose(all, env)
	if err != nil {
		return nil, err
	}
	a := &goApp{source: src, programs: name(chosen, env[envTargets] != "")}
	a.rejected = rejected(all, chosen)
	if err := s.setDefault(a, packages, chosen, env[envTargets] != ""); err != nil {
		return nil, err
	}
	switch env["CGO_ENABLED"] {
	case "0":
	case "1":
		a.cgo = "CGO_ENABLED is 1"
	default:
		a.cgo = s.findCgo(src, packages, chosen)
	}
	if a.cgo != "" {
		a.libraries = s.libraries(src, packages, chosen)
	}
	return a, nil
}

// choose gives the main packages that the user asked for, in that order, or all.
func choose(all []*pkg, env kit.Env) ([]*pkg, error) {
	wanted := strings.FieldsFunc(env[envTargets], func(r rune) bool { return strings.ContainsRune(",: \t\n", r) })
	if len(wanted) == 0 {
		if len(all) == 0 {
			return nil, errNoMain
		}
		return withoutTools(all), nil
	}
	var chosen []*pkg
	for _, w := range wanted {
		i := slices.IndexFunc(all, func(p *pkg) bool { return p.Path == w || p.Dir == path.Clean(w) })
		if i < 0 {
			return nil, fmt.Errorf("%s names %s, which is no package main of the app: there are %s",
				envTargets, w, directories(all))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func directories(list []*pkg) string {
	if len(list) == 0 {
		return "none"
	}
	var dirs []string
	for _, p := range list {
		dirs = append(dirs, "./"+strings.TrimPrefix(p.Dir, "."))
	}
	return strings.Join(dirs, ", ")
}

var (
	majorSuffix = regexp.MustCompile(`^v[0-9]+$`)
	notInType   = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)

// baseName gives the name that the go command gives the binary of an import path.
func baseName(importPath string) string {
	base := path.Base(importPath)
	if majorSuffix.MatchString(base) && strings.Contains(importPath, "/") {
		base = path.Base(path.Dir(importPath))
	}
	return notInType.ReplaceAllString(base, "-")
}

// name gives every program its file and process type. When the user has named them, the first is the default.
func name(list []*pkg, ordered bool) []program {
	count := map[string]int{}
	for _, p := range list {
		count[baseName(p.Path)]++
	}
	var programs []program
	for _, p := range list {
		base := baseName(p.Path)
		if count[base] > 1 {
			// Two of one name: cmd/a/server and cmd/b/server.
			base = notInType.ReplaceAllString(strings.ReplaceAll(p.Path, "/", "-"), "-")
			if p.Dir != "." {
				base = notInType.ReplaceAllString(strings.ReplaceAll(p.Dir, "/", "-"), "-")
			}
		}
		programs = append(programs, program{Package: p.Path, Dir: p.Dir, File: base, Type: base})
	}
	if len(programs) == 1 {
		programs[0].Type, programs[0].Default = "web", true
		return programs
	}
	if ordered {
		programs[0].Default = true
	}
	return programs
}

// buildFlags gives the user's flags for go build.
func buildFlags(env kit.Env) ([]string, error) {
	if env[envBuildFlags] == "" {
		return nil, nil
	}
	line, err := kit.ParseCommandLine("go " + env[envBuildFlags])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", envBuildFlags, err)
	}
	return line.Args[1:], nil
}

// tags finds the build tags in flags.
func tags(flags []string) []string {
	var list []string
	for i, f := range flags {
		f = strings.TrimLeft(f, "-")
		if value, ok := strings.CutPrefix(f, "tags="); ok {
			list = kit.Fields(strings.Trim(value, `'"`))
		} else if f == "tags" && i+1 < len(flags) {
			list = kit.Fields(flags[i+1])
		}
	}
	return list
}

// nearby gives directories just below the app that hold a go.mod, for an app that has none itself.
func nearby(app *kit.App) []string {
	found, err := fs.Glob(app.FS(), "*/go.mod")
	if err != nil {
		return nil
	}
	var dirs []string
	for _, f := range found {
		dirs = append(dirs, filepath.ToSlash(filepath.Dir(f)))
	}
	return dirs
}
