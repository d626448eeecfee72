package lifecycle

// Analyzed is analyzed.toml (platform §analyzed.toml): what the analyzer found out about the images of a build.
type Analyzed struct {
	Previous *AnalyzedImage    `toml:"image,omitempty"`
	RunImage *AnalyzedRunImage `toml:"run-image,omitempty"`
	Build    *AnalyzedImage    `toml:"build-image,omitempty"`
	// Metadata is the previous image's LabelLayersMetadata.
	Metadata LayersMetadata `toml:"metadata,omitempty"`
}

// AnalyzedImage names an image by digest.
type AnalyzedImage struct {
	Reference string `toml:"reference"`
	// Extend says that extensions change the image; it is about build images.
	Extend bool `toml:"extend,omitempty"`
}

// AnalyzedRunImage is the run image of a build.
type AnalyzedRunImage struct {
	Reference string  `toml:"reference"`
	Image     string  `toml:"image,omitempty"`
	Extend    bool    `toml:"extend,omitempty"`
	Target    *Target `toml:"target,omitempty"`
}

// analyzedFile is analyzed.toml as written: its target has one distro.
type analyzedFile struct {
	Previous *AnalyzedImage        `toml:"image,omitempty"`
	RunImage *analyzedRunImageFile `toml:"run-image,omitempty"`
	Build    *AnalyzedImage        `toml:"build-image,omitempty"`
	Metadata *LayersMetadata       `toml:"metadata,omitempty"`
}

type analyzedRunImageFile struct {
	Reference string      `toml:"reference"`
	Image     string      `toml:"image,omitempty"`
	Extend    bool        `toml:"extend,omitempty"`
	Target    *targetFile `toml:"target,omitempty"`
}

// ReadAnalyzed reads analyzed.toml.
func ReadAnalyzed(path string) (Analyzed, error) {
	var in analyzedFile
	if _, err := readTOML(path, &in); err != nil {
		return Analyzed{}, err
	}
	out := Analyzed{Previous: in.Previous, Build: in.Build}
	if in.Metadata != nil {
		out.Metadata = *in.Metadata
	}
	if r := in.RunImage; r != nil {
		out.RunImage = &AnalyzedRunImage{Reference: r.Reference, Image: r.Image, Extend: r.Extend}
		if r.Target != nil {
			t := r.Target.target()
			out.RunImage.Target = &t
		}
	}
	return out, nil
}

// WriteAnalyzed writes analyzed.toml.
func WriteAnalyzed(path string, a Analyzed) error {
	out := analyzedFile{Previous: a.Previous, Build: a.Build, Metadata: &a.Metadata}
	if r := a.RunImage; r != nil {
		out.RunImage = &analyzedRunImageFile{Reference: r.Reference, Image: r.Image, Extend: r.Extend}
		if r.Target != nil {
			t := imageTargetFile(*r.Target)
			out.RunImage.Target = &t
		}
	}
	return writeTOML(path, out)
}

// RunFile is run.toml (platform §run.toml): the run images to choose from.
type RunFile struct {
	Images []RunImageName `toml:"images"`
}

// ReadRun reads run.toml, or the older stack.toml, whose one run image is the list.
func ReadRun(path string) (RunFile, error) {
	var in struct {
		RunFile
		Stack *RunImageName `toml:"run-image"`
	}
	if _, err := readTOML(path, &in); err != nil {
		return RunFile{}, err
	}
	if len(in.Images) == 0 && in.Stack != nil {
		in.Images = []RunImageName{*in.Stack}
	}
	return in.RunFile, nil
}

// Report is report.toml (platform §report.toml).
type Report struct {
	Build BuildReport `toml:"build,omitempty"`
	Image ImageReport `toml:"image"`
}

// BuildReport is the [build] table of Report.
type BuildReport struct{}

// ImageReport tells what was exported.
type ImageReport struct {
	Tags         []string `toml:"tags"`
	ImageID      string   `toml:"image-id,omitempty"`
	Digest       string   `toml:"digest,omitempty"`
	ManifestSize int64    `toml:"manifest-size,omitzero"`
}

// WriteReport writes report.toml.
func WriteReport(path string, r Report) error { return writeTOML(path, r) }
