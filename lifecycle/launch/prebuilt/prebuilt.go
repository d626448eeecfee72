// Package prebuilt carries the launcher for every architecture that images are built for, as `make build` compiled it.
//
// The launchers are part of images, so their bytes must not depend on where and when they were compiled; the Makefile
// has the flags that see to it. They are not in the repository: without make, the package builds and holds none.
package prebuilt

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed all:bin
var bin embed.FS

// Launcher gives the launcher for linux on an architecture as Go names it ("amd64", "arm64"). The caller must not
// change the bytes.
func Launcher(arch string) ([]byte, error) {
	data, err := bin.ReadFile("bin/launcher-linux-" + arch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("finding the launcher for linux/%s: this s2i was built without it; build it with \"make build\"",
			arch)
	}
	return data, err
}
