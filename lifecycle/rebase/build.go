package rebase

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
	"s2i/lifecycle/image"
)

// build makes the image: the new base's layers, the app's above the cut, and config and manifest to match.
func (r *rebase) build() (v1.Image, error) {
	config, err := r.newConfig()
	if err != nil {
		return nil, err
	}
	r.report.Changes = changes(r.app.config.Config, config.Config)
	rawConfig, err := r.encode(config)
	if err != nil {
		return nil, fmt.Errorf("writing the config: %w", err)
	}
	img := &rebased{
		config: rawConfig,
		layers: slices.Concat(r.run.layers, r.app.layers[r.cut.layers:]),
	}
	m := r.app.manifest.DeepCopy()
	m.Layers = slices.Concat(r.run.manifest.Layers, r.app.manifest.Layers[r.cut.layers:])
	if m.MediaType == "" {
		if m.MediaType, err = r.app.image.MediaType(); err != nil {
			return nil, err
		}
	}
	unify(m)
	m.Config.Digest, m.Config.Size, err = v1.SHA256(strings.NewReader(string(rawConfig)))
	if err != nil {
		return nil, err
	}
	m.Config.Data = nil
	m.Annotations = r.annotations(m.Annotations)
	img.mediaType = m.MediaType
	if img.manifest, err = json.Marshal(m); err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return img, nil
}

// unify gives the layers types of the manifest's family: docker's manifests may hold docker's types only. A zstd layer
// has none there, so it makes the manifest an OCI one.
func unify(m *v1.Manifest) {
	docker := m.MediaType == types.DockerManifestSchema2
	for _, l := range m.Layers {
		if docker && l.MediaType == types.OCILayerZStd {
			docker = false
			m.MediaType, m.Config.MediaType = types.OCIManifestSchema1, types.OCIConfigJSON
		}
	}
	same := map[types.MediaType]types.MediaType{
		types.DockerLayer: types.OCILayer, types.DockerUncompressedLayer: types.OCIUncompressedLayer,
		types.DockerForeignLayer: types.OCIRestrictedLayer,
	}
	if docker {
		inverse := map[types.MediaType]types.MediaType{}
		for k, v := range same {
			inverse[v] = k
		}
		same = inverse
	}
	for i, l := range m.Layers {
		if t, ok := same[l.MediaType]; ok {
			m.Layers[i].MediaType = t
		}
	}
}

func (r *rebase) annotations(old map[string]string) map[string]string {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]string{}
	}
	if r.o.RunImage != "" {
		out[AnnotationBaseName] = r.o.RunImage
	}
	// The digest belongs to the name; without a name it is only kept true.
	if out[AnnotationBaseName] != "" || out[AnnotationBaseDigest] != "" {
		out[AnnotationBaseDigest] = r.o.Digest.String()
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (r *rebase) newConfig() (*v1.ConfigFile, error) {
	app, run := r.app.config, r.run.config
	out := app.DeepCopy()
	out.OS, out.Architecture = run.OS, run.Architecture
	out.OSVersion, out.OSFeatures = run.OSVersion, slices.Clone(run.OSFeatures)
	if run.Variant != "" {
		out.Variant = run.Variant
	}
	if !r.o.Created.IsZero() {
		out.Created = v1.Time{Time: r.o.Created}
	}
	out.RootFS.DiffIDs = slices.Concat(run.RootFS.DiffIDs, app.RootFS.DiffIDs[r.cut.layers:])
	out.History = r.history()
	if r.base != nil {
		out.Config = mergeConfig(*r.base, app.Config, run.Config)
	}
	if out.Config.Labels == nil {
		out.Config.Labels = map[string]string{}
	}
	return out, r.setLabels(out.Config.Labels)
}

// encode writes the configuration, with all that the app's has and v1.ConfigFile does not know. Of the health check it
// is the one of the side that it comes from.
func (r *rebase) encode(c *v1.ConfigFile) ([]byte, error) {
	raw, err := r.app.image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	text, err := image.EncodeConfig(raw, c)
	if err != nil || r.base == nil {
		return text, err
	}
	app, err := image.ConfigObject(r.app.image)
	if err != nil {
		return nil, err
	}
	run, err := image.ConfigObject(r.run.image)
	if err != nil {
		return nil, err
	}
	var file struct {
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	health := healthOf(app)
	if sameJSON(healthOf(r.baseText), health) {
		health = healthOf(run)
	}
	if sameJSON(healthOf(file.Config), health) {
		return text, nil
	}
	return image.SetJSON(text, health, "config", "Healthcheck")
}

// healthOf gives the health check of a configuration, or null.
func healthOf(config []byte) json.RawMessage {
	var c struct{ Healthcheck json.RawMessage }
	if json.Unmarshal(config, &c) != nil || len(c.Healthcheck) == 0 {
		return json.RawMessage("null")
	}
	return c.Healthcheck
}

// setLabels brings those labels up to date that speak of the base.
func (r *rebase) setLabels(labels map[string]string) error {
	for k, v := range r.run.config.Config.Labels {
		if strings.HasPrefix(k, "io.buildpacks.base.") || strings.HasPrefix(k, "io.buildpacks.stack.") {
			labels[k] = v
		}
	}
	for _, k := range []string{lifecycle.LabelCompatibility, lifecycle.LabelPackages} {
		if v, ok := r.run.config.Config.Labels[k]; ok {
			labels[k] = v
		} else {
			delete(labels, k)
		}
	}
	if r.base != nil {
		value, err := image.ConfigObject(r.run.image)
		if err == nil {
			value, err = json.Marshal(value) // without spaces
		}
		if err != nil {
			return fmt.Errorf("writing label %s: %w", lifecycle.LabelBaseConfig, err)
		}
		labels[lifecycle.LabelBaseConfig] = string(value)
	}
	if r.meta == nil {
		return nil
	}
	value, err := r.newMetadata(labels[lifecycle.LabelLayersMetadata])
	if err != nil {
		return fmt.Errorf("writing label %s: %w", lifecycle.LabelLayersMetadata, err)
	}
	labels[lifecycle.LabelLayersMetadata] = value
	return nil
}

// newMetadata is the label LabelLayersMetadata with the new base's top layer and reference. Fields that we do not know
// survive.
func (r *rebase) newMetadata(old string) (string, error) {
	meta := *r.meta
	if n := len(r.run.config.RootFS.DiffIDs); n > 0 {
		meta.RunImage.TopLayer = r.run.config.RootFS.DiffIDs[n-1].String()
	}
	meta.RunImage.Reference = r.o.Reference
	if r.renamed() {
		meta.RunImage.Image, meta.RunImage.Mirrors = r.o.RunImage, nil
		if meta.Stack != nil {
			meta.Stack = &lifecycle.StackMetadata{RunImage: lifecycle.RunImageName{Image: r.o.RunImage}}
		}
	}
	known, err := json.Marshal(r.meta)
	if err != nil {
		return "", err
	}
	updated, err := json.Marshal(meta)
	if err != nil || sameJSON(known, []byte(old)) {
		return string(updated), err
	}
	var all, part map[string]json.RawMessage
	if err := json.Unmarshal([]byte(old), &all); err != nil {
		return "", err
	}
	if err := json.Unmarshal(updated, &part); err != nil {
		return "", err
	}
	all["runImage"] = part["runImage"]
	if part["stack"] != nil {
		all["stack"] = part["stack"]
	}
	updated, err = json.Marshal(all)
	return string(updated), err
}

// renamed tells whether the rebase was forced onto a base of another name, which then is the name to follow.
func (r *rebase) renamed() bool {
	for _, p := range r.report.Problems {
		if p.Check == "run image" {
			return true
		}
	}
	return false
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, errP := json.Marshal(x)
	q, errQ := json.Marshal(y)
	return errP == nil && errQ == nil && string(p) == string(q)
}

// history is the new base's history and then the app's. A history that does not fit the layers is replaced by empty
// entries, one for each.
func (r *rebase) history() []v1.History {
	run, app := r.run.config.History, r.app.config.History[r.cut.history:]
	kept := len(r.app.layers) - r.cut.layers
	if len(run) == 0 && len(app) == 0 {
		return nil
	}
	if filled(run) != len(r.run.layers) {
		run = blank(len(r.run.layers), r.app.config.Created)
	}
	if filled(app) != kept {
		app = blank(kept, r.app.config.Created)
	}
	return slices.Concat(run, app)
}

func blank(n int, created v1.Time) []v1.History {
	history := make([]v1.History, n)
	for i := range history {
		history[i].Created = created
	}
	return history
}
