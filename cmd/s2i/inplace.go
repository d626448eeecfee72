package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"s2i/lifecycle/sandbox"
)

// placeInPlace is where builds in place have the files of images, and what they need of the container while those of an
// image are in its root directory.
const placeInPlace = "/.s2i"

// newInPlace prepares builds in place: what s2i reads while commands run has to stay where it is.
func newInPlace(c *cli.Context, t *tools) (*sandbox.InPlace, error) {
	needs := []string{t.store.Dir()}
	files := append(c.Args().Slice(), c.String("file"))
	for _, name := range []string{"secret", "ssh", "build-context", "cache-from"} {
		for _, v := range c.StringSlice(name) {
			for part := range strings.SplitSeq(v, ",") {
				_, value, _ := strings.Cut(part, "=")
				files = append(files, value)
			}
		}
	}
	for _, f := range files {
		if _, err := os.Stat(f); f == "" || err != nil {
			continue // no file
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, fmt.Errorf("finding the current directory: %w", err)
		}
		needs = append(needs, abs)
	}
	box, err := sandbox.NewInPlace(placeInPlace, needs)
	if err != nil {
		return nil, err
	}
	return box, errors.Join(keepTemp(), keepCredentials())
}

// keepTemp moves temporary files to where they stay.
func keepTemp() error {
	dir := filepath.Join(placeInPlace, "tmp")
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // commands of other users use sockets in it
		return fmt.Errorf("making a directory for temporary files: %w", err)
	}
	return os.Setenv("TMPDIR", dir)
}

// keepCredentials takes the credentials of registries into memory: their file may be out of the way when it is asked for,
// and no command can read it there.
func keepCredentials() error {
	const variable = "REGISTRY_AUTH_FILE"
	file := os.Getenv(variable)
	if file == "" {
		dir := os.Getenv("DOCKER_CONFIG")
		if home, err := os.UserHomeDir(); dir == "" && err == nil {
			dir = filepath.Join(home, ".docker")
		}
		file = filepath.Join(dir, "config.json")
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fd := -1
	if err == nil {
		fd, err = unix.MemfdCreate("credentials", unix.MFD_CLOEXEC)
	}
	if err == nil {
		_, err = unix.Write(fd, data)
	}
	if err != nil {
		return fmt.Errorf("keeping the registries' credentials: %w", err)
	}
	return os.Setenv(variable, fmt.Sprintf("/proc/self/fd/%d", fd))
}
