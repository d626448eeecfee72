package lifecycle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// roundTrip writes v and reads it back.
func roundTrip[T any](t *testing.T, v T, write func(string, T) error, read func(string) (T, error)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "deep", "er", "file.toml")
	if err := write(path, v); err != nil {
		t.Fatal(err)
	}
	got, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(v, got); d != "" {
		data, _ := os.ReadFile(path)
		t.Errorf("read back with a difference (-written +read):\n%s\nfile:\n%s", d, data)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the directory holds %v, %v; want only the file", left, err)
	}
}

// encode writes a file that only others write; decode reads one that only others read.
func encode[T any](path string, v T) error { return writeTOML(path, v) }

func decode[T any](path string) (v T, err error) {
	_, err = readTOML(path, &v)
	return v, err
}

func TestRoundTrips(t *testing.T) {
	bp := GroupElement{ID: "example/a", Version: "1.2.3", API: "0.10", Homepage: "https://example.com"}
	ext := GroupElement{ID: "example/x", Version: "0.1.0", API: "0.10", Extension: true}
	deep := map[string]any{"version": "1.24", "list": []any{"a", int64(1), true}, "table": map[string]any{"k": 1.5}}
	target := Target{OS: "linux", Arch: "arm64", Variant: "v8", Distros: []Distro{{"debian", "13"}}}

	roundTrip(t, OrderFile{
		Order:      Order{{Elements: []GroupElement{{ID: "a", Version: "1", Optional: true}, {ID: "b", Version: "2"}}}},
		Extensions: Order{{Elements: []GroupElement{{ID: "x", Version: "1"}}}},
	}, encode, ReadOrder)
	roundTrip(t, GroupFile{Group: []GroupElement{bp}, Extensions: []GroupElement{ext}}, WriteGroup, ReadGroup)
	roundTrip(t, Plan{Entries: []PlanEntry{{
		Providers: []GroupElement{{ID: "example/a", Version: "1.2.3"}, {ID: "s2i/stack", Extension: true}},
		Requires:  []Require{{Name: "go", Metadata: deep}, {Name: "go"}},
	}}}, WritePlan, ReadPlan)
	roundTrip(t, BuildPlan{
		PlanSections: PlanSections{Requires: []Require{{Name: "a", Metadata: deep}}, Provides: []Provide{{"b"}}},
		Or:           []PlanSections{{Provides: []Provide{{"c"}}}, {}},
	}, encode, ReadBuildPlan)
	roundTrip(t, BuildpackPlan{Entries: []Require{{Name: "a", Metadata: deep}}}, WriteBuildpackPlan, decode)
	roundTrip(t, BuildTOML{Unmet: []Unmet{{"a"}}}, encode, ReadBuildTOML)
	roundTrip(t, StoreTOML{Metadata: deep}, WriteStore, ReadStore)
	roundTrip(t, LayerTOML{Types: &LayerTypes{Launch: true}, Metadata: deep}, WriteLayer, ReadLayer)
	roundTrip(t, LayerTOML{Metadata: deep}, WriteLayer, ReadLayer)
	roundTrip(t, RunFile{Images: []RunImageName{{Image: "example.com/run", Mirrors: []string{"m"}}}}, encode, ReadRun)
	roundTrip(t, Report{Image: ImageReport{Tags: []string{"t"}, Digest: "sha256:1", ManifestSize: 7}}, WriteReport, decode)
	roundTrip(t, ProjectMetadata{Source: &ProjectSource{Type: "git", Version: map[string]any{"commit": "c"}}},
		encode, ReadProjectMetadata)
	roundTrip(t, Analyzed{
		Previous: &AnalyzedImage{Reference: "example.com/app@sha256:1"},
		RunImage: &AnalyzedRunImage{Reference: "r", Image: "i", Extend: true, Target: &target},
		Build:    &AnalyzedImage{Reference: "b"},
		Metadata: LayersMetadata{
			App: []LayerSHA{{"sha256:2"}}, SBOM: &LayerSHA{"sha256:3"},
			Buildpacks: []BuildpackLayers{{ID: "example/a", Version: "1", Store: &StoreTOML{Metadata: deep},
				Layers: map[string]LayerMetadata{"l": {SHA: "sha256:4", Data: deep, LayerTypes: LayerTypes{Launch: true}}}}},
			RunImage: RunImageMetadata{TopLayer: "sha256:5", Reference: "r", Image: "i"},
			Stack:    &StackMetadata{RunImage: RunImageName{Image: "i"}},
		},
	}, WriteAnalyzed, ReadAnalyzed)
	roundTrip(t, BuildMetadata{
		Buildpacks: []GroupElement{bp}, BuildpackDefaultProcessType: "web",
		Labels: []Label{{"k", "v"}}, Slices: []Slice{{[]string{"a/*"}}},
		Processes: []Process{{Type: "web", Command: Command{"a", "b \"c\"\n"}, Args: []string{"d"}, Direct: true,
			BuildpackID: "example/a", WorkingDir: "/w", ExecEnv: ExecEnvs{"test"}}},
	}, WriteBuildMetadata, ReadBuildMetadata)
}

func TestHostileFiles(t *testing.T) {
	cases := map[string]string{
		"deep arrays":        "a = " + strings.Repeat("[", 1<<20),
		"deep inline tables": "a = " + strings.Repeat("{a=", 1<<16),
		"long dotted key":    "a" + strings.Repeat(".a", 1<<16) + " = 1",
		"long table name":    "[a" + strings.Repeat(".a", 1<<16) + "]",
		"quoted dotted key":  "a" + strings.Repeat(`."a"`, 1<<16) + " = 1",
		"deep after a quote": "a = 'it\nb = " + strings.Repeat("[", 1<<20),
		"open string":        `a = "` + strings.Repeat("[", 1<<20),
		"open triple":        `a = """` + strings.Repeat("[", 1<<20),
		"too large":          strings.Repeat("#", maxTOMLSize) + "\n",
		"not UTF-8":          "a = \"\xff\"",
		"not TOML":           "<html>",
		"wrong type":         "entries = 7",
	}
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadPlan(file(t, "plan.toml", content)); err == nil {
				t.Error("no error")
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		if _, err := ReadPlan(filepath.Join(t.TempDir(), "plan.toml")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want fs.ErrNotExist", err)
		}
	})
	t.Run("pipe", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "plan.toml")
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPlan(path); err == nil {
			t.Error("no error")
		}
	})
}

func TestNestingThatIsFine(t *testing.T) {
	for _, content := range []string{
		"a = [[1, 2.5], [3.0]] # [[[[" + strings.Repeat("[", 100),
		"a = \"" + strings.Repeat("[", 100) + "\"",
		"a = \"\\\"" + strings.Repeat("[", 100) + "\"",
		"a = '''\n" + strings.Repeat("[", 100) + "'''",
		"a = [" + strings.Repeat("1.5, ", 200) + "]",
		strings.Repeat("[[a]]\nb = { c = 1.0 }\n", 200),
	} {
		if _, err := decodeTOML([]byte(content), &map[string]any{}); err != nil {
			t.Errorf("%.40q…: %v", content, err)
		}
	}
}

func FuzzReadTOML(f *testing.F) {
	for _, seed := range []string{
		"[[entries]]\n[[entries.requires]]\nname='a'\n[[entries.providers]]\nid='b'\n",
		"[[processes]]\ntype='web'\ncommand=['a']\n", "[[processes]]\ntype='web'\ncommand='a'\ndirect=true\n",
		"api='0.10'\n[buildpack]\nid='a'\nversion='1'\n[[buildpack.exec-env]]\nname='test'\n[[targets]]\nos='linux'\n",
		"[types]\nbuild=true\n[metadata]\na.b=[{c=1}]\n", "[[order]]\n[[order.group]]\nid='a'\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		ParseBuildpack(data)
		ReadOrder(path)
		ReadGroup(path)
		ReadPlan(path)
		ReadBuildPlan(path)
		ReadAnalyzed(path)
		ReadBuildMetadata(path)
		if l, err := ReadLayer(path); err == nil {
			if err := WriteLayer(path+"2", l); err != nil {
				t.Errorf("a layer that was read cannot be written: %v", err)
			}
		}
		for minor := 7; minor <= 12; minor++ {
			l, err := ReadLaunch(path, API{0, minor})
			for _, p := range l.Processes {
				if err == nil && (len(p.Command) == 0 || CheckProcessType(p.Type) != nil) {
					t.Errorf("accepted process %+v", p)
				}
			}
		}
	})
}
