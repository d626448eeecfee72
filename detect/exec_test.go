package detect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
)

// install writes a buildpack whose bin/detect is a shell script, and gives it as read back.
func install(t *testing.T, descriptor, script string) lifecycle.Buildpack {
	t.Helper()
	dir := t.TempDir()
	name := "buildpack.toml"
	if strings.Contains(descriptor, "[extension]") {
		name = "extension.toml"
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(descriptor), 0o644); err != nil {
		t.Fatal(err)
	}
	if script != "" {
		if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bin", "detect"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := lifecycle.ReadBuildpack(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func descriptor(api, more string) string {
	return "api = \"" + api + "\"\n[buildpack]\nid = \"example/shell\"\nversion = \"1.0.0\"\n" + more
}

func TestExec(t *testing.T) {
	cases := []struct {
		name, script string
		status       Status
		reason       string
	}{
		{"pass", "#!/bin/sh\nexit 0\n", Passed, ""},
		{"fail", "#!/bin/sh\necho looking\necho 'no Gemfile' >&2\necho\nexit 100\n", Failed, "no Gemfile"},
		{"fail in silence", "#!/bin/sh\nexit 100\n", Failed, ""},
		{"error", "#!/bin/sh\necho oops\nexit 3\n", Errored, "bin/detect ended with exit status 3: oops"},
		{"killed", "#!/bin/sh\nkill -9 $$\n", Errored, "bin/detect ended with signal: killed"},
		{"no program", "", Errored, "starting bin/detect: "},
		{"no interpreter", "#!/nonexistent/sh\n", Errored, "starting bin/detect: "},
		{"bad plan", "#!/bin/sh\necho '<' > \"$2\"\n", Errored, "line 1"},
		{"plan removed", "#!/bin/sh\nrm \"$2\"\n", Passed, ""},
		{"much output", "#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' 'x'\necho\necho end\nexit 100\n", Failed, "end"},
		{"child holds the output", "#!/bin/sh\nsleep 60 &\nexit 100\n", Failed, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out := Exec(context.Background(), install(t, descriptor("0.10", ""), c.script),
				ExecOptions{AppDir: t.TempDir(), PlatformDir: t.TempDir()})
			if out.Status != c.status || !strings.Contains(out.Reason, c.reason) || c.reason == "" && out.Reason != "" {
				t.Errorf("got %v, %q (%v)", out.Status, out.Reason, out.Err)
			}
			if (out.Err != nil) != (out.Status == Errored) {
				t.Errorf("status %v with error %v", out.Status, out.Err)
			}
			if len(out.Output) > maxOutput {
				t.Errorf("kept %d bytes", len(out.Output))
			}
			if out.Element.ID != "example/shell" {
				t.Errorf("element %+v", out.Element)
			}
		})
	}
}

func TestExecPlan(t *testing.T) {
	b := install(t, descriptor("0.10", ""), `#!/bin/sh
cat > "$CNB_BUILD_PLAN_PATH" <<EOF
[[provides]]
name = "a"
[[requires]]
name = "a"
[requires.metadata]
version = "1.2"
[[or]]
[[or.requires]]
name = "b"
EOF
`)
	out := Exec(context.Background(), b, ExecOptions{AppDir: t.TempDir(), PlatformDir: t.TempDir()})
	want := lifecycle.BuildPlan{
		PlanSections: lifecycle.PlanSections{
			Provides: []lifecycle.Provide{{Name: "a"}},
			Requires: []lifecycle.Require{{Name: "a", Metadata: map[string]any{"version": "1.2"}}},
		},
		Or: []lifecycle.PlanSections{{Requires: []lifecycle.Require{{Name: "b"}}}},
	}
	if d := cmp.Diff(want, out.Plan); d != "" {
		t.Errorf("%v (-want +got):\n%s", out.Reason, d)
	}
}

// What bin/detect sees depends on the Buildpack API.
func TestExecEnvironment(t *testing.T) {
	platform, config, app := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, name := range map[string]string{platform: "USER_SETTING", config: "OPERATOR_SETTING"} {
		if err := os.Mkdir(filepath.Join(dir, "env"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "env", name), []byte("yes"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := ExecOptions{AppDir: app, PlatformDir: platform, BuildConfigDir: config, TempDir: t.TempDir(),
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/home/x", "SECRET=s", "GOFLAGS=x"},
		Target: lifecycle.Target{OS: "linux", Arch: "arm64", Variant: "v8",
			Distros: []lifecycle.Distro{{Name: "debian", Version: "13"}}}}
	always := []string{"CNB_BUILDPACK_DIR", "HOME", "OPERATOR_SETTING", "PATH", "PWD"}
	since8 := []string{"CNB_BUILD_PLAN_PATH", "CNB_PLATFORM_DIR"}
	since10 := []string{"CNB_TARGET_ARCH", "CNB_TARGET_ARCH_VARIANT", "CNB_TARGET_DISTRO_NAME",
		"CNB_TARGET_DISTRO_VERSION", "CNB_TARGET_OS"}
	cases := []struct {
		api, more string
		want      [][]string
	}{
		{"0.7", "", [][]string{always, {"USER_SETTING"}}},
		{"0.8", "", [][]string{always, {"USER_SETTING"}, since8}},
		{"0.8", "clear-env = true\n", [][]string{always, since8}},
		{"0.10", "", [][]string{always, {"USER_SETTING"}, since8, since10}},
		{"0.12", "", [][]string{always, {"USER_SETTING"}, since8, since10, {"CNB_EXEC_ENV"}}},
	}
	for _, c := range cases {
		t.Run(c.api+c.more, func(t *testing.T) {
			b := install(t, descriptor(c.api, c.more), `#!/bin/sh
[ "$1" = "`+platform+`" ] && [ -w "$2" ] && [ "$PWD" = "`+app+`" ] || exit 9
env | cut -d= -f1 | grep -v -e '^_$' -e '^SHLVL$' -e '^OLDPWD$' | sort
exit 100
`)
			out := Exec(context.Background(), b, o)
			if out.Status != Failed {
				t.Fatalf("got %v: %v", out.Status, out.Reason)
			}
			want := map[string]bool{}
			for _, names := range c.want {
				for _, name := range names {
					want[name] = true
				}
			}
			got := map[string]bool{}
			for name := range strings.FieldsSeq(string(out.Output)) {
				got[name] = true
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExecStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	pipe := filepath.Join(dir, "started")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	b := install(t, descriptor("0.10", ""), "#!/bin/sh\nsleep 600 &\necho x > '"+pipe+"'\nwait\n")
	done := make(chan Outcome)
	go func() { done <- Exec(ctx, b, ExecOptions{AppDir: dir, PlatformDir: dir}) }()
	if _, err := os.ReadFile(pipe); err != nil { // returns once the script has started its child
		t.Fatal(err)
	}
	cancel()
	if out := <-done; out.Status != Errored {
		t.Errorf("got %v", out.Status)
	}
}

func TestExecExtensions(t *testing.T) {
	head := "api = \"0.10\"\n[extension]\nid = \"x\"\nversion = \"1\"\n"
	static := install(t, head, "")
	if err := os.Mkdir(filepath.Join(static.Dir, "detect"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(static.Dir, "detect", "plan.toml")
	if err := os.WriteFile(file, []byte("[[provides]]\nname = \"a\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := Exec(context.Background(), static, ExecOptions{AppDir: t.TempDir()})
	if out.Status != Passed || len(out.Plan.Provides) != 1 || !out.Element.Extension {
		t.Errorf("static plan: %+v", out)
	}
	if out := Exec(context.Background(), install(t, head, ""), ExecOptions{AppDir: t.TempDir()}); out.Status != Passed {
		t.Errorf("nothing at all: %+v", out)
	}
	out = Exec(context.Background(), install(t, head, "#!/bin/sh\n[ -n \"$CNB_EXTENSION_DIR\" ] && exit 100\n"),
		ExecOptions{AppDir: t.TempDir()})
	if out.Status != Failed {
		t.Errorf("program: %+v", out)
	}
}

func TestExecRefusesUnknownAPI(t *testing.T) {
	b := install(t, descriptor("0.6", ""), "#!/bin/sh\n")
	out := Exec(context.Background(), b, ExecOptions{AppDir: t.TempDir()})
	if out.Status != Errored || lifecycle.ExitCode(out.Err) != lifecycle.ExitBuildpackAPI {
		t.Errorf("got %+v", out)
	}
	if errors.Is(out.Err, os.ErrNotExist) {
		t.Error("it was started")
	}
}
