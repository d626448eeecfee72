package create

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"s2i/detect"
	"s2i/lifecycle"
	"s2i/lifecycle/analyze"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/restore"
)

// work is a build under way: its directories on disk, and what each phase found out for the next.
type work struct {
	Options
	dirs     dirs
	release  func()
	detected *detect.Result
	bases    *Bases
	analyzed *analyze.Result
	cache    *restore.Dir // nil with NoCache
	saved    bool         // the cache took what it keeps
	// detectBase gives the images that third-party buildpacks detect in: the base without packages.
	detectBase func() (*Bases, error)
	ahead      *ahead
	metadata   lifecycle.BuildMetadata
	// added are packages that the run image got because of what was built, by name, each with what it is for.
	added map[string][]string
	// extensions are what image extensions want of the two images.
	extensions extensions
}

// dirs are the places of a build on this machine; inside the sandbox they have the specification's names.
type dirs struct {
	root, app, layers, platform, cnb string
}

// begin makes the directories and copies the source into the workspace. Everything after it, detection included,
// sees only that copy.
func (o Options) begin(ctx context.Context, analyzed *analyze.Result) (_ *work, err error) {
	o.App.Env = o.crossEnv()
	root, release, err := o.Store.TempDir("build")
	if err != nil {
		return nil, fmt.Errorf("making the build's directories: %w", err)
	}
	w := &work{Options: o, release: release, analyzed: analyzed, ahead: o.newAhead(ctx), dirs: dirs{
		root: root, app: filepath.Join(root, "workspace"), layers: filepath.Join(root, "layers"),
		platform: filepath.Join(root, "platform"), cnb: filepath.Join(root, "cnb"),
	}}
	defer func() {
		if err != nil {
			w.close(ctx)
		}
	}()
	if err := w.openLayers(ctx); err != nil {
		return nil, err
	}
	for _, dir := range []string{w.dirs.app, w.dirs.platform, w.dirs.cnb} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making the build's directories: %w", err)
		}
	}
	ctx, task := progress.Start(ctx, "copying the source", 0)
	err = o.Tree.CopyTo(ctx, w.dirs.app)
	task.End(err)
	if err != nil {
		return nil, fmt.Errorf("copying the source: %w", err)
	}
	if err := w.writeStart(); err != nil {
		return nil, err
	}
	return w, w.furnish()
}

// openLayers makes the layers directory: in the app's cache when there is one, so that cached layers need only be
// renamed.
func (w *work) openLayers(ctx context.Context) error {
	if w.NoCache {
		return os.Mkdir(w.dirs.layers, 0o755)
	}
	dir, err := w.Store.CacheDir(w.cacheKey())
	if err != nil {
		return lifecycle.WithCode(lifecycle.ExitRestore, err)
	}
	if w.cache, err = restore.OpenDir(ctx, dir, nil); err != nil {
		return lifecycle.WithCode(lifecycle.ExitRestore, err)
	}
	w.dirs.layers, err = w.cache.Work()
	return lifecycle.WithCode(lifecycle.ExitRestore, err)
}

// close removes what the build does not leave behind. What it took from the cache goes back there as far as a build
// that did not succeed can be trusted with it; the context may have ended already.
func (w *work) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	w.release()
	if w.cache == nil || w.dirs.layers == "" {
		return
	}
	var err error
	if !w.saved && w.detected != nil {
		err = w.cache.Abandon(ctx, restore.Built{LayersDir: w.dirs.layers, Group: w.detected.Group.Group})
	}
	if err := errors.Join(err, w.cache.Discard(w.dirs.layers), w.cache.Sweep()); err != nil {
		progress.Warn(ctx, "tidying the cache: %v", err)
	}
}

// detect chooses the group. Built-in buildpacks look at the workspace in-process; others run in the sandbox.
func (w *work) detect(ctx context.Context) error {
	ctx, task := progress.Start(ctx, "detect", 0)
	var baseErr error
	w.detectBase = sync.OnceValues(func() (*Bases, error) {
		bases, err := w.Stack.Compose(ctx, w.App.Target, nil, true)
		baseErr = err
		return bases, err
	})
	found, err := detect.Run(ctx, detect.Options{
		Order: w.Builder.Order, Extensions: w.Builder.Extensions, Buildpacks: descriptors(w.Builder.Buildpacks), Target: w.App.Target,
		Provided: w.provided, Detect: w.detectOne,
		// Asking the others, too, costs nothing but a look at a few files, unless a sandbox has to be made for it.
		Alternatives: !slices.ContainsFunc(w.Builder.Buildpacks, Buildpack.thirdParty),
	})
	task.End(err)
	if baseErr != nil {
		return lifecycle.WithCode(lifecycle.ExitDetect, fmt.Errorf("getting an image to run bin/detect in: %w", baseErr))
	}
	var none *detect.NoGroupError
	if errors.As(err, &none) {
		none.Hints = hints(w.dirs.app)
	}
	if err != nil {
		return err
	}
	w.detected = found
	for _, o := range found.Refusals() {
		progress.Warn(ctx, "%s recognises the app, too, and cannot build it: %s", o.Element.ID, o.Reason)
	}
	w.warnOfWishes(ctx)
	for _, e := range found.Group.Group {
		progress.Note(ctx, "%s", strings.TrimSpace(e.String()+" "+reason(found.Outcomes, e)))
	}
	return nil
}

// provided tells whether the stack meets a requirement. Built-in buildpacks say for which image they need a package, and
// need it: if the stack does not have it, that is why the app cannot be built, and the stack says so when it resolves the
// plan. What they do not say that of is meant for each other. So detection needs no index, which may have to be
// downloaded.
func (w *work) provided(r lifecycle.Require) bool {
	if slices.ContainsFunc(w.Builder.Buildpacks, Buildpack.thirdParty) {
		return w.Stack.Provided(r.Name)
	}
	return detect.ForImage(r)
}

func reason(outcomes []detect.Outcome, e lifecycle.GroupElement) string {
	for _, o := range outcomes {
		if o.Element.ID == e.ID && o.Reason != "" {
			return "(" + strings.TrimSpace(o.Reason) + ")"
		}
	}
	return ""
}

func (w *work) detectOne(ctx context.Context, bp lifecycle.Buildpack) detect.Outcome {
	b, err := w.Builder.find(bp.Element())
	if err != nil {
		return detect.Outcome{Element: bp.Element(), Status: detect.Errored, Err: err}
	}
	if !b.thirdParty() {
		var out bytes.Buffer
		return b.detect(ctx, w.dirs.app, w.dirs.platform, &out)
	}
	return w.detectInSandbox(ctx, b)
}

// compose gets the images that meet what detection left to the stack.
func (w *work) compose(ctx context.Context) (err error) {
	if w.bases, err = w.composeWith(ctx, nil); err != nil {
		return err
	}
	w.ahead.base(w.bases, nil)
	return nil
}

// requires is everything that is asked of the stack.
func (w *work) requires() []lifecycle.Require {
	return w.chosenByUser(slices.Concat(stackRequires(w.detected.Plan), w.App.Packages))
}

// stackRequires picks the requirements that the stack, and not a buildpack, provides.
func stackRequires(p lifecycle.Plan) []lifecycle.Require {
	var requires []lifecycle.Require
	for _, entry := range p.Entries {
		byStack := func(e lifecycle.GroupElement) bool { return e.Extension && e.ID == detect.StackID }
		if slices.ContainsFunc(entry.Providers, byStack) {
			requires = append(requires, entry.Requires...)
		}
	}
	return requires
}
