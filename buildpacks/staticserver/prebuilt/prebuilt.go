// Package prebuilt carries the static file server for every architecture that images are built for, as `make build`
// compiled it.
//
// The servers are part of images, so their bytes must not depend on where and when they were compiled; the Makefile
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

// Server gives the server for linux on an architecture as Go names it ("amd64", "arm64"). The caller must not change
// the bytes.
func Server(arch string) ([]byte, error) {
	data, err := bin.ReadFile("bin/static-server-linux-" + arch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("finding the static file server for linux/%s: this s2i was built without it; "+
			"build it with \"make build\"", arch)
	}
	return data, err
}
