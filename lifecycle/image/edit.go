package image

import (
	"bytes"
	"encoding/json"
	"fmt"

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
