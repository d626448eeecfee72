package buildpacks

import (
	"fmt"
	"os"
	"path/filepath"
)

// phases are the executables of a buildpack.
var phases = [...]string{"detect", "build"}

// Install writes every built-in buildpack below dir (<escaped id>/<version>/buildpack.toml and bin/{detect,build}), so
// that dir can be mounted as /cnb/buildpacks. The executables are symlinks to binary, which is a path as it is where
// the buildpacks will run: /cnb/lifecycle/builder in a sandbox.
func Install(dir, binary string) error {
	for _, b := range All() {
		root := filepath.Join(dir, filepath.FromSlash(b.Dir()))
		if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
			return fmt.Errorf("installing %s: %w", b.ID, err)
		}
		if err := replaceFile(filepath.Join(root, "buildpack.toml"), b.Descriptor); err != nil {
			return fmt.Errorf("installing %s: %w", b.ID, err)
		}
		for _, phase := range phases {
			if err := replaceLink(filepath.Join(root, "bin", phase), binary); err != nil {
				return fmt.Errorf("installing %s: %w", b.ID, err)
			}
		}
	}
	return nil
}

// replaceFile writes a file under a temporary name and renames it, so that a reader sees all of it or none.
func replaceFile(path string, data []byte) error {
	tmp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func replaceLink(path, target string) error {
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	tmp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
