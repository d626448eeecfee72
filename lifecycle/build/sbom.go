package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path/filepath"

	"s2i/lifecycle"
)

// Where bills of materials are collected, below the layers directory (platform §Builder outputs).
const (
	sbomDir   = "sbom"
	sbomBuild = "build"
	sbomCache = "cache"
	sbomRun   = "launch"
)

// maxSBOM bounds one bill of materials, in bytes.
const maxSBOM = 256 << 20

// placeSBOMs copies the bills of materials that the buildpack wrote beside its layers to where the exporter looks:
// those of launch layers and of the launch itself become part of the image, those of cached layers part of the cache,
// the others describe the build.
func (b *building) placeSBOMs(r buildpackRun, layers []lifecycle.Layer) error {
	types := map[string]lifecycle.LayerTypes{}
	for _, l := range layers {
		types[l.Name] = l.TOML.LayerTypes()
	}
	entries, err := os.ReadDir(r.layers)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing the bills of materials: %w", err)
	}
	for _, entry := range entries {
		layer, ext, ok := lifecycle.SBOMFile(entry.Name())
		t, isLayer := types[layer]
		if !ok || !isLayer && layer != sbomRun && layer != sbomBuild {
			continue
		}
		if err := checkFormat(r.Info.SBOMFormats, ext); err != nil {
			return fmt.Errorf("reading %s: %w", entry.Name(), err)
		}
		in := layer
		places := []string{sbomBuild}
		switch {
		case !isLayer:
			places, in = []string{layer}, ""
		case t.Launch:
			places = []string{sbomRun}
		}
		if isLayer && t.Cache {
			places = append(places, sbomCache)
		}
		for _, place := range places {
			to := filepath.Join(b.LayersDir, sbomDir, place, lifecycle.EscapedID(r.Info.ID), in, "sbom."+ext)
			if err := copyFile(filepath.Join(r.layers, entry.Name()), to); err != nil {
				return fmt.Errorf("collecting %s: %w", entry.Name(), err)
			}
		}
	}
	return nil
}

// checkFormat refuses formats that the specification does not know or the buildpack did not declare.
func checkFormat(declared []string, ext string) error {
	want := lifecycle.SBOMMediaType(ext)
	if want == "" {
		return fmt.Errorf("unknown format %q of a bill of materials", ext)
	}
	for _, d := range declared {
		if mediaType, _, err := mime.ParseMediaType(d); err == nil && mediaType == want {
			return nil
		}
	}
	return fmt.Errorf("the sbom-formats of buildpack.toml do not have %q", want)
}

func copyFile(from, to string) (err error) {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSBOM {
		return errors.New("it is not a regular file of reasonable size")
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, io.LimitReader(src, maxSBOM))
	return errors.Join(err, dst.Close())
}

// signed names the buildpack in the entries of its unstructured bill of materials.
func signed(entries []lifecycle.BOMEntry, r buildpackRun) []lifecycle.BOMEntry {
	for i := range entries {
		entries[i].Buildpack = lifecycle.GroupElement{ID: r.Info.ID, Version: r.Info.Version}
	}
	return entries
}

// writeLegacyBOM keeps the unstructured bills of materials, when buildpacks wrote any.
func (b *building) writeLegacyBOM() error {
	for place, entries := range map[string][]lifecycle.BOMEntry{sbomRun: b.launchBOM, sbomBuild: b.buildBOM} {
		if len(entries) == 0 {
			continue
		}
		data, err := json.Marshal(entries)
		if err != nil {
			return fmt.Errorf("writing the bill of materials: %w", err)
		}
		path := filepath.Join(b.LayersDir, sbomDir, place, "sbom.legacy.json")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing the bill of materials: %w", err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("writing the bill of materials: %w", err)
		}
	}
	return nil
}
