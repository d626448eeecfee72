package native

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"s2i/lifecycle/archive"
)

// BuiltFor lists the files below dir, by slash paths in it, that are machine code for one architecture and for no other:
// a file is left out when the package that it is in has machine code for the architecture of the image, too, as npm
// packages with ready-made add-ons for every platform have.
func BuiltFor(ctx context.Context, dir, arch, image string) ([]string, error) {
	var found []string
	both := map[string]bool{} // packages with code for the image
	err := archive.Walk(ctx, dir, func(f *archive.File) error {
		if f.Stat.Mode&unix.S_IFMT != unix.S_IFREG || f.Stat.Size < minELF {
			return nil
		}
		if f.Stat.Mode&0o111 == 0 && !strings.Contains(path.Base(f.Rel), ".so") && !strings.HasSuffix(f.Rel, ".node") {
			return nil
		}
		machine, err := machineOf(f)
		switch {
		case err != nil:
			return err
		case machine == elf.EM_NONE:
		case machine == machines[arch]:
			found = append(found, f.Rel)
		case machine == machines[image]:
			both[packageOf(f.Rel)] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for machine code in %s: %w", dir, err)
	}
	kept := found[:0]
	for _, name := range found {
		if !both[packageOf(name)] {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// machineOf reads which processor a file is for; EM_NONE when it is no machine code.
func machineOf(f *archive.File) (elf.Machine, error) {
	file, err := f.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return elf.EM_NONE, nil
	}
	if err != nil {
		return elf.EM_NONE, fmt.Errorf("opening %s: %w", f.Rel, err)
	}
	defer file.Close()
	var head [20]byte
	if _, err := file.ReadAt(head[:], 0); err != nil || string(head[:4]) != elf.ELFMAG {
		return elf.EM_NONE, nil // also when it is too short for machine code
	}
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		return elf.Machine(uint16(head[18])<<8 | uint16(head[19])), nil
	}
	return elf.Machine(uint16(head[19])<<8 | uint16(head[18])), nil
}

// packageOf is the directory of the package that a file is in: below the last node_modules, else its own directory.
func packageOf(name string) string {
	const modules = "node_modules/"
	i := strings.LastIndex(name, modules)
	if i < 0 {
		return path.Dir(name)
	}
	rest := name[i+len(modules):]
	parts := strings.SplitN(rest, "/", 3)
	n := 1
	if strings.HasPrefix(rest, "@") {
		n = 2
	}
	return name[:i+len(modules)] + strings.Join(parts[:min(n, len(parts))], "/")
}
