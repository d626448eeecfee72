// Package stacks supplies what build and run images consist of: it reads a stack (stack.toml: what we want,
// stack.lock.json: exactly what we get), finds the packages that a build requires, and composes images of them.
//
// Images are pure functions of the lock. Nothing is installed: the files of Debian packages, toolchains and package
// managers are merged into layers, and what maintainer scripts would have done is generated. The base of an image is
// one layer; every package is a layer of its own, so that images share what they have in common.
//
// A package of the catalogue comes from Debian, in one version line or several (Java 21 and 25), or from the registry of
// an ecosystem: npm, a Go module proxy, a Python package index, a Maven repository. Which one is asked of the ecosystem's
// own configuration. Every demand on a version counts, with its source; package version intersects them, and the lock's
// versions come before what a registry has besides. Resolution.Choices tells what was chosen and why, an
// UnobtainableError who demands what nobody has. With an AppLock (s2i.lock beside the app) its versions come first.
//
// In the words of the Cloud Native Buildpacks specification, the names that a stack provides play the part of image
// extensions.
package stacks

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
	"s2i/stacks/apt"
	"s2i/stacks/fetch"
)

//go:embed trixie/stack.toml trixie/stack.lock.json bookworm/stack.toml bookworm/stack.lock.json
var builtin embed.FS

// Default is the name of the built-in stack that is tried first.
const Default = "trixie"

// Builtin lists the names of the built-in stacks, in the order in which they are tried.
func Builtin() []string { return []string{Default, "bookworm"} }

// The file names of a stack.
const (
	ConfigFile = "stack.toml"
	LockFile   = "stack.lock.json"
)

// ExtensionID is the element that stands for the stack in a resolved build plan.
const ExtensionID = "s2i/stack"

// maxFile bounds the files of a stack.
const maxFile = 64 << 20

// Stack is a loaded stack. The exported fields may be changed before it is used, not later; its methods may be called
// from any number of goroutines.
type Stack struct {
	Config *Config
	Lock   *Lock
	// Store keeps downloads and layers. Resolve and Compose need it.
	Store *store.Store
	// Locked refuses whatever the lock does not hold, and packages that no mirror has any more.
	Locked bool
	// Offline uses only what the store has.
	Offline bool
	// Jobs is how many downloads and layers are worked on at a time; 0 means a number that suits the machine.
	Jobs int
	// Sources says where packages come from; nil means what the ecosystems' configurations say: see LoadSources.
	Sources *Sources

	// Others are further stacks that an app might be built on. What they have is listed among the candidates of choices.
	Others []*Stack

	mu        sync.Mutex
	found     *Sources                 // what LoadSources found
	pip       *fetch.Site              // what an installed pip says
	told      map[string]bool          // notes that were shown
	indexLock sync.Mutex               // held while an index is read
	indexes   map[string]*apt.Snapshot // live indexes by architecture
}

// Load reads a stack: an embedded one by name ("trixie"), or a directory with stack.toml and stack.lock.json.
// A lock that was made for another stack.toml is an error with ErrStale in its chain.
func Load(nameOrDir string) (*Stack, error) {
	fsys, err := open(nameOrDir)
	if err != nil {
		return nil, err
	}
	text, err := read(fsys, ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("reading stack %s: %w", nameOrDir, err)
	}
	config, err := parseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("reading stack %s: %w", nameOrDir, err)
	}
	b, err := read(fsys, LockFile)
	if err != nil {
		return nil, fmt.Errorf("reading stack %s: %w; `s2i stack lock` makes the lock", nameOrDir, err)
	}
	lock, err := parseLock(b)
	if err != nil {
		return nil, fmt.Errorf("reading stack %s: %w", nameOrDir, err)
	}
	if lock.Config != checksum(text) {
		return nil, fmt.Errorf("reading stack %s: %w: stack.toml was changed; run `s2i stack lock`", nameOrDir, ErrStale)
	}
	return &Stack{Config: config, Lock: lock}, nil
}

// LoadUnlocked reads a stack without looking at its lock, to make a new one.
func LoadUnlocked(nameOrDir string) (*Stack, []byte, error) {
	fsys, err := open(nameOrDir)
	if err != nil {
		return nil, nil, err
	}
	text, err := read(fsys, ConfigFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading stack %s: %w", nameOrDir, err)
	}
	config, err := parseConfig(text)
	if err != nil {
		return nil, nil, fmt.Errorf("reading stack %s: %w", nameOrDir, err)
	}
	return &Stack{Config: config, Lock: &Lock{Version: lockVersion, Stack: config.Name, Config: checksum(text)}}, text, nil
}

// open finds a stack's files: a name without a slash is an embedded stack when there is one.
func open(nameOrDir string) (fs.FS, error) {
	if !strings.ContainsAny(nameOrDir, `/\`) {
		if sub, err := fs.Sub(builtin, nameOrDir); err == nil {
			if _, err := fs.Stat(sub, ConfigFile); err == nil {
				return sub, nil
			}
		}
	}
	if _, err := os.Stat(nameOrDir); err != nil {
		return nil, fmt.Errorf("looking for stack %s: it is neither built in (%s are) nor a directory: %w",
			nameOrDir, strings.Join(Builtin(), " and "), err)
	}
	return os.DirFS(nameOrDir), nil
}

func read(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return fs.ReadFile(fsys, name)
}

// Target completes a target with the stack's distribution.
func (s *Stack) Target(arch string) lifecycle.Target {
	t := lifecycle.Target{OS: "linux", Arch: arch, Distros: []lifecycle.Distro{s.Config.Distro}}
	if arch == "arm64" {
		t.Variant = "v8"
	}
	return t
}

// arch gives the locked packages of an architecture.
func (s *Stack) arch(name string) (*ArchLock, error) {
	a := s.Lock.Arches[name]
	if a == nil {
		return nil, fmt.Errorf("resolving packages: stack %s is not locked for %s; it has %s",
			s.Config.Name, name, strings.Join(sortedKeys(s.Lock.Arches), ", "))
	}
	return a, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
