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
		return libcnb.DetectResult{}, err
	}
	extra, bad := kit.Extra(kit.PlatformEnv(ctx.Platform))
	if len(bad) > 0 {
		return kit.Fail(ctx, "%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	match := kit.Match{ID: ID}
	var types []string
	for _, p := range processes {
		types = append(types, p.Type)
		kit.Say(ctx.Logger, "process %s: %s (%s)", p.Type, p.Command, p.source())
		if kit.LeftToNode(app, p.Command) {
			continue
		}
		start := kit.Start{Type: p.Type, Command: p.Command, Score: score, Evidence: []string{p.source()}, Chosen: true}
		if _, err := kit.ParseCommandLine(p.Command); errors.Is(err, kit.ErrNeedsShell) {
			kit.Say(ctx.Logger, "  %s: %s", p.source(), err)
			start.Evidence = append(start.Evidence, "run by sh: "+err.Error())
			if len(match.Needs) == 0 {
				match.Needs = append(match.Needs, kit.Need{Name: "dash", Launch: true, Version: kit.Constraint{Source: p.source()}})
			}
		}
		match.Record.Starts = append(match.Record.Starts, start)
	}
	match.Record.Summary = fmt.Sprintf("%s: %s", kit.Procfile, strings.Join(types, ", "))
	match.Needs = append(match.Needs, extra...)
	kit.Say(ctx.Logger, "%s", match.Record.Summary)
	return match.Pass()
}

// ID is the buildpack's.
const ID = "s2i/procfile"

// score is that of a process which the app's author has written down.
const score = 95

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

// entry is a process of the Procfile.
type entry kit.ProcfileEntry

func (e entry) source() string { return fmt.Sprintf("%s:%d", kit.Procfile, e.Line) }

// read reads the app's Procfile.
func read(app *kit.App) ([]entry, error) {
	data, err := app.Read(kit.Procfile)
	if err != nil {
		return nil, err
	}
	parsed, err := kit.ParseProcfile(data)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, e := range parsed {
		entries = append(entries, entry(e))
	}
	return entries, nil
}
