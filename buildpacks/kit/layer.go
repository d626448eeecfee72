package kit

import (
	"fmt"
	"os"

	"github.com/buildpacks/libcnb/v2"
)

// keyName is where a layer's metadata keeps the key of what it was made from.
const keyName = "key"

// Made tells whether a restored layer was made from what key stands for.
func Made(layer libcnb.Layer, key string) bool {
	made, ok := layer.Metadata[keyName].(string)
	return ok && key != "" && made == key
}

// MadeHere is Made for a layer whose files are needed: they must have been restored too.
func MadeHere(layer libcnb.Layer, key string) bool {
	info, err := os.Lstat(layer.Path)
	return Made(layer, key) && err == nil && info.IsDir()
}

// Fresh empties a layer and marks it as made from key. An empty key means that it is never reused.
func Fresh(layer libcnb.Layer, types libcnb.LayerTypes, key string) (libcnb.Layer, error) {
	layer, err := layer.Reset()
	if err != nil {
		return layer, fmt.Errorf("emptying layer %s: %w", layer.Name, err)
	}
	return Mark(layer, types, key), nil
}

// Mark sets what a layer is for and what it was made from, and leaves its files alone. A launch layer that is marked
// and has no files is taken over from the previous image.
func Mark(layer libcnb.Layer, types libcnb.LayerTypes, key string) libcnb.Layer {
	layer.LayerTypes = types
	layer.Metadata = map[string]any{}
	if key != "" {
		layer.Metadata[keyName] = key
	}
	return layer
}

// Cache gives a layer that only keeps files between builds, with its directory made. Files restored are kept.
func Cache(layers libcnb.Layers, name string) (libcnb.Layer, error) {
	layer, err := layers.Layer(name)
	if err != nil {
		return layer, fmt.Errorf("reading layer %s: %w", name, err)
	}
	if err := os.MkdirAll(layer.Path, 0o755); err != nil {
		return layer, fmt.Errorf("making layer %s: %w", name, err)
	}
	return Mark(layer, libcnb.LayerTypes{Cache: true}, ""), nil
}
