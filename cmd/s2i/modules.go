package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/urfave/cli/v2"

	"s2i/detect/source"
	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/image"
)

// labelPackage says which of its modules a buildpackage is for (distribution §Buildpackage).
const labelPackage = "io.buildpacks.buildpackage.metadata"

// modules opens what --buildpack and --extension name and this program does not bring: a directory; an archive, a URL or
// a git repository that holds one; or a buildpackage, an image with modules below /cnb. The first one is the one that is
// meant; the others are those of its order. What is unpacked is there until the command ends.
func modules(ctx context.Context, c *cli.Context, t *tools, name string) ([]lifecycle.Buildpack, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return moduleIn(name)
	}
	if strings.HasPrefix(name, "urn:") {
		return nil, usageError("%s is in a registry of buildpacks, which is not asked; name its image", name)
	}
	ref, isImage, err := packageRef(name)
	if err != nil {
		return nil, err
	}
	dir, release, err := t.store.TempDir("module")
	if err != nil {
		return nil, err
	}
	t.closers = append(t.closers, release)
	if isImage {
		return readable(packageIn(ctx, t, ref, dir))
	}
	if err := checkOffline(c, name); err != nil {
		return nil, err
	}
	tree, err := source.Open(ctx, name, source.Options{Raw: true, TempDir: dir})
	if err != nil {
		return nil, err
	}
	t.closers = append(t.closers, func() { _ = tree.Close() })
	return readable(moduleIn(tree.Dir))
}

// readable lets the user that buildpacks run as into the directories of modules that were unpacked.
func readable(found []lifecycle.Buildpack, err error) ([]lifecycle.Buildpack, error) {
	for _, d := range found {
		if err := os.Chmod(d.Dir, 0o755); err != nil { //nolint:gosec // for that user
			return nil, err
		}
	}
	return found, err
}

// packageRef tells an image from files.
func packageRef(name string) (ref image.Ref, isImage bool, err error) {
	if rest, ok := strings.CutPrefix(name, "docker://"); ok {
		ref, err = parseRef(rest)
		return ref, true, err
	}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		if filepath.Ext(name) == ".cnb" {
			return image.Ref{Kind: image.OCIArchive, Path: name}, true, nil
		}
		return ref, false, nil
	}
	if src, err := source.ParseRef(name); err != nil || src.Kind != source.Local {
		return ref, false, err
	}
	ref, err = parseRef(name)
	return ref, true, err
}

// moduleIn reads the module of a directory, or of the only directory in it.
func moduleIn(dir string) ([]lifecycle.Buildpack, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) == 1 && entries[0].IsDir() {
		dir = filepath.Join(dir, entries[0].Name())
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	d, err := lifecycle.ReadBuildpack(dir)
	if err != nil {
		return nil, err
	}
	if len(d.Order) > 0 {
		return nil, usageError("%s is a composite; name the buildpacks of its order one by one, or a package that holds them", dir)
	}
	return []lifecycle.Buildpack{d}, nil
}

// packageIn unpacks a buildpackage and reads its modules.
func packageIn(ctx context.Context, t *tools, ref image.Ref, dir string) ([]lifecycle.Buildpack, error) {
	img, err := t.images.Image(ctx, ref, hostTarget())
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	var about struct{ ID, Version string }
	if label := config.Config.Labels[labelPackage]; label != "" {
		if err := json.Unmarshal([]byte(label), &about); err != nil {
			return nil, fmt.Errorf("reading the label %s of %s: %w", labelPackage, ref, err)
		}
	}
	if err := unpackModules(ctx, img, dir); err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", ref, err)
	}
	var all []lifecycle.Buildpack
	for _, kind := range []string{"buildpacks", "extensions"} {
		places, err := filepath.Glob(filepath.Join(dir, "cnb", kind, "*", "*"))
		if err != nil {
			return nil, err
		}
		for _, place := range places {
			d, err := lifecycle.ReadBuildpack(place)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", ref, err)
			}
			all = append(all, d)
		}
	}
	main := slices.IndexFunc(all, func(d lifecycle.Buildpack) bool {
		return d.About().ID == about.ID && d.About().Version == about.Version
	})
	switch {
	case len(all) == 1:
		main = 0
	case len(all) == 0:
		return nil, usageError("%s holds no module below /cnb/buildpacks or /cnb/extensions", ref)
	case main < 0:
		return nil, usageError("%s does not say in its label %s which of its %d modules it is for", ref, labelPackage, len(all))
	}
	all[0], all[main] = all[main], all[0]
	return all, nil
}

// unpackModules writes the modules of a package below a directory.
func unpackModules(ctx context.Context, img v1.Image, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	r, w := io.Pipe()
	go func() { w.CloseWithError(flatten(ctx, img, w)) }()
	defer r.Close()
	return archive.Extract(ctx, r, root, archive.ExtractOptions{
		Keep: func(name string) bool {
			return fs.ValidPath(name) && (strings.HasPrefix(name, "cnb/buildpacks/") || strings.HasPrefix(name, "cnb/extensions/"))
		},
	})
}
