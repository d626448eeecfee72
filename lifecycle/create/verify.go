package create

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"s2i/lifecycle"
	"s2i/lifecycle/env"
	"s2i/lifecycle/export"
	"s2i/lifecycle/native"
	"s2i/lifecycle/progress"
)

// verify makes sure that every process can be started in the image to be: that the launcher will find its program, and
// the kernel what the program needs (package native). A shell or a basic command that is needed and not there is added
// to the run image. What cannot be known here passes: programs of a base that is not on this machine, layers that were
// taken over, an environment that programs compute at launch.
func (w *work) verify(ctx context.Context, layers *export.Layers) error {
	problems, err := w.checkProcesses(ctx, layers)
	if err != nil {
		return err
	}
	const rounds = 3 // env, then the shell that it starts
	for range rounds {
		more := basicsFor(problems)
		if len(more) == 0 || !w.bases.Local {
			break
		}
		if err := w.extend(ctx, more); err != nil {
			return err
		}
		if problems, err = w.checkProcesses(ctx, layers); err != nil {
			return err
		}
	}
	var fatal []error
	for _, p := range problems {
		if forDevelopers(p.Type) {
			progress.Warn(ctx, "%v", p)
		} else {
			fatal = append(fatal, p)
		}
	}
	if len(fatal) > 0 {
		// What would have installed the program may have refused the app; a Procfile was left.
		for _, o := range w.detected.Refusals() {
			fatal = append(fatal, fmt.Errorf("%s recognises the app, too, and cannot build it: %s", o.Element.ID, o.Reason))
		}
	}
	return errors.Join(fatal...)
}

// checkProcesses gives the processes that cannot be started.
func (w *work) checkProcesses(ctx context.Context, layers *export.Layers) (problems []*native.ProcessError, err error) {
	app, err := w.nativeApp(layers)
	if err != nil {
		return nil, err
	}
	var baseErr error
	app.Base = sync.OnceValue(func() native.Listing {
		var listing native.Listing
		listing, baseErr = w.baseListing(ctx)
		return listing
	})
	for _, p := range w.metadata.Processes {
		start, err := w.start(p, layers)
		if err != nil {
			return nil, err
		}
		var problem *native.ProcessError
		if err := native.CheckProcess(app, start); errors.As(err, &problem) {
			problems = append(problems, problem)
		}
	}
	return problems, baseErr
}

// basicCommands are the programs of the package coreutils.
const basicCommands = "[ arch b2sum base32 base64 basename basenc cat chcon chgrp chmod chown cksum comm cp csplit cut " +
	"date dd df dir dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install join " +
	"link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr " +
	"printenv printf ptx pwd readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum sha512sum " +
	"shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tsort tty " +
	"uname unexpand uniq unlink users vdir wc who whoami yes"

// basicsFor gives the packages of the shells and basic commands that processes lack, each with the programs that it is
// for. Scripts get the basic commands as well.
func basicsFor(problems []*native.ProcessError) map[string][]string {
	more := map[string][]string{}
	for _, p := range problems {
		var absent *native.AbsentError
		if !errors.As(p, &absent) {
			continue
		}
		name := path.Base(absent.Program)
		if dir := path.Dir(absent.Program); dir != "." && dir != "/bin" && dir != "/usr/bin" {
			continue
		}
		add := func(pkg string) {
			if !slices.Contains(more[pkg], name) {
				more[pkg] = append(more[pkg], name)
			}
		}
		switch name {
		case "sh":
			add("dash")
		case "bash":
			add("bash")
		default:
			if !slices.Contains(strings.Fields(basicCommands), name) {
				continue
			}
			add("coreutils")
		}
		if absent.Script != "" {
			add("coreutils")
		}
	}
	return more
}

// forDevelopers tells which process types are not what an image is for.
func forDevelopers(processType string) bool {
	return slices.Contains([]string{"console", "debug", "dev", "test", "watch"}, processType)
}

// nativeApp describes the app and its launch layers.
func (w *work) nativeApp(layers *export.Layers) (native.App, error) {
	app := native.App{Files: layers.Files(), AppDir: lifecycle.AppDir, Arch: w.App.Target.Arch}
	config, err := w.bases.Run.ConfigFile()
	if err != nil {
		return app, fmt.Errorf("reading the configuration of the run image: %w", err)
	}
	app.Libraries = offers(config.Config.Labels)
	for _, needs := range layers.Needs().Layers {
		app.Provides = append(app.Provides, needs.Provides...)
	}
	app.Places = []native.Place{{Path: lifecycle.AppDir, Dir: w.dirs.app}}
	for _, bp := range w.metadata.Buildpacks {
		launch, err := w.launchLayers(bp)
		if err != nil {
			return app, err
		}
		for _, layer := range launch {
			place := native.Place{Path: w.inImage(layer.Dir)}
			if layer.Present {
				place.Dir = layer.Dir
			} else {
				var needs lifecycle.LayerNeeds
				needs, place.Known = layers.TakenOver(layer)
				place.Programs = needs.Programs
			}
			app.Places = append(app.Places, place)
		}
	}
	return app, nil
}

// launchLayers gives the launch layers of a buildpack in the order of their names.
func (w *work) launchLayers(bp lifecycle.GroupElement) ([]lifecycle.Layer, error) {
	dir, err := lifecycle.ReadBuildpackDir(w.dirs.layers, bp)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(dir.Layers, func(l lifecycle.Layer) bool { return !l.Types().Launch }), nil
}

// inImage gives the path in the image of something below the layers directory.
func (w *work) inImage(file string) string {
	rel, err := filepath.Rel(w.dirs.layers, file)
	if err != nil || !filepath.IsLocal(rel) {
		return file
	}
	return path.Join(lifecycle.LayersDir, filepath.ToSlash(rel))
}

// baseListing lists the run image; nil when its layers are not on this machine.
func (w *work) baseListing(ctx context.Context) (native.Listing, error) {
	if !w.bases.Local {
		return nil, nil
	}
	layers, err := w.bases.Run.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the run image: %w", err)
	}
	return native.List(ctx, w.Store, layers)
}

// defaultPath is the PATH of an image whose base sets none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// start finds out the PATH that a process will have, as the launcher makes it.
func (w *work) start(p lifecycle.Process, layers *export.Layers) (native.Start, error) {
	s := native.Start{Process: p}
	config, err := w.bases.Run.ConfigFile()
	if err != nil {
		return s, fmt.Errorf("reading the configuration of the run image: %w", err)
	}
	e := env.ForLaunch(append([]string{"PATH=" + defaultPath}, config.Config.Env...), lifecycle.ProcessDir, lifecycle.LifecycleDir)
	for _, bp := range w.metadata.Buildpacks {
		launch, err := w.launchLayers(bp)
		if err != nil {
			return s, err
		}
		var dirs []string
		for _, layer := range launch {
			needs, known := layers.TakenOver(layer)
			switch {
			case layer.Present && plainEnvironment(layer.Dir, p.Type):
				dirs = append(dirs, layer.Dir)
			case layer.Present, !known, needs.Environment:
				s.Open = true
			case len(needs.Programs) > 0:
				e.Set("PATH", w.inImage(layer.Dir)+"/bin:"+e.Get("PATH"))
			}
		}
		if err := e.AddLaunchLayers(dirs, p.Type); err != nil {
			return s, fmt.Errorf("making the environment of process %s: %w", p.Type, err)
		}
	}
	list := strings.Split(e.Get("PATH"), ":")
	for i, dir := range list {
		if strings.HasPrefix(dir, w.dirs.layers+"/") {
			list[i] = w.inImage(dir)
		}
	}
	s.Path = strings.Join(list, ":")
	return s, nil
}

// plainEnvironment tells whether a layer's environment is there to read: no program computes it at launch, and no link
// leads from it to a file of this machine.
func plainEnvironment(layer, processType string) bool {
	if _, err := os.Lstat(filepath.Join(layer, "exec.d")); err == nil {
		return false
	}
	for _, sub := range []string{"bin", "lib", "env", "env.launch", "env.launch/" + processType} {
		ok, err := lifecycle.IsRealDir(layer, sub)
		if err != nil {
			return false
		}
		if !ok || !strings.HasPrefix(sub, "env") {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(layer, filepath.FromSlash(sub)))
		if err != nil {
			return false
		}
		for _, e := range entries {
			if !e.Type().IsRegular() && !e.IsDir() {
				return false
			}
		}
	}
	return true
}
