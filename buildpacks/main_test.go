package buildpacks_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"s2i/buildpacks"
)

// TestMain makes the test binary the tool: installed buildpacks are links to it.
func TestMain(m *testing.M) {
	if handled, code := buildpacks.Main(os.Args); handled {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func TestDescriptors(t *testing.T) {
	for _, b := range buildpacks.All() {
		info, err := b.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Info.ID != b.ID || info.Info.Version != b.Version || info.API != "0.10" {
			t.Errorf("%s: buildpack.toml has %s@%s for API %s", b.ID, info.Info.ID, info.Info.Version, info.API)
		}
		if len(info.Targets) != 2 {
			t.Errorf("%s: %d targets, want linux on amd64 and arm64", b.ID, len(info.Targets))
		}
	}
}

// TestInstalled runs detection and build of the on-disk form, as a lifecycle does.
func TestInstalled(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // installing again changes nothing
		if err := buildpacks.Install(dir, self); err != nil {
			t.Fatal(err)
		}
	}
	app, layers := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(app, "Procfile"), []byte("web: ./server --port 8080\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(t.TempDir(), "plan.toml")
	run := func(id, phase string) (int, string) {
		b, err := buildpacks.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		root := filepath.Join(dir, b.Dir())
		cmd := exec.Command(filepath.Join(root, "bin", phase))
		cmd.Dir = app
		cmd.Env = append(os.Environ(), "CNB_BUILDPACK_DIR="+root, "CNB_PLATFORM_DIR="+t.TempDir(),
			"CNB_LAYERS_DIR="+layers, "CNB_BUILD_PLAN_PATH="+plan, "CNB_BP_PLAN_PATH="+plan)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(out))
	}
	if code, out := run("s2i/go", "detect"); code != 100 || out != "no go.mod or go.work in the app" {
		t.Errorf("s2i/go detected with code %d and said %q", code, out)
	}
	if code, out := run("s2i/procfile", "detect"); code != 0 {
		t.Errorf("s2i/procfile detected with code %d and said %q", code, out)
	}
	if code, out := run("s2i/procfile", "build"); code != 0 {
		t.Fatalf("s2i/procfile built with code %d and said %q", code, out)
	}
	var launch struct {
		Processes []struct {
			Type    string
			Command []string
			Default bool
		}
	}
	if _, err := toml.DecodeFile(filepath.Join(layers, "launch.toml"), &launch); err != nil {
		t.Fatal(err)
	}
	if len(launch.Processes) != 1 || strings.Join(launch.Processes[0].Command, " ") != "./server --port 8080" {
		t.Errorf("launch.toml has %+v", launch)
	}
}

func TestMainIgnoresOtherCalls(t *testing.T) {
	for _, args := range [][]string{nil, {"s2i"}, {"detect"}, {"/usr/bin/build"}, {"/x/s2i_go/9.9.9/bin/detect"}} {
		if handled, _ := buildpacks.Main(args); handled {
			t.Errorf("Main(%q) did something", args)
		}
	}
}
