package restore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
)

// Names in the directory of a Dir.
const (
	dirState  = "cache.json"
	dirLayers = "layers"
	dirWork   = "build-" // + random: layers directories of builds
	dirTrash  = "trash-" // + random: what is to be deleted
)

const (
	dirVersion  = 1
	maxDirState = 64 << 20 // bytes of cache.json
)

// Dir is a cache in which every layer is a directory of its own. Layers are moved out when a build starts and moved back
// when it has succeeded, so nothing is read, copied or compressed, and files keep their times.
//
// The file cache.json says which directory holds which layer; it is replaced as a whole after everything that it names
// is in place. A directory that it names was put there by a build that succeeded and was not touched since, because a
// layer that is moved out never comes back under the same name. So a build may die at any instruction: the layers that
// it had taken are lost then and made again, never trusted half-changed. Layers that are only for the cache (cache =
// true, build = false, launch = false), where package managers keep what they downloaded, are taken back as they are.
//
// A Dir is for one build at a time; the caller holds a lock.
type Dir struct {
	dir   string
	state state
	keep  func(buildpack, layer string) bool
}

var _ Cache = (*Dir)(nil)

// OpenDir opens the cache in dir and makes it when it does not exist. It takes back what a build that died had taken
// out, as far as that can be trusted. keep restricts which layers that are only for the cache can be: nil means all.
func OpenDir(ctx context.Context, dir string, keep func(buildpack, layer string) bool) (*Dir, error) {
	if err := os.MkdirAll(filepath.Join(dir, dirLayers), 0o755); err != nil {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	d := &Dir{dir: dir, keep: keep}
	if err := d.read(); err != nil {
		return nil, fmt.Errorf("opening the cache in %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the cache: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "."+dirState) { // a dead process wrote it
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				return nil, fmt.Errorf("tidying the cache: %w", err)
			}
		}
		if !strings.HasPrefix(entry.Name(), dirWork) {
			continue
		}
		work := filepath.Join(dir, entry.Name())
		if err := d.Abandon(ctx, Built{LayersDir: work, Group: d.group()}); err != nil {
			return nil, err
		}
		if err := d.discard(work); err != nil {
			return nil, err
		}
	}
	return d, d.discardUnknown()
}

// Work makes an empty directory for the layers of a build, on the cache's file system. A build that dies there loses
// less than elsewhere: OpenDir looks into it.
func (d *Dir) Work() (string, error) {
	dir := filepath.Join(d.dir, dirWork+rand.Text())
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the layers directory: %w", err)
	}
	return dir, nil
}

// Metadata implements Cache.
func (d *Dir) Metadata(context.Context) (lifecycle.CacheMetadata, error) {
	var m lifecycle.CacheMetadata
	for _, l := range d.state.Layers {
		if ok, err := lifecycle.IsRealDir(d.layers(), l.Dir); err != nil || !ok {
			continue
		}
		i := slices.IndexFunc(m.Buildpacks, func(b lifecycle.BuildpackLayers) bool { return b.ID == l.Buildpack })
		if i < 0 {
			i = len(m.Buildpacks)
			m.Buildpacks = append(m.Buildpacks, lifecycle.BuildpackLayers{
				ID: l.Buildpack, Version: l.BuildpackVersion, Layers: map[string]lifecycle.LayerMetadata{},
			})
		}
		m.Buildpacks[i].Layers[l.Name] = l.LayerMetadata
	}
	return m, nil
}

// Take implements Cache. The layer leaves the cache.
func (d *Dir) Take(ctx context.Context, layer Cached, dir string) error {
	found, ok := d.find(layer.Buildpack, layer.Name)
	if !ok || found.SHA != layer.SHA {
		return ErrDamaged
	}
	from := filepath.Join(d.layers(), found.Dir)
	if ok, err := lifecycle.IsRealDir(d.layers(), found.Dir); err != nil || !ok {
		return errors.Join(ErrDamaged, err)
	}
	return move(ctx, from, dir)
}

func (d *Dir) find(buildpack, name string) (dirLayer, bool) {
	for _, l := range d.state.Layers {
		if l.Buildpack == buildpack && l.Name == name {
			return l, true
		}
	}
	return dirLayer{}, false
}

// SBOM implements Cache.
func (d *Dir) SBOM(ctx context.Context, dir string) error {
	if d.state.SBOM == "" {
		return nil
	}
	if ok, err := lifecycle.IsRealDir(d.layers(), d.state.SBOM); err != nil || !ok {
		return errors.Join(ErrDamaged, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return copyTree(ctx, filepath.Join(d.layers(), d.state.SBOM), dir)
}

// Save implements Cache. The layers leave b.LayersDir.
func (d *Dir) Save(ctx context.Context, b Built) error {
	layers, metadata, err := b.layers()
	if err != nil {
		return fmt.Errorf("caching the layers: %w", err)
	}
	next := state{Version: dirVersion}
	for _, layer := range layers {
		entry := dirLayer{
			Buildpack: layer.Buildpack.ID, BuildpackVersion: layer.Buildpack.Version, Name: layer.Name,
			LayerMetadata: metadata.For(layer.Buildpack.ID).Layers[layer.Name],
		}
		if err := d.put(ctx, layer.Dir, &entry); err != nil {
			return fmt.Errorf("caching layer %s: %w", layer, err)
		}
		next.Layers = append(next.Layers, entry)
	}
	sbom, err := lifecycle.IsRealDir(b.LayersDir, "sbom/cache")
	if err == nil && sbom {
		next.SBOM = rand.Text()
		err = move(ctx, filepath.Join(b.LayersDir, "sbom", "cache"), filepath.Join(d.layers(), next.SBOM))
	}
	if err != nil {
		return fmt.Errorf("caching the bill of materials: %w", err)
	}
	return d.replace(next)
}

// put moves a layer into the cache, under a name that was never used.
func (d *Dir) put(ctx context.Context, from string, entry *dirLayer) error {
	entry.Dir = rand.Text()
	return move(ctx, from, filepath.Join(d.layers(), entry.Dir))
}

// Abandon takes back what a build that did not succeed has taken, as far as a half-done build can have done no harm. The
// layers that it left in the cache stay.
func (d *Dir) Abandon(ctx context.Context, b Built) error {
	next := state{Version: dirVersion, SBOM: d.state.SBOM}
	back := map[string]bool{}
	for _, bp := range b.Group {
		dir, err := lifecycle.ReadBuildpackDir(b.LayersDir, bp)
		if err != nil {
			progress.Warn(ctx, "Cached layers of %s are lost: %v", bp.ID, err)
			continue
		}
		for _, layer := range dir.Layers {
			entry, ok := d.abandoned(layer)
			if !ok {
				continue
			}
			if err := d.put(ctx, layer.Dir, &entry); err != nil {
				return fmt.Errorf("taking back layer %s: %w", layer, err)
			}
			back[layer.String()] = true
			next.Layers = append(next.Layers, entry)
		}
	}
	for _, l := range d.state.Layers {
		if ok, err := lifecycle.IsRealDir(d.layers(), l.Dir); err == nil && ok && !back[l.Buildpack+":"+l.Name] {
			next.Layers = append(next.Layers, l)
		}
	}
	return d.replace(next)
}

// abandoned tells whether the layer of a build that did not succeed can be taken back. The metadata of the last good
// build stays with it.
func (d *Dir) abandoned(layer lifecycle.Layer) (dirLayer, bool) {
	entry, known := d.find(layer.Buildpack.ID, layer.Name)
	if !known {
		entry = dirLayer{
			Buildpack: layer.Buildpack.ID, BuildpackVersion: layer.Buildpack.Version, Name: layer.Name,
			LayerMetadata: lifecycle.LayerMetadata{Data: layer.TOML.Metadata, LayerTypes: layer.Types()},
		}
	}
	onlyCache := lifecycle.LayerTypes{Cache: true}
	changed := layer.TOML.Types != nil && layer.Types() != onlyCache
	ok := layer.Present && entry.LayerTypes == onlyCache && !changed && (d.keep == nil || d.keep(entry.Buildpack, entry.Name))
	return entry, ok
}

// group lists the buildpacks that have layers in the cache.
func (d *Dir) group() []lifecycle.GroupElement {
	var group []lifecycle.GroupElement
	for _, l := range d.state.Layers {
		bp := lifecycle.GroupElement{ID: l.Buildpack, Version: l.BuildpackVersion}
		if !slices.Contains(group, bp) {
			group = append(group, bp)
		}
	}
	return group
}
