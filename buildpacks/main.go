package buildpacks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// Exit codes of a buildpack's executables (buildpack §Detection, §Build).
const (
	exitPass  = 0
	exitError = 1
	exitFail  = 100
)

// Main runs the built-in buildpack that args is a call of, when it is one: args[0] is named detect or build and stands
// in a directory bin of a buildpack that [Install] wrote. handled is false, and nothing has been done, for any other
// call. The rest of the call is in the process's environment and working directory, as the specification has it.
func Main(args []string) (handled bool, code int) {
	dir, phase, ok := called(args)
	if !ok {
		return false, exitPass
	}
	b, err := At(dir)
	if err != nil {
		return false, exitPass
	}
	if os.Getenv(libcnb.EnvBuildpackDirectory) == "" {
		if err := os.Setenv(libcnb.EnvBuildpackDirectory, dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return true, exitError
		}
	}
	// What tools make must not differ by who started the build.
	syscall.Umask(0o022)
	handler := &exitCode{}
	debug := strings.EqualFold(os.Getenv("BP_LOG_LEVEL"), "debug")
	config := libcnb.NewConfig(
		libcnb.WithArguments(args),
		libcnb.WithExitHandler(handler),
		libcnb.WithLogger(kit.Log{To: os.Stdout, Debugging: debug}),
	)
	if phase == "detect" {
		libcnb.Detect(b.Detect, config)
	} else {
		libcnb.Build(b.Build, config)
	}
	return true, handler.code
}

// called tells of which buildpack's directory and phase args is a call.
func called(args []string) (dir, phase string, ok bool) {
	if len(args) == 0 {
		return "", "", false
	}
	phase = filepath.Base(args[0])
	if (phase != "detect" && phase != "build") || filepath.Base(filepath.Dir(args[0])) != "bin" {
		return "", "", false
	}
	dir = filepath.Dir(filepath.Dir(args[0]))
	if set := os.Getenv(libcnb.EnvBuildpackDirectory); set != "" {
		dir = set
	}
	return filepath.Clean(dir), phase, true
}

// At gives the built-in buildpack that is installed in dir, by the last two parts of its path.
func At(dir string) (Buildpack, error) {
	for _, b := range All() {
		if strings.HasSuffix(filepath.ToSlash(filepath.Clean(dir)), "/"+b.Dir()) {
			return b, nil
		}
	}
	return Buildpack{}, fmt.Errorf("%s is no built-in buildpack", dir)
}

// exitCode is how libcnb tells the end of a phase; it keeps the code instead of ending the process.
type exitCode struct{ code int }

// Error shows the error and keeps the code of a phase that failed.
func (e *exitCode) Error(err error) {
	fmt.Fprintln(os.Stderr, "error: "+err.Error())
	e.code = exitError
}

// Fail keeps the code of a detection without a match.
func (e *exitCode) Fail() { e.code = exitFail }

// Pass keeps the code of a phase that went well.
func (e *exitCode) Pass() { e.code = exitPass }
