package create

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"s2i/lifecycle"
	"s2i/lifecycle/export"
	"s2i/lifecycle/native"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/store"
)

// The run image holds what the plan asks for and, besides, the shared libraries that what was built is linked with:
// nobody needs to know that psycopg2 needs libpq5. After the build the ELF files of the app and its layers are scanned
// (package native); the stack names the packages that have the libraries which are missing, and composes the run image
// once more with them. The packages of an app's last build are composed ahead, while the app is being built.

// metaLibrary is the metadata by which the stack knows that a package is required because of a library, or a program,
// that the app was found to need.
const metaLibrary = "library"

// EnvOptionalLibraries is the build environment variable that names libraries, separated by spaces or commas, that an
// app can do without although a scan of its files says otherwise.
const EnvOptionalLibraries = "S2I_OPTIONAL_LIBRARIES"

// recordAdded is the kind of the records that keep, by the app's cache, what was added to its run image.
const recordAdded = "run-added"

// LibraryError says that nobody has shared libraries without which the app cannot work.
type LibraryError struct{ Problems []native.Problem }

// Error names the files, the libraries and the ways out.
func (e *LibraryError) Error() string {
	var b strings.Builder
	b.WriteString("the app cannot work in its image:")
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s", p)
	}
	fmt.Fprintf(&b, "\nno package of the stack has such a library: put it beside the file that needs it, take the dependency out, "+
		"or set %s to its name when it is never loaded", EnvOptionalLibraries)
	return b.String()
}

// warmUp composes the run image with what was added to it after the last build, so that it is there when this one comes
// to the same result; before an app's first build, with what was added for the last app that asked for the same packages.
// wait returns when that is done or broken off.
func (w *work) warmUp(ctx context.Context) (wait func()) {
	var added map[string][]string
	if w.NoCache || w.Store.Record(recordAdded, w.cacheKey(), &added) != nil &&
		w.Store.Record(recordAdded, likeKey(w.App.Target.Arch, w.requires()), &added) != nil || len(added) == 0 {
		return func() {}
	}
	done := make(chan struct{})
	ctx = progress.With(ctx, nil) // nobody has asked for it yet
	go func() {
		defer close(done)
		if _, err := w.baseFor(ctx, slices.Concat(w.requires(), libraryRequires(added))); err != nil {
			slog.DebugContext(ctx, "composing ahead", "error", err)
		}
	}()
	return func() { <-done }
}

// composeWith makes the images with more packages than the plan asks for.
func (w *work) composeWith(ctx context.Context, more []lifecycle.Require) (*Bases, error) {
	bases, err := w.baseFor(ctx, slices.Concat(w.requires(), more))
	if err != nil {
		return nil, err
	}
	return bases, w.extendBases(ctx, bases)
}

// complete lets the run image have what the layers are linked with; w.bases is the result, and w.added what was added.
func (w *work) complete(ctx context.Context, layers *export.Layers) error {
	missing, known, err := w.missing(layers)
	if err != nil || !known {
		return err
	}
	if len(missing) > 0 {
		owners, err := w.owners(ctx, missing)
		if err != nil {
			return err
		}
		if err := w.extend(ctx, owners); err != nil {
			return err
		}
		if missing, _, err = w.missing(layers); err != nil {
			return err
		}
	}
	return w.judge(ctx, layers, missing)
}

// missing lists the libraries that the layers need and the run image does not have; known is false for an image that does
// not say what it has.
func (w *work) missing(layers *export.Layers) (sonames []string, known bool, err error) {
	config, err := w.bases.Run.ConfigFile()
	if err != nil {
		return nil, false, fmt.Errorf("reading the configuration of the run image: %w", err)
	}
	offered := offers(config.Config.Labels)
	if offered == nil {
		return nil, false, nil
	}
	return native.Missing(layers.Needs(), offered), true, nil
}

// offers gives the libraries of a run image as its label says; nil when it does not.
func offers(labels map[string]string) map[string][]string {
	var c lifecycle.Compatibility
	if err := json.Unmarshal([]byte(labels[lifecycle.LabelCompatibility]), &c); err != nil {
		return nil
	}
	return c.Libraries
}

// owners gives the packages that have libraries, each with those that it is for.
func (w *work) owners(ctx context.Context, sonames []string) (map[string][]string, error) {
	owners, err := w.Stack.Libraries(ctx, w.App.Target, w.requires(), sonames)
	if err != nil {
		return nil, fmt.Errorf("finding the packages that have what the app is linked with: %w", err)
	}
	byName := map[string][]string{}
	for _, soname := range sonames {
		if name := owners[soname]; name != "" {
			byName[name] = append(byName[name], soname)
		}
	}
	return byName, nil
}

// extend composes the run image once more, with packages that the app was found to need, each with what it is for.
func (w *work) extend(ctx context.Context, more map[string][]string) error {
	if len(more) == 0 {
		return nil
	}
	if w.added == nil {
		w.added = map[string][]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		progress.Note(ctx, "Adding %s to the run image: the app needs %s", name, strings.Join(more[name], ", "))
		w.added[name] = append(w.added[name], more[name]...)
	}
	bases, err := w.composeWith(ctx, libraryRequires(w.added))
	if err != nil {
		return fmt.Errorf("adding what the app needs to the run image: %w", err)
	}
	w.ahead.base(bases, w.bases)
	bases.Build = w.bases.Build
	w.bases = bases
	return nil
}

// libraryRequires requires packages because of what they have, in the order of their names.
func libraryRequires(added map[string][]string) []lifecycle.Require {
	var requires []lifecycle.Require
	for _, name := range slices.Sorted(maps.Keys(added)) {
		requires = append(requires, lifecycle.Require{Name: name, Metadata: map[string]any{
			"launch": true, metaLibrary: strings.Join(added[name], ", ")}})
	}
	return requires
}

// rememberAdded keeps what was added for the app's next build.
func (w *work) rememberAdded() error {
	if w.NoCache {
		return nil
	}
	var before map[string][]string
	err := w.Store.Record(recordAdded, w.cacheKey(), &before)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if maps.EqualFunc(before, w.added, slices.Equal) {
		return nil
	}
	return errors.Join(w.Store.SetRecord(recordAdded, w.cacheKey(), w.added),
		w.Store.SetRecord(recordAdded, likeKey(w.App.Target.Arch, w.requires()), w.added))
}

// likeKey is the same for apps whose plans ask for the same packages.
func likeKey(arch string, requires []lifecycle.Require) string {
	asked := []string{arch}
	for _, r := range requires {
		asked = append(asked, fmt.Sprint(r.Name, " ", r.Metadata["version"]))
	}
	slices.Sort(asked)
	return "like " + strings.Join(slices.Compact(asked), ", ")
}

// judge ends the build when a library that nobody has is one without which the app cannot work, and warns of others.
func (w *work) judge(ctx context.Context, layers *export.Layers, missing []string) error {
	optional := strings.FieldsFunc(w.App.Env[EnvOptionalLibraries], func(r rune) bool { return r == ' ' || r == ',' })
	var fatal []native.Problem
	for _, p := range native.Judge(layers.Files(), missing, nil) {
		switch {
		case slices.Contains(optional, p.Library):
		case p.Fatal:
			fatal = append(fatal, p)
		default:
			progress.Warn(ctx, "%s; nothing says that the app uses it", p)
		}
	}
	if len(fatal) == 0 {
		return nil
	}
	slices.SortFunc(fatal, func(a, b native.Problem) int { return cmp.Compare(a.File, b.File) })
	return &LibraryError{fatal}
}
