package python

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/BurntSushi/toml"
)

// pipfileLock is the part of a Pipfile.lock that matters here.
type pipfileLock struct {
	Meta struct {
		Requires struct {
			Version string `json:"python_version"`
			Full    string `json:"python_full_version"`
		} `json:"requires"`
	} `json:"_meta"`
	Default map[string]struct {
		Version      string   `json:"version"`
		Hashes       []string `json:"hashes"`
		Markers      string   `json:"markers"`
		Git          string   `json:"git"`
		Ref          string   `json:"ref"`
		File         string   `json:"file"`
		Path         string   `json:"path"`
		Editable     bool     `json:"editable"`
		Subdirectory string   `json:"subdirectory"`
	} `json:"default"`
}

// parsePipfileLock reads a Pipfile.lock. All of its default packages are installed; it does not say which needs which.
func parsePipfileLock(data []byte) (*lockFile, error) {
	var raw pipfileLock
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("parsing Pipfile.lock: %w", err)
	}
	l := newLock("Pipfile.lock")
	l.flat = true
	for _, name := range sortedKeys(raw.Default) {
		p := raw.Default[name]
		e := &entry{Name: normal(name), Marker: p.Markers, Hashes: p.Hashes, URL: p.File, Editable: p.Editable}
		if len(p.Version) > 2 && p.Version[:2] == "==" {
			e.Version = p.Version[2:]
		}
		if p.Git != "" {
			e.URL = "git+" + p.Git + "@" + p.Ref
		}
		if e.URL != "" && p.Subdirectory != "" {
			e.URL += "#subdirectory=" + p.Subdirectory
		}
		if p.Path != "" {
			e.Path = path.Clean(p.Path)
		}
		if e.Version == "" && e.URL == "" && e.Path == "" {
			return nil, fmt.Errorf("reading Pipfile.lock: %w: %s has no version: run `pipenv lock`", errLock, name)
		}
		if err := l.add(e); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// pylock is the part of a pylock.toml (PEP 751) that matters here.
type pylock struct {
	Version  string `toml:"lock-version"`
	Packages []struct {
		Name    string `toml:"name"`
		Version string `toml:"version"`
		Marker  string `toml:"marker"`
		VCS     *struct {
			Type         string `toml:"type"`
			URL          string `toml:"url"`
			Path         string `toml:"path"`
			Commit       string `toml:"commit-id"`
			Subdirectory string `toml:"subdirectory"`
		} `toml:"vcs"`
		Directory *struct {
			Path     string `toml:"path"`
			Editable bool   `toml:"editable"`
		} `toml:"directory"`
		Archive *lockedFile  `toml:"archive"`
		Sdist   *lockedFile  `toml:"sdist"`
		Wheels  []lockedFile `toml:"wheels"`
	} `toml:"packages"`
}

// parsePylock reads a pylock.toml. All of its packages are installed where their markers hold.
func parsePylock(file string, data []byte) (*lockFile, error) {
	var raw pylock
	if _, err := toml.Decode(string(data), &raw); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", file, err)
	}
	l := newLock(file)
	l.flat = true
	for _, p := range raw.Packages {
		e := &entry{Name: normal(p.Name), Version: p.Version, Marker: p.Marker}
		e.addFiles(p.Wheels...)
		if p.Sdist != nil {
			e.addFiles(*p.Sdist)
		}
		switch {
		case p.VCS != nil:
			e.URL = p.VCS.Type + "+" + p.VCS.URL + "@" + p.VCS.Commit
			if p.VCS.Subdirectory != "" {
				e.URL += "#subdirectory=" + p.VCS.Subdirectory
			}
		case p.Directory != nil:
			e.Path, e.Editable = path.Clean(p.Directory.Path), p.Directory.Editable
		case p.Archive != nil:
			e.addFiles(*p.Archive)
			if e.URL = p.Archive.URL; e.URL == "" {
				e.Path = path.Clean(p.Archive.Path)
			}
		}
		if err := l.add(e); err != nil {
			return nil, err
		}
	}
	return l, nil
}
