package stacks

import "slices"

// Listed is one package that a stack offers by name.
type Listed struct {
	Name     string   `json:"name"`
	Images   []string `json:"images"`             // "build", "run"
	Provider string   `json:"provider"`           // "deb", "npm", "goproxy"
	Versions []string `json:"versions,omitempty"` // pinned, newest first
	Default  string   `json:"default,omitempty"`
	Debs     int      `json:"debs,omitzero"`  // Debian packages that it adds to the build image, or else the run image
	Bytes    int64    `json:"bytes,omitzero"` // their size as downloads
}

// List lists the run sets ("run/static"), the build sets and the packages of the catalogue, as locked for an
// architecture.
func (s *Stack) List(arch string) ([]Listed, error) {
	a, err := s.arch(arch)
	if err != nil {
		return nil, err
	}
	debs := a.byName()
	size := func(names []string) (n int64) {
		for _, name := range names {
			n += debs[name].Size
		}
		return n
	}
	var list []Listed
	for _, image := range []string{imageRun, imageBuild} {
		sets := s.Config.Run
		if image == imageBuild {
			sets = s.Config.Build
		}
		for _, set := range sets {
			names := a.sets(image)[set.Name]
			list = append(list, Listed{Name: image + "/" + set.Name, Images: []string{image}, Provider: "deb",
				Debs: len(names), Bytes: size(names)})
		}
	}
	for _, name := range sortedKeys(s.Config.Packages) {
		p := s.Config.Packages[name]
		l := Listed{Name: name, Images: slices.Clone(p.Targets), Provider: p.Provider, Default: p.Default,
			Versions: toolVersions(s.Lock.Tools[name])}
		if p.Provider == "" {
			l.Provider = "deb"
			l.fromDebs(name, p, a, debs)
		}
		list = append(list, l)
	}
	return list, nil
}

// fromDebs fills in what there is to say about a package of Debian packages.
func (l *Listed) fromDebs(name string, p Catalog, a *ArchLock, debs map[string]Deb) {
	for _, line := range sortedKeys(p.lines()) {
		d := p.lines()[line]
		if d.VersionOf != "" {
			l.Versions = append([]string{release(debs[d.VersionOf].Version)}, l.Versions...)
		}
		for _, image := range []string{imageBuild, imageRun} {
			if len(d.debs(image)) == 0 {
				continue
			}
			if !slices.Contains(l.Images, image) {
				l.Images = append(l.Images, image)
			}
			if names := a.Packages[lineName(name, line)][image]; line == p.Default && l.Debs == 0 {
				l.Debs = len(names)
				for _, n := range names {
					l.Bytes += debs[n].Size
				}
			}
		}
	}
}
