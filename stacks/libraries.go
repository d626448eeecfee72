package stacks

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"s2i/lifecycle/store"
)

// recordLibraries is the kind of the records that keep what libraries a layer has, by its diffID.
const recordLibraries = "layer-libraries"

// maxLibrary bounds a shared library that is looked into; larger ones are no part of a base system.
const maxLibrary = 64 << 20

// layerLibraries is what a layer, or an image, has for the dynamic linker.
type layerLibraries struct {
	// Files are shared libraries, and links to such, by path.
	Files map[string]library `json:"files,omitempty"`
	// Dirs are the directories that files in /etc/ld.so.conf.d name, by the path of the file.
	Dirs map[string][]string `json:"dirs,omitempty"`
	// Lister tells that ldconfig is there, by which programs ask for libraries.
	Lister bool `json:"lister,omitempty"`
}

// library is one name of a shared library.
type library struct {
	Link     string   `json:"link,omitempty"` // where a symbolic link leads
	Soname   string   `json:"soname,omitempty"`
	Versions []string `json:"versions,omitempty"` // symbol versions that it defines
}

// What a layer is searched for besides libraries.
const (
	linkerConf = "etc/ld.so.conf.d/"
	lister     = "usr/sbin/ldconfig"
)

// imageLibraries sums up what the layers of an image have, bottom first. What was found out about a layer is kept, so
// that it is read once. trees tells that the layers are unpacked, as those of a build image are.
func (s *Stack) imageLibraries(ctx context.Context, layers []v1.Layer, trees bool) (*layerLibraries, error) {
	all := newLibraries()
	for _, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		found := newLibraries()
		err = s.Store.Record(recordLibraries, id.String(), found)
		if errors.Is(err, store.ErrNotFound) {
			if trees {
				err = s.searchTree(ctx, l, found)
			} else {
				err = found.searchLayer(l)
			}
			if err == nil {
				err = s.Store.SetRecord(recordLibraries, id.String(), found)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("looking for libraries in layer %s: %w", id, err)
		}
		all.add(found)
	}
	return all, nil
}

func newLibraries() *layerLibraries {
	return &layerLibraries{Files: map[string]library{}, Dirs: map[string][]string{}}
}

// add puts a layer on top.
func (f *layerLibraries) add(layer *layerLibraries) {
	for name, l := range layer.Files {
		f.Files[name] = l
	}
	for name, dirs := range layer.Dirs {
		f.Dirs[name] = dirs
	}
	f.Lister = f.Lister || layer.Lister
}

// bySoname gives the libraries by soname, each with the symbol versions that it defines. A rebase compares them with
// what an app needs.
func (f *layerLibraries) bySoname() map[string][]string {
	all := map[string][]string{}
	for _, name := range sortedKeys(f.Files) {
		if l := f.Files[name]; l.Soname != "" {
			all[l.Soname] = append([]string{}, l.Versions...)
		}
	}
	return all
}

// searchLayer reads the tar stream of a layer.
func (f *layerLibraries) searchLayer(l v1.Layer) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(h.Name, "/")
		switch {
		case !interesting(name):
		case h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink:
			f.link(name, h)
		case h.Typeflag == tar.TypeReg && h.Size <= maxLibrary:
			data, err := io.ReadAll(tr)
			if err != nil {
				return err
			}
			f.file(name, bytes.NewReader(data))
		}
	}
}

// link notes a link; a hard link is as good as a symbolic one.
func (f *layerLibraries) link(name string, h *tar.Header) {
	target := h.Linkname
	if h.Typeflag == tar.TypeLink {
		target = "/" + target
	}
	f.Files[name] = library{Link: target}
}

// searchTree looks into the directory in which a layer is unpacked.
func (s *Stack) searchTree(ctx context.Context, l v1.Layer, f *layerLibraries) error {
	dir, err := s.Store.Tree(ctx, l)
	if err != nil {
		return err
	}
	for _, top := range []string{"etc/ld.so.conf.d", "usr/lib", "usr/local/lib", "usr/sbin"} {
		err := filepath.WalkDir(filepath.Join(dir, top), func(file string, d fs.DirEntry, err error) error {
			name, relErr := filepath.Rel(dir, file)
			switch {
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return err
			case err != nil || relErr != nil:
				return relErr
			case d.IsDir() && d.Name() == "node_modules":
				return fs.SkipDir
			case !interesting(name):
				return nil
			case d.Type()&fs.ModeSymlink != 0:
				target, err := os.Readlink(file)
				f.Files[name] = library{Link: target}
				return err
			case d.Type().IsRegular():
				return f.openFile(name, file)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *layerLibraries) openFile(name, file string) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	f.file(name, r)
	return nil
}

// interesting tells whether a file may say something about libraries.
func interesting(name string) bool {
	return strings.Contains(path.Base(name), ".so") || strings.HasPrefix(name, linkerConf) || name == lister
}

// file notes a regular file.
func (f *layerLibraries) file(name string, r io.ReaderAt) {
	switch {
	case name == lister:
		f.Lister = true
	case strings.HasPrefix(name, linkerConf):
		const maxConf = 64 << 10
		for lines := bufio.NewScanner(io.NewSectionReader(r, 0, maxConf)); lines.Scan(); {
			line, _, _ := strings.Cut(lines.Text(), "#")
			if line = strings.TrimSpace(line); path.IsAbs(line) {
				f.Dirs[name] = append(f.Dirs[name], path.Clean(line))
			}
		}
	default:
		if soname, versions, ok := defines(r); ok {
			f.Files[name] = library{Soname: soname, Versions: versions}
		}
	}
}

// defines gives the soname of a shared library and the symbol versions that it defines; ok is false for any other file.
// The file comes from a package whose digest was verified, so there is no need to guard against a made-up one.
func defines(r io.ReaderAt) (soname string, versions []string, ok bool) {
	f, err := elf.NewFile(r)
	if err != nil || f.Type != elf.ET_DYN {
		return "", nil, false // a linker script, or an object for the linker
	}
	if names, err := f.DynString(elf.DT_SONAME); err == nil && len(names) > 0 {
		soname = names[0]
	}
	defined, err := f.DynamicVersions()
	if err != nil {
		return soname, nil, true // a library without versions
	}
	for _, v := range defined {
		if v.Flags&elf.VER_FLG_BASE == 0 {
			versions = append(versions, v.Name)
		}
	}
	slices.Sort(versions)
	return soname, versions, true
}
