package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// BuildpackDir is what a buildpack left in <layers>/<buildpack>.
type BuildpackDir struct {
	// Layers is sorted by name. It holds every directory and every <layer>.toml; which of them count depends on their
	// types. The files launch.toml, build.toml and store.toml are no layers.
	Layers []Layer
	// Store is store.toml, or nil when there is none.
	Store *StoreTOML
}

// ReadBuildpackDir reads what the buildpack bp left below layersDir. Nothing there is trusted: what should be a
// directory or a file and is something else (a link that leads out of the sandbox, a pipe) is an error, and so is a TOML
// file that cannot be read or has layer types outside of [types].
func ReadBuildpackDir(layersDir string, bp GroupElement) (*BuildpackDir, error) {
	dir := filepath.Join(layersDir, EscapedID(bp.ID))
	if ok, err := IsRealDir(layersDir, EscapedID(bp.ID)); err != nil || !ok {
		return &BuildpackDir{}, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the layers of buildpack %s: %w", bp.ID, err)
	}
	out := &BuildpackDir{}
	for _, name := range layerNames(entries) {
		layer, err := readLayer(dir, name)
		if err != nil {
			return nil, fmt.Errorf("reading layer %s of buildpack %s: %w", name, bp.ID, err)
		}
		layer.Buildpack = bp
		out.Layers = append(out.Layers, layer)
	}
	storeFile := filepath.Join(dir, "store.toml")
	if ok, err := realFile(storeFile); err != nil || !ok {
		return out, err
	}
	store, err := ReadStore(storeFile)
	if err != nil {
		return nil, fmt.Errorf("reading store.toml of buildpack %s: %w", bp.ID, err)
	}
	out.Store = &store
	return out, nil
}

// layerNames gives the names of the layers among the entries of a buildpack's directory, sorted.
func layerNames(entries []fs.DirEntry) []string {
	var names []string
	for _, entry := range entries {
		name, isTOML := strings.CutSuffix(entry.Name(), ".toml")
		if entry.IsDir() || isTOML && !ReservedLayer(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func readLayer(dir, name string) (Layer, error) {
	layer := Layer{Name: name, Dir: filepath.Join(dir, name)}
	present, err := IsRealDir(dir, name)
	if err != nil {
		return layer, err
	}
	layer.Present = present
	if ok, err := realFile(layer.Dir + ".toml"); err != nil || !ok {
		return layer, err
	}
	layer.TOML, err = ReadLayer(layer.Dir + ".toml")
	return layer, err
}

// IsRealDir tells whether rel, a slash path, is a directory below root. It is false when nothing is there. Anything on
// the way that is no real directory, such as a symbolic link, is an error.
func IsRealDir(root, rel string) (bool, error) {
	path := root
	for part := range strings.SplitSeq(rel, "/") {
		path = filepath.Join(path, part)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !info.IsDir() {
			return false, fmt.Errorf("%s is no directory but a %s; remove it, or make it a directory", path, kind(info.Mode()))
		}
	}
	return true, nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	default:
		return "special file"
	}
}

// realFile tells whether path is a file, and no link to one that could be anywhere. Nothing at all is no error.
func realFile(path string) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file but a %s", path, kind(info.Mode()))
	}
	return err == nil, err
}
