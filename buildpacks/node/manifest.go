package node

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"s2i/buildpacks/kit"
)

// manifest is a package.json, as far as it matters here. Packages on registries hold every conceivable mistake, so a
// field of an unexpected type reads as absent.
type manifest struct {
	Name    text `json:"name"`
	Version text `json:"version"`
	Main    text `json:"main"`
	Module  text `json:"module"`

	Scripts              textMap  `json:"scripts"`
	Dependencies         textMap  `json:"dependencies"`
	DevDependencies      textMap  `json:"devDependencies"`
	OptionalDependencies textMap  `json:"optionalDependencies"`
	PeerDependencies     textMap  `json:"peerDependencies"`
	PeerMeta             peerMeta `json:"peerDependenciesMeta"`
	Bundled              textList `json:"bundleDependencies"`
	BundledToo           textList `json:"bundledDependencies"`

	Engines        textMap        `json:"engines"`
	Volta          textMap        `json:"volta"`
	DevEngines     devEngines     `json:"devEngines"`
	PackageManager text           `json:"packageManager"`
	Workspaces     workspacesList `json:"workspaces"`

	Bin  binMap   `json:"bin"`
	Libc textList `json:"libc"`
	OS   textList `json:"os"`
	CPU  textList `json:"cpu"`
}

// text is a string, "" when it is something else.
type text string

// UnmarshalJSON reads a string and passes over anything else: one odd field must not spoil the manifest.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
	}
	return nil
}

// textMap is a map of strings; values of other types are left out.
type textMap map[string]string

// UnmarshalJSON reads an object and passes over anything else.
func (m *textMap) UnmarshalJSON(data []byte) error {
	var raw map[string]text
	if json.Unmarshal(data, &raw) == nil {
		*m = textMap{}
		for k, v := range raw {
			(*m)[k] = string(v)
		}
	}
	return nil
}

// textList is a list of strings, or one string.
type textList []string

// UnmarshalJSON reads a string or a list and passes over anything else.
func (l *textList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = textList{one}
		return nil
	}
	var many []text
	if json.Unmarshal(data, &many) == nil {
		for _, t := range many {
			*l = append(*l, string(t))
		}
	}
	return nil
}

// peerMeta tells which peer dependencies are optional.
type peerMeta map[string]bool

// UnmarshalJSON reads {"name": {"optional": true}} and passes over anything else.
func (m *peerMeta) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) == nil {
		*m = peerMeta{}
		for name, meta := range raw {
			var v struct {
				Optional bool `json:"optional"`
			}
			(*m)[name] = json.Unmarshal(meta, &v) == nil && v.Optional
		}
	}
	return nil
}

// workspacesList is a list of globs, or {"packages": globs}.
type workspacesList []string

// UnmarshalJSON reads both forms and passes over anything else.
func (w *workspacesList) UnmarshalJSON(data []byte) error {
	var list textList
	_ = list.UnmarshalJSON(data)
	if list == nil {
		var v struct {
			Packages textList `json:"packages"`
		}
		if json.Unmarshal(data, &v) == nil {
			list = v.Packages
		}
	}
	*w = workspacesList(list)
	return nil
}

// binMap are the commands of a package. One that is a plain string stands under "".
type binMap map[string]string

// UnmarshalJSON reads a string or an object and passes over anything else.
func (b *binMap) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*b = binMap{"": one}
		return nil
	}
	var m textMap
	_ = m.UnmarshalJSON(data)
	*b = binMap(m)
	return nil
}

// devEngines is the field of that name: what to develop with.
type devEngines struct {
	Runtime        []engine
	PackageManager []engine
}

// engine is one entry of devEngines.
type engine struct {
	Name    text `json:"name"`
	Version text `json:"version"`
}

// UnmarshalJSON reads fields that are one engine or a list, and passes over anything else.
func (d *devEngines) UnmarshalJSON(data []byte) error {
	var raw struct {
		Runtime        json.RawMessage `json:"runtime"`
		PackageManager json.RawMessage `json:"packageManager"`
	}
	if json.Unmarshal(data, &raw) == nil {
		d.Runtime, d.PackageManager = engines(raw.Runtime), engines(raw.PackageManager)
	}
	return nil
}

func engines(data json.RawMessage) []engine {
	var one engine
	if json.Unmarshal(data, &one) == nil && one.Name != "" {
		return []engine{one}
	}
	var many []engine
	if json.Unmarshal(data, &many) != nil {
		return nil
	}
	return many
}

// commands gives the package's commands by name.
func (m *manifest) commands() map[string]string {
	all := map[string]string{}
	for name, file := range m.Bin {
		if name == "" {
			name = path.Base(string(m.Name))
		}
		if name == "" || strings.ContainsAny(name, "/\\\x00") || name[0] == '.' {
			continue
		}
		all[name] = strings.TrimPrefix(path.Clean("/"+file), "/")
	}
	return all
}

// runtime gives the names of the packages that this one needs when it runs, sorted. must are those that have to be
// there.
func (m *manifest) runtime() (names []string, must map[string]bool) {
	must = map[string]bool{}
	for name := range m.Dependencies {
		must[name] = true
	}
	for name := range m.PeerDependencies {
		if !m.PeerMeta[name] {
			names = append(names, name)
		}
	}
	for name := range m.OptionalDependencies {
		delete(must, name)
		names = append(names, name)
	}
	for name := range must {
		names = append(names, name)
	}
	names = append(append(names, m.Bundled...), m.BundledToo...)
	slices.Sort(names)
	return slices.Compact(names), must
}

// parseManifest parses a package.json. Some editors begin it with a byte order mark.
func parseManifest(data []byte) (*manifest, error) {
	m := &manifest{}
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), m); err != nil {
		return nil, err
	}
	return m, nil
}

// lineOf gives the line on which a field of a JSON document stands, or 1.
func lineOf(data []byte, field ...string) int {
	dec := json.NewDecoder(bytes.NewReader(data))
	if offset, ok := seek(dec, field); ok {
		return kit.Line(data, int(offset))
	}
	return 1
}

// seek reads an object up to the named field and gives the offset after its key.
func seek(dec *json.Decoder, field []string) (int64, bool) {
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return 0, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, false
		}
		if key != any(field[0]) {
			var skip json.RawMessage
			if dec.Decode(&skip) != nil {
				return 0, false
			}
			continue
		}
		if len(field) == 1 {
			return dec.InputOffset(), true
		}
		return seek(dec, field[1:])
	}
	return 0, false
}
