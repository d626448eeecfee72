package create

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
	"s2i/lifecycle/native"
)

// A process that cannot be started ends the build; one for developers is only worth a warning.
func TestVerify(t *testing.T) {
	w := newWorld(t)
	w.box.command = "/layers/test_bp/app/other"
	_, err := w.build(t, "one")
	if err == nil || !strings.Contains(err.Error(), "process web (/layers/test_bp/app/other), of test/bp, cannot be started: "+
		"/layers/test_bp/app/other is not in the image") {
		t.Errorf("got %v", err)
	}
	w.box.kind = "dev"
	w.mustBuild(t, "")
	w.box.kind, w.box.command = "", "node" // from a base that says nothing of its files
	w.mustBuild(t, "")
}

func TestShells(t *testing.T) {
	base := func() native.Listing { return native.Listing{"": {Dir: true}} }
	app := native.App{AppDir: "/workspace", Base: base, Places: []native.Place{{Path: "/workspace", Dir: t.TempDir()}}}
	var problems []*native.ProcessError
	for _, program := range []string{"sh", "/bin/bash", "/usr/bin/env", "/opt/sh", "python3", "sh"} {
		err := native.CheckProcess(app, native.Start{Path: "/usr/bin", Process: lifecycle.Process{Type: "x", Direct: true,
			Command: []string{program}}})
		problem, ok := err.(*native.ProcessError) //nolint:errorlint // it is never wrapped
		if !ok {
			t.Fatalf("%s: %v", program, err)
		}
		problems = append(problems, problem)
	}
	want := map[string][]string{"dash": {"sh"}, "bash": {"bash"}, "coreutils": {"env"}}
	if d := cmp.Diff(want, basicsFor(problems)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
