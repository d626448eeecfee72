// Package elftest makes ELF files for tests.
package elftest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
)

// File says what is in a file.
type File struct {
	Machine elf.Machine // 0: amd64's
	// Needed are libraries: "libc.so.6" or, with the version of a symbol, "libc.so.6@GLIBC_2.34".
	Needed []string
	Soname string
	// Interpreter makes the file a program.
	Interpreter string
	OSABI       elf.OSABI
}

// Build makes the smallest ELF file that says so.
func Build(f File) []byte {
	needed, soname := f.Needed, f.Soname
	if f.Machine == 0 {
		f.Machine = elf.EM_X86_64
	}
	names := []byte{0}
	name := func(s string) uint64 {
		at := uint64(len(names))
		names = append(append(names, s...), 0)
		return at
	}
	var dynamic []elf.Dyn64
	type verneed struct {
		Version, Count  uint16
		File, Aux, Next uint32
		Hash            uint32
		Flags, Other    uint16
		Name, AuxNext   uint32
	}
	var versions []verneed
	for _, lib := range needed {
		lib, version, versioned := strings.Cut(lib, "@")
		at := name(lib)
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: at})
		if versioned {
			v := verneed{Version: 1, Count: 1, File: uint32(at), Aux: 16, Next: 32, Other: 2, Name: uint32(name(version))}
			versions = append(versions, v)
		}
	}
	if len(versions) > 0 {
		versions[len(versions)-1].Next = 0
	}
	if soname != "" {
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_SONAME), Val: name(soname)})
	}
	dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_NULL)})
	dynstr, dyn := uint32(name(".dynstr")), uint32(name(".dynamic"))

	const header, program = 64, 56
	interpreterAt := name(f.Interpreter)
	namesAt := uint64(header)
	if f.Interpreter != "" {
		namesAt += program
	}
	dynamicAt := namesAt + uint64(len(names)+7)/8*8
	versionsAt := dynamicAt + uint64(len(dynamic))*16
	sectionsAt := versionsAt + uint64(len(versions))*32
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(f.Machine), Version: 1, Shoff: sectionsAt, Ehsize: header,
		Shentsize: 64, Shnum: 4, Shstrndx: 1, Phentsize: program,
	}
	if f.Interpreter != "" {
		h.Phoff, h.Phnum = header, 1
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	h.Ident[elf.EI_VERSION], h.Ident[elf.EI_OSABI] = 1, byte(f.OSABI)
	sections := []elf.Section64{
		{},
		{Name: dynstr, Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names))},
		{Name: dyn, Type: uint32(elf.SHT_DYNAMIC), Off: dynamicAt, Size: uint64(len(dynamic)) * 16, Link: 1, Entsize: 16},
		{Type: uint32(elf.SHT_GNU_VERNEED), Off: versionsAt, Size: uint64(len(versions)) * 32, Link: 1},
	}
	var out bytes.Buffer
	write := func(v any) { _ = binary.Write(&out, binary.LittleEndian, v) }
	write(h)
	if f.Interpreter != "" {
		write(elf.Prog64{Type: uint32(elf.PT_INTERP), Off: namesAt + interpreterAt, Filesz: uint64(len(f.Interpreter)) + 1})
	}
	out.Write(names)
	out.Write(make([]byte, int(dynamicAt)-out.Len()))
	write(dynamic)
	write(versions)
	write(sections)
	return out.Bytes()
}
