package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// withoutOpaque says otherwise what directories say that root has made opaque: in a user namespace, which emulators need,
// overlayfs knows only the attribute that users give. Below each lower directory with such directories comes another, below
// dir, with whiteouts of all that they hide.
func withoutOpaque(lower []string, dir string) ([]string, error) {
	var out []string
	for i, tree := range lower {
		out = append(out, tree)
		opaque, err := opaqueDirs(tree)
		if err != nil {
			return nil, fmt.Errorf("looking for opaque directories in %s: %w", tree, err)
		}
		if len(opaque) == 0 {
			continue
		}
		hiding, err := os.MkdirTemp(dir, "hiding-")
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(hiding, 0o755); err != nil { //nolint:gosec // a layer of a root directory
			return nil, err
		}
		for _, rel := range opaque {
			if err := hide(filepath.Join(hiding, rel), rel, lower[i+1:]); err != nil {
				return nil, fmt.Errorf("hiding what is below /%s: %w", rel, err)
			}
		}
		out = append(out, hiding)
	}
	return out, nil
}

// opaqueDirs lists the directories that root has made opaque.
func opaqueDirs(tree string) (list []string, err error) {
	value := make([]byte, 1)
	err = filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if n, err := unix.Lgetxattr(path, "trusted.overlay.opaque", value); err != nil || n != 1 || value[0] != 'y' {
			return nil //nolint:nilerr // it has no such attribute
		}
		rel, err := filepath.Rel(tree, path)
		list = append(list, rel)
		return err
	})
	return list, err
}

// hide makes whiteouts in dir of all names that rel has in the trees below.
func hide(dir, rel string, below []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a layer of a root directory
		return err
	}
	for _, tree := range below {
		names, err := namesIn(tree, rel)
		if err != nil {
			return err
		}
		for _, name := range names {
			err := unix.Mknod(filepath.Join(dir, name), unix.S_IFCHR, 0)
			if err != nil && !errors.Is(err, unix.EEXIST) {
				return err
			}
		}
	}
	return nil
}

// namesIn lists a directory of a tree, whose links may lead anywhere; there are none when it is no directory.
func namesIn(tree, rel string) ([]string, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(rel)
	if err != nil || !info.IsDir() {
		return nil, nil // it is not there, or behind a link
	}
	d, err := root.Open(rel)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
