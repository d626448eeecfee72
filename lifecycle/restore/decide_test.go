package restore

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"s2i/lifecycle"
)

// TestDecide goes through every combination of types, and what the previous image and the cache know of the layer.
func TestDecide(t *testing.T) {
	layer := func(types, sha string) *lifecycle.LayerMetadata {
		return &lifecycle.LayerMetadata{SHA: sha, LayerTypes: lifecycle.LayerTypes{
			Build: types[0] == '1', Cache: types[1] == '1', Launch: types[2] == '1',
		}}
	}
	all := func(o origin) *decision { return &decision{toml: o, contents: true} }
	tomlOnly := &decision{toml: fromImage}
	tests := map[string]struct {
		image, cache *lifecycle.LayerMetadata
		want         *decision
	}{
		"111, same":                       {layer("111", "a"), layer("111", "a"), all(fromImage)},
		"111, other contents in cache":    {layer("111", "a"), layer("111", "b"), nil},
		"111, not in cache":               {layer("111", "a"), nil, nil},
		"111, not in image":               {nil, layer("111", "a"), all(fromCache)},
		"110":                             {nil, layer("110", ""), all(fromCache)},
		"110, not in cache":               {nil, nil, nil},
		"010":                             {nil, layer("010", ""), all(fromCache)},
		"011, same":                       {layer("011", "a"), layer("011", "a"), all(fromImage)},
		"011, other contents in cache":    {layer("011", "a"), layer("011", "b"), nil},
		"011, not in cache":               {layer("011", "a"), nil, nil},
		"011, not in image":               {nil, layer("011", "a"), all(fromCache)},
		"011, cached as 010":              {layer("011", "a"), layer("010", ""), all(fromCache)},
		"011, in cache but cache = false": {layer("011", "a"), layer("001", "a"), nil},
		"001":                             {layer("001", "a"), nil, tomlOnly},
		"001, cached as 011":              {layer("001", "a"), layer("011", "a"), tomlOnly},
		"101":                             {layer("101", "a"), nil, nil},
		"101, cached as 111":              {layer("101", "a"), layer("111", "a"), nil},
		"100":                             {layer("100", "a"), layer("100", "a"), nil},
		"000":                             {layer("000", "a"), layer("000", "a"), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			known := func(l *lifecycle.LayerMetadata) lifecycle.BuildpackLayers {
				if l == nil {
					return lifecycle.BuildpackLayers{}
				}
				return lifecycle.BuildpackLayers{Layers: map[string]lifecycle.LayerMetadata{"x": *l}}
			}
			var want []decision
			if test.want != nil {
				d := *test.want
				d.name, d.metadata = "x", lifecycle.LayerMetadata{}
				if d.toml == fromImage {
					d.metadata = *test.image
				} else {
					d.metadata = *test.cache
				}
				want = append(want, d)
			}
			got := decide(known(test.image), known(test.cache))
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(decision{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}
