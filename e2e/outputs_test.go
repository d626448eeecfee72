//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestOutputs sends one build everywhere and lets independent tools read every form of it.
func TestOutputs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"go-hello", "node-npm-express"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testOutputs(t, name)
		})
	}
}

func testOutputs(t *testing.T, name string) {
	want := built(t, name)
	dir := t.TempDir()
	tag := "outputs-" + name + ":1"
	layout, docker, oci := filepath.Join(dir, "layout"), filepath.Join(dir, "docker.tar"), filepath.Join(dir, "oci.tar")
	out := s2i("build", app(name), "-t", tag, "-t", ref(tag), "-t", "oci:"+layout+":1",
		"-t", "docker-archive:"+docker+":"+tag, "-t", "oci-archive:"+oci).run(t)
	if lines := strings.Split(out, "\n"); len(lines) != 5 || strings.Count(out, want) != 5 {
		t.Errorf("published %q, want five with digest %s", out, want)
	}
	for _, source := range []string{
		"oci:" + layout + ":1", "docker-archive:" + docker, "oci-archive:" + docker, "oci-archive:" + oci, "docker-archive:" + oci,
		"docker://" + ref(tag), "oci:" + shared.store + ":" + tag,
	} {
		skopeo := command{name: "skopeo", args: []string{"inspect", "--tls-verify=false", source}}
		if strings.HasPrefix(source, "docker-archive:") {
			skopeo.run(t) // it computes another digest, of a manifest of its own
			continue
		}
		var seen struct{ Digest string }
		if err := json.Unmarshal([]byte(skopeo.run(t)), &seen); err != nil || seen.Digest != want {
			t.Errorf("skopeo sees %q in %s, want %s (%v)", seen.Digest, source, want, err)
		}
	}
	unpack(t, layout+":1", filepath.Join(dir, "bundle"))
	crane(t, "validate", "--remote", ref(tag)).run(t)
	crane(t, "validate", "--tarball", docker).run(t)
	loaded(t, docker, oci, tag)
}

// unpack lets umoci unpack an image, as root does and as an ordinary user does.
func unpack(t *testing.T, image, bundle string) {
	t.Helper()
	umoci := func(args ...string) command {
		return command{name: "umoci", args: append([]string{"unpack", "--image", image}, args...)}
	}
	if os.Getuid() == 0 {
		umoci(bundle).run(t)
	}
	umoci("--rootless", bundle+"-rootless").run(t)
	if _, err := os.Stat(filepath.Join(bundle+"-rootless", "rootfs", "cnb", "lifecycle", "launcher")); err != nil {
		t.Error(err)
	}
}

// loaded lets podman and docker load archives, and s2i send an image to docker's daemon.
func loaded(t *testing.T, docker1, oci, tag string) {
	t.Helper()
	podman("load", "-i", docker1).run(t)
	podman("load", "-i", oci).run(t)
	if os.Getuid() != 0 {
		t.Log("docker's daemon needs root: docker load is tested in root's run of this suite")
		return
	}
	docker(t, "load", "-i", docker1).run(t)
	docker(t, "load", "-i", oci).run(t)
	docker(t, "image", "inspect", tag).run(t)
	socket, err := startDocker()
	if err != nil {
		t.Fatal(err)
	}
	direct := "direct-" + tag
	withEnv(s2i("push", tag, "docker-daemon:"+direct), "DOCKER_HOST=unix://"+socket).run(t)
	docker(t, "image", "inspect", direct).run(t)
}

// TestManage moves an image around: save, load, push, pull, tag, rm, prune.
func TestManage(t *testing.T) {
	t.Parallel()
	want := built(t, "go-hello")
	store := ownStore(t)
	dir := t.TempDir()
	s2i := func(args ...string) string { return in(store, args...).run(t) }
	has := func(name string) bool { return strings.Contains(s2i("images"), name) }

	remote := ref("apps/go-hello:1")
	s2i("pull", remote, "pulled:1")
	s2i("tag", "pulled:1", "tagged:2")
	s2i("save", "tagged:2", filepath.Join(dir, "saved.tar"))
	s2i("rm", "pulled:1", "tagged:2")
	if has("pulled") || has("tagged") {
		t.Errorf("after rm: %s", s2i("images"))
	}
	s2i("prune")
	if blobs, _ := filepath.Glob(filepath.Join(store, "blobs", "sha256", "*")); len(blobs) != 0 {
		t.Errorf("after prune the store still has %d blobs", len(blobs))
	}
	s2i("load", filepath.Join(dir, "saved.tar"), "loaded:1")
	if got := digestOf(t, s2i("push", "loaded:1", ref("moved:1"))); got != want {
		t.Errorf("after pull, tag, save, load, push: %s, want %s", got, want)
	}
	in(store, "rm", "absent:1").fails(t, 1, "absent")
	in(store, "pull", ref("absent:1")).fails(t, 1, shared.registry)
}

// crane is go-containerregistry's own tool, at the version this module uses.
func crane(t *testing.T, args ...string) command {
	t.Helper()
	tools := filepath.Join(shared.root, ".tools")
	binary := filepath.Join(tools, "crane")
	craneOnce.Do(func() {
		if _, err := os.Stat(binary); err != nil {
			withEnv(command{name: "go", dir: shared.root, args: []string{
				"install", "github.com/google/go-containerregistry/cmd/crane@v0.22.0",
			}}, "GOBIN="+tools, "GOFLAGS=-mod=mod").run(t)
		}
	})
	return command{name: binary, args: append([]string{"--insecure"}, args...)}
}

var craneOnce sync.Once //nolint:gochecknoglobals // installed once for all tests
