package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

// site is a place to build in, with buildpacks that are shell scripts, as third parties write them.
type site struct {
	t *testing.T
	Options
	out bytes.Buffer
}

func newSite(t *testing.T) *site {
	t.Helper()
	root := t.TempDir()
	s := &site{t: t, Options: Options{
		AppDir: filepath.Join(root, "app"), LayersDir: filepath.Join(root, "layers"),
		PlatformDir: filepath.Join(root, "platform"), BuildConfigDir: filepath.Join(root, "config"),
		BuildpacksDir: filepath.Join(root, "buildpacks"),
		Environ:       []string{"PATH=" + os.Getenv("PATH"), "HOME=/home/x", "SECRET=s"},
		Target:        lifecycle.Target{OS: "linux", Arch: "amd64"},
	}}
	s.Stdout, s.Stderr = &s.out, &s.out
	s.write("app/hello", "world")
	return s
}

// write makes a file by its path below the site's root.
func (s *site) write(path, content string) {
	s.t.Helper()
	path = filepath.Join(filepath.Dir(s.AppDir), path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// buildpack installs one and puts it into the group. Its ID is example/<name>; more goes into its [buildpack] table.
func (s *site) buildpack(name, api, more, script string) {
	s.t.Helper()
	dir := "buildpacks/example_" + name + "/1.0.0/"
	s.write(dir+"buildpack.toml", "api = \""+api+"\"\n[buildpack]\nid = \"example/"+name+"\"\nversion = \"1.0.0\"\n"+more+"\n")
	s.write(dir+"bin/build", "#!/bin/bash\nset -eu\n"+script)
	s.Group = append(s.Group, lifecycle.GroupElement{ID: "example/" + name, Version: "1.0.0", API: api})
}

func (s *site) layers(path ...string) string {
	return filepath.Join(append([]string{s.LayersDir}, path...)...)
}

func (s *site) build() *lifecycle.BuildMetadata {
	s.t.Helper()
	m, err := Group(context.Background(), s.Options)
	if err != nil {
		s.t.Fatalf("%v\noutput:\n%s", err, s.out.String())
	}
	return m
}

// fails builds and wants an error with this exit code and text.
func (s *site) fails(code int, parts ...string) {
	s.t.Helper()
	_, err := Group(context.Background(), s.Options)
	if lifecycle.ExitCode(err) != code {
		s.t.Errorf("got %v with code %d, want %d", err, lifecycle.ExitCode(err), code)
	}
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			s.t.Errorf("got %v, want %q in it", err, part)
		}
	}
}

func (s *site) content(path string) string {
	s.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func provides(id, name string, more ...lifecycle.Require) lifecycle.PlanEntry {
	return lifecycle.PlanEntry{Providers: []lifecycle.GroupElement{{ID: "example/" + id, Version: "1.0.0"}},
		Requires: append([]lifecycle.Require{{Name: name}}, more...)}
}

func TestGroup(t *testing.T) {
	s := newSite(t)
	s.write("platform/env/USER_VAR", "u")
	s.write("config/env/OPERATOR_VAR", "o")
	s.buildpack("tool", "0.10", `sbom-formats = ["application/vnd.cyclonedx+json; version=1.5"]`, `
[[ $PWD == */app && $(cat hello) == world ]]
[[ $1 == "$CNB_LAYERS_DIR" && $2 == "$CNB_PLATFORM_DIR" && $3 == "$CNB_BP_PLAN_PATH" ]]
[[ $USER_VAR == u && $OPERATOR_VAR == o && -z ${SECRET-} && $CNB_TARGET_ARCH == amd64 ]]
[[ -x $CNB_BUILDPACK_DIR/bin/build && -z ${CNB_EXEC_ENV-} ]]
grep -q 'name = "tool"' "$CNB_BP_PLAN_PATH"
mkdir -p "$1/kit/bin" "$1/kit/env" "$1/scratch"
printf '#!/bin/sh\necho from the kit\n' > "$1/kit/bin/kit"; chmod +x "$1/kit/bin/kit"
printf 'yes' > "$1/kit/env/KIT"
printf '[types]\nbuild = true\ncache = true\n[metadata]\nversion = "1"\n' > "$1/kit.toml"
printf '[metadata]\nk = "v"\n' > "$1/scratch.toml"
printf '{}' > "$1/kit.sbom.cdx.json"
printf '[metadata]\nseen = true\n' > "$1/store.toml"
echo building
`)
	s.buildpack("app", "0.9", `sbom-formats = ["application/vnd.cyclonedx+json", "application/spdx+json"]`, `
[[ $(kit) == "from the kit" && $KIT == yes ]]
[[ -z ${CNB_TARGET_OS-} ]]
grep -q 'name = "app"' "$CNB_BP_PLAN_PATH"
! grep -q 'name = "tool"' "$CNB_BP_PLAN_PATH"
echo built > result
mkdir "$1/run" && printf '[types]\nlaunch = true\n' > "$1/run.toml"
printf '{}' > "$1/run.sbom.cdx.json"; printf '{}' > "$1/launch.sbom.spdx.json"; printf '{}' > "$1/build.sbom.spdx.json"
cat > "$1/launch.toml" <<EOF
[[labels]]
key = "k"
value = "v"
[[processes]]
type = "web"
command = ["kit"]
args = ["serve"]
default = true
[[processes]]
type = "shell"
command = ["bash"]
[[slices]]
paths = ["static/*"]
EOF
`)
	s.Plan = lifecycle.Plan{Entries: []lifecycle.PlanEntry{provides("tool", "tool"), provides("app", "app")}}
	s.Extensions = []lifecycle.GroupElement{{ID: "x", Version: "1", API: "0.10", Extension: true, Optional: true}}
	s.write("layers/sbom/launch/stale", "")
	m := s.build()

	want := &lifecycle.BuildMetadata{
		Buildpacks: []lifecycle.GroupElement{{ID: "example/tool", Version: "1.0.0", API: "0.10"},
			{ID: "example/app", Version: "1.0.0", API: "0.9"}},
		Extensions: []lifecycle.GroupElement{{ID: "x", Version: "1", API: "0.10"}},
		Labels:     []lifecycle.Label{{Key: "k", Value: "v"}},
		Processes: []lifecycle.Process{
			{Type: "shell", Command: lifecycle.Command{"bash"}, Args: []string{}, Direct: true, BuildpackID: "example/app"},
			{Type: "web", Command: lifecycle.Command{"kit"}, Args: []string{"serve"}, Direct: true, BuildpackID: "example/app"}},
		Slices:                      []lifecycle.Slice{{Paths: []string{"static/*"}}},
		BuildpackDefaultProcessType: "web",
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	written, err := lifecycle.ReadBuildMetadata(s.layers("config", "metadata.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*want, written); d != "" {
		t.Errorf("metadata.toml (-want +got):\n%s", d)
	}
	if got := s.content(filepath.Join(s.AppDir, "result")); got != "built\n" {
		t.Errorf("app dir has %q", got)
	}
	if !strings.Contains(s.out.String(), "building") {
		t.Errorf("output %q", s.out.String())
	}
	wantFiles := []string{
		"build/example_app/sbom.spdx.json", "build/example_tool/kit/sbom.cdx.json", "cache/example_tool/kit/sbom.cdx.json",
		"launch/example_app/run/sbom.cdx.json", "launch/example_app/sbom.spdx.json"}
	if d := cmp.Diff(wantFiles, tree(t, s.layers("sbom"))); d != "" {
		t.Errorf("SBOM files (-want +got):\n%s", d)
	}
	if _, err := os.Stat(s.layers("example_tool", "scratch.ignore")); err != nil {
		t.Errorf("the ignored layer was not set aside: %v", err)
	}
	if _, err := os.Stat(s.layers("example_tool", "scratch")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ignored layer is still there: %v", err)
	}
}

// tree lists the files below dir.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUnmetGoesToTheNextProvider(t *testing.T) {
	s := newSite(t)
	s.buildpack("a", "0.10", "", "cp $3 $1/plan; printf '[[unmet]]\\nname = \"both\"\\n' > $1/build.toml")
	s.buildpack("b", "0.10", "", "cp $3 $1/plan")
	s.buildpack("c", "0.10", "", "cp $3 $1/plan")
	all := []lifecycle.GroupElement{{ID: "example/a"}, {ID: "example/b"}, {ID: "example/c"}}
	s.Plan = lifecycle.Plan{Entries: []lifecycle.PlanEntry{
		{Providers: all, Requires: []lifecycle.Require{{Name: "both", Metadata: map[string]any{"k": "v"}}, {Name: "both"}}},
		{Providers: all, Requires: []lifecycle.Require{{Name: "met"}}},
		{Providers: []lifecycle.GroupElement{{ID: "example/a", Extension: true}}, Requires: []lifecycle.Require{{Name: "x"}}},
	}}
	s.build()
	for id, want := range map[string]string{"a": "both both met", "b": "both both", "c": ""} {
		var p lifecycle.BuildpackPlan
		if _, err := toml.DecodeFile(s.layers("example_"+id, "plan"), &p); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range p.Entries {
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s was given %q, want %q", id, got, want)
		}
	}
}

func TestWhatBuildpacksSeeByAPI(t *testing.T) {
	for api, want := range map[string]string{
		"0.7": "CNB_BUILDPACK_DIR", "0.8": "CNB_BP_PLAN_PATH CNB_BUILDPACK_DIR CNB_LAYERS_DIR CNB_PLATFORM_DIR",
		"0.10": "CNB_BP_PLAN_PATH CNB_BUILDPACK_DIR CNB_LAYERS_DIR CNB_PLATFORM_DIR CNB_TARGET_ARCH CNB_TARGET_OS",
		"0.12": "CNB_BP_PLAN_PATH CNB_BUILDPACK_DIR CNB_EXEC_ENV CNB_LAYERS_DIR CNB_PLATFORM_DIR CNB_TARGET_ARCH CNB_TARGET_OS",
	} {
		s := newSite(t)
		s.write("platform/env/USER_VAR", "u")
		s.buildpack("a", api, "clear-env = true", "[[ -z ${USER_VAR-} ]]; env | grep -o '^CNB_[A-Z_]*' | sort | xargs")
		s.build()
		if got := strings.TrimSpace(s.out.String()); got != want {
			t.Errorf("API %s: %s", api, got)
		}
	}
}

func TestFailures(t *testing.T) {
	cases := []struct {
		name, more, script string
		code               int
		parts              []string
	}{
		{"exit status", "", "exit 7", 51, []string{"example/a@1.0.0", "exit status 7"}},
		{"signal", "", "kill -9 $$", 51, []string{"example/a@1.0.0", "signal: killed"}},
		{"layer.toml", "", "echo 'launch = true' > $1/l.toml", 52, []string{"example/a@1.0.0", "[types]"}},
		{"broken layer.toml", "", "echo '<' > $1/l.toml", 52, []string{"example/a@1.0.0", "l.toml"}},
		{"launch.toml", "", "printf '[[processes]]\\ntype=\"a b\"\\ncommand=[\"c\"]' > $1/launch.toml", 52, []string{`"a b"`}},
		{"two defaults", "", "printf '[[processes]]\\ntype=\"%s\"\\ncommand=[\"c\"]\\ndefault=true\\n' a b > $1/launch.toml",
			52, []string{"more than one"}},
		{"build.toml", "", "printf '[[unmet]]\\nname = \"other\"' > $1/build.toml", 52, []string{`"other"`, "not required"}},
		{"store.toml", "", "echo '<' > $1/store.toml", 52, []string{"store.toml"}},
		{"undeclared SBOM", "", "touch $1/launch.sbom.cdx.json", 52, []string{"sbom-formats", "cyclonedx"}},
		{"unknown SBOM", `sbom-formats = ["application/spdx+json"]`, "touch $1/launch.sbom.foo.json", 52, []string{"foo.json"}},
		{"SBOM that is a pipe", `sbom-formats = ["application/spdx+json"]`, "mkfifo $1/launch.sbom.spdx.json", 52,
			[]string{"regular file"}},
		{"pipe for a TOML file", "", "mkfifo $1/launch.toml", 52, []string{"regular file"}},
		{"layer that is a link", "", "ln -s / $1/l; printf '[types]\\nlaunch=true' > $1/l.toml", 52, []string{"symbolic link"}},
		{"environment that cannot be", "", "mkdir -p $1/l/env; touch $1/l/env/A=B; printf '[types]\\nbuild=true' > $1/l.toml",
			52, []string{"A=B"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.buildpack("a", "0.10", c.more, c.script)
			s.buildpack("never", "0.10", "", "echo NEVER")
			s.fails(c.code, c.parts...)
			if strings.Contains(s.out.String(), "NEVER") {
				t.Error("the next buildpack ran")
			}
			if _, err := os.Stat(s.layers("config/metadata.toml")); !errors.Is(err, os.ErrNotExist) {
				t.Error("metadata was written")
			}
			if f, err := lifecycle.ReadFailure(s.layers("")); err != nil || f.Buildpack != "example/a" {
				t.Errorf("the failure is told as %+v, %v", f, err)
			}
		})
	}
}

func TestNothingRunsWhenOneCannot(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(s *site)
		code  int
		part  string
	}{
		{"missing", func(s *site) { s.Group = append(s.Group, lifecycle.GroupElement{ID: "gone", Version: "1"}) }, 52, "gone@1"},
		{"API", func(s *site) { s.buildpack("old", "0.6", "", "") }, 12, "example/old@1.0.0"},
		{"other inside", func(s *site) {
			s.write("buildpacks/b/1/buildpack.toml", "api='0.10'\n[buildpack]\nid='c'\nversion='1'\n")
			s.Group = append(s.Group, lifecycle.GroupElement{ID: "b", Version: "1"})
		}, 52, "holds c@1"},
		{"same directory", func(s *site) {
			s.write("buildpacks/example_a/1.0/buildpack.toml", "api='0.10'\n[buildpack]\nid='example_a'\nversion='1.0'\n")
			s.Group = append(s.Group, lifecycle.GroupElement{ID: "example_a", Version: "1.0"})
		}, 52, "same"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.buildpack("a", "0.10", "", "echo RAN")
			c.spoil(s)
			s.fails(c.code, c.part)
			if s.out.Len() > 0 {
				t.Errorf("output %q", s.out.String())
			}
		})
	}
}

func TestNotExecutable(t *testing.T) {
	s := newSite(t)
	s.buildpack("a", "0.10", "", "")
	if err := os.Chmod(filepath.Join(s.BuildpacksDir, "example_a/1.0.0/bin/build"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.fails(51, "example/a@1.0.0", "permission denied")
}

func TestNothingLeft(t *testing.T) {
	s := newSite(t)
	s.buildpack("a", "0.10", "", "rm -rf $1")
	s.build()
}

func TestStop(t *testing.T) {
	s := newSite(t)
	pipe := filepath.Join(t.TempDir(), "started")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	s.buildpack("a", "0.10", "", "sleep 600 &\necho $! > "+pipe+"\nwait")
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the user pressed Ctrl-C")
	go func() {
		os.ReadFile(pipe)
		cancel(why)
	}()
	if _, err := Group(ctx, s.Options); !errors.Is(err, why) || lifecycle.ExitCode(err) != 52 {
		t.Errorf("got %v", err)
	}
}

func TestDaemonLeftBehind(t *testing.T) {
	s := newSite(t)
	s.buildpack("a", "0.10", "", "sleep 600 & echo $!")
	s.build() // ends although the child holds the output
	pid := strings.TrimSpace(s.out.String())
	if out, err := os.ReadFile("/proc/" + pid + "/comm"); err == nil && strings.TrimSpace(string(out)) == "sleep" {
		p := 0
		for _, c := range pid {
			p = p*10 + int(c-'0')
		}
		syscall.Kill(p, syscall.SIGKILL)
	}
}

func TestLegacyBillOfMaterials(t *testing.T) {
	s := newSite(t)
	s.buildpack("a", "0.7", "", `
printf '[[bom]]\nname = "tool"\n[bom.metadata]\nv = "1"\n' > $1/launch.toml
printf '[[bom]]\nname = "compiler"\nversion = "2"\n' > $1/build.toml`)
	s.build()
	if got := s.content(s.layers("sbom/launch/sbom.legacy.json")); got !=
		`[{"name":"tool","metadata":{"v":"1"},"buildpack":{"id":"example/a","version":"1.0.0"}}]` {
		t.Errorf("launch: %s", got)
	}
	if got := s.content(s.layers("sbom/build/sbom.legacy.json")); got !=
		`[{"name":"compiler","version":"2","metadata":null,"buildpack":{"id":"example/a","version":"1.0.0"}}]` {
		t.Errorf("build: %s", got)
	}
}

func TestLayersByName(t *testing.T) {
	s := newSite(t)
	// As file names "a-b.toml" sorts before "a.toml"; as layers "a" is before "a-b".
	s.buildpack("a", "0.10", "", `for l in a a-b; do mkdir -p $1/$l/env; printf "$l" > $1/$l/env/LAST
printf '[types]\nbuild = true\n' > $1/$l.toml; done; mkdir $1/launch; printf '[types]\nbuild = true\n' > $1/notalayer`)
	s.buildpack("b", "0.10", "", "echo $LAST")
	s.build()
	if got := strings.TrimSpace(s.out.String()); got != "a-b" {
		t.Errorf("got %q", got)
	}
}

func TestProcesses(t *testing.T) {
	p := func(name string, isDefault bool) lifecycle.Process {
		return lifecycle.Process{Type: name, Default: isDefault}
	}
	cases := []struct {
		name string
		add  [][]lifecycle.Process
		want string // types with their buildpack
		def  string
		lost string
	}{
		{"none", nil, "", "", ""},
		{"no default", [][]lifecycle.Process{{p("web", false)}}, "web:a", "", ""},
		{"default", [][]lifecycle.Process{{p("web", true), p("job", false)}}, "job:a web:a", "web", ""},
		{"last default wins", [][]lifecycle.Process{{p("web", true)}, {p("job", true)}}, "job:b web:a", "job", ""},
		{"redefined as default", [][]lifecycle.Process{{p("web", true)}, {p("web", true)}}, "web:b", "web", ""},
		{"redefined without", [][]lifecycle.Process{{p("web", true)}, {p("web", false)}}, "web:b", "", "web"},
		{"lost, then another", [][]lifecycle.Process{{p("web", true)}, {p("web", false), p("job", true)}},
			"job:b web:b", "job", ""},
		{"twice in one", [][]lifecycle.Process{{p("web", false), p("web", true)}}, "web:a", "web", ""},
	}
	for _, c := range cases {
		var ps processes
		lost := ""
		for i, list := range c.add {
			lost = ps.add(list, string(rune('a'+i)))
		}
		var got []string
		for _, process := range ps.list() {
			if process.Default {
				t.Errorf("%s: %s kept its mark", c.name, process.Type)
			}
			got = append(got, process.Type+":"+process.BuildpackID)
		}
		if strings.Join(got, " ") != c.want || ps.defaultType != c.def || lost != c.lost {
			t.Errorf("%s: got %v, default %q, lost %q", c.name, got, ps.defaultType, lost)
		}
	}
}
