// Package launch is the launch phase of the specification (platform §launcher): in the app's container it chooses a
// process, makes its environment from the layers, and replaces itself with it.
//
//	/cnb/process/web ARG…             the process "web"; ARGs replace its default arguments
//	/cnb/lifecycle/launcher -- CMD …  a command
//	/cnb/lifecycle/launcher CMD …     a command for bash, after the profile scripts of the layers and of the app
//
// The program (cmd/launcher) is in every image and runs at every start of a container, so it is small and fast: of the
// standard library a little, without fmt, reflection, os/exec or a TOML library, and of this module only the environment
// rules. That is why the few names of package lifecycle that it needs are repeated here; a test holds them together.
// A process may refer to variables without a shell when its buildpack marks it: see S2I_EXPAND in expand.go.
// It starts what any lifecycle of Platform API 0.7 to 0.15 and Buildpack API 0.7 to 0.12 has exported.
package launch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"s2i/lifecycle/env"
)

// Places in an image (platform §Lifecycle Interface).
const (
	defaultAppDir    = "/workspace"
	defaultLayersDir = "/layers"
	lifecycleDir     = "/cnb/lifecycle"
	processDir       = "/cnb/process"
	metadataPath     = "config/metadata.toml" // below the layers directory
	defaultExecEnv   = "production"
)

// Main runs the launcher and gives its exit code. It returns only when there is an error, which it has printed: 11
// and 12 for a Platform or Buildpack API that it does not know, 82 for all else (platform §launcher). Otherwise the process has taken its place.
func Main(argv, environ []string) int {
	err := run(argv, environ)
	_, _ = os.Stderr.WriteString("ERROR: " + err.Error() + "\n")
	var unknown *apiError
	if errors.As(err, &unknown) {
		return unknown.code
	}
	return exitLaunch
}

func run(argv, environ []string) error {
	c, err := prepare(argv, environ)
	if err != nil {
		return err
	}
	return c.exec()
}

// launcher is one start of a container.
type launcher struct {
	api       int // minor version of the Platform API
	appDir    string
	layersDir string
	execEnv   string
	self      string
	metadata  metadata
	env       *env.Env
}

// command is what takes the launcher's place.
type command struct {
	path string
	argv []string
	env  []string
	dir  string
}

func (c *command) exec() error {
	if err := os.Chdir(c.dir); err != nil {
		return doing("entering the working directory", err)
	}
	err := syscall.Exec(c.path, c.argv, c.env)
	if errors.Is(err, syscall.ENOENT) { // it was there a moment ago
		err = doing("the loader or the interpreter that it asks for is not in the image", err)
	}
	return doing("starting "+c.path, err)
}

// prepare does everything but the last step.
func prepare(argv, environ []string) (*command, error) {
	l, err := newLauncher(argv, environ)
	if err != nil {
		return nil, err
	}
	p, err := l.choose(filepath.Base(l.self), argv[1:])
	if err != nil {
		return nil, doing("choosing the process", err)
	}
	if err := os.Chdir(l.appDir); err != nil {
		return nil, doing("entering the app directory", err)
	}
	layers, err := l.layers()
	if err != nil {
		return nil, err
	}
	for _, dirs := range layers {
		if err := l.env.AddLaunchLayers(dirs, p.name); err != nil {
			return nil, doing("making the environment", err)
		}
	}
	if err := l.runExecD(layers, p.name); err != nil {
		return nil, err
	}
	p = l.expand(p)
	if p.direct {
		return l.direct(p)
	}
	return l.shell(p, slices.Concat(layers...))
}

func newLauncher(argv, environ []string) (*launcher, error) {
	own := env.New(environ)
	api, err := platformAPI(own.Get("CNB_PLATFORM_API"))
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		argv = []string{lifecycleDir + "/launcher"}
	}
	l := &launcher{
		api:       api,
		appDir:    orDefault(own.Get("CNB_APP_DIR"), defaultAppDir),
		layersDir: orDefault(own.Get("CNB_LAYERS_DIR"), defaultLayersDir),
		execEnv:   orDefault(own.Get("CNB_EXEC_ENV"), defaultExecEnv),
		self:      argv[0],
		env:       env.ForLaunch(environ, processDir, lifecycleDir),
	}
	l.env.Unset(expandVariable) // only layers have a say in it
	l.metadata, err = readMetadata(filepath.Join(l.layersDir, metadataPath))
	if err != nil {
		return nil, err
	}
	for _, bp := range l.metadata.buildpacks {
		if _, err := buildpackAPI(bp); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// layers gives the directories of each buildpack's layers, in the order of the build and then of their names.
func (l *launcher) layers() ([][]string, error) {
	var out [][]string
	for _, bp := range l.metadata.buildpacks {
		dirs, err := list(filepath.Join(l.layersDir, strings.ReplaceAll(bp.id, "/", "_")), true)
		if err != nil {
			return nil, doing("listing the layers of "+bp.id, err)
		}
		out = append(out, dirs)
	}
	return out, nil
}

// list gives the paths of dir's subdirectories or of its other files, sorted by name. A missing dir has none.
func list(dir string, directories bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() == directories {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// direct makes the command of a process without a shell.
func (l *launcher) direct(p process) (*command, error) {
	dir := l.workingDir(p)
	path, err := lookPath(p.command[0], dir, l.env.Get("PATH"))
	if err != nil {
		return nil, doing("starting process "+strconv.Quote(orDefault(p.name, p.command[0])), err)
	}
	return &command{path: path, argv: append(slices.Clone(p.command), p.args...), env: l.env.List(), dir: dir}, nil
}

// workingDir is where the process starts; a relative one counts from the app directory.
func (l *launcher) workingDir(p process) string {
	if p.workingDir == "" || filepath.IsAbs(p.workingDir) {
		return orDefault(p.workingDir, l.appDir)
	}
	return filepath.Join(l.appDir, p.workingDir)
}

// lookPath finds the program name: with a slash in it relative to dir, otherwise in the absolute directories of path.
func lookPath(name, dir, path string) (string, error) {
	if strings.Contains(name, "/") {
		at := name
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, name)
		}
		return at, executable(at)
	}
	var denied error
	for _, d := range strings.Split(path, ":") {
		if !filepath.IsAbs(d) {
			continue // the working directory is no place to find programs by chance
		}
		at := filepath.Join(d, name)
		if _, err := os.Stat(at); err != nil {
			continue
		}
		err := executable(at)
		if err == nil {
			return at, nil
		}
		if denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", errors.New("there is no program " + strconv.Quote(name) + " in the PATH " + path)
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New(path + " is a directory")
	}
	const anyExecute = 0o111
	if info.Mode()&anyExecute == 0 {
		return errors.New(path + " is not executable")
	}
	return nil
}
