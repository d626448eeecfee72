package main

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"

	"s2i/lifecycle"

	"s2i/buildpacks"
	"s2i/lifecycle/sandbox"
)

// TestMain makes the test binary the program itself, under each of its names.
func TestMain(m *testing.M) {
	sandbox.Main()
	if handled, code := buildpacks.Main(os.Args); handled {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){"s2i": main, "detector": main, "rebaser": main, "executor": main})
}

// TestScripts runs testdata/script/*.txtar. Beside testscript's own commands there are
//
//	status CODE s2i …   run, and expect this exit code
//	image FORM PATH     make an image of random content: an OCI layout (oci) or an archive (docker-archive)
//
// and in the environment REGISTRY, a registry of the script's own, FILES, the address of a server of the script's files,
// and APPS, the sample apps.
func TestScripts(t *testing.T) {
	apps, err := filepath.Abs("../../testdata/apps")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
			env.Defer(server.Close)
			env.Setenv("REGISTRY", strings.TrimPrefix(server.URL, "http://"))
			files := httptest.NewServer(http.FileServer(http.Dir(env.WorkDir)))
			env.Defer(files.Close)
			env.Setenv("FILES", files.URL)
			env.Setenv("APPS", apps)
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("S2I_HOME", filepath.Join(env.WorkDir, "store"))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every call of the program takes a second more
			env.Setenv("S2I_ISOLATION", "direct")     // nothing is built here, so no runtime is needed
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "image": makeImage, "explained": explainedImage},
	})
}

// status runs a command and expects an exit code.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err, got := ts.Exec(args[1], args[2:]...), 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// explainedImage writes an image whose label says how it was built.
func explainedImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: explained oci:PATH PLAN")
	}
	img, err := random.Image(4000, 1)
	ts.Check(err)
	file, err := img.ConfigFile()
	ts.Check(err)
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", hostTarget().Arch
	file.Config.Labels = map[string]string{lifecycle.LabelPlan: args[1]}
	img, err = mutate.ConfigFile(img, file)
	ts.Check(err)
	dir, err := layout.Write(ts.MkAbs(strings.TrimPrefix(args[0], "oci:")), empty.Index)
	ts.Check(err)
	ts.Check(dir.AppendImage(img))
}

// makeImage writes an image of two layers that starts /bin/app.
func makeImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: image oci|docker-archive PATH")
	}
	img, err := random.Image(4000, 2)
	ts.Check(err)
	file, err := img.ConfigFile()
	ts.Check(err)
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", hostTarget().Arch
	file.Config = v1.Config{Entrypoint: []string{"/bin/app"}, User: "1000:1000", Labels: map[string]string{"example": "yes"}}
	img, err = mutate.ConfigFile(img, file)
	ts.Check(err)
	path := ts.MkAbs(args[1])
	switch args[0] {
	case "oci":
		dir, err := layout.Write(path, empty.Index)
		ts.Check(err)
		ts.Check(dir.AppendImage(img))
	case "docker-archive":
		ts.Check(tarball.WriteToFile(path, name.MustParseReference("example.com/sample:1"), img))
	default:
		ts.Fatalf("there is no form %s", args[0])
	}
}
