package native

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// What is read of one ELF file, at most. Apps carry files that strangers made, and debug/elf promises nothing about
// those; so it reads the headers only, and what is behind them is read here, name by name.
const (
	maxHeaders = 128 << 10 // bytes of program and section headers and section names
	maxBehind  = 8 << 20   // bytes of everything else
	maxTable   = 64 << 10  // bytes of the dynamic section, and of the table of needed versions
	maxEntries = 4096      // entries of the table of needed versions
	maxName    = 256       // bytes of a library's or a version's name
)

var errNotELF = errors.New("no executable or shared library")

// elfFile is what an executable or a shared library says of its links to others.
type elfFile struct {
	machine     elf.Machine
	osabi       elf.OSABI
	shared      bool // a library, no program
	interpreter string
	soname      string
	needed      []string
	versions    []neededVersion
}

// neededVersion is a symbol version that a file needs of a library.
type neededVersion struct{ library, version string }

// readELF reads an executable or a shared library.
func readELF(file io.ReaderAt) (*elfFile, error) {
	bounded := &boundedReader{r: file, left: maxHeaders}
	f, err := elf.NewFile(bounded)
	if err != nil {
		return nil, err
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return nil, errNotELF
	}
	bounded.left = maxBehind
	e := &elfFile{machine: f.Machine, osabi: f.OSABI}
	for _, prog := range f.Progs {
		if prog.Type == elf.PT_INTERP {
			e.interpreter = nameAt(prog.ReaderAt, 0)
		}
	}
	e.shared = f.Type == elf.ET_DYN && e.interpreter == ""
	e.readDynamic(f)
	e.readVersions(f)
	return e, nil
}

// table gives the contents of the section of type t and the section with its names; nil when there is none or it is
// not believable.
func table(f *elf.File, t elf.SectionType) ([]byte, io.ReaderAt) {
	section := f.SectionByType(t)
	if section == nil || section.FileSize > maxTable || int(section.Link) >= len(f.Sections) {
		return nil, nil
	}
	data := make([]byte, section.FileSize)
	if _, err := section.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil
	}
	return data, f.Sections[section.Link].ReaderAt
}

func (e *elfFile) readDynamic(f *elf.File) {
	data, names := table(f, elf.SHT_DYNAMIC)
	word := 8
	if f.Class == elf.ELFCLASS32 {
		word = 4
	}
	for ; len(data) >= 2*word; data = data[2*word:] {
		tag, value := number(f.ByteOrder, data[:word]), number(f.ByteOrder, data[word:2*word])
		switch elf.DynTag(tag) { //nolint:exhaustive // the others say nothing of libraries
		case elf.DT_NULL:
			return
		case elf.DT_NEEDED:
			if name := nameAt(names, value); name != "" {
				e.needed = append(e.needed, name)
			}
		case elf.DT_SONAME:
			e.soname = nameAt(names, value)
		}
	}
}

// readVersions reads the table of needed versions: a list of libraries, each with a list of versions. Weak ones are
// left out: the linker goes on without them.
func (e *elfFile) readVersions(f *elf.File) {
	data, names := table(f, elf.SHT_GNU_VERNEED)
	order := f.ByteOrder
	entries := 0
	for at := uint32(0); int(at)+16 <= len(data); {
		count, next := order.Uint16(data[at+2:]), order.Uint32(data[at+12:])
		library := nameAt(names, uint64(order.Uint32(data[at+4:])))
		aux := uint64(at) + uint64(order.Uint32(data[at+8:]))
		for ; count > 0 && aux+16 <= uint64(len(data)); count-- {
			if entries++; entries > maxEntries {
				return
			}
			flags, name := order.Uint16(data[aux+4:]), nameAt(names, uint64(order.Uint32(data[aux+8:])))
			if library != "" && name != "" && elf.DynamicVersionFlag(flags)&elf.VER_FLG_WEAK == 0 {
				e.versions = append(e.versions, neededVersion{library, name})
			}
			step := order.Uint32(data[aux+12:])
			if step == 0 {
				break
			}
			aux += uint64(step)
		}
		if next < 16 || uint64(at)+uint64(next) > uint64(len(data)) {
			return
		}
		at += next
	}
}

func number(order binary.ByteOrder, b []byte) uint64 {
	if len(b) == 4 {
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

// nameAt reads the string that ends with a NUL at off; "" when it is too long, or not there, or no text.
func nameAt(r io.ReaderAt, off uint64) string {
	if r == nil || off > 1<<40 {
		return ""
	}
	buf := make([]byte, maxName+1)
	n, err := r.ReadAt(buf, int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	name, _, ended := bytes.Cut(buf[:n], []byte{0})
	if !ended {
		return ""
	}
	return strings.ToValidUTF8(string(name), "\uFFFD")
}

// boundedReader fails once more than left bytes were asked for.
type boundedReader struct {
	r    io.ReaderAt
	left int64
}

// ReadAt fails once more than left bytes were asked for in all.
func (b *boundedReader) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errors.New("too large")
	}
	return b.r.ReadAt(p, off)
}
