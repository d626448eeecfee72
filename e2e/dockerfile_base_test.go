//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"
)

// TestDockerfileBaseOfARegistry builds on an image whose layers the store does not have, and publishes it to where they
// are not.
func TestDockerfileBaseOfARegistry(t *testing.T) {
	t.Parallel()
	base := ref("dockerfile/lazy-base:1")
	dir := write(t, t.TempDir(), map[string]string{"Dockerfile": "FROM scratch\nCOPY file /base\n", "file": "content\n"})
	s2i("build", "--strategy", "dockerfile", dir, "-t", base).run(t)
	write(t, dir, map[string]string{"Dockerfile": "FROM lower\nCMD [\"/base\"]\n"})
	layout := filepath.Join(t.TempDir(), "image")
	in(ownStore(t), "build", "--strategy", "dockerfile", dir, "-t", "oci:"+layout+":1",
		"--build-context", "lower=docker-image://"+base).run(t)
	if got := unpackImage(t, layout).describe("/base"); got != "content" {
		t.Errorf("/base is %q", got)
	}
}
