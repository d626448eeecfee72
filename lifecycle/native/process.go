package native

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"s2i/lifecycle"
)

// App is an image to be, as far as it is known before it is there.
type App struct {
	// Places are the app and its launch layers; of places within places the inner one comes first.
	Places []Place
	// Base gives the listing of the run image, nil when it is not known. It is asked when it matters.
	Base func() Listing
	// Libraries are those of the run image by soname; nil when they are not known.
	Libraries map[string][]string
	// Files are the executables and libraries in Places; Provides, the libraries by their names, in all layers.
	Files    []File
	Provides []string
	// AppDir is where relative paths begin.
	AppDir string
	Arch   string
}

// Start is a process, and the PATH in which its program is looked for. Open tells that programs of the image set up the
// environment at launch, so that PATH may be another.
type Start struct {
	lifecycle.Process
	Path string
	Open bool
}

// ProcessError says that a process cannot be started.
type ProcessError struct {
	Type, Buildpack string
	Command         string
	Err             error
}

// Error names the process, who contributed it, and what is wrong.
func (e *ProcessError) Error() string {
	by := ""
	if e.Buildpack != "" {
		by = ", of " + e.Buildpack + ","
	}
	return fmt.Sprintf("process %s (%s)%s cannot be started: %v", e.Type, e.Command, by, e.Err)
}

// Unwrap gives what is wrong.
func (e *ProcessError) Unwrap() error { return e.Err }

// AbsentError says that a program is not in the image.
type AbsentError struct {
	// Program is its path, or the name that no directory of the PATH has.
	Program string
	// Script is the file that names it as its interpreter; empty when it is the process's own.
	Script string
	text   string
}

// Error says so.
func (e *AbsentError) Error() string { return e.text }

// errUnknown is for what cannot be judged here.
var errUnknown = errors.New("not known")

// CheckProcess looks for the program of a process where the launcher will, and for what it takes to start it: its
// interpreter or dynamic linker and its libraries. What cannot be known passes.
func CheckProcess(a App, s Start) error {
	c := &checker{App: a, view: view{places: a.Places, base: a.Base}, start: s}
	err := c.check()
	if err == nil || errors.Is(err, errUnknown) {
		return nil
	}
	return &ProcessError{Type: s.Type, Buildpack: s.BuildpackID, Err: err,
		Command: lifecycle.PlainLine(strings.Join(slices.Concat(s.Command, s.Args), " "), maxCommand)}
}

const maxCommand = 200

type checker struct {
	App
	view  view
	start Start
}

func (c *checker) check() error {
	if len(c.start.Command) == 0 || c.start.Command[0] == "" {
		return errors.New("it has no command")
	}
	dir := c.start.WorkingDir
	if dir == "" || !path.IsAbs(dir) {
		dir = path.Join(c.AppDir, dir)
	}
	switch n := c.view.resolve(dir); {
	case n.state == unknown:
		return errUnknown
	case n.state == absent || !n.dir:
		return fmt.Errorf("its working directory %s is not a directory in the image", dir)
	}
	if !c.start.Direct {
		_, err := c.find("/bin/bash", dir)
		if err != nil && !errors.Is(err, errUnknown) {
			return fmt.Errorf("it needs a shell: %w", err)
		}
		return err
	}
	n, err := c.find(c.start.Command[0], dir)
	if err != nil {
		return err
	}
	const scripts = 4 // as deep as the kernel goes
	return c.runs(n, scripts)
}

// find looks for a program as the launcher does: with a slash in it relative to dir, else in the PATH.
func (c *checker) find(name, dir string) (node, error) {
	if strings.Contains(name, "/") {
		at := name
		if !path.IsAbs(at) {
			at = path.Join(dir, name)
		}
		n := c.view.resolve(at)
		return n, executable(n, at)
	}
	var denied error
	open := c.start.Open && !isShell(name)
	for d := range strings.SplitSeq(c.start.Path, ":") {
		if !path.IsAbs(d) {
			continue
		}
		n := c.view.resolve(path.Join(d, name))
		err := executable(n, path.Join(d, name))
		switch {
		case err == nil:
			return n, nil
		case n.state == unknown && n.place.Path != "" && isShell(name):
		case n.state == unknown:
			open = true
		case n.state == present && denied == nil:
			denied = err
		}
	}
	switch {
	case open:
		return node{}, errUnknown
	case denied != nil:
		return node{}, denied
	}
	return node{}, &AbsentError{Program: name, text: fmt.Sprintf("there is no program %q in the image's PATH, %s: install it "+
		"with the app's dependencies, add the package that has it with --run-package, or correct the start command",
		name, c.start.Path)}
}

// isShell tells of programs that come with a system and with no app: where a layer of the app is not known it is taken
// for granted that it does not have them.
func isShell(name string) bool { return name == "sh" || name == "bash" || name == "env" }

func executable(n node, at string) error {
	switch {
	case n.state == unknown:
		return errUnknown
	case n.state == absent:
		return &AbsentError{Program: at, text: at + " is not in the image"}
	case n.dir:
		return fmt.Errorf("%s is a directory", at)
	case !n.exec:
		return fmt.Errorf("%s is not executable: set its mode with chmod +x, or start it by its interpreter", at)
	}
	return nil
}

// runs tells what would keep a program from running.
func (c *checker) runs(n node, scripts int) error {
	if n.place.Dir == "" { // of the base, whose packages are complete
		return c.script(n, n.entry.Script, scripts)
	}
	f, err := n.open()
	if err != nil {
		return errUnknown // it was readable for the exporter
	}
	defer f.Close()
	start := make([]byte, maxScript)
	size, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return errUnknown
	}
	start = start[:size]
	switch {
	case strings.HasPrefix(string(start), "#!"):
		return c.script(n, scriptLine(start), scripts)
	case strings.HasPrefix(string(start), elf.ELFMAG):
		return c.machineCode(n, f)
	case size == 0:
		return fmt.Errorf("%s is empty", n.path)
	}
	return fmt.Errorf("%s is neither a program nor a script: its first line does not name an interpreter (#!/bin/sh)", n.path)
}

// script checks the interpreter of a script; line is what follows "#!", or "" when it is none.
func (c *checker) script(n node, line string, scripts int) error {
	if line == "" {
		return nil
	}
	words := strings.Fields(line)
	if len(words) == 0 || scripts == 0 {
		return fmt.Errorf("%s is a script without an interpreter", n.path)
	}
	interpreter := words[0]
	if !path.IsAbs(interpreter) {
		return errUnknown
	}
	i := c.view.resolve(interpreter)
	if err := executable(i, interpreter); err != nil {
		if errors.Is(err, errUnknown) {
			return err
		}
		n.interprets(err)
		hint := ""
		if strings.HasSuffix(line, "\r") {
			hint = " (its lines end in CR LF, which makes the carriage return part of the name: save it with LF)"
		}
		return fmt.Errorf("%s is a script for %s, and %w%s", n.path, interpreter, err, hint)
	}
	if strings.HasSuffix(line, "\r") && len(words) == 1 {
		return fmt.Errorf("the first line of %s ends in CR LF, which makes the carriage return part of the interpreter's "+
			"name: save it with LF", n.path)
	}
	if path.Base(interpreter) == "env" && len(words) == 2 && !strings.ContainsAny(words[1], "=-") {
		program, err := c.find(words[1], c.AppDir)
		n.interprets(err)
		if err != nil && !errors.Is(err, errUnknown) {
			return fmt.Errorf("%s is a script for %s, and %w", n.path, words[1], err)
		}
		if err != nil {
			return err
		}
		i = program
	}
	return c.runs(i, scripts-1)
}

// interprets notes in err, when a program is absent, that it is the interpreter of n.
func (n node) interprets(err error) {
	var absent *AbsentError
	if errors.As(err, &absent) {
		absent.Script = n.path
	}
}

// machineCode checks the platform, the dynamic linker and the libraries of a program.
func (c *checker) machineCode(n node, f io.ReaderAt) error {
	e, err := parseELF(f)
	if err != nil {
		return errUnknown // packed, perhaps
	}
	if machine := machines[c.Arch]; machine != elf.EM_NONE && e.machine != machine {
		return fmt.Errorf("%s is a program for %s, and the image is for %s", n.path, e.foreign(machine), c.Arch)
	}
	if e.interpreter != "" {
		if err := executable(c.view.resolve(e.interpreter), e.interpreter); err != nil {
			if errors.Is(err, errUnknown) {
				return err
			}
			what := "the dynamic linker " + e.interpreter
			if e.foreign(elf.EM_NONE) == "musl" {
				what += " of musl, another C library than the image's"
			}
			return fmt.Errorf("%s needs %s: %w; link the program statically, or build it for the image's system", n.path, what, err)
		}
	}
	return c.libraries(n, e)
}

// libraries checks that somebody has what a program is linked with.
func (c *checker) libraries(n node, e *elfFile) error {
	if c.Libraries == nil {
		return nil
	}
	provided := func(soname string) bool {
		_, ok := c.Libraries[soname]
		return ok || ofDriver(soname) || slices.Contains(c.Provides, soname) || slices.ContainsFunc(c.Files, func(f File) bool {
			return f.Soname == soname || path.Base(f.Path) == soname
		})
	}
	files := append(slices.Clone(c.Files), File{Path: n.path, Needed: e.needed})
	var missing []string
	for _, f := range files {
		for _, soname := range f.Needed {
			if !provided(soname) {
				missing = append(missing, soname)
			}
		}
	}
	j := newJudge(files, missing)
	j.visit(files[len(files)-1])
	for _, soname := range slices.Sorted(maps.Keys(j.fatal)) {
		return errors.New(Problem{Library: soname, File: j.fatal[soname]}.String())
	}
	return nil
}

// parseELF is readELF for a file that anybody may have made.
func parseELF(f io.ReaderAt) (e *elfFile, err error) {
	defer func() {
		if recover() != nil { // debug/elf does not promise to survive every file
			err = errNotELF
		}
	}()
	return readELF(f)
}
