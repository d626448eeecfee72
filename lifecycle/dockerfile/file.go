package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// MaxSize bounds a Dockerfile, in bytes.
const MaxSize = 2 << 20

// File is a parsed Dockerfile.
type File struct {
	// Name is what errors call it.
	Name string
	// Stages are in their order; every one has a base.
	Stages []instructions.Stage
	// Args are the ARG instructions before the first FROM.
	Args []instructions.ArgCommand
	// Escape is the escape character: backslash or backtick.
	Escape rune
	text   []byte
}

// Error is an error at a place in a Dockerfile.
type Error struct {
	File string
	Line int // from 1; 0 when it is about the whole file
	Err  error
}

// Error begins with file and line.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Err.Error()
	}
	return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

// Unwrap gives what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// Parse parses a Dockerfile. The error is an *Error.
func Parse(name string, data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, &Error{File: name, Err: fmt.Errorf("it is larger than %d bytes", MaxSize)}
	}
	if err := checkSyntax(name, data); err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, located(name, err, nil)
	}
	podmanMounts(parsed.AST)
	f := &File{Name: name, Escape: parsed.EscapeToken, text: data}
	silent := linter.New(&linter.Config{}) // without one, the parser fails on a comment that configures checks
	if f.Stages, f.Args, err = instructions.Parse(parsed.AST, silent); err != nil {
		return nil, located(name, err, nil)
	}
	if len(f.Stages) == 0 {
		return nil, &Error{File: name, Err: errors.New("there is no FROM instruction")}
	}
	return f, nil
}

// builtinSyntax are the frontends whose language this package speaks, wherever they are mirrored.
var builtinSyntax = regexp.MustCompile(`^([a-z0-9.:_-]+/)*docker/dockerfile(-upstream)?(:[^@]*)?(@sha256:[0-9a-f]{64})?$`)

// checkSyntax refuses a "# syntax=" line that asks for a language of somebody else's.
func checkSyntax(name string, data []byte) error {
	ref, _, where, ok := parser.DetectSyntax(data)
	if !ok || builtin(ref) {
		return nil
	}
	return &Error{File: name, Line: lineOf(where), Err: fmt.Errorf("syntax %s %w", ref, errFrontend)}
}

var errFrontend = errors.New("is a frontend image, which is not run; only the Dockerfile language itself is supported " +
	"(docker/dockerfile)")

// builtin tells whether a frontend is one whose language this package speaks, perhaps behind a mirror.
func builtin(ref string) bool { return builtinSyntax.MatchString(ref) || ref == "dockerfile.v0" }

// located adds the place to an error: the parser's own, or else fallback.
func located(name string, err error, fallback []parser.Range) error {
	var own *Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	line := lineOf(fallback)
	var at *parser.LocationError
	if errors.As(err, &at) && len(at.Locations) > 0 {
		line = lineOf(at.Locations[0])
	}
	var unknown *instructions.UnknownInstructionError
	if errors.As(err, &unknown) {
		line = unknown.Line
	}
	return &Error{File: name, Line: line, Err: err}
}

// during says what failed, unless the error has a place already: that of an instruction of another stage.
func during(what string, err error) error {
	var elsewhere *Error
	if errors.As(err, &elsewhere) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

func lineOf(where []parser.Range) int {
	if len(where) == 0 {
		return 0
	}
	return where[0].Start.Line
}
