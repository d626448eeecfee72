package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
)

// readLayers gives the layers that the buildpack e declared, sorted by name: those with a <layer>.toml.
func readLayers(ctx context.Context, layersDir string, e lifecycle.GroupElement) ([]lifecycle.Layer, error) {
	dir, err := lifecycle.ReadBuildpackDir(layersDir, e)
	if err != nil {
		return nil, err
	}
	var layers []lifecycle.Layer
	for _, l := range dir.Layers {
		if lifecycle.ReservedLayer(l.Name) {
			progress.Warn(ctx, "the directory %s of buildpack %s is no layer: that name is reserved", l.Name, e.ID)
			continue
		}
		if _, err := os.Lstat(l.Dir + ".toml"); err == nil {
			layers = append(layers, l)
		}
	}
	return layers, nil
}

// setAside renames the directories of layers that are for nothing, so that no other buildpack comes to depend on them
// (buildpack §Ignored Layers).
func setAside(layers []lifecycle.Layer) error {
	for _, l := range layers {
		if !l.Present || !l.TOML.LayerTypes().Ignored() {
			continue
		}
		aside := l.Dir + ".ignore"
		if err := os.RemoveAll(aside); err != nil {
			return fmt.Errorf("setting layer %s aside: %w", l.Name, err)
		}
		if err := os.Rename(l.Dir, aside); err != nil {
			return fmt.Errorf("setting layer %s aside: %w", l.Name, err)
		}
	}
	return nil
}

// takeBuildTOML learns which requirements the buildpack left to the next provider; all others are met.
func (b *building) takeBuildTOML(r buildpackRun) error {
	f, err := lifecycle.ReadBuildTOML(filepath.Join(r.layers, "build.toml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, u := range f.Unmet {
		if !r.given.Has(u.Name) {
			return fmt.Errorf("build.toml says that %q is not met, which was not required of it", u.Name)
		}
	}
	var met []string
	for _, require := range r.given.Entries {
		if !slices.Contains(f.Unmet, lifecycle.Unmet{Name: require.Name}) {
			met = append(met, require.Name)
		}
	}
	b.plan = b.plan.Without(met)
	b.buildBOM = append(b.buildBOM, signed(f.BOM, r)...)
	return nil
}

// takeLaunchTOML takes in processes, labels and slices.
func (b *building) takeLaunchTOML(ctx context.Context, r buildpackRun) error {
	f, err := lifecycle.ReadLaunch(filepath.Join(r.layers, "launch.toml"), r.api)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if lost := b.processes.add(f.Processes, r.Info.ID); lost != "" {
		progress.Warn(ctx, "process %s was the default and is redefined by %s as one that is not", lost, r.Info.ID)
	}
	b.labels = append(b.labels, f.Labels...)
	b.slices = append(b.slices, f.Slices...)
	b.launchBOM = append(b.launchBOM, signed(f.BOM, r)...)
	return nil
}

// processes merges what the buildpacks contribute: for each type the last one counts.
type processes struct {
	byType      map[string]lifecycle.Process
	defaultType string
}

// add takes in the processes of one buildpack. A process marked default becomes the default. One that redefines the
// default without the mark leaves the image without a default; lost is its type.
func (p *processes) add(list []lifecycle.Process, id string) (lost string) {
	if p.byType == nil {
		p.byType = map[string]lifecycle.Process{}
	}
	for _, process := range list {
		if process.Default {
			p.defaultType, lost = process.Type, ""
		} else if process.Type == p.defaultType {
			p.defaultType, lost = "", process.Type
		}
		process.Default, process.BuildpackID = false, id
		p.byType[process.Type] = process
	}
	return lost
}

// list gives the processes sorted by type.
func (p *processes) list() []lifecycle.Process {
	out := make([]lifecycle.Process, 0, len(p.byType))
	for _, process := range p.byType {
		out = append(out, process)
	}
	slices.SortFunc(out, func(a, b lifecycle.Process) int { return cmp.Compare(a.Type, b.Type) })
	return out
}
