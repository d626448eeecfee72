package lifecycle

import "strings"

// Target is what an image or a buildpack is for: operating system, architecture and distribution
// (buildpack §Targets). In a buildpack's list an empty field means "any".
type Target struct {
	OS      string   `toml:"os" json:"os"`
	Arch    string   `toml:"arch" json:"arch"`
	Variant string   `toml:"variant,omitempty" json:"variant,omitempty"`
	Distros []Distro `toml:"distros,omitempty" json:"distros,omitempty"`
}

// Distro names a distribution as in os-release: ID and VERSION_ID.
type Distro struct {
	Name    string `toml:"name" json:"name"`
	Version string `toml:"version" json:"version"`
}

// String gives the target in the form os/arch[/variant].
func (t Target) String() string {
	parts := []string{t.OS, t.Arch}
	if t.Variant != "" {
		parts = append(parts, t.Variant)
	}
	return strings.Join(parts, "/")
}

// Matches tells whether a module that declares t can run on the image target on. A field that either side leaves
// empty matches; when t lists distributions, one of them must be on's.
func (t Target) Matches(on Target) bool {
	if !wild(t.OS, on.OS) || !wild(t.Arch, on.Arch) || !wild(t.Variant, on.Variant) {
		return false
	}
	if len(t.Distros) == 0 {
		return true
	}
	for _, want := range t.Distros {
		for _, have := range on.Distros {
			if wild(want.Name, have.Name) && wild(want.Version, have.Version) {
				return true
			}
		}
	}
	return false
}

func wild(want, have string) bool { return want == "" || have == "" || want == have }

// Environ gives the variables that describe the target to bin/detect and bin/build (buildpack §Targets), as
// NAME=value. Of several distributions it names the first.
func (t Target) Environ() []string {
	out := []string{"CNB_TARGET_OS=" + t.OS, "CNB_TARGET_ARCH=" + t.Arch}
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+"="+value)
		}
	}
	add("CNB_TARGET_ARCH_VARIANT", t.Variant)
	if len(t.Distros) > 0 {
		add("CNB_TARGET_DISTRO_NAME", t.Distros[0].Name)
		add("CNB_TARGET_DISTRO_VERSION", t.Distros[0].Version)
	}
	return out
}

// targetFile is a target as files have it. The specification says variant, the reference lifecycle arch-variant; an
// image has one distro, a buildpack lists distros.
type targetFile struct {
	OS          string   `toml:"os,omitempty"`
	Arch        string   `toml:"arch,omitempty"`
	Variant     string   `toml:"variant,omitempty"`
	ArchVariant string   `toml:"arch-variant,omitempty"`
	Distros     []Distro `toml:"distros,omitempty"`
	Distro      *Distro  `toml:"distro,omitempty"`
}

func (f targetFile) target() Target {
	t := Target{OS: f.OS, Arch: f.Arch, Variant: f.Variant, Distros: f.Distros}
	if t.Variant == "" {
		t.Variant = f.ArchVariant
	}
	if f.Distro != nil && len(t.Distros) == 0 {
		t.Distros = []Distro{*f.Distro}
	}
	return t
}

func imageTargetFile(t Target) targetFile {
	f := targetFile{OS: t.OS, Arch: t.Arch, Variant: t.Variant}
	if len(t.Distros) > 0 {
		f.Distro = &t.Distros[0]
	}
	return f
}
