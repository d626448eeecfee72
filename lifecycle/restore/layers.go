package restore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
)

// Options is what the restore phase works on.
type Options struct {
	// LayersDir is where layers come back to on this machine.
	LayersDir string
	// Group lists the buildpacks of this build; what others left is not restored. Extensions are passed over.
	Group []lifecycle.GroupElement
	// Previous is the layer metadata of the previous image (lifecycle.Analyzed.Metadata).
	Previous lifecycle.LayersMetadata
	// PreviousImage is that image, from which the bill of materials is read; nil for none.
	PreviousImage v1.Image
	// Cache is where cached layers come from; nil for none.
	Cache Cache
	// SkipLayers restores store.toml only.
	SkipLayers bool
	// UID and GID get what Layers makes, when it runs as root and they are not both 0; buildpacks must be able to write
	// there.
	UID, GID int
}

// Layers puts back what earlier builds left for this one. Errors carry the exit code of the phase.
func Layers(ctx context.Context, o Options) (err error) {
	ctx, task := progress.Start(ctx, "restore", 0)
	defer func() { task.End(err) }()
	return lifecycle.WithCode(lifecycle.ExitRestore, restoreLayers(ctx, o))
}

// restored is a layer that came back.
type restored struct {
	buildpack string
	decision
}

func restoreLayers(ctx context.Context, o Options) error {
	if err := restoreStores(o); err != nil {
		return err
	}
	if o.SkipLayers {
		return nil
	}
	var cached lifecycle.CacheMetadata
	if o.Cache != nil {
		var err error
		if cached, err = o.Cache.Metadata(ctx); err != nil {
			return fmt.Errorf("reading the list of cached layers: %w", err)
		}
	}
	var all []restored
	for _, bp := range o.Group {
		if bp.Extension {
			continue
		}
		for _, d := range decide(o.Previous.For(bp.ID), cached.For(bp.ID)) {
			if !layerName(d.name) {
				return fmt.Errorf("restoring the layers of %s: %q is no layer name", bp.ID, d.name)
			}
			all = append(all, restored{bp.ID, d})
		}
	}
	all, err := restoreAll(ctx, o, all)
	if err != nil {
		return err
	}
	return restoreSBOMs(ctx, o, all)
}

// layerName tells whether a name that a label or a cache gives can be a layer's.
func layerName(name string) bool {
	return filepath.IsLocal(name) && filepath.Base(name) == name && name != "." && !lifecycle.ReservedLayer(name)
}

// restoreStores writes store.toml for each buildpack that left one.
func restoreStores(o Options) error {
	for _, bp := range o.Group {
		store := o.Previous.For(bp.ID).Store
		if bp.Extension || store == nil {
			continue
		}
		if err := o.makeDir(bp.ID); err != nil {
			return err
		}
		path := filepath.Join(o.dir(bp.ID), "store.toml")
		if err := lifecycle.WriteStore(path, lifecycle.StoreTOML{Metadata: wholeNumbers(store.Metadata)}); err != nil {
			return fmt.Errorf("restoring store.toml of %s: %w", bp.ID, err)
		}
		if err := o.own(path); err != nil {
			return err
		}
	}
	return nil
}

// restoreAll restores layers, several at a time, and gives those that came back.
func restoreAll(ctx context.Context, o Options, all []restored) ([]restored, error) {
	back := make([]bool, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, r := range all {
		if err := o.makeDir(r.buildpack); err != nil {
			return nil, err
		}
	}
	for i, r := range all {
		group.Go(func() (err error) {
			back[i], err = restoreLayer(ctx, o, r)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var out []restored
	for i, r := range all {
		if back[i] {
			out = append(out, r)
		}
	}
	return out, nil
}

// restoreLayer restores one layer and tells whether it came back. A layer that the cache lost is none that came back.
func restoreLayer(ctx context.Context, o Options, r restored) (bool, error) {
	dir := filepath.Join(o.dir(r.buildpack), r.name)
	id := r.buildpack + ":" + r.name
	if r.contents {
		err := o.Cache.Take(ctx, Cached{r.buildpack, r.name, r.metadata}, dir)
		if errors.Is(err, ErrDamaged) {
			progress.Warn(ctx, "Layer %s is made anew: %v", id, err)
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("restoring layer %s from the cache: %w", id, err)
		}
	}
	if err := lifecycle.WriteLayer(dir+".toml", lifecycle.LayerTOML{Metadata: wholeNumbers(r.metadata.Data)}); err != nil {
		return false, fmt.Errorf("restoring the metadata of layer %s: %w", id, err)
	}
	progress.Note(ctx, "Restored %s", id)
	return true, o.own(dir + ".toml")
}

// dir is the directory of a buildpack's layers.
func (o Options) dir(buildpack string) string {
	return filepath.Join(o.LayersDir, lifecycle.EscapedID(buildpack))
}

// makeDir makes the directory of a buildpack's layers.
func (o Options) makeDir(buildpack string) error {
	dir := o.dir(buildpack)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the layers directory of %s: %w", buildpack, err)
	}
	return o.own(dir)
}

// own gives path to the build's user, where this process may.
func (o Options) own(path string) error {
	if os.Geteuid() != 0 || o.UID == 0 && o.GID == 0 {
		return nil
	}
	if err := os.Lchown(path, o.UID, o.GID); err != nil {
		return fmt.Errorf("giving %s to the build's user: %w", path, err)
	}
	return nil
}

// wholeNumbers gives metadata that went through JSON its integers back: JSON has only one kind of number, and a
// buildpack that wrote 3 would find 3.0.
func wholeNumbers(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for key, value := range m {
		out[key] = wholeNumber(value)
	}
	return out
}

func wholeNumber(value any) any {
	switch v := value.(type) {
	case float64:
		if math.Trunc(v) == v && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	case map[string]any:
		return wholeNumbers(v)
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = wholeNumber(element)
		}
		return out
	}
	return value
}
