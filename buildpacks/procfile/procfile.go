package procfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// Detect matches an app with a Procfile.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	if !app.Has(kit.Procfile) {
		return kit.Fail(ctx, "no Procfile in the app")
	}
	processes, err := read(app)
	if err != nil {
		return kit.Fail(ctx, "%s", err)
	}
	extra, bad := kit.Extra(kit.PlatformEnv(ctx.Platform))
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	var needs []kit.Need
	var types []string
	for _, p := range processes {
		types = append(types, p.Type)
		kit.Say(ctx.Logger, "process %s: %s (%s:%d)", p.Type, p.Command, kit.Procfile, p.Line)
		if len(needs) > 0 || kit.LeftToNode(app, p.Command) {
			continue
		}
		if _, err := kit.ParseCommandLine(p.Command); errors.Is(err, kit.ErrNeedsShell) {
			source := fmt.Sprintf("%s:%d", kit.Procfile, p.Line)
			kit.Say(ctx.Logger, "  %s: %s", source, err)
			needs = append(needs, kit.Need{Name: "dash", Launch: true, Version: kit.Constraint{Source: source}})
		}
	}
	kit.Say(ctx.Logger, "%s: %s", kit.Procfile, strings.Join(types, ", "))
	return kit.Pass(append(needs, extra...)...), nil
}

// Build contributes the processes.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) {
	app, err := kit.OpenApp(bc.ApplicationPath)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	defer app.Close()
	processes, err := read(app)
	if err != nil {
		return libcnb.BuildResult{}, err
	}
	result := libcnb.NewBuildResult()
	env := libcnb.Environment{}
	for _, p := range processes {
		if kit.LeftToNode(app, p.Command) {
			continue
		}
		process, assigned, err := kit.Process(p.Type, p.Command)
		if err != nil {
			return result, fmt.Errorf("%s:%d: %w", kit.Procfile, p.Line, err)
		}
		process.Default = p.Type == kit.DefaultType
		result.Processes = append(result.Processes, process)
		for _, a := range assigned {
			env.ProcessOverride(p.Type, a.Name, a.Value)
		}
	}
	if len(env) == 0 {
		return result, nil
	}
	layer, err := bc.Layers.Layer("env")
	if err != nil {
		return result, fmt.Errorf("reading layer env: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return result, err
	}
	layer.LaunchEnvironment = env
	result.Layers = append(result.Layers, layer)
	return result, nil
}

// read reads the app's Procfile.
func read(app *kit.App) ([]kit.ProcfileEntry, error) {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return nil, err
	}
	return kit.ParseProcfile(data)
}
