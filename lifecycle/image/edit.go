package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
)

// edited is an image with another manifest, and perhaps another configuration, but the same layers. Unlike what package
// mutate makes, it keeps parts of the configuration that v1.ConfigFile does not know.
type edited struct {
	v1.Image
	config, manifest []byte
}

// WithConfig gives an image another configuration, as it is written.
func WithConfig(img v1.Image, config []byte) (v1.Image, error) {
	return edit(img, config, func(m *v1.Manifest) { m.Config.Digest, m.Config.Size = describe(config) })
}

// Reconfigure gives an image the configuration c, which was made from that of another, or of itself.
func Reconfigure(img v1.Image, c *v1.ConfigFile, from v1.Image) (v1.Image, error) {
	raw, err := from.RawConfigFile()
	if err != nil {
		return nil, err
	}
	text, err := EncodeConfig(raw, c)
	if err != nil {
		return nil, err
	}
	return WithConfig(img, text)
}

// EncodeConfig encodes the configuration c, which was made from the one in raw: what v1.ConfigFile does not know of that
// stays, such as the start interval of a health check.
func EncodeConfig(raw []byte, c *v1.ConfigFile) ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	known, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	before, err := json.Marshal(known)
	if err != nil || sameJSON(raw, before) {
		return text, err
	}
	return keepUnknown(raw, before, text, "config")
}

// keepUnknown gives the object after with those members of raw that before lacks, although it was read from raw; and with
// those members as raw has them that are the same before and after. It does so in the member inner, too.
func keepUnknown(raw, before, after json.RawMessage, inner string) (json.RawMessage, error) {
	var objects [3]map[string]json.RawMessage
	for i, text := range []json.RawMessage{raw, before, after} {
		if err := json.Unmarshal(text, &objects[i]); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	out := objects[2]
	for name, value := range objects[0] {
		was, known := objects[1][name]
		is, there := out[name]
		var err error
		switch {
		case !known && !there, known && there && sameJSON(was, is):
			out[name] = value
		case known && there && name == inner:
			out[name], err = keepUnknown(value, was, is, "")
		}
		if err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

// ConfigObject gives the member "config" of an image's configuration, as it is written.
func ConfigObject(img v1.Image) (json.RawMessage, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	var file struct {
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	known, err := json.Marshal(config.Config)
	if err != nil || len(file.Config) == 0 || sameJSON(known, file.Config) {
		return known, err // in the order that is always the same
	}
	return file.Config, nil
}

// SetJSON sets a value in objects inside each other.
func SetJSON(text []byte, value any, path ...string) ([]byte, error) {
	if len(path) == 0 {
		return json.Marshal(value)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	inner, err := SetJSON(object[path[0]], value, path[1:]...)
	if err != nil {
		return nil, err
	}
	object[path[0]] = inner
	return json.Marshal(object)
}

// sameJSON tells whether two texts mean the same.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// withAnnotations gives an image other annotations.
func withAnnotations(img v1.Image, annotations map[string]string) (v1.Image, error) {
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	return edit(img, config, func(m *v1.Manifest) { m.Annotations = annotations })
}

func edit(img v1.Image, config []byte, change func(*v1.Manifest)) (v1.Image, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	m = m.DeepCopy()
	change(m)
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return &edited{img, config, raw}, nil
}

// RawConfigFile gives the new configuration, as it is written.
func (e *edited) RawConfigFile() ([]byte, error) { return e.config, nil }

// RawManifest gives the new manifest, as it is written.
func (e *edited) RawManifest() ([]byte, error) { return e.manifest, nil }

// ConfigName is the digest of the configuration.
func (e *edited) ConfigName() (v1.Hash, error) { return partial.ConfigName(e) }

// Digest is that of the manifest.
func (e *edited) Digest() (v1.Hash, error) { return partial.Digest(e) }

// Size is the manifest's, in bytes.
func (e *edited) Size() (int64, error) { return partial.Size(e) }

// Manifest gives the manifest, the caller's own.
func (e *edited) Manifest() (*v1.Manifest, error) {
	return v1.ParseManifest(bytes.NewReader(e.manifest))
}

// ConfigFile gives the configuration, the caller's own.
func (e *edited) ConfigFile() (*v1.ConfigFile, error) {
	return v1.ParseConfigFile(bytes.NewReader(e.config))
}
