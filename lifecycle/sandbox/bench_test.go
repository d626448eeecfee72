package sandbox

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// BenchmarkTrue measures a whole run of a program that ends at once.
func BenchmarkTrue(b *testing.B) {
	p := Process{Rootfs: Rootfs{Lower: []string{lower(b)}}, Args: []string{"/inside"}}
	s := newOCI(b, Options{Runtime: os.Getenv(runtimeEnv)})
	b.Run(string(s.Mode()), func(b *testing.B) {
		for b.Loop() {
			if err := s.Run(context.Background(), p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRuntime is the floor of BenchmarkTrue: the runtime alone, with the same configuration on a plain directory.
// It needs root.
func BenchmarkRuntime(b *testing.B) {
	s := newOCI(b, Options{Runtime: os.Getenv(runtimeEnv)})
	p := Process{Rootfs: Rootfs{Lower: []string{lower(b)}}, Args: []string{"/inside"}}
	dir := b.TempDir()
	spec, err := newSpec(&p, User{}, dir, false)
	if err != nil {
		b.Fatal(err)
	}
	spec.Root.Path = p.Rootfs.Lower[0]
	spec.Mounts = spec.Mounts[:len(spec.Mounts)-1]
	config, err := json.Marshal(spec)
	if err != nil {
		b.Fatal(err)
	}
	write(b, filepath.Join(dir, "config.json"), string(config))
	n := 0
	for b.Loop() {
		n++
		args := append(kindOf(s.runtimes[0], "").global, "--root", filepath.Join(dir, "state"), "run", "--bundle", dir)
		cmd := exec.Command(s.runtimes[0], append(args, "bench-"+strconv.Itoa(n))...)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}
