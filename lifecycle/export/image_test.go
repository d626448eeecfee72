package export

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/lifecycle"
	"s2i/lifecycle/archive"
	"s2i/lifecycle/store"
)

func mustExport(t testing.TB, o Options) *Result {
	t.Helper()
	result, err := Image(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func check(t *testing.T, image v1.Image) {
	t.Helper()
	if err := validate.Image(image); err != nil {
		t.Errorf("the image is not valid: %v", err)
	}
}

// The diffIDs that the reference lifecycle 0.21.17 gives the layers of sampleLayers and sampleApp, with the directories
// /layers and /workspace belonging to 1000:1000.
const (
	depDiffID      = "sha256:f14214ecbe1a2ab687b5c360ad8dc6d6101ed3d97d8a0add0132ea7b33bec9f1"
	configDiffID   = "sha256:7f834ddea9b57bce9b25f427d135f0caa065ef7312c717c214aa3fe0cf333dae"
	sbomDiffID     = "sha256:df7d87b6a528ed280cfe3d7cbcf6424516fe2a79758df4d134822917236b2187"
	launcherDiffID = "sha256:3f0d8603741325eddf35020c9923e71a83a568dff4e2f0cf4e64aa089bf7cbb7"
	processDiffID  = "sha256:c32b6c6d08c5d84a980a518d1dd9093c22b9e003f2b6b468f12fe1e7cd918b3f"
	appDiffID      = "sha256:6bc857363b1389d21500e4dfc65badf61781a565f554931d9603effad1fa4728"
)

var (
	sampleSlices = []lifecycle.Slice{
		{Paths: []string{"static", "a/*.txt"}}, {Paths: []string{"nothing", "static/x"}}, {Paths: []string{"b/c/d*", "b/e"}},
	}
	sliceDiffIDs = []lifecycle.LayerSHA{
		{SHA: "sha256:87fb2bc4be451e0f8054813384486ce42482b8d991186e1c81b95b7982f77316"},
		{SHA: "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
		{SHA: "sha256:6426d3ca2304d4445280dc64c5eaaba7efaa0f8c7ee1d2dcaf2029b66fe9a02a"},
		{SHA: "sha256:9a14ebd368b8b2ed9e8cb616ff8fb879175a805004560d72dfc173fc5739ba97"},
	}
)

func TestImageIsAsTheReferenceMakesIt(t *testing.T) {
	o := sample(t)
	result := mustExport(t, o)
	check(t, result.Image)
	config, err := result.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	base, err := o.Run.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	top := base.RootFS.DiffIDs[0].String()
	want := lifecycle.LayersMetadata{
		App:  []lifecycle.LayerSHA{{SHA: appDiffID}},
		SBOM: &lifecycle.LayerSHA{SHA: sbomDiffID},
		Buildpacks: []lifecycle.BuildpackLayers{{
			ID: "acme/bp", Version: "1.0",
			Layers: map[string]lifecycle.LayerMetadata{"dep": {
				SHA: depDiffID, Data: map[string]any{"version": "1.2"}, LayerTypes: lifecycle.LayerTypes{Launch: true},
			}},
			Store: &lifecycle.StoreTOML{Metadata: map[string]any{"kept": "yes"}},
		}},
		Config:       lifecycle.LayerSHA{SHA: configDiffID},
		Launcher:     lifecycle.LayerSHA{SHA: launcherDiffID},
		ProcessTypes: lifecycle.LayerSHA{SHA: processDiffID},
		RunImage: lifecycle.RunImageMetadata{
			TopLayer: top, Reference: o.RunImage.Reference, Image: o.RunImage.Image,
		},
		Stack: &lifecycle.StackMetadata{RunImage: lifecycle.RunImageName{Image: o.RunImage.Image}},
	}
	if diff := cmp.Diff(want, result.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	var labelled lifecycle.LayersMetadata
	if err := json.Unmarshal([]byte(config.Config.Labels[lifecycle.LabelLayersMetadata]), &labelled); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, labelled); diff != "" {
		t.Errorf("metadata label (-want +got):\n%s", diff)
	}
	var diffIDs, history []string
	for _, id := range config.RootFS.DiffIDs {
		diffIDs = append(diffIDs, id.String())
	}
	for _, h := range config.History {
		history = append(history, h.CreatedBy)
	}
	wantIDs := []string{top, depDiffID, sbomDiffID, appDiffID, launcherDiffID, configDiffID, processDiffID}
	if diff := cmp.Diff(wantIDs, diffIDs); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	wantHistory := []string{
		"base", "Layer: 'dep', Created by buildpack: acme/bp@1.0", "Software Bill-of-Materials", "Application Layer",
		"Buildpacks Application Launcher", "Buildpacks Launcher Config", "Buildpacks Process Types",
	}
	if diff := cmp.Diff(wantHistory, history); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestImageConfiguration(t *testing.T) {
	o := sample(t)
	result := mustExport(t, o)
	config, err := result.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config
	wantEnv := []string{
		"PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/cert.pem", "CNB_LAYERS_DIR=/layers",
		"CNB_APP_DIR=/workspace", "CNB_PLATFORM_API=0.15", "CNB_DEPRECATION_MODE=quiet",
	}
	if diff := cmp.Diff(wantEnv, c.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/cnb/process/web"}, c.Entrypoint); diff != "" {
		t.Errorf("entrypoint (-want +got):\n%s", diff)
	}
	if len(c.Cmd) != 0 || c.WorkingDir != "/workspace" || c.User != "1000:1000" || !config.Created.Equal(archive.Epoch) {
		t.Errorf("got cmd %q, working directory %q, user %q, created %s", c.Cmd, c.WorkingDir, c.User, config.Created)
	}
	want := map[string]string{
		"io.buildpacks.base.distro.name": "debian", "by": "buildpack", "both": "user",
		lifecycle.LabelExecEnv: "production", lifecycle.LabelProjectMetadata: "{}",
		lifecycle.LabelNeeds: `{"layers":{"` + result.Metadata.For("acme/bp").Layers["dep"].SHA + `":{"programs":["run"]}},"form":2}`,
	}
	for name, value := range want {
		if c.Labels[name] != value {
			t.Errorf("label %s is %q, want %q", name, c.Labels[name], value)
		}
	}
	var build lifecycle.BuildMetadata
	if err := json.Unmarshal([]byte(c.Labels[lifecycle.LabelBuildMetadata]), &build); err != nil {
		t.Fatal(err)
	}
	if len(build.Processes) != 2 || build.BuildpackDefaultProcessType != "web" {
		t.Errorf("build metadata: %+v", build)
	}
	var base v1.Config
	if err := json.Unmarshal([]byte(c.Labels[lifecycle.LabelBaseConfig]), &base); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sh"}, base.Cmd); diff != "" || base.Env[0] != "PATH=/usr/bin:/bin" {
		t.Errorf("base configuration: %+v", base)
	}
	manifest, err := result.Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := o.Run.Digest()
	if err != nil {
		t.Fatal(err)
	}
	wantAnnotations := map[string]string{annotationBaseName: o.RunImage.Image, annotationBaseDigest: digest.String()}
	if diff := cmp.Diff(wantAnnotations, manifest.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	got, err := result.Image.Digest()
	if err != nil || result.Report.Image.Digest != got.String() || result.Report.Image.ImageID != manifest.Config.Digest.String() {
		t.Errorf("report %+v does not tell of %s (%v)", result.Report, got, err)
	}
}

func TestSlices(t *testing.T) {
	o := sample(t)
	o.Metadata.Slices = sampleSlices
	result := mustExport(t, o)
	check(t, result.Image)
	if diff := cmp.Diff(sliceDiffIDs, result.Metadata.App); diff != "" {
		t.Errorf("slices by relative paths (-want +got):\n%s", diff)
	}
	o.Metadata.Slices = []lifecycle.Slice{
		{Paths: []string{"/workspace/static", "/workspace/a/*.txt"}}, {Paths: []string{"../nothing", "/etc/*"}},
		{Paths: []string{"/workspace/b/c/d*", "./b/e"}},
	}
	if diff := cmp.Diff(sliceDiffIDs, mustExport(t, o).Metadata.App); diff != "" {
		t.Errorf("slices by absolute paths (-want +got):\n%s", diff)
	}
}

// TestReproducible exports the same build from other directories, at other times, with other numbers of CPUs.
func TestReproducible(t *testing.T) {
	var want string
	for _, cpus := range []int{1, 2} {
		o := sample(t)
		past := time.Unix(1e9, 5)
		err := filepath.WalkDir(filepath.Dir(o.AppDir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.Type()&os.ModeSymlink != 0 || cpus == 1 {
				return err
			}
			return os.Chtimes(path, past, past)
		})
		if err != nil {
			t.Fatal(err)
		}
		old := runtime.GOMAXPROCS(cpus)
		got := mustExport(t, o).Report.Image.Digest
		runtime.GOMAXPROCS(old)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("with %d CPUs: digest %s, want %s", cpus, got, want)
		}
	}
}

// TestUnchangedIsNotReadAgain exports one build twice, and then with a change.
func TestUnchangedIsNotReadAgain(t *testing.T) {
	o := sample(t)
	first := mustExport(t, o)
	content := filepath.Join(o.LayersDir, "acme_bp", "dep", "bin", "run")
	if reads := readTrees(t, o); reads != 0 {
		t.Errorf("%d unchanged trees were read again", reads)
	}
	if err := os.WriteFile(content, []byte("#!/bin/sh\necho ho\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	second := mustExport(t, o)
	check(t, second.Image)
	if second.Metadata.For("acme/bp").Layers["dep"].SHA == first.Metadata.For("acme/bp").Layers["dep"].SHA {
		t.Error("a changed file went unnoticed")
	}
	if diff := cmp.Diff(first.Metadata.App, second.Metadata.App); diff != "" {
		t.Errorf("the app changed though nobody touched it:\n%s", diff)
	}
}

func mustDefaults(t *testing.T, o Options) Options {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestReuse(t *testing.T) {
	o := sample(t)
	first := mustExport(t, o)
	if err := os.RemoveAll(filepath.Join(o.LayersDir, "acme_bp", "dep")); err != nil {
		t.Fatal(err)
	}
	o.Previous = first.Image
	second := mustExport(t, o)
	check(t, second.Image)
	if second.Report.Image.Digest != first.Report.Image.Digest {
		t.Errorf("taking the layer from the previous image gives %s, want %s", second.Report.Image.Digest,
			first.Report.Image.Digest)
	}
}

// TestRebaseByOthers swaps the base as tools do that know only of layers.
func TestRebaseByOthers(t *testing.T) {
	o := sample(t)
	result := mustExport(t, o)
	newRun := runImage(t, types.OCIManifestSchema1)
	layer, err := random.Layer(10, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	if newRun, err = mutate.AppendLayers(newRun, layer); err != nil {
		t.Fatal(err)
	}
	rebased, err := mutate.Rebase(result.Image, o.Run, newRun)
	if err != nil {
		t.Fatal(err)
	}
	check(t, rebased)
}

func TestOnLayer(t *testing.T) {
	o := sample(t)
	for _, name := range []string{"made", "recalled"} {
		var mu sync.Mutex
		told := map[v1.Layer]bool{}
		o.OnLayer = func(l v1.Layer) {
			mu.Lock()
			defer mu.Unlock()
			told[l] = true
		}
		mustExport(t, o)
		if len(told) != 6 {
			t.Errorf("when layers are %s, told of %d, want 6", name, len(told))
		}
	}
}

func TestErrors(t *testing.T) {
	noContents := func(toml string) func(*testing.T, *Options) {
		return func(t *testing.T, o *Options) {
			if err := os.RemoveAll(filepath.Join(o.LayersDir, "acme_bp", "dep")); err != nil {
				t.Fatal(err)
			}
			plant(t, o.LayersDir, []node{{path: "acme_bp/dep.toml", content: toml, mode: 0o644}})
		}
	}
	replace := func(rel, target string) func(*testing.T, *Options) {
		return func(t *testing.T, o *Options) {
			if err := os.RemoveAll(filepath.Join(o.LayersDir, rel)); err != nil {
				t.Fatal(err)
			}
			plant(t, o.LayersDir, []node{{path: rel, link: target}})
		}
	}
	tests := map[string]struct {
		change func(*testing.T, *Options)
		want   string
		is     error
	}{
		"no contents, no previous image": {noContents(depTOML), "there is none", ErrReuse},
		"no contents, previous image without metadata": {func(t *testing.T, o *Options) {
			noContents(depTOML)(t, o)
			o.Previous = o.Run
		}, "no metadata", ErrReuse},
		"no contents, cached": {noContents("[types]\nlaunch = true\ncache = true\n"), "cache = true", nil},
		"types outside of the table": {func(t *testing.T, o *Options) {
			plant(t, o.LayersDir, []node{{path: "acme_bp/dep.toml", content: "launch = true\n", mode: 0o644}})
		}, "[types]", nil},
		"no TOML": {func(t *testing.T, o *Options) {
			plant(t, o.LayersDir, []node{{path: "acme_bp/dep.toml", content: "= 1", mode: 0o644}})
		}, "dep.toml", nil},
		"layer is a link":           {replace("acme_bp/dep", "/etc"), "symbolic link", nil},
		"TOML is a link":            {replace("acme_bp/dep.toml", "/etc/passwd"), "symbolic link", nil},
		"buildpack's dir is a link": {replace("acme_bp", "/etc"), "symbolic link", nil},
		"SBOM is a link":            {replace("sbom", "/etc"), "symbolic link", nil},
		"configuration is a link":   {replace("config", "/etc"), "symbolic link", nil},
		"no configuration": {func(t *testing.T, o *Options) {
			if err := os.RemoveAll(filepath.Join(o.LayersDir, "config")); err != nil {
				t.Fatal(err)
			}
		}, "did not finish", nil},
		"no app":          {func(_ *testing.T, o *Options) { o.AppDir += "-not" }, "no app directory", nil},
		"unknown process": {func(_ *testing.T, o *Options) { o.DefaultProcess = "cron" }, "web, worker", nil},
		"unknown default": {func(_ *testing.T, o *Options) {
			o.Metadata.BuildpackDefaultProcessType = "cron"
		}, "web, worker", nil},
		"bad process":        {func(_ *testing.T, o *Options) { o.Metadata.Processes[0].Type = "../x" }, "file name", nil},
		"app at merged path": {func(_ *testing.T, o *Options) { o.Places.App = "/lib/app" }, "/lib", nil},
		"relative place":     {func(_ *testing.T, o *Options) { o.Places.Layers = "layers" }, "absolute", nil},
		"bad slice": {func(_ *testing.T, o *Options) {
			o.Metadata.Slices = []lifecycle.Slice{{Paths: []string{"[a"}}}
		}, "[a", nil},
		"zstd on Docker's media types": {func(t *testing.T, o *Options) {
			o.Run, o.Compression = runImage(t, types.DockerManifestSchema2), store.Zstd
		}, "zstd", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := sample(t)
			test.change(t, &o)
			_, err := Image(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want one that says %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is no %v", err, test.is)
			}
			if code := lifecycle.ExitCode(err); code != lifecycle.ExitExport {
				t.Errorf("exit code %d, want %d", code, lifecycle.ExitExport)
			}
		})
	}
}

func TestMediaTypes(t *testing.T) {
	tests := map[string]struct {
		manifest    types.MediaType
		compression store.Compression
		want        types.MediaType
	}{
		"OCI":           {types.OCIManifestSchema1, store.Gzip, types.OCILayer},
		"OCI with zstd": {types.OCIManifestSchema1, store.Zstd, types.OCILayerZStd},
		"Docker":        {types.DockerManifestSchema2, store.Gzip, types.DockerLayer},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := sample(t)
			o.Run, o.Compression = runImage(t, test.manifest), test.compression
			result := mustExport(t, o)
			manifest, err := result.Image.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			if manifest.MediaType != test.manifest {
				t.Errorf("manifest is a %s, want %s", manifest.MediaType, test.manifest)
			}
			for i, layer := range manifest.Layers[1:] {
				if layer.MediaType != test.want {
					t.Errorf("layer %d is a %s, want %s", i, layer.MediaType, test.want)
				}
			}
			if test.compression == store.Zstd { // the validator reads gzip only
				err = validate.Image(result.Image, validate.Fast)
			} else {
				err = validate.Image(result.Image)
			}
			if err != nil {
				t.Errorf("the image is not valid: %v", err)
			}
		})
	}
}
