package create

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"s2i/lifecycle"
	"s2i/lifecycle/native"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
)

// For another platform than this machine's an app is built in one of two ways. Buildpacks that can, cross-compile: they
// run on this machine's build image, with its own speed, and only the run image is the other platform's. What they leave
// is looked at afterwards, since an app may bring along machine code that was installed or compiled for this machine.
// Everything else runs on the other platform's build image, through an emulator; then this program, which needs no
// libraries, still runs natively, and only the tools that it starts are emulated.

// metaCross is the table of a buildpack's [metadata] that says that it builds for other platforms than its own. Its env
// has defaults of the build environment for that.
const metaCross = "cross"

// cross gives that table; ok is false when there is none.
func (b Buildpack) cross() (env map[string]any, ok bool) {
	table, ok := b.Metadata[metaCross].(map[string]any)
	env, _ = table["env"].(map[string]any)
	return env, ok && !b.thirdParty()
}

// crossEnv is the build environment for another platform.
func (o Options) crossEnv() map[string]string {
	if o.emulate || sandbox.Native(o.App.Target.Arch) {
		return o.App.Env
	}
	all := map[string]string{}
	for _, b := range o.Builder.Buildpacks {
		env, _ := b.cross()
		for name, value := range env {
			all[name], _ = value.(string)
		}
	}
	maps.Copy(all, o.App.Env)
	return all
}

// nativeTools are the packages of the build image that compile for their own platform only.
const nativeTools = "build-essential"

// ForeignError says that a build for another platform left machine code of this one.
type ForeignError struct {
	Platform lifecycle.Target
	Files    []string
}

// Error names the files.
func (e *ForeignError) Error() string {
	const shown = 3
	list := strings.Join(e.Files[:min(shown, len(e.Files))], ", ")
	if more := len(e.Files) - shown; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("the app has machine code, which was built for this machine and not for %s: %s", e.Platform, list)
}

// crosses tells whether the group can build on this machine for another platform.
func (w *work) crosses() bool {
	if w.emulate || sandbox.Native(w.App.Target.Arch) {
		return false
	}
	for _, e := range w.detected.Group.Group {
		b, err := w.Builder.find(e)
		if _, cross := b.cross(); err != nil || !cross {
			return false
		}
	}
	return !slices.ContainsFunc(w.requires(), func(r lifecycle.Require) bool { return r.Name == nativeTools })
}

// baseFor composes the images; those of a build that crosses have this machine's build image.
func (w *work) baseFor(ctx context.Context, requires []lifecycle.Require) (*Bases, error) {
	full := w.groupHasThirdParty()
	if !w.crosses() {
		return w.Stack.Compose(ctx, w.App.Target, requires, full)
	}
	bases, err := w.Stack.Compose(ctx, lifecycle.HostTarget(), requires, full)
	if err != nil {
		return nil, fmt.Errorf("composing an image to build on: %w", err)
	}
	// Of the other platform's packages, those of its build image are not even fetched.
	launch := slices.DeleteFunc(slices.Clone(requires), func(r lifecycle.Require) bool { return r.Metadata["launch"] != true })
	theirs, err := w.Stack.Compose(ctx, w.App.Target, launch, full)
	if err != nil {
		return nil, err
	}
	bases.Run, bases.RunImage, bases.Local = theirs.Run, theirs.RunImage, theirs.Local
	return bases, nil
}

// canRun makes sure that the programs of the build image can be run, before any time is spent on it.
func (w *work) canRun() error {
	if w.crosses() {
		return nil
	}
	if _, err := sandbox.FindEmulator(w.App.Target.Arch); err != nil {
		return lifecycle.WithCode(lifecycle.ExitBuild, fmt.Errorf("%s is not built without running programs for %s: %w",
			w.detected.Group.Group[0].ID, w.App.Target, err))
	}
	return nil
}

// checkForeign looks for machine code of this machine in what a build for another platform left.
func (w *work) checkForeign(ctx context.Context) error {
	if !w.crosses() {
		return nil
	}
	dirs := map[string]string{lifecycle.AppDir: w.dirs.app}
	for _, bp := range w.metadata.Buildpacks {
		launch, err := w.launchLayers(bp)
		if err != nil {
			return err
		}
		for _, l := range launch {
			if l.Present {
				dirs[w.inImage(l.Dir)] = l.Dir
			}
		}
	}
	var files []string
	for place, dir := range dirs {
		found, err := native.BuiltFor(ctx, dir, lifecycle.HostTarget().Arch, w.App.Target.Arch)
		if err != nil {
			return err
		}
		for _, f := range found {
			files = append(files, path.Join(place, f))
		}
	}
	if len(files) == 0 {
		return nil
	}
	slices.Sort(files)
	return &ForeignError{Platform: w.App.Target, Files: files}
}

// makeAnyhow builds the image; one that turned out to need an emulator is built once more with it.
func (o Options) makeAnyhow(ctx context.Context) (*built, error) {
	b, err := o.make(ctx)
	var foreign *ForeignError
	if !errors.As(err, &foreign) {
		return b, err
	}
	if _, missing := sandbox.FindEmulator(o.App.Target.Arch); missing != nil {
		return nil, lifecycle.WithCode(lifecycle.ExitBuild, fmt.Errorf("%w; to build it for that platform, %w", foreign, missing))
	}
	progress.Note(ctx, "%v; building once more, with an emulator", foreign)
	o.emulate = true
	return o.make(ctx)
}
