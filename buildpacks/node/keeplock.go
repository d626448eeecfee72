package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"s2i/buildpacks/kit"
)

// lockFile is the lock file that a manager writes.
func (m *manager) lockFile() string {
	switch m.Name {
	case "pnpm":
		return "pnpm-lock.yaml"
	case "yarn":
		return "yarn.lock"
	case "bun":
		return "bun.lock"
	}
	return "package-lock.json"
}

// keepLock hands the lock file that an installation without one has made to the platform. installed is where that was;
// without it, it is the one that was kept with the downloads when the packages were installed, if it is still there.
func (b *builder) keepLock(key, installed string) error {
	if b.d.manager.Lock != "" {
		return nil
	}
	name := b.d.manager.lockFile()
	kept := filepath.Join(b.bc.Layers.Path, "downloads", "locks", key)
	from := filepath.Join(kept, name)
	if installed != "" {
		from = filepath.Join(installed, name)
	}
	info, err := os.Lstat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // the manager is configured to write none
	case err != nil:
		return fmt.Errorf("keeping the lock file: %w", err)
	case !info.Mode().IsRegular() || info.Size() > kit.MaxFile:
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("keeping the lock file: %w", err)
	}
	if installed != "" {
		if err := os.MkdirAll(kept, 0o755); err != nil {
			return fmt.Errorf("keeping the lock file: %w", err)
		}
		if err := os.WriteFile(filepath.Join(kept, name), data, 0o644); err != nil {
			return fmt.Errorf("keeping the lock file: %w", err)
		}
	}
	return kit.KeepLock(b.bc.Layers, path.Join(b.sub, name), data)
}
