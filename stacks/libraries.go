package stacks

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/store"
)

// recordLibraries is the kind of the records that keep what libraries a layer has, by its diffID.
const recordLibraries = "libraries"

// maxLibrary bounds a shared library that is looked into; larger ones are no part of a base system.
const maxLibrary = 64 << 20

// libraries lists the shared libraries in layers by soname, each with the symbol versions that it defines. A rebase
// compares them with what an app needs. What was found out about a layer is kept, so that it is read once.
func (s *Stack) libraries(layers []v1.Layer) (map[string][]string, error) {
	all := map[string][]string{}
	for _, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		var found map[string][]string
		err = s.Store.Record(recordLibraries, id.String(), &found)
		if errors.Is(err, store.ErrNotFound) {
			if found, err = readLibraries(l); err == nil {
				err = s.Store.SetRecord(recordLibraries, id.String(), found)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("looking for libraries in layer %s: %w", id, err)
		}
		for soname, versions := range found {
			all[soname] = versions
		}
	}
	return all, nil
}

func readLibraries(l v1.Layer) (map[string][]string, error) {
	r, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	found := map[string][]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		name := path.Base(h.Name)
		if h.Typeflag != tar.TypeReg || h.Size > maxLibrary || !strings.Contains(name, ".so") {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		if soname, versions := defines(data); soname != "" {
			found[soname] = versions
		}
	}
}

// defines gives the soname of a shared library and the symbol versions that it defines; "" for any other file. The
// file comes from a package whose digest was verified, so there is no need to guard against a made-up one.
func defines(data []byte) (soname string, versions []string) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return "", nil // a linker script, or a link
	}
	names, err := f.DynString(elf.DT_SONAME)
	if err != nil || len(names) == 0 {
		return "", nil
	}
	versions = []string{}
	defined, err := f.DynamicVersions()
	if err != nil {
		return names[0], versions // a library without versions
	}
	for _, v := range defined {
		if v.Flags&elf.VER_FLG_BASE == 0 {
			versions = append(versions, v.Name)
		}
	}
	slices.Sort(versions)
	return names[0], versions
}
