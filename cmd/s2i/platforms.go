package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// platforms reads --platform: what to build for, each once, by default this machine.
func platforms(c *cli.Context) ([]lifecycle.Target, error) {
	var all []lifecycle.Target
	for _, value := range c.StringSlice("platform") {
		for text := range strings.SplitSeq(value, ",") {
			t, err := lifecycle.ParseTarget(strings.TrimSpace(text))
			if err != nil {
				return nil, usageError("--platform: %w", err)
			}
			if !slices.ContainsFunc(all, func(have lifecycle.Target) bool { return have.String() == t.String() }) {
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		all = append(all, lifecycle.HostTarget())
	}
	return all, nil
}

// onePlatform gives the first platform; only builds can have more.
func onePlatform(c *cli.Context) (lifecycle.Target, error) {
	all, err := platforms(c)
	if err != nil {
		return lifecycle.Target{}, err
	}
	if len(all) > 1 && c.Command.Name != "build" {
		return all[0], usageError("--platform: s2i %s is about one platform at a time", c.Command.Name)
	}
	return all[0], nil
}

// annotationPlaces is what --annotation may begin with: what is annotated, as docker buildx writes it.
var annotationPlaces = regexp.MustCompile(`^([a-z-]+(?:\[[^\]]*\])?(?:,[a-z-]+(?:\[[^\]]*\])?)*):(.*)$`)

// assembly reads --annotation: [PLACE[\[PLATFORM\]],…:]NAME=VALUE.
func assembly(c *cli.Context) (image.Assembly, error) {
	var all image.Assembly
	for _, flag := range c.StringSlice("annotation") {
		places, rest := string(image.OnManifest), flag
		if m := annotationPlaces.FindStringSubmatch(flag); m != nil {
			places, rest = m[1], m[2]
		}
		key, value, ok := strings.Cut(rest, "=")
		if !ok || key == "" {
			return nil, usageError("--annotation %s is not NAME=VALUE", flag)
		}
		for place := range strings.SplitSeq(places, ",") {
			name, platform, limited := strings.Cut(strings.TrimSuffix(place, "]"), "[")
			n := image.Annotation{On: image.Place(name), Key: key, Value: value}
			if !slices.Contains([]image.Place{image.OnManifest, image.OnIndex, image.OnDescriptor}, n.On) {
				return nil, usageError("--annotation %s: %s is neither manifest, index nor manifest-descriptor", flag, name)
			}
			if limited {
				t, err := lifecycle.ParseTarget(platform)
				if err != nil {
					return nil, usageError("--annotation %s: %w", flag, err)
				}
				n.Platform = &t
			}
			all = append(all, n)
		}
	}
	return all, nil
}
