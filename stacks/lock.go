package stacks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"s2i/stacks/apt"
)

// lockVersion is the version of the lock file's format.
const lockVersion = 1

// ErrStale is in the chain of the error when stack.toml was changed after the lock was made.
var ErrStale = errors.New("the lock does not belong to this stack.toml")

// Lock is stack.lock.json: exactly what a stack consists of.
type Lock struct {
	Version int    `json:"version"`
	Stack   string `json:"stack"`
	Config  string `json:"config"` // "sha256:…" of stack.toml
	// Suites are the signed indexes that the Debian packages were found in.
	Suites []LockedSuite        `json:"suites"`
	Arches map[string]*ArchLock `json:"arches"`
	// Tools are the pinned versions of the packages that do not come from Debian, newest first.
	Tools map[string][]Tool `json:"tools"`
	// Skipped are newer versions of these packages that were not pinned, for the record.
	Skipped map[string][]Skipped `json:"skipped,omitempty"`
}

// Skipped is a version that was not pinned, and why.
type Skipped struct {
	Version string `json:"version"`
	Why     string `json:"why"`
}

// LockedSuite is the state of one suite.
type LockedSuite struct {
	apt.Suite
	Date      time.Time `json:"date"`      // when the archive made the index
	InRelease string    `json:"inRelease"` // its "sha256:…"
}

// ArchLock holds the Debian packages for one architecture. Sets and packages list names, which Debs describes: one
// version of a package per architecture.
type ArchLock struct {
	Lists []apt.List          `json:"lists"`
	Debs  []Deb               `json:"debs"` // by name
	Run   map[string][]string `json:"run"`
	Build map[string][]string `json:"build"`
	// Packages are the closures of catalogue packages by image, without what the base (for run images: the smallest
	// that it can stand on) has.
	Packages map[string]map[string][]string `json:"packages"`
}

// Deb is one Debian package.
type Deb struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Arch          string `json:"arch"`
	SHA256        string `json:"sha256"`
	Size          int64  `json:"size"`
	Archive       string `json:"archive"`
	Path          string `json:"path"`
	Source        string `json:"source,omitempty"`
	SourceVersion string `json:"sourceVersion,omitempty"`
}

// Tool is one pinned version of a package.
type Tool struct {
	Version string              `json:"version"`
	Files   map[string]ToolFile `json:"files"` // by architecture, or "any"
	// Sites are the files of the distribution site of the tool's maker, by architecture; they may be absent.
	Sites map[string]ToolFile `json:"sites,omitempty"`
}

// ToolFile is one file of a registry.
type ToolFile struct {
	Name      string `json:"name"`           // npm package, Go module, Python project, Maven coordinates
	Version   string `json:"version"`        // its version there
	File      string `json:"file,omitempty"` // name of the file, where it does not follow from the above
	Integrity string `json:"integrity"`      // "sha512-…", "sha256-…"; empty when only H1 is known yet
	H1        string `json:"h1,omitempty"`   // digest of a module zip's contents
	Size      int64  `json:"size,omitzero"`
}

func parseLock(text []byte) (*Lock, error) {
	var l Lock
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("reading stack.lock.json: %w", err)
	}
	if l.Version != lockVersion {
		return nil, fmt.Errorf("reading stack.lock.json: it has version %d, and this s2i knows %d", l.Version, lockVersion)
	}
	for name, a := range l.Arches {
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("reading stack.lock.json: %s: %w", name, err)
		}
	}
	return &l, nil
}

func (a *ArchLock) check() error {
	byName := a.byName()
	var lists [][]string
	for _, sets := range []map[string][]string{a.Run, a.Build} {
		for _, names := range sets {
			lists = append(lists, names)
		}
	}
	for _, images := range a.Packages {
		for _, names := range images {
			lists = append(lists, names)
		}
	}
	for _, name := range slices.Concat(lists...) {
		if _, ok := byName[name]; !ok {
			return fmt.Errorf("the Debian package %s is used and not described", name)
		}
	}
	for _, d := range a.Debs {
		if _, err := apt.Integrity(d.SHA256); err != nil {
			return err
		}
	}
	return nil
}

func (a *ArchLock) byName() map[string]Deb {
	m := make(map[string]Deb, len(a.Debs))
	for _, d := range a.Debs {
		m[d.Name] = d
	}
	return m
}

// Encode gives the lock in the form of the file.
func (l *Lock) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(l); err != nil {
		return nil, fmt.Errorf("writing the lock: %w", err)
	}
	return b.Bytes(), nil
}

// date is the newest date of the lock's suites of an archive: its state can be had from an archive of that time on.
func (l *Lock) date(archive string) time.Time {
	var t time.Time
	for _, s := range l.Suites {
		if s.Archive == archive && s.Date.After(t) {
			t = s.Date
		}
	}
	return t
}

func checksum(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func fromIndex(p *apt.Package) Deb {
	d := Deb{Name: p.Name, Version: p.Version, Arch: p.Arch, SHA256: p.SHA256, Size: p.Size, Archive: p.Archive,
		Path: p.Path}
	if p.Source != p.Name {
		d.Source = p.Source
	}
	if p.SourceVersion != p.Version {
		d.SourceVersion = p.SourceVersion
	}
	return d
}
