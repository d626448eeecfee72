//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestDockerfileRebase swaps the base of images that a Dockerfile made, one with squashed layers, in the registry.
func TestDockerfileRebase(t *testing.T) {
	t.Parallel()
	build := func(text, to string, flags ...string) {
		t.Helper()
		dir := t.TempDir()
		for name, content := range map[string]string{"Dockerfile": text, "file": "content\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s2i(append([]string{"build", dir, "-t", to}, flags...)...).run(t) // nothing but the Dockerfile tells what it is
	}
	base, newer := ref("dockerfile/base:1"), ref("dockerfile/base:2")
	build("FROM scratch\nCOPY file /base\nENV LEVEL=old\n", base)
	build("FROM "+base+"\nCOPY file /added\nENV LEVEL=new\n", newer)
	for tag, flags := range map[string][]string{"1": nil, "squashed": {"--squash"}} {
		image := ref("dockerfile/app:" + tag)
		build("FROM "+base+"\nCOPY file /app\nCOPY file /second\nENV OWN=kept\n"+
			"HEALTHCHECK --start-interval=3s CMD [\"/check\"]\nSHELL [\"/sh\"]\nSTOPSIGNAL SIGINT\nONBUILD USER 1\n", image, flags...)
		s2i("rebase", image, "--run-image", newer).run(t)
		checkRebased(t, image)
	}
}

// checkRebased looks into an image of TestDockerfileRebase.
func checkRebased(t *testing.T, image string) {
	t.Helper()
	layout := filepath.Join(t.TempDir(), "image")
	command{name: "skopeo", args: []string{"copy", "-q", "--src-tls-verify=false", "docker://" + image, "oci:" + layout + ":1"}}.run(t)
	u := unpackImage(t, layout)
	for _, name := range []string{"/base", "/added", "/app", "/second"} {
		if got := u.describe(name); got != "content" {
			t.Errorf("%s: %s is %q", image, name, got)
		}
	}
	var file struct{ Config map[string]any }
	raw := command{name: "skopeo", args: []string{"inspect", "--config", "--raw", "--tls-verify=false", "docker://" + image}}.run(t)
	if err := json.Unmarshal([]byte(raw), &file); err != nil {
		t.Fatal(err)
	}
	env, _ := file.Config["Env"].([]any)
	have := map[any]bool{}
	for _, kv := range env {
		have[kv] = true
	}
	if !have["LEVEL=new"] || !have["OWN=kept"] {
		t.Errorf("%s: the environment is %v", image, env)
	}
	want := map[string]string{"Healthcheck": "map[StartInterval:3e+09 Test:[CMD /check]]", "Shell": "[/sh]", "StopSignal": "SIGINT", "OnBuild": "[USER 1]"}
	for key, text := range want {
		if got := fmt.Sprint(file.Config[key]); got != text {
			t.Errorf("%s: %s is %s, want %s", image, key, got, text)
		}
	}
}
