package rebase

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"s2i/lifecycle"
)

// edit changes the config of an image.
func edit(t *testing.T, img v1.Image, change func(*v1.ConfigFile)) v1.Image {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	if config.Config.Labels == nil {
		config.Config.Labels = map[string]string{}
	}
	change(config)
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func layers(t *testing.T, img v1.Image, n int, createdBy string) v1.Image {
	t.Helper()
	for range n {
		l, err := random.Layer(500, types.OCILayer)
		if err != nil {
			t.Fatal(err)
		}
		img, err = mutate.Append(img, mutate.Addendum{Layer: l, History: v1.History{CreatedBy: createdBy}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// newBase makes a base of n layers.
func newBase(t *testing.T, n int, change func(*v1.ConfigFile)) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img = layers(t, img, n, "base")
	return edit(t, img, func(c *v1.ConfigFile) {
		c.OS, c.Architecture = "linux", "amd64"
		c.Config.Env = []string{"PATH=/usr/bin:/bin"}
		c.Config.User = "1000:1000"
		c.Config.Labels[lifecycle.LabelDistroName] = "debian"
		c.Config.Labels[lifecycle.LabelDistroVersion] = "13"
		if change != nil {
			change(c)
		}
	})
}

// build makes an app image on a base as the exporter does.
func build(t *testing.T, base v1.Image, change func(*v1.ConfigFile, *lifecycle.LayersMetadata)) v1.Image {
	t.Helper()
	baseConfig, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	ids := baseConfig.RootFS.DiffIDs
	meta := lifecycle.LayersMetadata{
		App: []lifecycle.LayerSHA{}, Buildpacks: []lifecycle.BuildpackLayers{},
		RunImage: lifecycle.RunImageMetadata{
			TopLayer: ids[len(ids)-1].String(), Reference: "example.com/run@" + digest(t, base),
			Image: "example.com/run:1", Mirrors: []string{"mirror.example.com/run:1"},
		},
	}
	return edit(t, layers(t, base, 2, "app"), func(c *v1.ConfigFile) {
		c.Config.Labels[lifecycle.LabelBaseConfig] = toJSON(t, baseConfig.Config)
		c.Config.Env = append([]string{"PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/bin"}, c.Config.Env[1:]...)
		c.Config.Env = append(c.Config.Env, "CNB_PLATFORM_API=0.15")
		c.Config.WorkingDir = "/workspace"
		c.Config.Entrypoint = []string{"/cnb/process/web"}
		if change != nil {
			change(c, &meta)
		}
		c.Config.Labels[lifecycle.LabelLayersMetadata] = toJSON(t, meta)
	})
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func digest(t *testing.T, m interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func diffIDs(t *testing.T, img v1.Image) []v1.Hash {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config.RootFS.DiffIDs
}

func config(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestImage(t *testing.T) {
	old := newBase(t, 3, func(c *v1.ConfigFile) { c.Config.Labels[lifecycle.LabelPackages] = `["node 24.1"]` })
	run := newBase(t, 2, func(c *v1.ConfigFile) {
		c.Config.Env = []string{"PATH=/usr/local/bin:/usr/bin", "SSL_CERT_FILE=/etc/ssl/cert.pem"}
		c.Config.User = "1001"
		c.Config.Labels[lifecycle.LabelPackages] = `["node 24.2"]`
	})
	app := build(t, old, nil)
	got, report, err := Image(t.Context(), app, run, Options{
		RunImage: "example.com/run:2", Reference: "example.com/run@" + digest(t, run),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	// The same as a build on the new base, but for its own layers.
	wantIDs := append(diffIDs(t, run), diffIDs(t, app)[3:]...)
	if diff := cmp.Diff(wantIDs, diffIDs(t, got)); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	c := config(t, got)
	wantEnv := []string{
		"PATH=/cnb/process:/cnb/lifecycle:/usr/local/bin:/usr/bin", "SSL_CERT_FILE=/etc/ssl/cert.pem", "CNB_PLATFORM_API=0.15",
	}
	if diff := cmp.Diff(wantEnv, c.Config.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if c.Config.User != "1001" || c.Config.WorkingDir != "/workspace" || c.Config.Entrypoint[0] != "/cnb/process/web" {
		t.Errorf("config %+v", c.Config)
	}
	if c.Config.Labels[lifecycle.LabelPackages] != `["node 24.2"]` ||
		c.Config.Labels[lifecycle.LabelBaseConfig] != toJSON(t, config(t, run).Config) {
		t.Errorf("labels %v", c.Config.Labels)
	}
	var meta lifecycle.LayersMetadata
	if err := json.Unmarshal([]byte(c.Config.Labels[lifecycle.LabelLayersMetadata]), &meta); err != nil {
		t.Fatal(err)
	}
	wantRun := lifecycle.RunImageMetadata{
		TopLayer: diffIDs(t, run)[1].String(), Reference: "example.com/run@" + digest(t, run),
		Image: "example.com/run:1", Mirrors: []string{"mirror.example.com/run:1"},
	}
	if diff := cmp.Diff(wantRun, meta.RunImage); diff != "" {
		t.Errorf("run image metadata (-want +got):\n%s", diff)
	}
	if len(c.History) != 4 || c.History[1].CreatedBy != "base" || c.History[2].CreatedBy != "app" {
		t.Errorf("history %+v", c.History)
	}
	m, err := got.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	wantNotes := map[string]string{AnnotationBaseName: "example.com/run:2", AnnotationBaseDigest: digest(t, run)}
	if diff := cmp.Diff(wantNotes, m.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if report.Removed != 3 || report.Added != 2 || report.Kept != 2 || report.New.String() != digest(t, got) {
		t.Errorf("report %+v", report)
	}

	// Onto the old base again gives the old image again.
	back, _, err := Image(t.Context(), got, old, Options{Reference: "example.com/run@" + digest(t, old)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config(t, app), config(t, back)); diff != "" {
		t.Errorf("there and back (-want +got):\n%s", diff)
	}
	again, _, err := Image(t.Context(), got, run, Options{RunImage: "example.com/run:2", Reference: wantRun.Reference})
	if err != nil {
		t.Fatal(err)
	}
	if digest(t, again) != digest(t, got) {
		t.Error("rebasing onto the same base again changes the image")
	}
}

// TestLikeGGCR compares with the independent implementation in go-containerregistry, which crane rebase is.
func TestLikeGGCR(t *testing.T) {
	old, run := newBase(t, 3, nil), newBase(t, 4, nil)
	app := build(t, old, nil)
	want, err := mutate.Rebase(app, old, run)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{"by label": {}, "by old base": {OldBase: old}} {
		got, _, err := Image(t.Context(), app, run, o)
		if err != nil {
			t.Fatal(err)
		}
		a, err := want.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		b, err := got.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a.Layers, b.Layers); diff != "" {
			t.Errorf("%s: layers (-crane +ours):\n%s", name, diff)
		}
		x, y := config(t, want), config(t, got)
		if diff := cmp.Diff(x.History, y.History); diff != "" {
			t.Errorf("%s: history (-crane +ours):\n%s", name, diff)
		}
		if diff := cmp.Diff(x.RootFS, y.RootFS); diff != "" {
			t.Errorf("%s: rootfs (-crane +ours):\n%s", name, diff)
		}
		for _, label := range []string{lifecycle.LabelDistroName, lifecycle.LabelDistroVersion, lifecycle.LabelNeeds} {
			if x.Config.Labels[label] != y.Config.Labels[label] {
				t.Errorf("%s: label %s: crane %q, ours %q", name, label, x.Config.Labels[label], y.Config.Labels[label])
			}
		}
	}
}

// TestPackImage rebases an image without any label of ours: its configuration stays, the labels of the specification
// follow the base.
func TestPackImage(t *testing.T) {
	old, run := newBase(t, 2, nil), newBase(t, 2, func(c *v1.ConfigFile) {
		c.Config.Env = []string{"PATH=/new"}
		c.Config.Labels["io.buildpacks.base.maintainer"] = "me"
		c.Config.Labels["other"] = "x"
	})
	app := build(t, old, func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
		delete(c.Config.Labels, lifecycle.LabelBaseConfig)
	})
	got, _, err := Image(t.Context(), app, run, Options{RunImage: "mirror.example.com/run:1"})
	if err != nil {
		t.Fatal(err)
	}
	before, after := config(t, app).Config, config(t, got).Config
	if diff := cmp.Diff(before.Env, after.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if after.Labels["io.buildpacks.base.maintainer"] != "me" || after.Labels["other"] != "" {
		t.Errorf("labels %v", after.Labels)
	}
}

func TestUnknownMetadataSurvives(t *testing.T) {
	old, run := newBase(t, 1, nil), newBase(t, 1, nil)
	app := build(t, old, nil)
	app = edit(t, app, func(c *v1.ConfigFile) {
		value := c.Config.Labels[lifecycle.LabelLayersMetadata]
		c.Config.Labels[lifecycle.LabelLayersMetadata] = strings.Replace(value, "{", `{"future":{"a":1},`, 1)
	})
	got, _, err := Image(t.Context(), app, run, Options{})
	if err != nil {
		t.Fatal(err)
	}
	value := config(t, got).Config.Labels[lifecycle.LabelLayersMetadata]
	if !strings.Contains(value, `"future":{"a":1}`) || !strings.Contains(value, diffIDs(t, run)[0].String()) {
		t.Errorf("label %s", value)
	}
}

func TestNoBase(t *testing.T) {
	base := newBase(t, 1, nil)
	plain := layers(t, base, 1, "app")
	_, _, err := Image(t.Context(), plain, newBase(t, 1, nil), Options{})
	if !errors.Is(err, ErrNoBase) {
		t.Errorf("got %v, want ErrNoBase", err)
	}
	_, _, err = Image(t.Context(), plain, newBase(t, 1, nil), Options{OldBase: newBase(t, 1, nil)})
	if !errors.Is(err, ErrNoBase) {
		t.Errorf("got %v, want ErrNoBase", err)
	}
}

func TestMediaTypesOfOneFamily(t *testing.T) {
	old, run := newBase(t, 1, nil), newBase(t, 1, nil) // OCI layers
	app := mutate.ConfigMediaType(mutate.MediaType(build(t, old, nil), types.DockerManifestSchema2), types.DockerConfigJSON)
	got, _, err := Image(t.Context(), app, run, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := got.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if m.MediaType != types.DockerManifestSchema2 || m.Config.MediaType != types.DockerConfigJSON {
		t.Errorf("manifest %s, config %s", m.MediaType, m.Config.MediaType)
	}
	for _, l := range m.Layers {
		if l.MediaType != types.DockerLayer {
			t.Errorf("layer of type %s in a docker manifest", l.MediaType)
		}
	}
}

func TestChecks(t *testing.T) {
	compat := func(c lifecycle.Compatibility) func(*v1.ConfigFile) {
		return func(f *v1.ConfigFile) { f.Config.Labels[lifecycle.LabelCompatibility] = toJSON(t, c) }
	}
	glibc := map[string][]string{"libc.so.6": {"GLIBC_2.2.5", "GLIBC_2.34"}, "ld-linux-x86-64.so.2": {}}
	needs := lifecycle.Needs{
		Libraries:    map[string][]string{"libc.so.6": {"GLIBC_2.34"}},
		Interpreters: []string{"/lib64/ld-linux-x86-64.so.2"},
	}
	tests := map[string]struct {
		old, run func(*v1.ConfigFile)
		app      func(*v1.ConfigFile, *lifecycle.LayersMetadata)
		name     string
		want     string // "" means that it goes through
	}{
		"same":             {name: "example.com/run:1"},
		"other tag":        {name: "example.com/run:2"},
		"mirror":           {name: "mirror.example.com/run:7"},
		"other repository": {name: "example.com/other:1", want: "is called example.com/other:1, but"},
		"local recorded name": {name: "example.com/other:1", app: func(_ *v1.ConfigFile, m *lifecycle.LayersMetadata) {
			m.RunImage.Image, m.RunImage.Mirrors = "s2i/trixie-base", nil
		}},
		"architecture": {
			run: func(c *v1.ConfigFile) { c.Architecture = "arm64" }, want: "linux/amd64, the new base for linux/arm64",
		},
		"variant": {
			old:  func(c *v1.ConfigFile) { c.Variant = "v2" },
			run:  func(c *v1.ConfigFile) { c.Variant = "v3" },
			want: "variant v2",
		},
		"no variant": {old: func(c *v1.ConfigFile) { c.Variant = "v2" }},
		"distro": {
			run:  func(c *v1.ConfigFile) { c.Config.Labels[lifecycle.LabelDistroVersion] = "14" },
			want: "debian 13, the new base is debian 14",
		},
		"no distro": {run: func(c *v1.ConfigFile) {
			delete(c.Config.Labels, lifecycle.LabelDistroName)
			delete(c.Config.Labels, lifecycle.LabelDistroVersion)
		}},
		"not rebasable": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelRebasable] = "false"
			},
			want: "not rebasable",
		},
		"node ABI": {
			old:  compat(lifecycle.Compatibility{Keys: map[string]string{"node-modules": "127"}}),
			run:  compat(lifecycle.Compatibility{Keys: map[string]string{"node-modules": "137"}}),
			want: "node-modules 137, the image was built on 127",
		},
		"node gone": {
			old:  compat(lifecycle.Compatibility{Keys: map[string]string{"node-modules": "127"}}),
			run:  compat(lifecycle.Compatibility{}),
			want: "no node-modules",
		},
		"newer glibc": {
			old: compat(lifecycle.Compatibility{Keys: map[string]string{"glibc": "2.36"}}),
			run: compat(lifecycle.Compatibility{Keys: map[string]string{"glibc": "2.41", "new": "1"}}),
		},
		"older glibc": {
			old:  compat(lifecycle.Compatibility{Keys: map[string]string{"glibc": "2.41"}}),
			run:  compat(lifecycle.Compatibility{Keys: map[string]string{"glibc": "2.9"}}),
			want: "glibc 2.9, older than the 2.41",
		},
		"needs met": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelNeeds] = toJSON(t, needs)
			},
			run: compat(lifecycle.Compatibility{Libraries: glibc}),
		},
		"library gone": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelNeeds] = toJSON(t, needs)
			},
			run:  compat(lifecycle.Compatibility{Libraries: map[string][]string{}}),
			want: "needs the library libc.so.6",
		},
		"symbol version gone": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelNeeds] = toJSON(t, needs)
			},
			run: compat(lifecycle.Compatibility{Libraries: map[string][]string{
				"libc.so.6": {"GLIBC_2.2.5"}, "ld-linux-x86-64.so.2": {},
			}}),
			want: "needs GLIBC_2.34 of the library libc.so.6",
		},
		"needs met by version": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelNeeds] = toJSON(t, needs)
			},
			run: compat(lifecycle.Compatibility{Keys: map[string]string{"glibc": "2.36"}}),
		},
		"glibc too old by version": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelNeeds] = toJSON(t, needs)
			},
			run:  compat(lifecycle.Compatibility{Keys: map[string]string{"glibc": "2.31"}}),
			want: "needs GLIBC_2.34 of the library libc.so.6, the new base has glibc 2.31",
		},
		"no glibc": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelNeeds] = toJSON(t, needs)
			},
			run:  compat(lifecycle.Compatibility{Keys: map[string]string{"debian": "13"}}),
			want: "has no glibc",
		},
		"never had it": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelNeeds] = `{"libraries":{"libX11.so.6":[]}}`
			},
			old: compat(lifecycle.Compatibility{Libraries: glibc}),
			run: compat(lifecycle.Compatibility{Libraries: glibc}),
		},
		"old platform, other stack": {
			app: func(c *v1.ConfigFile, _ *lifecycle.LayersMetadata) {
				c.Config.Labels[lifecycle.LabelStackID] = "one"
				c.Config.Env = []string{"CNB_PLATFORM_API=0.11"}
			},
			run:  func(c *v1.ConfigFile) { c.Config.Labels[lifecycle.LabelStackID] = "two" },
			want: "built for the stack one",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			app, run := build(t, newBase(t, 1, tt.old), tt.app), newBase(t, 1, tt.run)
			o := Options{RunImage: tt.name}
			_, report, err := Image(t.Context(), app, run, o)
			if tt.want == "" {
				if err != nil || len(report.Problems) > 0 {
					t.Errorf("got %v, %+v", err, report)
				}
				return
			}
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) || len(report.Problems) == 0 {
				t.Fatalf("got %v, want a refusal with %q", err, tt.want)
			}
			o.DryRun = true
			if _, report, err := Image(t.Context(), app, run, o); err != nil || len(report.Problems) == 0 {
				t.Errorf("dry run: %v, %+v", err, report)
			}
			o.DryRun, o.Force = false, true
			forced, report, err := Image(t.Context(), app, run, o)
			if err != nil || len(report.Problems) == 0 {
				t.Fatalf("forced: %v, %+v", err, report)
			}
			if err := validate.Image(forced); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestForceRenames(t *testing.T) {
	app, run := build(t, newBase(t, 1, nil), nil), newBase(t, 1, nil)
	got, _, err := Image(t.Context(), app, run, Options{RunImage: "example.com/other:1", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	meta, err := readMetadata(config(t, got))
	if err != nil {
		t.Fatal(err)
	}
	if meta.RunImage.Image != "example.com/other:1" || meta.RunImage.Mirrors != nil {
		t.Errorf("run image %+v", meta.RunImage)
	}
}
