package create

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
)

// TestFailedBuild holds the whole error of a build that fails for want of a host.
func TestFailedBuild(t *testing.T) {
	w := explained(t)
	w.stack.img = newWorld(t).stack.img
	w.box.fail, w.box.culprit = &sandbox.ExitError{Code: lifecycle.ExitBuildpackFailed}, "test/python"
	w.box.says = "installing\nerror: an earlier one\ns2i: x\nasking https://fonts.example.com/css\n" +
		"error: running \"npm run build\": exit status 1: it could not reach \x1b[1mpackages.example.com (its name does not " +
		"resolve), fonts.example.com (it refuses connections)\nsecond line\ns2i: running buildpack test/python: exit status 1\n"
	_, err := w.build(t, "x")
	if err == nil || lifecycle.ExitCode(err) != lifecycle.ExitBuildpackFailed {
		t.Fatalf("got %v", err)
	}
	want := strings.Join([]string{
		"building with test/python failed; the buildpack's own output above says why",
		`  running "npm run build": exit status 1: it could not reach packages.example.com (its name does not resolve), ` +
			"fonts.example.com (it refuses connections)",
		"  second line",
		"it was decided: Python 3.13 (pyproject.toml:6), uv sync; web starts gunicorn",
		"  framework: Flask 3.1 (pyproject.toml:9)",
		"  packages: uv sync: uv.lock, in sync (uv.lock:1)",
		"not reached: packages.example.com: its name does not resolve",
		"not reached: fonts.example.com: it refuses connections; app/layout.tsx:2 asks for it: fonts",
		"`s2i explain` tells all of it",
	}, "\n")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A host that only the plan knows is told as what it is: a guess.
func TestFailedBuildMentions(t *testing.T) {
	w := explained(t)
	w.box.fail = &sandbox.ExitError{Code: lifecycle.ExitBuildpackFailed}
	w.box.says = "Failed to fetch https://fonts.example.com/css\nerror: exit status 1"
	_, err := w.build(t, "x")
	const want = "the build asks fonts.example.com, and the output speaks of it; app/layout.tsx:2 asks for it: fonts"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

func TestBuildOutputIsBounded(t *testing.T) {
	o := &buildOutput{}
	for range 1000 {
		_, _ = o.Write([]byte("error: " + strings.Repeat("x", 10000)))
		_, _ = o.Write([]byte("\nmore\nmore\n"))
	}
	if len(o.reason) > maxReasonLines || cap(o.line) > 2*maxWatchedLine {
		t.Errorf("%d lines, %d bytes", len(o.reason), cap(o.line))
	}
}

// Of hosts that cannot be there the user hears before the build fails.
func TestHostsAheadOfBuild(t *testing.T) {
	w := explained(t)
	w.App.Network = sandbox.NetworkNone
	var out bytes.Buffer
	sink, err := progress.New(progress.Plain, &out)
	if err != nil {
		t.Fatal(err)
	}
	w.ctx = progress.With(t.Context(), sink)
	if _, err := w.build(t, "x"); err != nil {
		t.Fatal(err)
	}
	sink.Close()
	const want = "the build will ask for fonts.example.com; app/layout.tsx:2 asks for it: fonts, and it has no network (--network none)"
	if !strings.Contains(out.String(), want) {
		t.Errorf("%q does not say %q", out.String(), want)
	}
}

func TestProxied(t *testing.T) {
	for name, want := range map[string]bool{"HTTPS_PROXY": true, "all_proxy": true, "NO_PROXY": false} {
		got := proxied(func(asked string) string {
			if asked == name {
				return "http://proxy.example.com"
			}
			return ""
		})
		if got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
