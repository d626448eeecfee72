package kit

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/buildpacks/libcnb/v2"
)

// Build calls build with what every build begins with: a context that ends when the build is told to stop, the app, and
// the environment that its commands have.
func Build(
	bc libcnb.BuildContext,
	build func(ctx context.Context, bc libcnb.BuildContext, app *App, env Env) (libcnb.BuildResult, error),
) (libcnb.BuildResult, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	app, err := OpenApp(bc.ApplicationPath)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	defer app.Close()
	return build(ctx, bc, app, BuildEnv(bc.Platform))
}
