package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/progress"
)

// sbomLimits bounds a bill of materials. The largest real ones have some ten megabytes.
var sbomLimits = archive.Limits{Entries: 100_000, Bytes: 1 << 30, FileBytes: 256 << 20}

// restoreSBOMs puts the bills of materials of restored layers beside them, as <layer>.sbom.<ext>.
func restoreSBOMs(ctx context.Context, o Options, all []restored) error {
	var wanted [fromCache + 1]bool
	for _, r := range all {
		wanted[r.toml] = true
	}
	tmp := filepath.Join(o.LayersDir, ".sbom-restore")
	defer os.RemoveAll(tmp)
	if wanted[fromImage] && o.PreviousImage != nil && o.Previous.SBOM != nil {
		if err := imageSBOM(ctx, o, filepath.Join(tmp, "image")); err != nil {
			return fmt.Errorf("restoring the bill of materials from the previous image: %w", err)
		}
	}
	if wanted[fromCache] {
		err := o.Cache.SBOM(ctx, filepath.Join(tmp, "cache"))
		if errors.Is(err, ErrDamaged) {
			progress.Warn(ctx, "The cached bill of materials is lost: %v", err)
		} else if err != nil {
			return fmt.Errorf("restoring the bill of materials from the cache: %w", err)
		}
	}
	sources := [...]string{fromImage: filepath.Join(tmp, "image", "launch"), fromCache: filepath.Join(tmp, "cache")}
	for _, r := range all {
		if err := placeSBOM(o, sources[r.toml], r); err != nil {
			return fmt.Errorf("restoring the bill of materials of layer %s:%s: %w", r.buildpack, r.name, err)
		}
	}
	return nil
}

// imageSBOM extracts the launch part of the bill of materials of the previous image.
func imageSBOM(ctx context.Context, o Options, dir string) error {
	diffID, err := v1.NewHash(o.Previous.SBOM.SHA)
	if err != nil {
		return err
	}
	layer, err := o.PreviousImage.LayerByDiffID(diffID)
	if err != nil {
		return err
	}
	config, err := o.PreviousImage.ConfigFile()
	if err != nil {
		return err
	}
	place := lifecycle.LayersDir
	for _, entry := range config.Config.Env {
		if value, ok := strings.CutPrefix(entry, "CNB_LAYERS_DIR="); ok && path.IsAbs(value) {
			place = path.Clean(value)
		}
	}
	return extractSBOM(ctx, layer.Uncompressed, place+"/sbom/launch", dir)
}

// extractSBOM extracts what is below the absolute slash path from in a layer to dir.
func extractSBOM(ctx context.Context, open func() (io.ReadCloser, error), from, dir string) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	root, err := makeRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	parent, base := path.Split(strings.TrimPrefix(from, "/"))
	return archive.Extract(ctx, r, root, archive.ExtractOptions{
		Limits: sbomLimits, Strip: strings.Count(parent, "/"),
		Keep: func(name string) bool { return strings.HasPrefix(name, base+"/") },
	})
}

// makeRoot makes dir and opens it.
func makeRoot(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

// placeSBOM moves the files of one layer to where its buildpack finds them.
func placeSBOM(o Options, source string, r restored) error {
	root, err := os.OpenRoot(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	dir := lifecycle.EscapedID(r.buildpack) + "/" + r.name
	entries, err := fs.ReadDir(root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		ext, ok := strings.CutPrefix(entry.Name(), "sbom.")
		if !ok || !entry.Type().IsRegular() || lifecycle.SBOMMediaType(ext) == "" {
			continue
		}
		to := filepath.Join(o.dir(r.buildpack), r.name+".sbom."+ext)
		if err := os.Rename(filepath.Join(root.Name(), dir, entry.Name()), to); err != nil {
			return err
		}
		if err := o.own(to); err != nil {
			return err
		}
	}
	return nil
}
