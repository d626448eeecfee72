package export

import (
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"s2i/lifecycle"
	"s2i/lifecycle/store"
)

// node is one entry of a tree on disk: a directory when mode has os.ModeDir, a link when link is set.
type node struct {
	path, content, link string
	mode                os.FileMode
}

func plant(t testing.TB, root string, nodes []node) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		path := filepath.Join(root, n.path)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		for dir := filepath.Dir(path); len(dir) >= len(root); dir = filepath.Dir(dir) {
			must(os.Chmod(dir, 0o755)) // whatever the umask
		}
		switch {
		case n.link != "":
			must(os.Symlink(n.link, path))
		case n.mode.IsDir():
			must(os.MkdirAll(path, 0o755))
			must(os.Chmod(path, n.mode.Perm()))
		default:
			must(os.WriteFile(path, []byte(n.content), 0o644))
			must(os.Chmod(path, n.mode))
		}
	}
}

var (
	launcherBytes = []byte("\x7fELF is what a launcher starts with, but this is none\n")

	depTOML = "[types]\nlaunch = true\n[metadata]\nversion = \"1.2\"\n"

	sampleLayers = []node{
		{path: "acme_bp/dep.toml", content: depTOML, mode: 0o644},
		{path: "acme_bp/dep/bin/run", content: "#!/bin/sh\necho hi\n", mode: 0o755},
		{path: "acme_bp/dep/bin-extra/x", content: "x", mode: 0o600},
		{path: "acme_bp/dep/lib/link", link: "../bin/run"},
		{path: "acme_bp/dep/lib/dangling", link: "/nowhere"},
		{path: "acme_bp/dep/empty", mode: os.ModeDir | 0o700},
		{path: "acme_bp/dep/gr\u00fc\u00dfe.txt", content: "hallo", mode: 0o644},
		{path: "acme_bp/dep/" + strings.Repeat("long/", 30) + strings.Repeat("n", 120), content: "deep", mode: 0o640},
		{path: "acme_bp/build-only.toml", content: "[types]\nbuild = true\n", mode: 0o644},
		{path: "acme_bp/build-only/file", content: "never seen", mode: 0o644},
		{path: "acme_bp/ignored/file", content: "has no TOML", mode: 0o644},
		{path: "acme_bp/store.toml", content: "[metadata]\nkept = \"yes\"\n", mode: 0o644},
		{path: "acme_bp/launch.toml", content: "", mode: 0o644},
		{path: "acme_bp/build.toml", content: "", mode: 0o644},
		{path: "config/metadata.toml", content: "processes = []\n", mode: 0o644},
		{path: "sbom/launch/acme_bp/sbom.cdx.json", content: "{}", mode: 0o644},
	}

	sampleApp = []node{
		{path: "a/1.txt", content: "one", mode: 0o644},
		{path: "a/2.md", content: "two", mode: 0o644},
		{path: "a-b", content: "sorts between a and a/1.txt", mode: 0o644},
		{path: "a.txt", content: "too", mode: 0o644},
		{path: "static/x", content: "x", mode: 0o644},
		{path: "static/y/z", content: "z", mode: 0o644},
		{path: "b/c/d1", content: "d1", mode: 0o644},
		{path: "b/c/keep", content: "keep", mode: 0o644},
		{path: "b/e", content: "e", mode: 0o644},
		{path: "empty", mode: os.ModeDir | 0o755},
		{path: "link", link: "static/x"},
		{path: "main", content: "#!/bin/sh\n", mode: 0o755},
	}
)

// sample is a build's result in a new temporary directory, in the state that options describe.
func sample(t *testing.T) Options {
	t.Helper()
	o := buildIn(t, t.TempDir())
	o.Run, o.Store = runImage(t, types.OCIManifestSchema1), openStore(t)
	return o
}

// buildIn makes the sample build in root.
func buildIn(t testing.TB, root string) Options {
	t.Helper()
	plant(t, filepath.Join(root, "layers"), sampleLayers)
	plant(t, filepath.Join(root, "workspace"), sampleApp)
	bp := lifecycle.GroupElement{ID: "acme/bp", Version: "1.0", API: "0.10"}
	return Options{
		RunImage:  lifecycle.RunImageMetadata{Reference: "registry.example.com/run@sha256:0", Image: "registry.example.com/run:1"},
		LayersDir: filepath.Join(root, "layers"),
		AppDir:    filepath.Join(root, "workspace"),
		Group:     []lifecycle.GroupElement{bp},
		Metadata: lifecycle.BuildMetadata{
			Buildpacks: []lifecycle.GroupElement{bp},
			Labels:     []lifecycle.Label{{Key: "by", Value: "buildpack"}, {Key: "both", Value: "buildpack"}},
			Processes: []lifecycle.Process{
				{Type: "web", Command: []string{"/workspace/main"}, Direct: true, BuildpackID: "acme/bp"},
				{Type: "worker", Command: []string{"/workspace/main"}, Direct: true, BuildpackID: "acme/bp"},
			},
			BuildpackDefaultProcessType: "web",
		},
		Launcher: launcherBytes,
		ExecEnv:  "production",
		Labels:   map[string]string{"both": "user"},
	}
}

func openStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// runImage is a base with one layer and a configuration.
func runImage(t testing.TB, manifest types.MediaType) v1.Image {
	t.Helper()
	layerType, configType := types.OCILayer, types.OCIConfigJSON
	if manifest == types.DockerManifestSchema2 {
		layerType, configType = types.DockerLayer, types.DockerConfigJSON
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, manifest), configType)
	layer, err := random.Layer(100, layerType, random.WithSource(rand.NewSource(1)))
	if err != nil {
		t.Fatal(err)
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: layer, MediaType: layerType,
		History: v1.History{CreatedBy: "base"},
	})
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Created = v1.Time{Time: time.Unix(1e9, 0).UTC()}
	config.Config = v1.Config{
		User: "1000:1000", Env: []string{"PATH=/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/cert.pem"}, Cmd: []string{"sh"},
		Labels: map[string]string{"io.buildpacks.base.distro.name": "debian", "both": "base"},
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}
