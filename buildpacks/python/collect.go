package python

import (
	"context"
	"fmt"
	"path/filepath"

	"s2i/buildpacks/kit"
)

// collects tells whether static files of a Django project are collected.
func (b *builder) collects() bool { return b.d.dj != nil && b.d.skipsCollect() == "" }

// collect collects the static files of a Django project. Settings that read their secret key from the environment get
// one that counts for this command only.
func (b *builder) collect(ctx context.Context) error {
	if !b.collects() {
		return nil
	}
	env := b.withVenv()
	for _, name := range b.d.dj.secrets {
		if env[name] == "" {
			env[name] = "only-for-collectstatic-at-build-time"
		}
	}
	args := []string{"python", "manage.py", "collectstatic", "--noinput", "--verbosity", "1"}
	kit.Say(b.bc.Logger, "python manage.py collectstatic --noinput")
	err := kit.Command{Args: args, Dir: filepath.Join(b.bc.ApplicationPath, filepath.FromSlash(b.d.dj.dir)), Env: env,
		Out: kit.Out(b.bc.Logger), Why: b.d.dj.staticSource + " sets STATIC_ROOT"}.Run(ctx)
	if err != nil {
		return fmt.Errorf("collecting static files: %w; give the build the variables that the settings need (--env), "+
			"or turn this step off with %s=0", err, envCollect)
	}
	return nil
}

// withVenv gives the environment in which the app's own code runs.
func (b *builder) withVenv() kit.Env {
	env := b.env.With(kit.Env{"VIRTUAL_ENV": b.venv.Path,
		"PATH": filepath.Join(b.venv.Path, "bin") + ":" + b.env["PATH"], "PYTHONUNBUFFERED": "1",
		"PYTHONPYCACHEPREFIX": filepath.Join(b.venv.Path, cacheDir), "PYTHONDONTWRITEBYTECODE": "1"})
	delete(env, "SETUPTOOLS_SCM_PRETEND_VERSION")
	return env
}
