package python

import (
	"errors"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// ID is the buildpack's.
const ID = "s2i/python"

// Detect matches an app in Python that something can be started of.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	d, err := decide(app, env, environment{})
	var other notMine
	switch {
	case errors.Is(err, errNotPython) || errors.As(err, &other):
		return kit.Fail(ctx, "%s", err)
	case err != nil:
		return libcnb.DetectResult{}, err
	}
	extra, bad := kit.Extra(env)
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	kit.Say(ctx.Logger, "%s", d.summary())
	return kit.Match{ID: ID, Record: d.record(), Needs: append(d.needs(), extra...), Wants: kit.Frontend(app)}.Pass()
}
