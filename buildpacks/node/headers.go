package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"s2i/buildpacks/kit"
)

// provideHeaders puts node's headers where node-gyp keeps those that it has downloaded. The variable npm_config_nodedir
// says where they are, too, but pnpm from version 11 on hands scripts none of npm's variables.
func provideHeaders(env kit.Env, version string) error {
	from := filepath.Join(env["npm_config_nodedir"], "include")
	_, err := os.Stat(filepath.Join(from, "node"))
	if env["npm_config_nodedir"] == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for node's headers: %w", err)
	}
	dir := filepath.Join(env["XDG_CACHE_HOME"], "node-gyp", strings.TrimPrefix(strings.TrimSpace(version), "v"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("providing node's headers: %w", err)
	}
	if err := os.Symlink(from, filepath.Join(dir, "include")); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("providing node's headers: %w", err)
	}
	// The form of the directory, as node-gyp counts it; one that is not older than its own will do.
	const form = "99\n"
	if err := os.WriteFile(filepath.Join(dir, "installVersion"), []byte(form), 0o644); err != nil {
		return fmt.Errorf("providing node's headers: %w", err)
	}
	return nil
}
