package stacks

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/BurntSushi/toml"
)

// AppLockFile is the name of the file that pins what an app is built with, beside its sources.
const AppLockFile = "s2i.lock"

// appLockVersion is the version of its format.
const appLockVersion = 1

// maxAppLock bounds the file.
const maxAppLock = 4 << 20

// AppLock is s2i.lock: the stack and the versions that an app is built with. As long as what the app's files demand is
// met by them, they win over everything newer.
type AppLock struct {
	Version int    `toml:"version"`
	Stack   string `toml:"stack"`
	// Lock is the checksum of the stack's lock. Debian packages are pinned by that lock; another one is noted.
	Lock     string      `toml:"lock"`
	Packages []AppLocked `toml:"package"`
}

// AppLocked is one package.
type AppLocked struct {
	Name     string `toml:"name"`
	Version  string `toml:"version"`
	Provider string `toml:"provider"`
	// Files are the files of a registry by architecture, or "any".
	Files map[string]AppFile `toml:"files,omitempty"`
}

// AppFile is one file of a registry.
type AppFile struct {
	Name      string `toml:"name"`
	Version   string `toml:"version"`
	File      string `toml:"file,omitempty"`
	Integrity string `toml:"integrity,omitempty"`
	H1        string `toml:"h1,omitempty"`
}

// ParseAppLock reads an s2i.lock.
func ParseAppLock(text []byte) (*AppLock, error) {
	if len(text) > maxAppLock {
		return nil, fmt.Errorf("reading %s: it is larger than %d bytes", AppLockFile, maxAppLock)
	}
	var l AppLock
	meta, err := toml.Decode(string(text), &l)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", AppLockFile, err)
	}
	if l.Version != appLockVersion {
		return nil, fmt.Errorf("reading %s: it has version %d, and this s2i knows %d", AppLockFile, l.Version, appLockVersion)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, fmt.Errorf("reading %s: key %q is not known", AppLockFile, extra[0])
	}
	return &l, nil
}

// Encode gives the lock in the form of the file.
func (l *AppLock) Encode() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# What this app is built with. `s2i build --write-lock` makes it; remove it to start anew.\n\n")
	e := toml.NewEncoder(&b)
	e.Indent = ""
	if err := e.Encode(l); err != nil {
		return nil, fmt.Errorf("writing %s: %w", AppLockFile, err)
	}
	return b.Bytes(), nil
}

// AppLock gives the lock of an app that is built with a resolution.
func (s *Stack) AppLock(res *Resolution) *AppLock {
	l := &AppLock{Version: appLockVersion, Stack: res.Stack, Lock: res.Lock, Packages: []AppLocked{}}
	for _, c := range res.Choices {
		if c.Version == "" {
			continue
		}
		p := AppLocked{Name: c.Package, Version: c.Version, Provider: c.Provider}
		if c.Provider != "deb" {
			p.Files = s.appFiles(c, res)
		}
		l.Packages = append(l.Packages, p)
	}
	slices.SortFunc(l.Packages, func(a, b AppLocked) int { return cmp.Compare(a.Name, b.Name) })
	return l
}

// appFiles gives the files of a chosen version for every architecture that is known.
func (s *Stack) appFiles(c Choice, res *Resolution) map[string]AppFile {
	files := map[string]AppFile{}
	for _, t := range s.Lock.Tools[c.Package] {
		if t.Version == c.Version {
			for arch, f := range t.Files {
				files[arch] = AppFile{f.Name, f.Version, f.File, f.Integrity, f.H1}
			}
			return files
		}
	}
	for _, part := range slices.Concat(res.Build, res.Run) {
		if part.Package == c.Package && part.Tool != nil {
			f := *part.Tool
			files[res.Target.Arch] = AppFile{f.Name, f.Version, f.File, f.Integrity, f.H1}
		}
	}
	return files
}

// version is the locked version of a package; "" when there is none.
func (l *AppLock) version(name string) string {
	if p := l.find(name); p != nil {
		return p.Version
	}
	return ""
}

func (l *AppLock) find(name string) *AppLocked {
	if l == nil {
		return nil
	}
	for i := range l.Packages {
		if l.Packages[i].Name == name {
			return &l.Packages[i]
		}
	}
	return nil
}

// addTo adds the locked version to options that do not have it: its files are known well enough to get them.
func (l *AppLock) addTo(options []option, name, arch string) []option {
	p := l.find(name)
	if p == nil || len(p.Files) == 0 {
		return options
	}
	for _, o := range options {
		if o.Version == p.Version {
			return options
		}
	}
	o := option{files: map[string]ToolFile{}}
	o.Version = p.Version
	for a, f := range p.Files {
		if f.Integrity != "" || f.H1 != "" {
			o.files[a] = ToolFile{Name: f.Name, Version: f.Version, File: f.File, Integrity: f.Integrity, H1: f.H1}
		}
	}
	_, o.Wanted = fileFor(o.files, arch)
	return append(options, o)
}
