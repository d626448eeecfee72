package kit_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/buildpacks/libcnb/v2"
	"github.com/google/go-cmp/cmp"

	"s2i/buildpacks/kit"
	"s2i/buildpacks/kit/kittest"
)

func TestAppStaysInside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	app := kittest.Open(t, map[string]string{"real": "text", "sub/x": "x"})
	links := map[string]string{"inside": "real", "absolute": secret, "up": "../../../../../../../../etc/passwd", "loop": "loop"}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(app.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(app.Dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, has := range map[string]bool{
		"real": true, "inside": true, "absolute": false, "up": false, "loop": false, "pipe": false, "sub": false,
		"../x": false, "none": false,
	} {
		if app.Has(name) != has {
			t.Errorf("Has(%s) is %t", name, !has)
		}
		if _, err := app.Read(name); (err == nil) != has {
			t.Errorf("Read(%s): %v", name, err)
		}
	}
	if !app.HasDir("sub") || app.HasDir("real") {
		t.Error("HasDir does not tell directories from files")
	}
	if _, err := app.Read("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading a missing file: %v", err)
	}
}

func TestAppReadIsBounded(t *testing.T) {
	app := kittest.Open(t, map[string]string{"big": ""})
	if err := os.Truncate(filepath.Join(app.Dir, "big"), kit.MaxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Read("big"); !errors.Is(err, kit.ErrTooLarge) {
		t.Errorf("reading a file that is too large: %v", err)
	}
}

func TestAppJSON(t *testing.T) {
	app := kittest.Open(t, map[string]string{"bad.json": "{\n  \"a\": 1,\n  \"b\" 2\n}"})
	var v any
	if err := app.JSON("bad.json", &v); err == nil || !strings.Contains(err.Error(), "bad.json:3") {
		t.Errorf("the error does not say where: %v", err)
	}
}

func TestFailSaysWhyInOneLine(t *testing.T) {
	var out bytes.Buffer
	result, err := kit.Fail(libcnb.DetectContext{Logger: kit.Log{To: &out}}, "one\ntwo %d", 3)
	if err != nil || result.Pass || out.String() != "one; two 3\n" {
		t.Errorf("Fail gave %v, %v and said %q", result, err, out.String())
	}
}

func TestNeed(t *testing.T) {
	got := []libcnb.BuildPlanRequire{
		kit.Need{Name: "go", Version: kit.Constraint{Value: "1.24", Source: "go.mod:3"}, Build: true}.Require(),
		kit.Need{Name: "base", Launch: true}.Require(),
	}
	want := []libcnb.BuildPlanRequire{
		{Name: "go", Metadata: map[string]any{"version": "1.24", "version-source": "go.mod:3", "build": true}},
		{Name: "base", Metadata: map[string]any{"launch": true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExtra(t *testing.T) {
	needs, bad := kit.Extra(kit.Env{kit.EnvBuildPackages: "libvips-dev, pkg-config", kit.EnvRunPackages: "libvips42 $(x)"})
	want := []kit.Need{
		{Name: "libvips-dev", Build: true}, {Name: "pkg-config", Build: true},
		{Name: "libvips42", Launch: true}, {Name: "$(x)", Launch: true},
	}
	if diff := cmp.Diff(want, needs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"$(x)"}, bad); diff != "" {
		t.Errorf("bad names (-want +got):\n%s", diff)
	}
}

// tool writes an executable script and gives an environment in whose PATH it is.
func tool(t *testing.T, name, script string) kit.Env {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return kit.Env{"PATH": dir + ":/usr/bin:/bin", "GREETING": "hello"}
}

func TestCommand(t *testing.T) {
	env := tool(t, "greet", `echo "$GREETING $1"; echo careful >&2; [ "$1" != "" ]`)
	var out bytes.Buffer
	c := kit.Command{Args: []string{"greet", "you"}, Dir: t.TempDir(), Env: env, Out: &out}
	if err := c.Run(t.Context()); err != nil || out.String() != "hello you\ncareful\n" {
		t.Errorf("Run: %v, said %q", err, out.String())
	}
	got, err := c.Output(t.Context())
	if err != nil || got != "hello you" {
		t.Errorf("Output gave %q, %v", got, err)
	}
}

func TestCommandHides(t *testing.T) {
	script := `printf 'one\nno'; printf 'ise here\ntwo\nnoise\n'; head -c 131072 /dev/zero | tr '\0' x; printf '\nend'`
	var out bytes.Buffer
	c := kit.Command{Args: []string{"talk"}, Dir: t.TempDir(), Env: tool(t, "talk", script), Out: &out, Hide: "noise"}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "one\ntwo\n" + strings.Repeat("x", 131072) + "\nend"; out.String() != want {
		t.Errorf("passed on %d bytes, want %d", out.Len(), len(want))
	}
}

func TestCommandError(t *testing.T) {
	env := tool(t, "greet", `echo "nobody to greet"; exit 3`)
	c := kit.Command{
		Args: []string{"greet"}, Dir: t.TempDir(), Env: env, Why: "Greetfile is there",
		Advice: []kit.Advice{{Sign: "unlikely", Say: "no"}, {Sign: "nobody", Say: "name somebody"}},
	}
	err := c.Run(t.Context())
	const want = `running "greet" (run because Greetfile is there): exit status 3: name somebody`
	var exit *exec.ExitError
	if err == nil || err.Error() != want || !errors.As(err, &exit) {
		t.Errorf("got %v\nwant %s", err, want)
	}
	c.Env = tool(t, "greet", `echo "fetch failed: https://who.example.com/: getaddrinfo ENOTFOUND who.example.com"; exit 1`)
	const unreached = `running "greet" (run because Greetfile is there): exit status 1: ` +
		`it could not reach who.example.com (its name does not resolve)`
	if err := c.Run(t.Context()); err == nil || err.Error() != unreached {
		t.Errorf("got %v\nwant %s", err, unreached)
	}
	c.Args = []string{"nowhere"}
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "not in the build image") {
		t.Errorf("a missing tool: %v", err)
	}
}

func TestCommandStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := kit.Command{Args: []string{"sleep"}, Dir: t.TempDir(), Env: tool(t, "sleep", "exec /bin/sleep 600")}
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled command: %v", err)
	}
}

func TestLayers(t *testing.T) {
	layers := libcnb.Layers{Path: t.TempDir()}
	layer, err := layers.Layer("x")
	if err != nil {
		t.Fatal(err)
	}
	if kit.Made(layer, "k") || kit.Made(layer, "") {
		t.Error("a new layer counts as made")
	}
	layer = kit.Mark(layer, libcnb.LayerTypes{Launch: true}, "k")
	if !kit.Made(layer, "k") || kit.Made(layer, "other") || kit.MadeHere(layer, "k") {
		t.Error("a marked layer without files is not told right")
	}
	if layer, err = kit.Fresh(layer, libcnb.LayerTypes{Cache: true}, "k2"); err != nil {
		t.Fatal(err)
	}
	if !kit.MadeHere(layer, "k2") || !layer.Cache || layer.Launch {
		t.Errorf("a fresh layer is %+v", layer)
	}
}
