package python

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// builder is the state of one build.
type builder struct {
	bc     libcnb.BuildContext
	app    *kit.App
	d      *decision
	python interpreter
	// env is the tools' environment.
	env      kit.Env
	compiler compiler
	// venv is the layer of the virtual environment.
	venv   libcnb.Layer
	result libcnb.BuildResult
}

// Build installs what the app needs, collects static files and contributes the processes.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) { return kit.Build(bc, build) }

func build(ctx context.Context, bc libcnb.BuildContext, app *kit.App, env kit.Env) (libcnb.BuildResult, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	b := &builder{bc: bc, app: app, result: libcnb.NewBuildResult()}
	if err := b.prepare(ctx, env); err != nil {
		return b.result, err
	}
	compiled := b.compileStandard(ctx)
	err := b.contribute(ctx)
	if err != nil {
		stop()
	}
	return b.result, errors.Join(err, compiled())
}

// contribute makes everything that is of the app.
func (b *builder) contribute(ctx context.Context) error {
	if err := b.install(ctx); err != nil {
		return err
	}
	if err := b.collect(ctx); err != nil {
		return err
	}
	if err := b.compileApp(ctx); err != nil {
		return err
	}
	return b.processes()
}

// prepare finds the interpreter and decides.
func (b *builder) prepare(ctx context.Context, env kit.Env) error {
	downloads, err := kit.Cache(b.bc.Layers, "downloads")
	if err != nil {
		return err
	}
	b.env = toolEnv(b.bc, env, filepath.Join(downloads.Path, "uv"))
	if b.python, err = findInterpreter(ctx, b.env); err != nil {
		return err
	}
	b.compiler = newCompiler(b.python.program, b.env)
	if err := b.removeInstalled(); err != nil {
		return err
	}
	b.d, err = decide(b.app, env, environment{Python: b.python.version, Arch: b.arch()})
	if err != nil {
		return err
	}
	if b.d.installsAnything() {
		b.result.Layers = append(b.result.Layers, downloads)
	}
	return nil
}

func (b *builder) arch() string {
	if b.bc.TargetInfo.Arch != "" {
		return b.bc.TargetInfo.Arch
	}
	return runtime.GOARCH
}

// removeInstalled removes what was installed and compiled on somebody's machine and came along with the sources.
func (b *builder) removeInstalled() error {
	var remove []string
	err := fs.WalkDir(b.app.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case d.Name() == "node_modules" || d.Name() == ".git":
			return fs.SkipDir
		case d.Name() == "__pycache__" || b.app.Has(path.Join(name, "pyvenv.cfg")):
			remove = append(remove, name)
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for virtual environments in the app: %w", err)
	}
	for _, name := range remove {
		if err := b.app.Root().RemoveAll(filepath.FromSlash(name)); err != nil {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	return nil
}

// processes contributes the processes and their environment.
func (b *builder) processes() error {
	layer, err := b.bc.Layers.Layer("environment")
	if err != nil {
		return fmt.Errorf("reading layer environment: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return err
	}
	env := libcnb.Environment{}
	env.Default("PYTHONUNBUFFERED", "1")
	env.Override("VIRTUAL_ENV", b.venv.Path)
	env.Default("PYTHONPYCACHEPREFIX", filepath.Join(b.venv.Path, cacheDir))
	env.Default("PYTHONDONTWRITEBYTECODE", "1")
	env.Default("XDG_RUNTIME_DIR", os.TempDir()) // where gunicorn, from version 25 on, has a socket
	if c := b.d.chosen(); c != nil {
		for _, a := range c.env {
			if a.Name == "PYTHONPATH" {
				env.ProcessPrepend(c.Type, a.Name, ":", a.Value)
			}
		}
		if err := b.add(c, true); err != nil {
			return err
		}
	}
	kit.Listen(env, kit.DefaultType, b.assignments()...)
	if c := b.d.release(); c != nil {
		if err := b.add(c, false); err != nil {
			return err
		}
	}
	layer.LaunchEnvironment = env
	b.result.Layers = append(b.result.Layers, layer)
	return nil
}

func (b *builder) layerPath(name string) string { return filepath.Join(b.bc.Layers.Path, name) }

// assignments gives the variables that the process web computes from the port.
func (b *builder) assignments() []kit.Assignment {
	var list []kit.Assignment
	if c := b.d.chosen(); c != nil {
		for _, a := range c.env {
			if a.Name != "PYTHONPATH" {
				list = append(list, a)
			}
		}
	}
	return list
}

// add contributes a process, after making sure that its program is there.
func (b *builder) add(c *candidate, byDefault bool) error {
	if err := b.check(c); err != nil {
		return err
	}
	p := libcnb.Process{Type: c.Type, Command: c.args, Default: byDefault}
	if c.dir != "." {
		p.WorkingDirectory = filepath.Join(b.bc.ApplicationPath, filepath.FromSlash(c.dir))
	}
	b.result.Processes = append(b.result.Processes, p)
	return nil
}

// check makes sure that a process's program was installed. The commands that a layer taken over from the previous image
// has are in its metadata.
func (b *builder) check(c *candidate) error {
	program := c.args[0]
	if program == "python" {
		return nil
	}
	for _, name := range asList(b.venv.Metadata["commands"]) {
		if name == program {
			return nil
		}
	}
	return fmt.Errorf("%w: %s starts %q, and no installed package has a command of that name; "+
		"add it to %s, or write a %s",
		errNoCommand, c.Type, strings.Join(c.args, " "), b.d.deps.manifest, kit.Procfile)
}

var errNoCommand = errors.New("the process cannot be started")
