package kit

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/buildpacks/libcnb/v2"
)

// LockLayer is the name of the directory of a buildpack's layers in which [KeepLock] puts files. It is no layer: it
// has no <layer>.toml, so it reaches neither an image nor a cache.
const LockLayer = "lock"

// KeepLock hands a lock file that the build resolved to the platform, which puts it beside the app's sources when the
// user asked for that (`s2i build --write-lock`). name is where the file belongs, relative to the app: "uv.lock",
// "frontend/package-lock.json". Call it in every build of an app without a lock, also when what the lock led to was
// reused from an earlier one: the directory does not outlive the build.
func KeepLock(layers libcnb.Layers, name string, data []byte) error {
	local, err := filepath.Localize(name)
	if err != nil || local == "." {
		return fmt.Errorf("keeping the lock file %q: that is no file of the app", name)
	}
	file := filepath.Join(layers.Path, LockLayer, local)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keeping the lock file %s: %w", name, err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("keeping the lock file %s: %w", name, err)
	}
	return nil
}
