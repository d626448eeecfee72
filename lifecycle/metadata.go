package lifecycle

import "fmt"

// BuildMetadata is <layers>/config/metadata.toml, what the builder tells the exporter and the launcher
// (platform §metadata.toml). The exporter stores a part of it as the label LabelBuildMetadata.
type BuildMetadata struct {
	Buildpacks []GroupElement `toml:"buildpacks" json:"buildpacks"`
	Extensions []GroupElement `toml:"extensions,omitempty" json:"extensions,omitempty"`
	Labels     []Label        `toml:"labels,omitempty" json:"-"`
	Launcher   LauncherInfo   `toml:"-" json:"launcher"`
	Processes  []Process      `toml:"processes,omitempty" json:"processes"`
	Slices     []Slice        `toml:"slices,omitempty" json:"-"`
	// BuildpackDefaultProcessType is the process that the image starts unless the user chooses another.
	BuildpackDefaultProcessType string `toml:"buildpack-default-process-type,omitempty" json:"buildpack-default-process-type,omitempty"`
}

// BuildMetadataPath is where the builder writes BuildMetadata, relative to the layers directory.
const BuildMetadataPath = "config/metadata.toml"

// ReadBuildMetadata reads <layers>/config/metadata.toml.
func ReadBuildMetadata(path string) (BuildMetadata, error) {
	var m BuildMetadata
	if _, err := readTOML(path, &m); err != nil {
		return BuildMetadata{}, err
	}
	for _, p := range m.Processes {
		if err := CheckProcessType(p.Type); err != nil {
			return BuildMetadata{}, fmt.Errorf("reading %s: process: %w", path, err)
		}
	}
	if err := checkElements(m.Buildpacks); err != nil {
		return BuildMetadata{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return m, nil
}

// WriteBuildMetadata writes <layers>/config/metadata.toml.
func WriteBuildMetadata(path string, m BuildMetadata) error {
	m.Buildpacks, m.Extensions = chosen(m.Buildpacks), chosen(m.Extensions)
	return writeTOML(path, m)
}

// LauncherInfo says which launcher is in the image.
type LauncherInfo struct {
	Version string         `json:"version"`
	Source  LauncherSource `json:"source"`
}

// LauncherSource is where the launcher was built from.
type LauncherSource struct {
	Git LauncherGit `json:"git"`
}

// LauncherGit is a commit of a repository.
type LauncherGit struct {
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
}

// LayersMetadata is the label LabelLayersMetadata: which layer of the image holds what (platform §Exporter).
type LayersMetadata struct {
	App          []LayerSHA        `json:"app" toml:"app"`
	SBOM         *LayerSHA         `json:"sbom,omitempty" toml:"sbom,omitempty"`
	Buildpacks   []BuildpackLayers `json:"buildpacks" toml:"buildpacks"`
	Config       LayerSHA          `json:"config" toml:"config"`
	Launcher     LayerSHA          `json:"launcher" toml:"launcher"`
	ProcessTypes LayerSHA          `json:"process-types" toml:"process-types"`
	RunImage     RunImageMetadata  `json:"runImage" toml:"run-image"`
	Stack        *StackMetadata    `json:"stack,omitempty" toml:"stack,omitempty"`
}

// LayerSHA names a layer by its diffID.
type LayerSHA struct {
	SHA string `json:"sha" toml:"sha"`
}

// BuildpackLayers lists the layers of one buildpack in an image or a cache.
type BuildpackLayers struct {
	ID      string                   `json:"key" toml:"key"`
	Version string                   `json:"version" toml:"version"`
	Layers  map[string]LayerMetadata `json:"layers" toml:"layers"`
	Store   *StoreTOML               `json:"store,omitempty" toml:"store,omitempty"`
}

// For gives the entry of the buildpack with this ID, whatever its version; an empty entry when there is none.
func (m LayersMetadata) For(id string) BuildpackLayers { return find(m.Buildpacks, id) }

func find(list []BuildpackLayers, id string) BuildpackLayers {
	for _, b := range list {
		if b.ID == id {
			return b
		}
	}
	return BuildpackLayers{ID: id}
}

// LayerMetadata is one layer of BuildpackLayers: its diffID, the [metadata] of its TOML, and its types.
type LayerMetadata struct {
	SHA  string         `json:"sha" toml:"sha"`
	Data map[string]any `json:"data" toml:"metadata"`
	LayerTypes
}

// RunImageMetadata records the base of an app image: what rebase cuts at and compares with.
type RunImageMetadata struct {
	// TopLayer is the diffID of the base's last layer.
	TopLayer string `json:"topLayer" toml:"top-layer"`
	// Reference names the base by digest.
	Reference string `json:"reference" toml:"reference"`
	// Image is the name that newer bases are published under; Mirrors are other names for it.
	Image   string   `json:"image,omitempty" toml:"image,omitempty"`
	Mirrors []string `json:"mirrors,omitempty" toml:"mirrors,omitempty"`
}

// StackMetadata is the older form of RunImageMetadata, written for platforms that still read it.
type StackMetadata struct {
	RunImage RunImageName `json:"runImage" toml:"run-image"`
}

// RunImageName is a run image and its mirrors.
type RunImageName struct {
	Image   string   `json:"image,omitempty" toml:"image,omitempty"`
	Mirrors []string `json:"mirrors,omitempty" toml:"mirrors,omitempty"`
}

// CacheMetadata lists the layers kept in a cache, with the same shape as in an image.
type CacheMetadata struct {
	SBOM       *LayerSHA         `json:"sbom,omitempty"`
	Buildpacks []BuildpackLayers `json:"buildpacks"`
}

// For gives the entry of the buildpack with this ID, whatever its version; an empty entry when there is none.
func (m CacheMetadata) For(id string) BuildpackLayers { return find(m.Buildpacks, id) }

// ProjectMetadata is project-metadata.toml and the label LabelProjectMetadata: where the source came from.
type ProjectMetadata struct {
	Source *ProjectSource `toml:"source,omitempty" json:"source,omitempty"`
}

// ProjectSource is the origin of an app's source.
type ProjectSource struct {
	Type     string         `toml:"type,omitempty" json:"type,omitempty"`
	Version  map[string]any `toml:"version,omitempty" json:"version,omitempty"`
	Metadata map[string]any `toml:"metadata,omitempty" json:"metadata,omitempty"`
}

// ReadProjectMetadata reads project-metadata.toml.
func ReadProjectMetadata(path string) (ProjectMetadata, error) {
	var m ProjectMetadata
	_, err := readTOML(path, &m)
	return m, err
}
