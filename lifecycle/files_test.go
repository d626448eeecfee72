package lifecycle

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadLaunchByAPI(t *testing.T) {
	web := Process{Type: "web", Command: Command{"run"}, Args: []string{}}
	cases := []struct {
		name, file string
		apis       string
		want       Process
		err        string
	}{
		{"string for a shell", `command="run"`, "7 8", web, ""},
		{"string, direct", "command=\"run\"\ndirect=true", "7 8", with(web, func(p *Process) { p.Direct = true }), ""},
		{"string, too late", `command="run"`, "9 10 11 12", web, "must be a list"},
		{"list", `command=["run"]`, "9 10 11 12", with(web, func(p *Process) { p.Direct = true }), ""},
		{"list, too early", `command=["run"]`, "7 8", web, "must be a string"},
		{"direct, too late", "command=[\"run\"]\ndirect=true", "9 12", web, "direct is not allowed"},
		{"direct=false, too late", "command=[\"run\"]\ndirect=false", "9 12", web, "direct is not allowed"},
		{"list of several", `command=["run", "-a"]`, "9",
			with(web, func(p *Process) { p.Command, p.Direct = Command{"run", "-a"}, true }), ""},
		{"no command", "", "7 9 12", web, "command is missing"},
		{"empty list", "command=[]", "9", web, "command is missing"},
		{"empty string", `command=""`, "8", web, "command is missing"},
		{"list of numbers", "command=[1]", "9", web, "command is missing"},
		{"working-dir, too early", "command=\"run\"\nworking-dir=\"/d\"", "7", web, ""},
		{"working-dir", "command=\"run\"\nworking-dir=\"/d\"", "8", with(web, func(p *Process) { p.WorkingDir = "/d" }), ""},
		{"exec-env, too early", "command=[\"run\"]\nexec-env=[\"test\"]", "11",
			with(web, func(p *Process) { p.Direct = true }), ""},
		{"exec-env", "command=[\"run\"]\nexec-env=[\"test\"]", "12",
			with(web, func(p *Process) { p.Direct, p.ExecEnv = true, ExecEnvs{"test"} }), ""},
		{"two defaults", "command=[\"run\"]\ndefault=true\n[[processes]]\ntype=\"b\"\ncommand=[\"b\"]\ndefault=true", "9",
			web, "more than one process is the default"},
		{"label without key", "command=[\"run\"]\n[[labels]]\nvalue=\"v\"", "9", web, "label has no key"},
	}
	for _, c := range cases {
		for _, minor := range strings.Fields(c.apis) {
			api, err := ParseAPI("0." + minor)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(c.name+" at 0."+minor, func(t *testing.T) {
				got, err := ReadLaunch(file(t, "launch.toml", "[[processes]]\ntype=\"web\"\n"+c.file), api)
				if c.err != "" {
					wantError(t, err, c.err)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff([]Process{c.want}, got.Processes); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
			})
		}
	}
}

func TestReadLaunchLabels(t *testing.T) {
	got, err := ReadLaunch(file(t, "launch.toml", "[[labels]]\nkey=\"k\"\nvalue=\"v\"\n[[slices]]\npaths=[\"a/*\"]\n"), API{0, 12})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(LaunchTOML{Labels: []Label{{"k", "v"}}, Slices: []Slice{{[]string{"a/*"}}}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func with(p Process, f func(*Process)) Process {
	f(&p)
	return p
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got error %v, want one with %q", err, part)
	}
}

func TestReadLayer(t *testing.T) {
	for _, key := range []string{"build", "launch", "cache"} {
		_, err := ReadLayer(file(t, "l.toml", key+" = true\n"))
		wantError(t, err, key+" must be in the [types] table")
	}
	l, err := ReadLayer(file(t, "l.toml", "[metadata]\nbuild = true\n"))
	if err != nil || !l.LayerTypes().Ignored() {
		t.Errorf("got %+v, %v; want a layer without types", l, err)
	}
}

func TestReadBuildPlanVersions(t *testing.T) {
	p, err := ReadBuildPlan(file(t, "plan.toml", "[[requires]]\nname=\"a\"\nversion=\"1\"\n[[or]]\n[[or.requires]]\nname=\"b\"\n"+
		"version=\"2\"\n[or.requires.metadata]\nk=\"v\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := BuildPlan{
		PlanSections: PlanSections{Requires: []Require{{Name: "a", Metadata: map[string]any{"version": "1"}}}},
		Or:           []PlanSections{{Requires: []Require{{Name: "b", Metadata: map[string]any{"version": "2", "k": "v"}}}}},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	_, err = ReadBuildPlan(file(t, "plan.toml", "[[requires]]\nname=\"a\"\nversion=\"1\"\nmetadata={version=\"1\"}\n"))
	wantError(t, err, "both version and metadata.version")
	_, err = ReadBuildPlan(file(t, "plan.toml", "[[provides]]\n"))
	wantError(t, err, "has no name")
	if _, err = ReadBuildPlan(file(t, "plan.toml", "")); err != nil {
		t.Errorf("an empty plan: %v", err)
	}
}

func TestReadBuildpack(t *testing.T) {
	head := "api=\"0.10\"\n[buildpack]\nid=\"a/b\"\nversion=\"1\"\n"
	path := file(t, "buildpack.toml", head+"name=\"A\"\nclear-env=true\nsbom-formats=[\"f\"]\n"+
		"[[buildpack.exec-env]]\nname=\"test\"\n[[buildpack.licenses]]\ntype=\"MIT\"\n[[stacks]]\nid=\"*\"\n"+
		"[[targets]]\nos=\"linux\"\narch-variant=\"v8\"\n[[targets.distros]]\nname=\"debian\"\nversion=\"13\"\n"+
		"[[order]]\n[[order.group]]\nid=\"c\"\nversion=\"2\"\noptional=true\n[metadata]\nk=\"v\"\n")
	want := Buildpack{
		API: "0.10", Info: BuildpackInfo{ID: "a/b", Version: "1", Name: "A", ClearEnv: true, SBOMFormats: []string{"f"},
			ExecEnv: ExecEnvs{"test"}, Licenses: []License{{Type: "MIT"}}},
		Stacks: []StackID{{ID: "*"}}, Targets: []Target{{OS: "linux", Variant: "v8", Distros: []Distro{{"debian", "13"}}}},
		Order: Order{{Elements: []GroupElement{{ID: "c", Version: "2", Optional: true}}}}, Dir: filepath.Dir(path),
		Metadata: map[string]any{"k": "v"},
	}
	for _, from := range []string{path, filepath.Dir(path)} {
		got, err := ReadBuildpack(from)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", from, d)
		}
	}
	ext, err := ReadBuildpack(file(t, "extension.toml", "api=\"0.10\"\n[extension]\nid=\"x\"\nversion=\"1\"\n"))
	if err != nil || !ext.IsExtension() || ext.About().ID != "x" {
		t.Errorf("the extension is read as %+v, %v", ext, err)
	}
	for content, part := range map[string]string{
		"":                        "has no id",
		"[buildpack]\nid=\"a\"\n": "version",
		"api=\"0.10\"\n[buildpack]\nid=\"..\"\nversion=\"1\"":              "may have only",
		"api=\"0.10\"\n[buildpack]\nid=\"sbom\"\nversion=\"1\"":            "reserved",
		"api=\"0.10\"\n[buildpack]\nid=\"a\"\nversion=\"../..\"":           "version",
		"[buildpack]\nid=\"a\"\nversion=\"1\"":                             "api is missing",
		head + "[extension]\nid=\"x\"\nversion=\"1\"":                      "both",
		head + "[[order]]\n[[order.group]]\nversion=\"2\"":                 "has no id",
		"api=\"0.10\"\n[buildpack]\nid=\"a\"\nversion=\"1\"\nexec-env=[1]": "exec-env",
	} {
		_, err := ReadBuildpack(file(t, "buildpack.toml", content))
		wantError(t, err, part)
	}
}

func TestSupports(t *testing.T) {
	amd64 := Target{OS: "linux", Arch: "amd64", Distros: []Distro{{"debian", "13"}}}
	cases := []struct {
		name string
		b    Buildpack
		on   Target
		want bool
	}{
		{"inferred linux", Buildpack{}, amd64, true},
		{"inferred linux on windows", Buildpack{}, Target{OS: "windows"}, false},
		{"any stack", Buildpack{Stacks: []StackID{{ID: "*"}}}, Target{OS: "windows"}, true},
		{"bionic only", Buildpack{API: "0.9", Stacks: []StackID{{ID: "io.buildpacks.stacks.bionic"}}}, amd64, false},
		{"bionic among others", Buildpack{API: "0.9",
			Stacks: []StackID{{ID: "io.buildpacks.stacks.bionic"}, {ID: "x"}}}, amd64, true},
		{"bionic among others, 0.10", Buildpack{API: "0.10",
			Stacks: []StackID{{ID: "io.buildpacks.stacks.bionic"}, {ID: "x"}}}, amd64, false},
		{"architecture", Buildpack{Targets: []Target{{OS: "linux", Arch: "arm64"}}}, amd64, false},
		{"one of", Buildpack{Targets: []Target{{Arch: "arm64"}, {Arch: "amd64"}}}, amd64, true},
		{"variant that the image leaves open", Buildpack{Targets: []Target{{Variant: "v8"}}}, amd64, true},
		{"variant", Buildpack{Targets: []Target{{Variant: "v8"}}}, Target{Variant: "v7"}, false},
		{"distribution", Buildpack{Targets: []Target{{Distros: []Distro{{"ubuntu", "24.04"}, {"debian", "13"}}}}}, amd64, true},
		{"other version", Buildpack{Targets: []Target{{Distros: []Distro{{"debian", "12"}}}}}, amd64, false},
		{"any version", Buildpack{Targets: []Target{{Distros: []Distro{{"debian", ""}}}}}, amd64, true},
		{"image without distribution", Buildpack{Targets: []Target{{Distros: []Distro{{"debian", ""}}}}},
			Target{OS: "linux"}, false},
		{"composite", Buildpack{Order: Order{{}}}, amd64, true},
	}
	for _, c := range cases {
		if got := c.b.Supports(c.on); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestAPIs(t *testing.T) {
	for _, bad := range []string{"", "x", "0.", ".1", "0.08", "-1", "0.+8", "0.8.1", "1e3", "99999"} {
		if a, err := ParseAPI(bad); err == nil {
			t.Errorf("ParseAPI(%q) = %v", bad, a)
		}
	}
	if a, err := ParseAPI("1"); err != nil || a != (API{1, 0}) {
		t.Errorf("got %v, %v", a, err)
	}
	for s, code := range map[string]int{"0.6": 12, "0.7": 0, "0.10": 0, "0.12": 0, "0.13": 12, "1.0": 12, "": 12} {
		if _, err := CheckBuildpackAPI("a@1", s); ExitCode(err) != code {
			t.Errorf("Buildpack API %q: %v", s, err)
		}
	}
	for s, code := range map[string]int{"": 11, "0.14": 11, "0.15": 0, "0.16": 11} {
		if _, err := CheckPlatformAPI(s); ExitCode(err) != code {
			t.Errorf("Platform API %q: %v", s, err)
		}
	}
}

func TestExecEnvs(t *testing.T) {
	cases := []struct {
		list ExecEnvs
		env  string
		want bool
	}{
		{nil, "", true}, {nil, "test", true}, {ExecEnvs{"*"}, "test", true}, {ExecEnvs{"test"}, "", false},
		{ExecEnvs{"production"}, "", true}, {ExecEnvs{"test", "development"}, "development", true},
	}
	for _, c := range cases {
		if got := c.list.Has(c.env); got != c.want {
			t.Errorf("%q.Has(%q) = %v", c.list, c.env, got)
		}
	}
}

func TestSystemWrap(t *testing.T) {
	f, err := ReadSystem(file(t, "system.toml", "[[system.pre.buildpacks]]\nid=\"p\"\nversion=\"1\"\noptional=true\n"+
		"[[system.post.buildpacks]]\nid=\"q\"\nversion=\"1\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, q := GroupElement{ID: "p", Version: "1", Optional: true}, GroupElement{ID: "q", Version: "1"}
	a, q2 := GroupElement{ID: "a"}, GroupElement{ID: "q", Version: "2"}
	got := f.Wrap(Order{{[]GroupElement{a}}, {[]GroupElement{q2, a}}})
	want := Order{{[]GroupElement{p, a, q}}, {[]GroupElement{p, q2, a}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// The labels are read by other tools, so their form is pinned.
func TestLabelForm(t *testing.T) {
	m := BuildMetadata{
		Buildpacks: []GroupElement{{ID: "a", Version: "1", API: "0.10"}},
		Labels:     []Label{{"k", "v"}}, Slices: []Slice{{[]string{"x"}}},
		Processes: []Process{{Type: "web", Command: Command{"run"}, Args: []string{}, Direct: true, BuildpackID: "a"}},
		Launcher:  LauncherInfo{Version: "1.0"}, BuildpackDefaultProcessType: "web",
	}
	wantJSON(t, m, `{"buildpacks":[{"id":"a","version":"1","api":"0.10"}],`+
		`"launcher":{"version":"1.0","source":{"git":{"repository":"","commit":""}}},`+
		`"processes":[{"type":"web","command":["run"],"args":[],"direct":true,"buildpackID":"a"}],`+
		`"buildpack-default-process-type":"web"}`)
	wantJSON(t, LayersMetadata{
		App: []LayerSHA{{"1"}}, SBOM: &LayerSHA{"2"}, RunImage: RunImageMetadata{TopLayer: "3", Reference: "r"},
		Buildpacks: []BuildpackLayers{{ID: "a", Version: "1", Layers: map[string]LayerMetadata{"l": {SHA: "4",
			LayerTypes: LayerTypes{Cache: true}}}, Store: &StoreTOML{Metadata: map[string]any{"k": "v"}}}},
		Stack: &StackMetadata{},
	}, `{"app":[{"sha":"1"}],"sbom":{"sha":"2"},"buildpacks":[{"key":"a","version":"1","layers":{"l":{"sha":"4",`+
		`"data":null,"build":false,"launch":false,"cache":true}},"store":{"metadata":{"k":"v"}}}],"config":{"sha":""},`+
		`"launcher":{"sha":""},"process-types":{"sha":""},"runImage":{"topLayer":"3","reference":"r"},"stack":{"runImage":{}}}`)
}

func wantJSON(t *testing.T, v any, want string) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func TestCommandForms(t *testing.T) {
	var p []Process
	if err := json.Unmarshal([]byte(`[{"command":"a b"},{"command":["a","b"]}]`), &p); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Process{{Command: Command{"a b"}}, {Command: Command{"a", "b"}}}, p); d != "" {
		t.Error(d)
	}
	m, err := ReadBuildMetadata(file(t, "metadata.toml", "[[processes]]\ntype=\"web\"\ncommand=\"a b\"\n"))
	if err != nil || cmp.Diff(Command{"a b"}, m.Processes[0].Command) != "" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestSBOMFile(t *testing.T) {
	for name, want := range map[string][2]string{
		"node.sbom.cdx.json": {"node", "cdx.json"}, "node.js.sbom.spdx.json": {"node.js", "spdx.json"},
		"launch.sbom.syft.json": {"launch", "syft.json"}, "a.sbom.other.json": {"a", "other.json"},
		".sbom.cdx.json": {}, "node.toml": {}, "sbom.cdx.json": {}, "a.sbom.cdx.xml": {},
	} {
		layer, ext, ok := SBOMFile(name)
		if ok != (want[0] != "") || layer != want[0] || ext != want[1] {
			t.Errorf("SBOMFile(%q) = %q, %q, %v", name, layer, ext, ok)
		}
	}
}

func TestPlanForAndWithout(t *testing.T) {
	a, x := GroupElement{ID: "a"}, GroupElement{ID: "a", Extension: true}
	p := Plan{Entries: []PlanEntry{
		{Providers: []GroupElement{a}, Requires: []Require{{Name: "n"}, {Name: "n"}}},
		{Providers: []GroupElement{x, a}, Requires: []Require{{Name: "m"}}},
		{Providers: []GroupElement{x}, Requires: []Require{{Name: "o"}}},
	}}
	if d := cmp.Diff(BuildpackPlan{[]Require{{Name: "n"}, {Name: "n"}, {Name: "m"}}}, p.For(a)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(BuildpackPlan{[]Require{{Name: "m"}, {Name: "o"}}}, p.For(x)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Plan{p.Entries[1:2]}, p.Without([]string{"n", "o"})); d != "" {
		t.Error(d)
	}
}

func TestModuleDirStaysInside(t *testing.T) {
	for v, want := range map[string]string{"1.0": "/b/a_b/1.0", "../../x": "/b/a_b/x", "": "/b/a_b"} {
		if got := ModuleDir("/b", GroupElement{ID: "a/b", Version: v}); got != want {
			t.Errorf("version %q: %s", v, got)
		}
	}
}
