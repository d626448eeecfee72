package restore

import (
	"maps"
	"slices"

	"s2i/lifecycle"
)

// origin is where something comes back from.
type origin int

const (
	nowhere origin = iota
	fromImage
	fromCache
)

// decision says what comes back of one layer.
type decision struct {
	name     string
	metadata lifecycle.LayerMetadata
	toml     origin // also of the SBOM
	contents bool   // from the cache
}

// decide says what comes back of a buildpack's layers, given what the previous image and the cache say about them. The
// result is sorted by name; layers of which nothing comes back are not in it.
func decide(image, cache lifecycle.BuildpackLayers) []decision {
	decisions := map[string]decision{}
	for name, layer := range image.Layers {
		cached, inCache := cache.Layers[name]
		inCache = inCache && cached.Cache
		switch {
		case !layer.Launch:
		case layer.Cache && inCache && cached.SHA == layer.SHA:
			decisions[name] = decision{name: name, metadata: layer, toml: fromImage, contents: true}
		case layer.Cache || layer.Build:
			// Contents belong to it, and there are none that fit: the buildpack must make it anew.
		default:
			decisions[name] = decision{name: name, metadata: layer, toml: fromImage}
		}
	}
	for name, layer := range cache.Layers {
		_, inImage := image.Layers[name]
		if layer.Cache && (!layer.Launch || !inImage) {
			decisions[name] = decision{name: name, metadata: layer, toml: fromCache, contents: true}
		}
	}
	out := make([]decision, 0, len(decisions))
	for _, name := range slices.Sorted(maps.Keys(decisions)) {
		out = append(out, decisions[name])
	}
	return out
}
