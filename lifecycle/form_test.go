package lifecycle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Other lifecycles and platforms read and write these files, so their keys are pinned: each is written, compared with
// this text (indentation apart), and the text is read back.
func TestFileForms(t *testing.T) {
	bp := GroupElement{ID: "a/b", Version: "1", API: "0.10", Homepage: "h", Optional: true}
	ext := GroupElement{ID: "x", Version: "2", API: "0.10", Extension: true, Optional: true}

	form(t, "group.toml", GroupFile{Group: []GroupElement{bp}, Extensions: []GroupElement{ext}}, WriteGroup, ReadGroup, `
[[group]]
id = "a/b"
version = "1"
api = "0.10"
homepage = "h"

[[group-extensions]]
id = "x"
version = "2"
api = "0.10"
`)
	form(t, "order.toml", OrderFile{Order: Order{{[]GroupElement{{ID: "a", Version: "1", Optional: true}}}},
		Extensions: Order{{[]GroupElement{{ID: "x", Version: "2"}}}}}, encode, ReadOrder, `
[[order]]

[[order.group]]
id = "a"
version = "1"
optional = true

[[order-extensions]]

[[order-extensions.group]]
id = "x"
version = "2"
`)
	form(t, "plan.toml", Plan{Entries: []PlanEntry{{
		Providers: []GroupElement{{ID: "a", Version: "1"}, {ID: "x", Version: "2", Extension: true}},
		Requires:  []Require{{Name: "n", Metadata: map[string]any{"k": "v"}}}}}}, WritePlan, ReadPlan, `
[[entries]]

[[entries.providers]]
id = "a"
version = "1"

[[entries.providers]]
id = "x"
version = "2"
extension = true

[[entries.requires]]
name = "n"
[entries.requires.metadata]
k = "v"
`)
	form(t, "analyzed.toml", Analyzed{
		Previous: &AnalyzedImage{Reference: "p@sha256:1"}, Build: &AnalyzedImage{Reference: "b@sha256:2"},
		RunImage: &AnalyzedRunImage{Reference: "r@sha256:3", Image: "r", Extend: true, Target: &Target{OS: "linux",
			Arch: "arm64", Variant: "v8", Distros: []Distro{{"debian", "13"}}}},
		Metadata: LayersMetadata{App: []LayerSHA{{"4"}}, Buildpacks: []BuildpackLayers{{ID: "a/b", Version: "1",
			Layers: map[string]LayerMetadata{"l": {SHA: "5", Data: map[string]any{"k": "v"}}}}},
			RunImage: RunImageMetadata{TopLayer: "6", Reference: "r"}},
	}, WriteAnalyzed, ReadAnalyzed, `
[image]
reference = "p@sha256:1"

[run-image]
reference = "r@sha256:3"
image = "r"
extend = true
[run-image.target]
os = "linux"
arch = "arm64"
variant = "v8"
[run-image.target.distro]
name = "debian"
version = "13"

[build-image]
reference = "b@sha256:2"

[metadata]

[[metadata.app]]
sha = "4"

[[metadata.buildpacks]]
key = "a/b"
version = "1"
[metadata.buildpacks.layers]
[metadata.buildpacks.layers.l]
sha = "5"
build = false
launch = false
cache = false
[metadata.buildpacks.layers.l.metadata]
k = "v"
[metadata.config]
sha = ""
[metadata.launcher]
sha = ""
[metadata.process-types]
sha = ""
[metadata.run-image]
top-layer = "6"
reference = "r"
`)
	form(t, "metadata.toml", BuildMetadata{Buildpacks: []GroupElement{bp}, Extensions: []GroupElement{ext},
		BuildpackDefaultProcessType: "web", Labels: []Label{{"k", "v"}}, Slices: []Slice{{[]string{"s/*"}}},
		Processes: []Process{{Type: "web", Command: Command{"c"}, Args: []string{"d"}, Direct: true, BuildpackID: "a/b",
			WorkingDir: "/w", ExecEnv: ExecEnvs{"test"}}}}, WriteBuildMetadata, ReadBuildMetadata, `
buildpack-default-process-type = "web"

[[buildpacks]]
id = "a/b"
version = "1"
api = "0.10"
homepage = "h"

[[extensions]]
id = "x"
version = "2"
api = "0.10"

[[labels]]
key = "k"
value = "v"

[[processes]]
type = "web"
command = ["c"]
args = ["d"]
direct = true
buildpack-id = "a/b"
working-dir = "/w"
exec-env = ["test"]

[[slices]]
paths = ["s/*"]
`)
	form(t, "report.toml", Report{Image: ImageReport{Tags: []string{"t"}, ImageID: "i", Digest: "d", ManifestSize: 7}},
		WriteReport, decode, `
[image]
tags = ["t"]
image-id = "i"
digest = "d"
manifest-size = 7
`)
	form(t, "run.toml", RunFile{Images: []RunImageName{{Image: "r", Mirrors: []string{"m"}}}}, encode, ReadRun, `
[[images]]
image = "r"
mirrors = ["m"]
`)
	form(t, "project-metadata.toml", ProjectMetadata{Source: &ProjectSource{Type: "git",
		Version: map[string]any{"commit": "c"}, Metadata: map[string]any{"k": "v"}}}, encode, ReadProjectMetadata, `
[source]
type = "git"
[source.version]
commit = "c"
[source.metadata]
k = "v"
`)
	form(t, "layer.toml", LayerTOML{Types: &LayerTypes{Launch: true}, Metadata: map[string]any{"k": "v"}}, WriteLayer,
		ReadLayer, `
[types]
build = false
launch = true
cache = false

[metadata]
k = "v"
`)
}

// form writes v and wants the text; then reads the text and wants to write the same again.
func form[T any](t *testing.T, name string, v T, write func(string, T) error, read func(string) (T, error), want string) {
	t.Helper()
	for _, step := range []string{"written", "written, read and written again"} {
		path := filepath.Join(t.TempDir(), name)
		if err := write(path, v); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(data)) {
			lines = append(lines, strings.TrimSpace(line))
		}
		if d := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(strings.Join(lines, "\n"))); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", name, step, d)
		}
		if v, err = read(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadStackFile(t *testing.T) {
	f, err := ReadRun(file(t, "stack.toml", "[run-image]\nimage = \"r\"\nmirrors = [\"m\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(RunFile{Images: []RunImageName{{Image: "r", Mirrors: []string{"m"}}}}, f); d != "" {
		t.Error(d)
	}
}
