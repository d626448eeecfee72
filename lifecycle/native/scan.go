package native

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
)

const (
	minELF   = 52     // bytes of the smallest ELF header
	maxNames = 20_000 // names that a scanner collects; an app with more than that is no app
)

// machines are the ELF machines of the architectures that we know. Apps ship files for others beside them (an npm package
// with add-ons for every platform); those need nothing from the base.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "386": elf.EM_386, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM,
	"ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "riscv64": elf.EM_RISCV,
}

// File is an executable or a shared library of an app's layer that may be used on the image's platform.
type File struct {
	// Path is the file's place in the image.
	Path string `json:"path"`
	// Soname is what it is called as a library.
	Soname string `json:"soname,omitempty"`
	// Interpreter is the dynamic linker that it asks for, as programs do.
	Interpreter string `json:"interpreter,omitempty"`
	// Needed are the sonames of the libraries that it is linked with.
	Needed []string `json:"needed,omitempty"`
}

// Found is what a scan of one layer found.
type Found struct {
	Needs lifecycle.LayerNeeds `json:"needs"`
	Files []File               `json:"files,omitempty"`
}

// Scanner collects what executables and shared libraries of one layer need and provide.
type Scanner struct {
	machine   elf.Machine // EM_NONE: any
	libraries map[string]map[string]bool
	interps   map[string]bool
	provides  map[string]bool
	files     []File
	names     int
	// programs are in a layer's bin; environment tells that it has more to do with the PATH.
	programs    []string
	environment bool
}

// NewScanner makes a scanner for an architecture ("amd64"); an unknown one takes files for any.
func NewScanner(arch string) *Scanner {
	return &Scanner{
		machine: machines[arch], libraries: map[string]map[string]bool{},
		interps: map[string]bool{}, provides: map[string]bool{},
	}
}

// Tree scans every file below dir, a layer that is at the slash path place in the image.
func (s *Scanner) Tree(ctx context.Context, dir, place string) error {
	return archive.Walk(ctx, dir, func(f *archive.File) error {
		s.launch(f)
		return s.File(path.Join(place, f.Rel), f)
	})
}

// launch notes how a layer takes part in the PATH at launch (buildpack §Layer Paths, §Exec.d).
func (s *Scanner) launch(f *archive.File) {
	dir, name := path.Split(f.Rel)
	kind := f.Stat.Mode & unix.S_IFMT
	switch {
	case dir == "bin/" && (kind == unix.S_IFLNK || kind == unix.S_IFREG && f.Stat.Mode&0o111 != 0):
		if len(s.programs) < maxNames {
			s.programs = append(s.programs, name)
		} else {
			s.environment = true
		}
	case f.Rel == "exec.d", strings.HasPrefix(dir, "env") && (name == "PATH" || strings.HasPrefix(name, "PATH.")):
		s.environment = true
	}
}

// File scans one file, at the slash path place in the image, if it may be one that is executed or loaded, by its mode or
// its name: opening every file of a large tree would cost more than writing its layer. Files that only look like ELF are
// passed over.
func (s *Scanner) File(place string, f *archive.File) error {
	name := path.Base(place)
	loadable := f.Stat.Mode&0o111 != 0 || strings.Contains(name, ".so") || strings.HasSuffix(name, ".node")
	if f.Stat.Mode&unix.S_IFMT != unix.S_IFREG || f.Stat.Size < minELF || !loadable {
		return nil
	}
	file, err := f.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.Rel, err)
	}
	defer file.Close()
	s.executable(place, file)
	return nil
}

// executable scans one file, which may be anything.
func (s *Scanner) executable(place string, file io.ReaderAt) {
	defer func() { _ = recover() }() // debug/elf does not promise to survive every file
	var magic [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return
	}
	e, err := readELF(file)
	if err != nil || s.names > maxNames || e.foreign(s.machine) != "" || optional(path.Base(place)) {
		return
	}
	if e.interpreter != "" {
		s.interps[e.interpreter] = true
	}
	for _, soname := range e.needed {
		s.library(soname)
	}
	for _, need := range e.versions {
		s.library(need.library)[need.version] = true
	}
	s.names += 1 + len(e.needed) + len(e.versions)
	if e.soname != "" {
		s.provides[e.soname] = true
	}
	if name := path.Base(place); e.shared && strings.Contains(name, ".so") {
		s.provides[name] = true
	}
	s.files = append(s.files, File{Path: place, Soname: e.soname, Interpreter: e.interpreter, Needed: e.needed})
}

// foreign says what the file is made for when that is another system; "" when it is this one's. Packages with ready-made
// add-ons have them for every system, and choose when they are loaded.
func (e *elfFile) foreign(machine elf.Machine) string {
	switch {
	case machine != elf.EM_NONE && e.machine != machine:
		return strings.TrimPrefix(e.machine.String(), "EM_")
	case e.osabi != elf.ELFOSABI_NONE && e.osabi != elf.ELFOSABI_LINUX:
		return strings.TrimPrefix(e.osabi.String(), "ELFOSABI_")
	case strings.HasPrefix(path.Base(e.interpreter), "ld-musl"):
		return "musl"
	case strings.HasPrefix(e.interpreter, "/system/"):
		return "Android"
	}
	for _, soname := range e.needed {
		switch {
		case strings.HasPrefix(soname, "libc.musl"):
			return "musl"
		case soname == "libc.so": // of Android, or of musl outside distributions
			return "another C library"
		case soname == "libc.so.7", soname == "libc.so.12":
			return "a BSD"
		}
	}
	return ""
}

// optional tells which libraries are there and not used where there is no screen and no loudspeaker: what a Java runtime
// has for them is not worth a window system in the image.
func optional(name string) bool {
	switch name {
	case "libawt_xawt.so", "libjawt.so", "libsplashscreen.so", "libjsound.so":
		return true
	}
	return false
}

func (s *Scanner) library(soname string) map[string]bool {
	if s.libraries[soname] == nil {
		s.libraries[soname] = map[string]bool{}
	}
	return s.libraries[soname]
}

// Found gives what was found, sorted.
func (s *Scanner) Found() Found {
	needs := lifecycle.LayerNeeds{Interpreters: keys(s.interps), Provides: keys(s.provides),
		Programs: s.programs, Environment: s.environment}
	slices.Sort(needs.Programs)
	for soname, versions := range s.libraries {
		if needs.Libraries == nil {
			needs.Libraries = map[string][]string{}
		}
		needs.Libraries[soname] = append([]string{}, keys(versions)...)
	}
	slices.SortFunc(s.files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return Found{Needs: needs, Files: s.files}
}

// keys gives the keys of m, sorted.
func keys[K cmp.Ordered](m map[K]bool) []K { return slices.Sorted(maps.Keys(m)) }
