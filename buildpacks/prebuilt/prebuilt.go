package prebuilt

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

const id = "s2i/prebuilt"

// Detect matches an app with an executable for Linux.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	env := kit.PlatformEnv(ctx.Platform)
	list, err := decide(app, env)
	if errors.Is(err, errNone) {
		return kit.Fail(ctx, "%s", err)
	}
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	needs, extraErr := extra(env)
	if extraErr != nil {
		return libcnb.DetectResult{}, extraErr
	}
	record := kit.Record{}
	for _, c := range list {
		for _, arch := range slices.Sorted(maps.Keys(c.Files)) {
			f := c.Files[arch]
			wants, err := f.needs()
			if err != nil {
				return libcnb.DetectResult{}, err
			}
			needs = merge(needs, wants)
			record.Facts = append(record.Facts, f.fact())
		}
		record.Starts = append(record.Starts, kit.Start{Type: c.Type, Command: c.first().Path, Score: c.Score,
			Evidence: c.Evidence, Chosen: true})
	}
	record.Summary = summary(list)
	kit.Say(ctx.Logger, "%s", record.Summary)
	return kit.Match{ID: id, Record: record, Needs: needs}.Pass()
}

func extra(env kit.Env) ([]kit.Need, error) {
	needs, bad := kit.Extra(env)
	if len(bad) > 0 {
		return nil, fmt.Errorf("%s or %s: no package can be called %s",
			kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
	}
	return needs, nil
}

// merge adds needs that are not there yet.
func merge(needs, more []kit.Need) []kit.Need {
	for _, n := range more {
		if !slices.ContainsFunc(needs, func(have kit.Need) bool { return have.Name == n.Name }) {
			needs = append(needs, n)
		}
	}
	return needs
}

// first gives one of a candidate's files, for reading.
func (c *candidate) first() file { return c.Files[slices.Sorted(maps.Keys(c.Files))[0]] }

func (f file) fact() kit.Fact {
	text := "a static program for " + f.Arch
	if f.Interpreter != "" {
		text = "a program for " + f.Arch + ", started by " + f.Interpreter
	}
	return kit.Fact{Topic: "files", Text: text, Source: f.Path}
}

// summary is the decision in one line.
func summary(list []*candidate) string {
	for _, c := range list {
		if c.Default {
			return "a prebuilt executable; " + c.Type + " starts " + c.first().Path
		}
	}
	return fmt.Sprintf("%d prebuilt executables; no default process but the Procfile's", len(list))
}

// Build contributes the processes.
func Build(bc libcnb.BuildContext) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	app, err := kit.OpenApp(bc.ApplicationPath)
	if err != nil {
		return result, err
	}
	defer app.Close()
	list, err := decide(app, kit.BuildEnv(bc.Platform))
	if err != nil {
		return result, err
	}
	arch := bc.TargetInfo.Arch
	if arch == "" {
		arch = runtime.GOARCH
	}
	layer, err := bc.Layers.Layer("env")
	if err != nil {
		return result, fmt.Errorf("reading layer env: %w", err)
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Launch: true}, ""); err != nil {
		return result, err
	}
	layer.LaunchEnvironment = libcnb.Environment{}
	for _, c := range list {
		f, ok := c.Files[arch]
		if !ok {
			return result, fmt.Errorf("%s is a program for %s, and the image is for %s: build it for that, or build the "+
				"image with --platform linux/%s", c.first().Path, c.first().Arch, arch, c.first().Arch)
		}
		// Archives and checkouts lose the bit.
		if err := app.Root().Chmod(filepath.FromSlash(f.Path), 0o755); err != nil {
			return result, fmt.Errorf("making %s executable: %w", f.Path, err)
		}
		result.Processes = append(result.Processes, libcnb.Process{
			Type: c.Type, Command: []string{filepath.Join(bc.ApplicationPath, filepath.FromSlash(f.Path))}, Default: c.Default,
		})
		if c.Default {
			kit.Listen(layer.LaunchEnvironment, c.Type)
		}
	}
	result.Layers = append(result.Layers, layer)
	return result, nil
}
