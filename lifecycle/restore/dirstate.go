package restore

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"s2i/lifecycle"
)

// state is cache.json.
type state struct {
	Version int        `json:"version"`
	Layers  []dirLayer `json:"layers"`
	// SBOM is the directory with the bills of materials of the layers, or "".
	SBOM string `json:"sbom,omitempty"`
}

// dirLayer is one layer; Dir is its directory's name below dirLayers.
type dirLayer struct {
	Buildpack        string `json:"buildpack"`
	BuildpackVersion string `json:"buildpackVersion"`
	Name             string `json:"name"`
	Dir              string `json:"dir"`
	lifecycle.LayerMetadata
}

// read reads cache.json. One that cannot be understood makes the cache empty: all that it costs is time.
func (d *Dir) read() error {
	f, err := os.Open(filepath.Join(d.dir, dirState))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDirState))
	if err != nil {
		return err
	}
	var s state
	if json.Unmarshal(data, &s) != nil || s.Version != dirVersion {
		return nil
	}
	s.Layers = slices.DeleteFunc(s.Layers, func(l dirLayer) bool { return !plainName(l.Dir) || !layerName(l.Name) })
	if s.SBOM != "" && !plainName(s.SBOM) {
		s.SBOM = ""
	}
	d.state = s
	return nil
}

// plainName tells whether name names an entry of a directory.
func plainName(name string) bool {
	return filepath.IsLocal(name) && filepath.Base(name) == name && name != "."
}

// replace makes next the state of the cache.
func (d *Dir) replace(next state) error {
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("writing the cache's list of layers: %w", err)
	}
	if err := writeSynced(filepath.Join(d.dir, dirState), data); err != nil {
		return fmt.Errorf("writing the cache's list of layers: %w", err)
	}
	d.state = next
	return d.discardUnknown()
}

// discardUnknown discards the directories that the state does not name.
func (d *Dir) discardUnknown() error {
	entries, err := os.ReadDir(d.layers())
	if err != nil {
		return fmt.Errorf("tidying the cache: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		known := name == d.state.SBOM ||
			slices.ContainsFunc(d.state.Layers, func(l dirLayer) bool { return l.Dir == name })
		if !known {
			if err := d.discard(filepath.Join(d.layers(), name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// discard puts path where Sweep finds it. Deleting a large directory takes longer than most builds have to do.
func (d *Dir) discard(path string) error {
	trash := filepath.Join(d.dir, dirTrash+rand.Text())
	err := rename(path, trash)
	if errors.Is(err, fs.ErrPermission) { // it belongs to another user of the namespace, who alone can move it
		err = removeTree(path)
	}
	if err != nil {
		return fmt.Errorf("discarding %s: %w", path, err)
	}
	return nil
}

// Discard gives up a layers directory that Work made, when the build is over.
func (d *Dir) Discard(work string) error { return d.discard(work) }

// Sweep deletes what was discarded. It may run beside a build, or be left out: a later one deletes it too.
func (d *Dir) Sweep() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return fmt.Errorf("sweeping the cache: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), dirTrash) {
			errs = append(errs, removeTree(filepath.Join(d.dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

func (d *Dir) layers() string { return filepath.Join(d.dir, dirLayers) }
