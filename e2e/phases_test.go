//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPhases runs the phases of the specification one after the other in a directory, on this machine itself, and then
// all at once.
func TestPhases(t *testing.T) {
	t.Parallel()
	p := newPhases(t)
	image := ref("phases/app:1")
	p.run(t, 0, "analyzer", "-run-image", p.base, image)
	p.run(t, 0, "detector")
	p.run(t, 0, "restorer")
	p.run(t, 0, "builder")
	p.run(t, 0, "exporter", image)
	if out := s2i("run", image).run(t); out != "greetings from a file" {
		t.Errorf("the image prints %q", out)
	}
	for _, file := range []string{"analyzed", "group", "plan", "report"} {
		if _, err := os.Stat(filepath.Join(p.dir, "layers", file+".toml")); err != nil {
			t.Error(err)
		}
	}

	// Spec: all labels of platform §Lifecycle Interface.
	labels := inspect(t, image).Labels
	for _, label := range []string{"io.buildpacks.lifecycle.metadata", "io.buildpacks.build.metadata", "io.buildpacks.project.metadata"} {
		if !json.Valid([]byte(labels[label])) {
			t.Errorf("label %s is %q", label, labels[label])
		}
	}

	again := newPhases(t)
	again.base = p.base
	again.run(t, 0, "creator", "-run-image", p.base, ref("phases/app:2"))
	if one, two := inspect(t, image), inspect(t, ref("phases/app:2")); one.Digest != two.Digest {
		t.Errorf("phase by phase: %s, at once: %s", one.Digest, two.Digest)
	}

	rebased := ref("phases/base:2")
	s2i("stack", "build", "--set", "base", "-t", rebased, "bash", "hostname").run(t)
	p.run(t, 0, "rebaser", "-run-image", rebased, image)
	if now, then := inspect(t, image), inspect(t, ref("phases/app:2")); now.Digest == then.Digest ||
		strings.Join(now.layers(false), " ") != strings.Join(then.layers(false), " ") {
		t.Errorf("rebaser changed the app's layers, or nothing:\n%v\n%v", now.Layers, then.Layers)
	}
}

// TestPhasesFail expects the exit codes of the specification.
func TestPhasesFail(t *testing.T) {
	t.Parallel()
	p := newPhases(t)
	if err := os.Remove(filepath.Join(p.dir, "workspace", "words.txt")); err != nil {
		t.Fatal(err)
	}
	p.run(t, 20, "detector")
	write(t, p.dir, map[string]string{
		"workspace/words.txt": "a file\n", "buildpacks/test_words/1.2.3/bin/build!": "#!/bin/bash\nexit 7\n",
	})
	p.run(t, 0, "analyzer", "-run-image", p.base, ref("phases/app:3"))
	p.run(t, 0, "detector")
	p.run(t, 51, "builder")
	p.run(t, 32, "analyzer", "-run-image", ref("phases/absent:1"), ref("phases/app:3"))
	p.env = []string{"CNB_PLATFORM_API=99.0"}
	p.run(t, 11, "detector")
}

// phases are the directories that a platform prepares.
type phases struct {
	dir, base string
	env       []string
}

func newPhases(t *testing.T) *phases {
	t.Helper()
	p := &phases{dir: t.TempDir(), base: ref("phases/base:1")}
	files := map[string]string{
		"workspace/words.txt": "a file\n",
		"order.toml":          "[[order]]\n[[order.group]]\nid = \"test/words\"\nversion = \"1.2.3\"\n",
		"platform/env/NONE":   "",
		"layers/.keep":        "",
		"config/.keep":        "",
	}
	for name, text := range wordsBuildpack() {
		files["buildpacks/test_words/1.2.3/"+name] = text
	}
	write(t, p.dir, files)
	if err := os.Remove(filepath.Join(p.dir, "layers", ".keep")); err != nil {
		t.Fatal(err)
	}
	s2i("stack", "build", "--set", "base", "-t", p.base, "bash").run(t)
	return p
}

// run runs a phase and expects its exit code.
func (p *phases) run(t *testing.T, want int, phase string, args ...string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(p.dir, name) }
	flags := []string{"lifecycle", phase, "-layers", at("layers")}
	if phase == "detector" || phase == "builder" || phase == "exporter" || phase == "creator" {
		flags = append(flags, "-app", at("workspace"))
	}
	if phase == "detector" || phase == "builder" || phase == "creator" {
		flags = append(flags, "-platform", at("platform"), "-buildpacks", at("buildpacks"), "-build-config", at("config"))
	}
	if phase == "detector" || phase == "creator" {
		flags = append(flags, "-order", at("order.toml"))
	}
	if phase != "detector" && phase != "builder" {
		flags = append(flags, "-cache-dir", at("cache"))
	}
	c := command{name: shared.s2i, args: append(flags, args...), dir: "/", env: append([]string{"CNB_PLATFORM_API=0.15"}, p.env...)}
	_, errOut, err := c.try(t.Context())
	if code(err) != want {
		t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(c.args, " "), code(err), want, errOut)
	}
}
