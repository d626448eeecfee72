package lifecycle

import (
	"fmt"
	"strings"
)

// LayerTypes is the [types] table of <layer>.toml (buildpack §Layer Types).
type LayerTypes struct {
	Build  bool `toml:"build" json:"build"`
	Launch bool `toml:"launch" json:"launch"`
	Cache  bool `toml:"cache" json:"cache"`
}

// Ignored tells that a layer is nothing but its buildpack's temporary directory.
func (t LayerTypes) Ignored() bool { return t == LayerTypes{} }

// LayerTOML is <layer>.toml. Types is nil when the file has no [types], which makes the layer ignored.
type LayerTOML struct {
	Types    *LayerTypes    `toml:"types,omitempty"`
	Metadata map[string]any `toml:"metadata,omitempty"`
}

// LayerTypes gives the types, all false when the file has none.
func (l LayerTOML) LayerTypes() LayerTypes {
	if l.Types == nil {
		return LayerTypes{}
	}
	return *l.Types
}

// ReadLayer reads <layer>.toml. Types outside the [types] table, the form of early Buildpack APIs, are an error.
func ReadLayer(path string) (LayerTOML, error) {
	var l LayerTOML
	md, err := readTOML(path, &l)
	if err != nil {
		return LayerTOML{}, err
	}
	for _, key := range []string{"build", "launch", "cache"} {
		if md.IsDefined(key) {
			return LayerTOML{}, fmt.Errorf("reading %s: %s must be in the [types] table", path, key)
		}
	}
	return l, nil
}

// WriteLayer writes <layer>.toml.
func WriteLayer(path string, l LayerTOML) error { return writeTOML(path, l) }

// Layer is a buildpack's layer on disk: <layers>/<buildpack>/<name>/ and its <name>.toml.
type Layer struct {
	Buildpack GroupElement
	Name      string
	Dir       string
	// Present tells that Dir exists: the layer has contents here, and is not only known by its TOML.
	Present bool
	TOML    LayerTOML
}

// Types gives the layer's types; a layer without [types] has none.
func (l Layer) Types() LayerTypes { return l.TOML.LayerTypes() }

// String gives buildpack:name, as in messages.
func (l Layer) String() string { return l.Buildpack.ID + ":" + l.Name }

// ReservedLayer tells whether name is one that no layer may have: <name>.toml is another file.
func ReservedLayer(name string) bool { return name == "build" || name == "launch" || name == "store" }

// StoreTOML is store.toml: metadata that a buildpack keeps between builds.
type StoreTOML struct {
	Metadata map[string]any `toml:"metadata" json:"metadata"`
}

// ReadStore reads store.toml.
func ReadStore(path string) (StoreTOML, error) {
	var s StoreTOML
	_, err := readTOML(path, &s)
	return s, err
}

// WriteStore writes store.toml.
func WriteStore(path string, s StoreTOML) error { return writeTOML(path, s) }

// SBOMMediaType gives the media type of a software bill of materials with this file extension ("cdx.json",
// "spdx.json", "syft.json"), or "" when the specification knows no such format.
func SBOMMediaType(ext string) string {
	switch ext {
	case "cdx.json":
		return "application/vnd.cyclonedx+json"
	case "spdx.json":
		return "application/spdx+json"
	case "syft.json":
		return "application/vnd.syft+json"
	default:
		return ""
	}
}

// SBOMFile splits the name of an SBOM file in a buildpack's layers directory, for example "node.sbom.cdx.json", into
// the layer ("launch" and "build" stand for no layer) and the format's extension. ok is false for other files.
func SBOMFile(name string) (layer, ext string, ok bool) {
	i := strings.LastIndex(name, ".sbom.")
	if i <= 0 || !strings.HasSuffix(name, ".json") {
		return "", "", false
	}
	return name[:i], name[i+len(".sbom."):], true
}
