package sandbox

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Emulator runs the programs of another architecture: a qemu-user that needs no libraries.
type Emulator struct {
	// Arch is the architecture that it emulates, by its Go name.
	Arch string
	// Program is the emulator on this machine; empty when the kernel has it open already.
	Program string
	// Registered says that the kernel knows the emulator already, and looks for Program inside the sandbox. Otherwise s2i-sandbox registers it for its own user namespace, which the rest of the machine does not notice.
	Registered bool
}

// ErrNoEmulator is in the chain of the error when programs of an architecture cannot be run.
var ErrNoEmulator = errors.New("this machine cannot run programs of that architecture")

// machine is what tells an architecture's programs from others, and how qemu calls it.
type machine struct {
	qemu  string
	class elf.Class
	order binary.ByteOrder
	elf   elf.Machine
}

// machineOf knows the architectures that there are images for.
func machineOf(arch string) (machine, bool) {
	little, big := binary.LittleEndian, binary.BigEndian
	m, ok := map[string]machine{
		"386": {"i386", elf.ELFCLASS32, little, elf.EM_386}, "amd64": {"x86_64", elf.ELFCLASS64, little, elf.EM_X86_64},
		"arm": {"arm", elf.ELFCLASS32, little, elf.EM_ARM}, "arm64": {"aarch64", elf.ELFCLASS64, little, elf.EM_AARCH64},
		"loong64": {"loongarch64", elf.ELFCLASS64, little, elf.EM_LOONGARCH}, "mips64": {"mips64", elf.ELFCLASS64, big, elf.EM_MIPS},
		"mips64le": {"mips64el", elf.ELFCLASS64, little, elf.EM_MIPS}, "mipsle": {"mipsel", elf.ELFCLASS32, little, elf.EM_MIPS},
		"ppc64le": {"ppc64le", elf.ELFCLASS64, little, elf.EM_PPC64}, "riscv64": {"riscv64", elf.ELFCLASS64, little, elf.EM_RISCV},
		"s390x": {"s390x", elf.ELFCLASS64, big, elf.EM_S390},
	}[arch]
	return m, ok
}

// Native tells whether this machine runs the programs of an architecture itself.
func Native(arch string) bool {
	return arch == "" || arch == runtime.GOARCH || arch == "386" && runtime.GOARCH == "amd64"
}

// FindEmulator gives what runs the programs of an architecture here; nil when the machine itself does. The error is in
// the chain of ErrNoEmulator and says what to install.
func FindEmulator(arch string) (*Emulator, error) {
	if Native(arch) {
		return nil, nil
	}
	m, ok := machineOf(arch)
	if !ok {
		return nil, fmt.Errorf("%w: %s is not known, and there is no emulator for it", ErrNoEmulator, arch)
	}
	if e := registered(arch, m); e != nil {
		return e, nil
	}
	for _, name := range []string{"qemu-" + m.qemu + "-static", "qemu-" + m.qemu} {
		if path, err := exec.LookPath(name); err == nil && static(path) {
			if path, err = filepath.Abs(path); err == nil {
				return &Emulator{Arch: arch, Program: path}, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: install an emulator, which needs no configuration (Debian and Ubuntu: apt-get install "+
		"qemu-user-static; any other: a static qemu-%s in PATH), or build on a machine of that kind", ErrNoEmulator, m.qemu)
}

// binfmtDir is where the kernel shows what is registered (Linux, admin-guide/binfmt-misc.rst).
const binfmtDir = "/proc/sys/fs/binfmt_misc"

// registered gives the emulator that the machine's owner has registered for an architecture, nil for none.
func registered(arch string, m machine) *Emulator {
	files, err := os.ReadDir(binfmtDir)
	if err != nil {
		return nil
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(binfmtDir, f.Name()))
		if err != nil {
			continue
		}
		if e := parseBinfmt(string(text), arch, m); e != nil {
			return e
		}
	}
	return nil
}

// parseBinfmt reads an entry of binfmt_misc; nil when it is not for these programs, or does not work in a root filesystem
// of its own.
func parseBinfmt(text, arch string, m machine) *Emulator {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	values := map[string]string{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, " ")
		values[strings.TrimSuffix(name, ":")] = value
	}
	magic, _ := m.pattern()
	if lines[0] != "enabled" || values["magic"] != fmt.Sprintf("%x", magic) {
		return nil
	}
	e := &Emulator{Arch: arch, Program: values["interpreter"], Registered: true}
	switch {
	case strings.Contains(values["flags"], "F"):
		e.Program = ""
	case !static(e.Program):
		return nil
	}
	return e
}

// pattern is how the kernel knows a program: the ELF header up to e_machine, but for the ABI and the difference between
// programs and shared objects.
func (m machine) pattern() (magic, mask []byte) {
	data := elf.ELFDATA2LSB
	if m.order == binary.BigEndian {
		data = elf.ELFDATA2MSB
	}
	magic = append([]byte(elf.ELFMAG), byte(m.class), byte(data), byte(elf.EV_CURRENT), 0, 0, 0, 0, 0, 0, 0, 0, 0)
	mask = slices.Repeat([]byte{0xff}, 20)
	mask[7] = 0 // the ABI
	field := make([]byte, 4)
	m.order.PutUint16(field, uint16(elf.ET_EXEC))
	m.order.PutUint16(field[2:], uint16(m.elf))
	anyType := make([]byte, 2)
	m.order.PutUint16(anyType, 0xfffe) // ET_EXEC is 2, ET_DYN is 3
	copy(mask[16:], anyType)
	return append(magic, field...), mask
}

// static tells whether a program needs no libraries, so that it can run in any root filesystem.
func static(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// registration is the line that makes the emulator known to the kernel: opened now (F), with the credentials of the
// program that it runs (C), and with its name (P).
func (e *Emulator) registration() ([]byte, error) {
	m, ok := machineOf(e.Arch)
	if !ok || strings.ContainsAny(e.Program, ":\n") {
		return nil, fmt.Errorf("%s cannot be registered as the emulator of %s", e.Program, e.Arch)
	}
	magic, mask := m.pattern()
	return fmt.Appendf(nil, ":s2i:M::%s:%s:%s:POCF", escaped(magic), escaped(mask), e.Program), nil
}

func escaped(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// register makes an emulator known to the kernel, for the programs of this user namespace only. What it is registered in
// is mounted at place, and lives as long as s2i-sandbox.
func register(line []byte, place string) error {
	if err := os.Mkdir(place, 0o755); err != nil {
		return err
	}
	err := unix.Mount("binfmt_misc", place, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("the kernel lets nobody but the machine's owner register an emulator (Linux can since 6.7, with "+
			"binfmt_misc); let root register it once for the whole machine: apt-get install qemu-user-static binfmt-support: %w",
			fs.ErrPermission)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(place, "register"), line, 0)
	}
	if err != nil {
		return fmt.Errorf("registering the emulator: %w", err)
	}
	return nil
}
