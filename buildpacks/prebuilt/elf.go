package prebuilt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// binary formats and what of them is read; see elf(5).
const (
	headerSize    = 64
	programSize   = 56
	maxPrograms   = 512
	maxInterp     = 4096
	maxDynamic    = 64 << 10
	typeExec      = 2
	typeDyn       = 3
	programDyn    = 2
	programInterp = 3
	tagFlags1     = 0x6ffffffb
	flagPIE       = 0x08000000
)

// program is what the headers of an executable say.
type program struct {
	// Arch is the processor, as targets name it.
	Arch string
	// Interpreter is the dynamic linker; empty for a static program.
	Interpreter string
}

var (
	errNoProgram = errors.New("it is no executable for Linux")
	errDamaged   = errors.New("its ELF headers are damaged")
)

// readProgram reads the headers of an executable. The error is, or wraps, errNoProgram for any other file, and for
// libraries.
func readProgram(r io.ReaderAt) (program, error) {
	head := make([]byte, headerSize)
	if n, _ := r.ReadAt(head, 0); n < headerSize {
		return program{}, errNoProgram
	}
	if !bytes.HasPrefix(head, []byte("\x7fELF")) {
		return program{}, foreign(head)
	}
	if head[4] != 2 || head[5] != 1 {
		return program{}, errors.New("it is a program for a processor of 32 bits, or with the other byte order")
	}
	kind := binary.LittleEndian.Uint16(head[16:])
	if kind != typeExec && kind != typeDyn {
		return program{}, errNoProgram
	}
	p := program{}
	switch machine := binary.LittleEndian.Uint16(head[18:]); machine {
	case 62:
		p.Arch = "amd64"
	case 183:
		p.Arch = "arm64"
	default:
		return program{}, fmt.Errorf("it is a program for another processor than amd64 or arm64 (ELF machine %d)", machine)
	}
	pie, err := p.readSegments(r, head)
	if err != nil {
		return program{}, err
	}
	if kind == typeDyn && p.Interpreter == "" && !pie {
		return program{}, errNoProgram // a library
	}
	return p, nil
}

// readSegments finds the interpreter, and whether the program says that it is one and no library.
func (p *program) readSegments(r io.ReaderAt, head []byte) (pie bool, err error) {
	offset := binary.LittleEndian.Uint64(head[32:])
	size := binary.LittleEndian.Uint16(head[54:])
	count := binary.LittleEndian.Uint16(head[56:])
	if count == 0 || count > maxPrograms || size < programSize || size > 1024 || offset > 1<<40 {
		return false, errDamaged
	}
	for i := range int64(count) {
		h := make([]byte, programSize)
		if n, _ := r.ReadAt(h, int64(offset)+i*int64(size)); n < programSize {
			return false, errDamaged
		}
		at, length := binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[32:])
		if at > 1<<40 {
			return false, errDamaged
		}
		switch binary.LittleEndian.Uint32(h) {
		case programInterp:
			text := make([]byte, min(length, maxInterp))
			if n, _ := r.ReadAt(text, int64(at)); n < len(text) {
				return false, errDamaged
			}
			name, _, _ := strings.Cut(string(text), "\x00")
			p.Interpreter = name
		case programDyn:
			text := make([]byte, min(length, maxDynamic))
			n, _ := r.ReadAt(text, int64(at))
			pie = isPIE(text[:n])
		}
	}
	return pie, nil
}

// isPIE looks for the flag that marks programs among what can be loaded anywhere.
func isPIE(dynamic []byte) bool {
	for ; len(dynamic) >= 16; dynamic = dynamic[16:] {
		if binary.LittleEndian.Uint64(dynamic) == tagFlags1 {
			return binary.LittleEndian.Uint64(dynamic[8:])&flagPIE != 0
		}
	}
	return false
}

// errForeign is the reason against a program for another system.
var errForeign = errors.New("it is a program for")

// foreign tells programs for other systems from files that are none.
func foreign(head []byte) error {
	for magic, system := range map[string]string{
		"\xcf\xfa\xed\xfe": "macOS", "\xca\xfe\xba\xbe\x00\x00\x00\x02": "macOS", "MZ": "Windows",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return fmt.Errorf("%w %s, build it for Linux (%w)", errForeign, system, errNoProgram)
		}
	}
	return errNoProgram
}
