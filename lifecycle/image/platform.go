package image

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle"
)

// imageFor loads the image for target that d names, going through at most three indexes.
func imageFor(ctx context.Context, src source, d v1.Descriptor, target lifecycle.Target) (v1.Image, error) {
	for range 4 {
		found, err := load(ctx, src, d)
		if err != nil {
			return nil, err
		}
		switch found := found.(type) {
		case v1.Image:
			return found, checkPlatform(found, target)
		case *lazyIndex:
			if d, err = choose(found.parsed, target); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%s is neither an image nor an index", d.Digest)
		}
	}
	return nil, fmt.Errorf("%s is an index of an index of an index", d.Digest)
}

// Choose gives the descriptor of the manifest for target in an index: os and architecture must be equal; of several,
// the one with the target's variant wins, then one without a variant, then (for a target without one) the first.
func Choose(index *v1.IndexManifest, target lifecycle.Target) (v1.Descriptor, error) {
	return choose(index, withDefaults(target))
}

func choose(index *v1.IndexManifest, target lifecycle.Target) (v1.Descriptor, error) {
	best, rank := v1.Descriptor{}, 0
	for _, d := range index.Manifests {
		if r := match(d, target); r > rank {
			best, rank = d, r
		}
	}
	if rank == 0 {
		return best, fmt.Errorf("%w: %s is asked for; there is: %s", ErrPlatform, target, strings.Join(platforms(index), ", "))
	}
	return best, nil
}

func match(d v1.Descriptor, target lifecycle.Target) int {
	p := d.Platform
	switch {
	case !d.MediaType.IsImage() && !d.MediaType.IsIndex():
		return 0
	case p == nil && d.MediaType.IsIndex():
		return 1
	case p == nil || p.OS != target.OS || p.Architecture != target.Arch:
		return 0
	case p.Variant == target.Variant:
		return 4
	case p.Variant == "":
		return 3
	case target.Variant == "" || impliedVariant(p.Architecture, p.Variant):
		return 2
	}
	return 0
}

// impliedVariant tells whether a variant is the one that every processor of the architecture has.
func impliedVariant(arch, variant string) bool {
	return arch == "arm64" && variant == "v8" || arch == "amd64" && variant == "v1"
}

func platforms(index *v1.IndexManifest) []string {
	var all []string
	for _, d := range index.Manifests {
		if d.Platform != nil && d.Platform.OS != "unknown" {
			all = append(all, d.Platform.String())
		}
	}
	if all == nil {
		return []string{"none"}
	}
	return all
}

// checkPlatform refuses an image that states another platform. Images that state none pass.
func checkPlatform(img v1.Image, target lifecycle.Target) error {
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading its config: %w", err)
	}
	if config.OS != "" && config.OS != target.OS || config.Architecture != "" && config.Architecture != target.Arch {
		return fmt.Errorf("%w: it is for %s/%s, not for %s", ErrPlatform, config.OS, config.Architecture, target)
	}
	return nil
}
