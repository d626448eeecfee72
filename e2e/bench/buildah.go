package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// buildah is Debian's buildah, with storages of its own.
type buildah struct {
	dir      string
	storages map[string]bool
}

func newBuildah(dir string) (*buildah, error) {
	b := &buildah{dir: filepath.Join(dir, "buildah"), storages: map[string]bool{}}
	return b, os.Mkdir(b.dir, 0o700)
}

// close takes away the mounts that buildah leaves behind.
func (b *buildah) close() {
	for storage := range b.storages {
		_ = syscall.Unmount(filepath.Join(b.dir, storage, "graph", "overlay"), syscall.MNT_DETACH)
	}
}

// command is a call of buildah on a storage.
func (b *buildah) command(storage string, args ...string) command {
	b.storages[storage] = true
	at := filepath.Join(b.dir, storage)
	return command{args: append([]string{"buildah", "--storage-driver", "overlay", "--root", filepath.Join(at, "graph"),
		"--runroot", filepath.Join(at, "run")}, args...)}
}

// bud is a build of a context that dockerfiles.context made.
func (b *buildah) bud(storage, dir, tag string, args ...string) command {
	all := append([]string{"bud", "-q", "--runtime", "runc", "--isolation", "oci", "--network", "host", "-f", dir + ".buildah", "-t", tag},
		args...)
	return b.command(storage, append(all, dir)...)
}

// exported measures a build without a cache and its export to an OCI image layout.
func (b *buildah) exported(dir, tag string) measured {
	return func(ctx context.Context, i int) (sample, error) {
		storage := fmt.Sprintf("%s-%d", filepath.Base(dir), i)
		built, err := b.bud(storage, dir, tag, "--layers=false").run(ctx)
		if err != nil {
			return built, err
		}
		layout := filepath.Join(b.dir, storage+"-layout")
		pushed, err := b.command(storage, "push", "-q", tag, "oci:"+layout+":1").run(ctx)
		return sample{wall: built.wall + pushed.wall, cpu: built.cpu + pushed.cpu}, err
	}
}
