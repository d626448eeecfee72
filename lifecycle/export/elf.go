package export

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

// scanner collects what executables and shared libraries need and provide.
type scanner struct {
	machine   elf.Machine // EM_NONE: any
	libraries map[string]map[string]bool
	interps   map[string]bool
	provides  map[string]bool
	names     int
}

func newScanner(arch string) *scanner {
	return &scanner{
		machine: machines[arch], libraries: map[string]map[string]bool{},
		interps: map[string]bool{}, provides: map[string]bool{},
	}
}

// scanTree scans every file below dir.
func scanTree(ctx context.Context, s *scanner, dir string) error {
	return archive.Walk(ctx, dir, func(f *archive.File) error { return s.file(path.Base(f.Rel), f) })
}

// file scans one file if it may be one that is executed or loaded, by its mode or its name: opening every file of a
// large tree would cost more than writing its layer. Files that only look like ELF are passed over.
func (s *scanner) file(name string, f *archive.File) error {
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
	s.executable(name, file)
	return nil
}

// executable scans one file, which may be anything.
func (s *scanner) executable(name string, file io.ReaderAt) {
	defer func() { _ = recover() }() // debug/elf does not promise to survive every file
	var magic [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return
	}
	e, err := readELF(file)
	if err != nil || s.machine != elf.EM_NONE && e.machine != s.machine || s.names > maxNames {
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
	if e.shared && strings.Contains(name, ".so") {
		s.provides[name] = true
	}
}

func (s *scanner) library(soname string) map[string]bool {
	if s.libraries[soname] == nil {
		s.libraries[soname] = map[string]bool{}
	}
	return s.libraries[soname]
}

// result gives what was found, sorted.
func (s *scanner) result() lifecycle.LayerNeeds {
	needs := lifecycle.LayerNeeds{Interpreters: keys(s.interps), Provides: keys(s.provides)}
	for soname, versions := range s.libraries {
		if needs.Libraries == nil {
			needs.Libraries = map[string][]string{}
		}
		needs.Libraries[soname] = append([]string{}, keys(versions)...)
	}
	return needs
}

// keys gives the keys of m, sorted.
func keys[K cmp.Ordered](m map[K]bool) []K { return slices.Sorted(maps.Keys(m)) }
