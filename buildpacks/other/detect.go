package other

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/buildpacks/libcnb/v2"

	"s2i/buildpacks/kit"
)

// ID is the buildpack's ID.
const ID = "s2i/other"

// maxNamed bounds how many kinds or directories an error names.
const maxNamed = 4

// nothingError is the reason for a directory that is no app; it is not a refusal.
type nothingError struct{ reason string }

// Error gives the reason.
func (e *nothingError) Error() string { return e.reason }

// Detect errs for an app that is recognised as one that s2i does not build. It passes for one that is a shell script.
func Detect(ctx libcnb.DetectContext) (libcnb.DetectResult, error) {
	app, err := kit.OpenApp(ctx.ApplicationPath)
	if err != nil {
		return libcnb.DetectResult{}, err
	}
	defer app.Close()
	err = refuse(app)
	var none *nothingError
	if err != nil && !errors.As(err, &none) {
		return libcnb.DetectResult{}, err
	}
	if present(app, "", manifests()) == "" {
		env := kit.PlatformEnv(ctx.Platform)
		s, scriptErr := findScript(app, env)
		if scriptErr != nil {
			return libcnb.DetectResult{}, scriptErr
		}
		if s != nil {
			extra, bad := kit.Extra(env)
			if len(bad) > 0 {
				return libcnb.DetectResult{}, fmt.Errorf("%s or %s: no package can be called %s",
					kit.EnvBuildPackages, kit.EnvRunPackages, strings.Join(bad, ", "))
			}
			return s.match(extra)
		}
	}
	if err != nil {
		return kit.Fail(ctx, "%s", err)
	}
	return kit.Fail(ctx, "no file in the app tells what it is")
}

// refuse gives the reason for not building the app, nil when nothing is recognised.
//
// An app with a manifest of a language that s2i builds is refused on strong evidence only.
func refuse(app *kit.App) error {
	known := present(app, "", manifests())
	var reasons []string
	for _, k := range kinds() {
		if k.Weak && (known != "" || len(reasons) > 0) {
			continue
		}
		file := present(app, "", k.Files)
		if file == "" || len(reasons) == maxNamed {
			continue
		}
		instead := k.Instead
		if instead == "" {
			instead = wayOut
		}
		reasons = append(reasons, fmt.Sprintf("%s (%s) cannot be built: %s; %s", k.Name, file, k.Missing, instead))
	}
	if len(reasons) > 0 {
		return errors.New(strings.Join(reasons, ". "))
	}
	if known != "" {
		return nil // its own buildpack has said why
	}
	return elsewhere(app)
}

// elsewhere looks for apps in directories below.
func elsewhere(app *kit.App) error {
	entries, err := fs.ReadDir(app.FS(), ".")
	if err != nil {
		return fmt.Errorf("reading the app: %w", err)
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".") }) {
		return &nothingError{"the app is empty: there is no file in it"}
	}
	var found []string
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules" || e.Name() == "vendor" {
			continue
		}
		if file := present(app, e.Name(), manifests()); file != "" && len(found) < maxNamed {
			found = append(found, file)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &nothingError{"there is no app at the top, but " + strings.Join(found, ", ") + ": build one of these directories"}
}

// present gives the first file of the app below dir that one of the globs matches, "" when there is none.
func present(app *kit.App, dir string, globs []string) string {
	for _, glob := range globs {
		glob = path.Join(dir, glob)
		if !strings.ContainsAny(glob, "*?[") {
			if app.Has(glob) {
				return glob
			}
			continue
		}
		found, err := fs.Glob(app.FS(), glob)
		if err != nil {
			continue
		}
		for _, file := range found {
			if app.Has(file) && !strings.HasPrefix(file, "node_modules/") {
				return file
			}
		}
	}
	return ""
}
